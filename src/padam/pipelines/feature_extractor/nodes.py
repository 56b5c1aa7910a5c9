"""Stage 1: learn audio embeddings from synchronised sound and picture, then embed every clip."""

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from padam.audio.media_folder import MediaFolder
from padam.audio.resampling import resample
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ClipShards, read_metadata
from padam.datasets.torch_model import weights_of
from padam.defects.shards import read_shard
from padam.models.audio_encoder import AudioEncoder
from padam.models.native_evidence import EVIDENCE_VERSION, native_evidence
from padam.training.audio_visual import AudioVisualConfig
from padam.training.embedding import SAMPLE_RATE, Precision, choose_runtime, embed_audio
from padam.training.figures import plot_history, plot_retrievals
from padam.training.launch import LaunchConfig, launch_audio_visual

SIDES = ("reference", "degraded")


def train_feature_extractor(
    media: MediaFolder,
    index: pd.DataFrame,
    checkpoints: Path,
    config: AudioVisualConfig,
    launch: LaunchConfig,
) -> tuple[AudioEncoder, pd.DataFrame, dict[str, Any], Figure, pd.DataFrame, Figure]:
    """Train the audio encoder on the films among the sources, or on all sound if so configured."""
    films = index[index["has_video"].astype(bool)] if config.pictures else index
    paths = {
        split: [media.path(source) for source in films.loc[films["split"] == split, "source"]]
        for split in ("train", "validation")
    }
    if not paths["train"]:
        raise ValueError(
            f"Stage 1 learns from sound and picture together, and no film in '{media.root}' is in "
            "the split 'train': add films, or set the objective to audio_only."
            if config.pictures
            else f"No source in '{media.root}' is in the split 'train': add sources."
        )
    trained = launch_audio_visual(paths["train"], paths["validation"], config, checkpoints, launch)
    clips = trained.summary.get("validation_clips", 0)
    return (
        trained.encoder,
        trained.history,
        trained.summary,
        plot_history(trained.history, f"Stage 1: InfoNCE, {config.objective}"),
        trained.films,
        plot_retrievals(trained.retrievals, clips),
    )


def embed_clips(encoder: AudioEncoder, clips: ClipShards, compute: Compute) -> ShardJobs:
    """Return the work of embedding both sides of every clip pair."""
    runtime = choose_runtime(encoder)
    jobs = {
        name: partial(embed_shard, encoder, path, runtime.precision, device)
        for (name, path), device in zip(clips.by_name.items(), cycle(runtime.devices), strict=False)
    }
    return ShardJobs(
        fingerprint=fingerprint(
            encoder.config, runtime.precision, *weights_of(encoder), clips.fingerprint()
        ),
        jobs=jobs,
        compute=compute.on_gpus(runtime.gpus),
        label="embeddings",
    )


def embed_shard(
    encoder: AudioEncoder, path: Location, precision: Precision, device: torch.device
) -> Arrays:
    """Return `<clip>.reference` and `<clip>.degraded`, each (channels, T, 384) float16."""
    arrays: Arrays = {}
    for clip in read_shard(path):
        for side in SIDES:
            audio = resample(getattr(clip, side), clip.sample_rate, SAMPLE_RATE)
            arrays[f"{clip.clip_id}.{side}"] = embed_audio(encoder, audio, precision, device)
    return arrays


def measure_native_evidence(clips: ClipShards, wanted: bool, compute: Compute) -> ShardJobs:
    """Return the work of measuring both sides of every clip pair at their own rate.

    Where it is not wanted, the same arrays hold no values, and no audio is decoded.
    """
    measure = measure_shard if wanted else unmeasured_shard
    return ShardJobs(
        fingerprint=fingerprint(EVIDENCE_VERSION if wanted else None, clips.fingerprint()),
        jobs={name: partial(measure, path) for name, path in clips.by_name.items()},
        compute=compute,
        label="native-rate evidence",
    )


def measure_shard(path: Location) -> Arrays:
    """Return `<clip>.reference` and `<clip>.degraded`, each (channels, K) float32."""
    return {
        f"{clip.clip_id}.{side}": native_evidence(getattr(clip, side), clip.sample_rate)
        for clip in read_shard(path)
        for side in SIDES
    }


def unmeasured_shard(path: Location) -> Arrays:
    """Return the same with K = 0."""
    return {
        f"{clip['clip_id']}.{side}": np.zeros((clip["channels"], 0), dtype=np.float32)
        for clip in read_metadata(path)
        for side in SIDES
    }
