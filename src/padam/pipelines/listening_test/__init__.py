"""The `listening_test` pipeline."""

from padam.pipelines.listening_test.pipeline import create_pipeline

__all__ = ["create_pipeline"]
