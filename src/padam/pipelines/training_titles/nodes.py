"""Titles to train on: partial defects among pauses, fades and look-alikes, segment by segment."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from padam.audio.media_folder import MediaFolder
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays
from padam.datasets.titles import TitleFolder
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import TrainingTitlesConfig
from padam.detection.title_segments import SegmentRules, label_segments, segment_arrays
from padam.models.audio_encoder import AudioEncoder
from padam.pipelines.benchmark_titles import nodes as benchmark
from padam.pipelines.evaluation.scoring import digest_files, embed_title_file, network_of
from padam.training.embedding import Precision, choose_runtime


def find_look_alikes(
    media: MediaFolder, index: pd.DataFrame, config: TrainingTitlesConfig
) -> pd.DataFrame:
    """Return the recordings that resemble defects, and the reason where one may not be used."""
    return benchmark.find_look_alikes(media, index, config)


def build_titles(
    media: MediaFolder,
    index: pd.DataFrame,
    look_alikes: pd.DataFrame,
    config: TrainingTitlesConfig,
    workflow: WorkflowConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of rendering training and validation titles from sources of their splits."""
    return benchmark.build_titles(media, index, look_alikes, config, workflow, compute)


def summarise(
    titles: TitleFolder, look_alikes: pd.DataFrame, config: TrainingTitlesConfig
) -> tuple[dict[str, Any], Figure]:
    """Return counts, hours and the share of defective segments, and a figure of a few titles."""
    return benchmark.summarise(titles, look_alikes, config)


def embed_segments(
    encoder: AudioEncoder, titles: TitleFolder, with_evidence: bool, compute: Compute
) -> ShardJobs:
    """Return the work of embedding the titles' segments, and measuring their evidence."""
    runtime = choose_runtime(encoder)
    network = network_of(encoder, runtime.precision, with_evidence)
    files = dict(zip(titles.titles["title"].astype(str), titles.titles["file"], strict=True))
    places = {title: titles.path(file) for title, file in files.items()}
    keys = {
        title: fingerprint(network, title, digest) for title, digest in digest_files(places).items()
    }
    jobs: dict[str, Callable[[], Arrays]] = {
        title: partial(embed_one, encoder, title, place, with_evidence, runtime.precision, device)
        for (title, place), device in zip(places.items(), cycle(runtime.devices), strict=False)
    }
    return ShardJobs(
        fingerprint(network, keys),
        jobs,
        compute.on_gpus(runtime.gpus),
        label="training titles embedded",
        keys=keys,
    )


def embed_one(
    encoder: AudioEncoder,
    title: str,
    path: Location,
    with_evidence: bool,
    precision: Precision,
    device: torch.device,
) -> Arrays:
    """Return the embeddings and the evidence of one title's segments, by names of their own."""
    return segment_arrays(title, embed_title_file(encoder, path, with_evidence, precision, device))


def label(
    titles: TitleFolder, arrays: Mapping[str, np.ndarray[Any, Any]], rules: SegmentRules
) -> pd.DataFrame:
    """Return a row per segment: its title, times and defects."""
    return label_segments(titles.titles, titles.labels, arrays, rules)
