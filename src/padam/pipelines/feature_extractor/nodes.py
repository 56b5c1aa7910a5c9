"""Stage 1: learn audio embeddings from synchronised sound and picture, then embed every clip."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.resampling import resample
from padam.audio.storage import Location
from padam.datasets.media_folder import MediaFolder
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ClipShards
from padam.defects.shards import read_shard
from padam.models.audio_encoder import AudioEncoder
from padam.training.audio_visual import AudioVisualConfig, train_audio_visual
from padam.training.embedding import SAMPLE_RATE, embed_audio
from padam.training.figures import plot_history


def train_feature_extractor(
    media: MediaFolder, index: pd.DataFrame, checkpoints: Path, config: AudioVisualConfig
) -> tuple[AudioEncoder, pd.DataFrame, dict[str, Any], Figure]:
    """Train the audio encoder on the films among the sources; the video encoder is dropped."""
    films = index[index["has_video"].astype(bool)]
    paths = {
        split: [media.path(source) for source in films.loc[films["split"] == split, "source"]]
        for split in ("train", "validation")
    }
    if not paths["train"]:
        raise ValueError(
            f"Stage 1 learns from sound and picture together, and no film in '{media.root}' is in "
            "the split 'train': add films."
        )
    encoder, history, summary = train_audio_visual(
        paths["train"], paths["validation"], config, checkpoints
    )
    return encoder, history, summary, plot_history(history, "Stage 1: audio-visual InfoNCE")


def embed_clips(encoder: AudioEncoder, clips: ClipShards, compute: Compute) -> ShardJobs:
    """Return the work of embedding both sides of every clip pair."""
    weights = [tensor.numpy().tobytes() for tensor in encoder.state_dict().values()]
    return ShardJobs(
        fingerprint=fingerprint(encoder.config, *weights, clips.fingerprint()),
        jobs={n: partial(embed_shard, encoder, path) for n, path in clips.by_name.items()},
        compute=compute,
        label="embeddings",
    )


def embed_shard(encoder: AudioEncoder, path: Location) -> Arrays:
    """Return `<clip>.reference` and `<clip>.degraded`, each (channels, T, 384) float16."""
    arrays: Arrays = {}
    for clip in read_shard(path):
        for side in ("reference", "degraded"):
            audio = resample(getattr(clip, side), clip.sample_rate, SAMPLE_RATE)
            arrays[f"{clip.clip_id}.{side}"] = embed_audio(encoder, audio)
    return arrays
