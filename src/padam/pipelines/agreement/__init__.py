"""The `agreement` pipeline."""

from padam.pipelines.agreement.pipeline import create_pipeline

__all__ = ["create_pipeline"]
