"""The `benchmark_titles` pipeline."""

from padam.pipelines.benchmark_titles.pipeline import create_pipeline

__all__ = ["create_pipeline"]
