"""Scoring of titles: every system on every title, each pair once for as long as neither changes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from itertools import cycle
from typing import Any

import pandas as pd
import torch

from padam import __version__
from padam.audio.media import probe, stream_audio
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint, fingerprint_files
from padam.datasets.shards import Arrays, ArrayShards, read_arrays
from padam.datasets.titles import TitleFolder
from padam.datasets.torch_model import weights_of
from padam.defects.registry import DEFECT_NAMES
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import Scorer, worst_channel
from padam.detection.scorers.padam import PadamAblations
from padam.detection.systems import PADAM, ScoringConfig, ablations, baselines
from padam.detection.title_embeddings import TitleEmbeddings, embed_title
from padam.models.audio_encoder import AudioEncoder
from padam.models.cnn6 import Cnn6
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.native_evidence import EVIDENCE_VERSION
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.quality_head import QualityHead
from padam.training.embedding import SAMPLE_RATE, Precision, choose_runtime

BLOCK_S = 60.0
FILES_AT_ONCE = 8
VERSIONED_PACKAGES = ("padam", "torch", "scikit-learn", "numpy")


def candidate_model(
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier | NystroemClassifier,
    probes: dict[str, LinearProbe],
    with_evidence: bool,
) -> PadamModel:
    """Put the three stages together, with the decision of the classifier's validation clips."""
    return PadamModel(
        encoder=encoder,
        quality_head=head,
        classifier=classifier,
        probes=probes,
        threshold=classifier.threshold,
        label_names=DEFECT_NAMES,
        versions={package: version(package) for package in VERSIONED_PACKAGES},
        native_evidence=EVIDENCE_VERSION if with_evidence else None,
    )


def embed_titles(
    encoder: AudioEncoder,
    titles: TitleFolder,
    with_evidence: bool,
    config: ScoringConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of embedding every title, a title at a time; none where PADAM is left out.

    Native-rate evidence is measured along with it where it is wanted.
    """
    runtime = choose_runtime(encoder)
    network = network_of(encoder, runtime.precision, with_evidence)
    files = dict(zip(titles.titles["title"].astype(str), titles.titles["file"], strict=True))
    if PADAM not in config.systems:
        files = {}
    digests = digest_files({title: titles.path(file) for title, file in files.items()})
    keys = {title: fingerprint(network, digest) for title, digest in digests.items()}
    jobs = {
        title: partial(
            embedded_arrays, encoder, titles.path(file), with_evidence, runtime.precision, device
        )
        for (title, file), device in zip(files.items(), cycle(runtime.devices), strict=False)
    }
    return ShardJobs(
        fingerprint(network, keys),
        jobs,
        compute.on_gpus(runtime.gpus),
        label="titles embedded",
        keys=keys,
    )


def network_of(encoder: AudioEncoder, precision: Precision, with_evidence: bool) -> str:
    """Return a hash of all that the embeddings of a file depend on beside the file."""
    return fingerprint(
        __version__,
        encoder.config,
        precision,
        EVIDENCE_VERSION if with_evidence else None,
        *weights_of(encoder),
    )


def embedded_arrays(
    encoder: AudioEncoder,
    path: Location,
    with_evidence: bool,
    precision: Precision,
    device: torch.device,
) -> Arrays:
    """Return times, embeddings and native-rate evidence of a title's segments, by name."""
    return embed_title_file(encoder, path, with_evidence, precision, device).arrays()


def embed_title_file(
    encoder: AudioEncoder,
    path: Location,
    with_evidence: bool,
    precision: Precision,
    device: torch.device,
) -> TitleEmbeddings:
    """Embed a title's segments, and measure their native-rate evidence where it is wanted."""
    rate = probe(path).sample_rate if with_evidence else SAMPLE_RATE
    blocks = stream_audio(path, BLOCK_S, sample_rate=rate)
    return embed_title(encoder, blocks, rate, precision, device, with_evidence=with_evidence)


def score_titles(
    titles: TitleFolder,
    embeddings: ArrayShards,
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier | NystroemClassifier,
    probes: dict[str, LinearProbe],
    audio_artifacts: Cnn6 | None,
    with_evidence: bool,
    config: ScoringConfig,
    compute: Compute,
) -> tuple[ShardJobs, dict[str, Any]]:
    """Return the work of scoring every title with every system, and which systems there are.

    A shard is one title scored by one system, and its key a hash of both: what was scored before is
    not scored again, whatever else has changed. Raises ValueError where no system can score.
    """
    systems, absent = baselines(config, audio_artifacts)
    status: dict[str, Any] = {name: {"note": note} for name, note in absent.items()}
    status |= {each.name: {"version": each.version, "note": ""} for each in systems}
    rows = titles.titles[["title", "split", "file"]].astype(str).to_dict(orient="records")
    paths = {row["title"]: titles.path(row["file"]) for row in rows}
    digests = digest_files(paths) if systems else {}
    jobs: dict[str, Callable[[], pd.DataFrame]] = {}
    keys: dict[str, str] = {}
    if PADAM in config.systems:
        model = candidate_model(encoder, head, classifier, probes, with_evidence)
        decision = fingerprint(
            __version__,
            [classifier.parameters, classifier.sigma],
            {name: [probe.parameters, probe.sigma] for name, probe in probes.items()},
            *weights_of(head),
        )
        status |= {name: {"version": decision, "note": ""} for name in (*ablations(model), PADAM)}
        embedded = digest_files({title: embeddings.by_name[title] for title in paths})
        for row in rows:
            name = f"{PADAM}.{row['title']}"
            place = embeddings.by_name[row["title"]]
            jobs[name] = partial(score_embeddings, place, row["title"], row["split"], model)
            of_title = embedded[row["title"]]
            keys[name] = f"{PADAM}-{fingerprint(decision, row['title'], row['split'], of_title)}"
    for system in systems:
        for row in rows:
            title, split = row["title"], row["split"]
            name = f"{system.name}.{title}"
            jobs[name] = partial(score_title, system.scorer, paths[title], title, split)
            of_both = fingerprint(system.identity, title, split, digests[title])
            keys[name] = f"{system.name}-{of_both}"
    if not jobs:
        reasons = "; ".join(f"{name}: {note}" for name, note in absent.items())
        raise ValueError(f"no system of evaluation.scoring.systems can score titles ({reasons})")
    return ShardJobs(fingerprint(keys), jobs, compute, label="titles scored", keys=keys), status


def score_embeddings(embedded: Location, title: str, split: str, model: PadamModel) -> pd.DataFrame:
    """Score one title with PADAM and its ablations; the worst channel counts."""
    scores = PadamAblations(model).score_embeddings(TitleEmbeddings(**read_arrays(embedded)))
    return worst_channel(scores).assign(split=split, title=title)


def score_title(load: Callable[[], Scorer], path: Location, title: str, split: str) -> pd.DataFrame:
    """Score one title with one system; the worst channel counts."""
    scorer = load()
    scores = scorer.score(stream_audio(path, BLOCK_S, sample_rate=scorer.sample_rate))
    return worst_channel(scores).assign(scorer=scorer.name, split=split, title=title)


def digest_files(paths: dict[str, Location]) -> dict[str, str]:
    """Return a hash of each file's content by its name, several files at once."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as threads:
        digests = threads.map(lambda path: fingerprint_files([path]), paths.values())
        return dict(zip(paths, digests, strict=True))
