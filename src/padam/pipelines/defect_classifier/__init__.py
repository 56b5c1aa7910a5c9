"""The `defect_classifier` pipeline."""

from padam.pipelines.defect_classifier.pipeline import create_pipeline

__all__ = ["create_pipeline"]
