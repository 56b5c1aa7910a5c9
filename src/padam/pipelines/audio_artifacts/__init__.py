"""The `audio_artifacts` pipeline."""

from padam.pipelines.audio_artifacts.pipeline import create_pipeline

__all__ = ["create_pipeline"]
