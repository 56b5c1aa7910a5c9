"""The `learning_curve` pipeline."""

from padam.pipelines.learning_curve.pipeline import create_pipeline

__all__ = ["create_pipeline"]
