"""Stage 1: learn audio embeddings from synchronised sound and picture, then embed every clip."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from padam.audio import Audio
from padam.audio.media_folder import MediaFolder
from padam.audio.resampling import resample
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ClipShards, read_metadata
from padam.datasets.torch_model import weights_of
from padam.defects.shards import ClipPair, read_shard
from padam.defects.workflow import ClipParams, deliver
from padam.models.audio_encoder import AudioEncoder
from padam.models.native_evidence import EVIDENCE_VERSION, native_evidence
from padam.training.audio_visual import AudioVisualConfig
from padam.training.embedding import SAMPLE_RATE, Precision, choose_runtime, embed_audio
from padam.training.figures import plot_history, plot_retrievals
from padam.training.launch import LaunchConfig, launch_audio_visual

SIDES = ("reference", "degraded")
CleanMember = Literal["reference", "delivered"]
"""What stands for a clean clip: the reference, or what its codecs make of it (`deliver`)."""


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


def embed_clips(
    encoder: AudioEncoder, clips: ClipShards, clean_member: CleanMember, compute: Compute
) -> ShardJobs:
    """Return the work of embedding both sides of every clip pair."""
    runtime = choose_runtime(encoder)
    jobs = {
        name: partial(embed_shard, encoder, path, clean_member, runtime.precision, device)
        for (name, path), device in zip(clips.by_name.items(), cycle(runtime.devices), strict=False)
    }
    return ShardJobs(
        fingerprint=fingerprint(
            encoder.config,
            runtime.precision,
            clean_member,
            *weights_of(encoder),
            clips.fingerprint(),
        ),
        jobs=jobs,
        compute=compute.on_gpus(runtime.gpus),
        label="embeddings",
    )


def embed_shard(
    encoder: AudioEncoder,
    path: Location,
    clean_member: CleanMember,
    precision: Precision,
    device: torch.device,
) -> Arrays:
    """Return `<clip>.reference` and `<clip>.degraded`, each (channels, T, 384) float16."""
    arrays: Arrays = {}
    for clip in read_shard(path):
        for side, native in sides(clip, clean_member):
            audio = resample(native, clip.sample_rate, SAMPLE_RATE)
            arrays[f"{clip.clip_id}.{side}"] = embed_audio(encoder, audio, precision, device)
    return arrays


def sides(clip: ClipPair, clean_member: CleanMember) -> Iterator[tuple[str, Audio]]:
    """Yield the name and the audio of the clean and of the degraded member of a pair."""
    clean = clip.reference
    if clean_member == "delivered":
        params = ClipParams.model_validate(clip.metadata["params"])
        clean = deliver(clean, clip.sample_rate, params)
    yield from zip(SIDES, (clean, clip.degraded), strict=True)


def measure_native_evidence(
    clips: ClipShards, wanted: bool, clean_member: CleanMember, compute: Compute
) -> ShardJobs:
    """Return the work of measuring both sides of every clip pair at their own rate.

    Where it is not wanted, the same arrays hold no values, and no audio is decoded.
    """
    measure = partial(measure_shard, clean_member) if wanted else unmeasured_shard
    work = [EVIDENCE_VERSION, clean_member] if wanted else []
    return ShardJobs(
        fingerprint=fingerprint(work, clips.fingerprint()),
        jobs={name: partial(measure, path) for name, path in clips.by_name.items()},
        compute=compute,
        label="native-rate evidence",
    )


def measure_shard(clean_member: CleanMember, path: Location) -> Arrays:
    """Return `<clip>.reference` and `<clip>.degraded`, each (channels, K) float32."""
    return {
        f"{clip.clip_id}.{side}": native_evidence(audio, clip.sample_rate)
        for clip in read_shard(path)
        for side, audio in sides(clip, clean_member)
    }


def unmeasured_shard(path: Location) -> Arrays:
    """Return the same with K = 0."""
    return {
        f"{clip['clip_id']}.{side}": np.zeros((clip["channels"], 0), dtype=np.float32)
        for clip in read_metadata(path)
        for side in SIDES
    }
