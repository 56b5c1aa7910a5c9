"""The `metric_fusion` pipeline."""

from padam.pipelines.metric_fusion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
