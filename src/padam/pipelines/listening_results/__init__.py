"""The `listening_results` pipeline."""

from padam.pipelines.listening_results.pipeline import create_pipeline

__all__ = ["create_pipeline"]
