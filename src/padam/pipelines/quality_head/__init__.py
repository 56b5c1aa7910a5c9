"""The `quality_head` pipeline."""

from padam.pipelines.quality_head.pipeline import create_pipeline

__all__ = ["create_pipeline"]
