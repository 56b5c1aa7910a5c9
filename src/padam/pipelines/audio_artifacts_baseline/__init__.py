"""The `audio_artifacts_baseline` pipeline."""

from padam.pipelines.audio_artifacts_baseline.pipeline import create_pipeline

__all__ = ["create_pipeline"]
