"""The `quality_regressor` pipeline."""

from padam.pipelines.quality_regressor.pipeline import create_pipeline

__all__ = ["create_pipeline"]
