"""The `training_titles` pipeline."""

from padam.pipelines.training_titles.pipeline import create_pipeline

__all__ = ["create_pipeline"]
