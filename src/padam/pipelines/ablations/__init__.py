"""The `ablations` pipeline."""

from padam.pipelines.ablations.pipeline import create_pipeline

__all__ = ["create_pipeline"]
