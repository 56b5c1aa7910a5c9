"""The `feature_extractor` pipeline."""

from padam.pipelines.feature_extractor.pipeline import create_pipeline

__all__ = ["create_pipeline"]
