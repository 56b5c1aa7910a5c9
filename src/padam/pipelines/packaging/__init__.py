"""The `packaging` pipeline."""

from padam.pipelines.packaging.pipeline import create_pipeline

__all__ = ["create_pipeline"]
