"""The `detection` pipeline."""

from padam.pipelines.detection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
