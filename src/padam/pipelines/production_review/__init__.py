"""The `production_review` pipeline."""

from padam.pipelines.production_review.pipeline import create_pipeline

__all__ = ["create_pipeline"]
