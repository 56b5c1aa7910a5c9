"""The `synthesis` pipeline."""

from padam.pipelines.synthesis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
