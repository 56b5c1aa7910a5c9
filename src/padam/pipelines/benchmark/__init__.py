"""The `benchmark` pipeline."""

from padam.pipelines.benchmark.pipeline import create_pipeline

__all__ = ["create_pipeline"]
