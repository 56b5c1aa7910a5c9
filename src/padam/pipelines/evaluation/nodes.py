"""Offline evaluation on titles whose sources no stage has seen, and the packaged model."""

from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import cycle
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from padam.audio.media import probe, stream_audio
from padam.audio.media_folder import MediaFolder
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ArrayShards, read_arrays
from padam.datasets.titles import TitleFolder
from padam.datasets.torch_model import weights_of
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.evaluation_figures import precision_recall_figure, title_timelines_figure
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import worst_channel
from padam.detection.scorers.dnsmos import DnsmosScorer
from padam.detection.scorers.padam import PadamAblations
from padam.detection.title_embeddings import TitleEmbeddings, embed_title
from padam.detection.title_evaluation import Evaluation, EvaluationConfig, evaluate_scorers
from padam.detection.titles import Title, TitlePlan, TitlesConfig, plan_titles, render_title
from padam.models.audio_encoder import AudioEncoder
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.native_evidence import EVIDENCE_VERSION
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.quality_head import QualityHead
from padam.training.embedding import SAMPLE_RATE, Precision, choose_runtime

BLOCK_S = 60.0
DRAWS = 10
VERSIONED_PACKAGES = ("padam", "torch", "scikit-learn", "numpy")


def build_titles(
    media: MediaFolder,
    index: pd.DataFrame,
    config: TitlesConfig,
    workflow: WorkflowConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of assembling validation and test titles from sources of their own splits."""
    plans = [
        plan
        for split in ("validation", "test")
        for plan in plan_titles(index[index["split"] == split], config)
    ]
    return ShardJobs(
        fingerprint(
            [plan.model_dump(mode="json") for plan in plans], config, workflow, media.signature()
        ),
        {plan.title_id: partial(build_title, media.root, plan, config, workflow) for plan in plans},
        compute,
        label="titles assembled",
    )


def build_title(
    root: Location, plan: TitlePlan, config: TitlesConfig, workflow: WorkflowConfig
) -> Title:
    """Render one title; where its excerpts allow no audible defect, other places are drawn."""
    for attempt in range(DRAWS):
        drawn = plan.model_copy(update={"seed": (*plan.seed, attempt) if attempt else plan.seed})
        try:
            return render_title(root, drawn, config, workflow)[0]
        except UnusableSourceError as error:
            reason = str(error)
    raise ValueError(f"Title {plan.title_id} cannot be made in {DRAWS} draws: {reason}")


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
    encoder: AudioEncoder, titles: TitleFolder, with_evidence: bool, compute: Compute
) -> ShardJobs:
    """Return the work of embedding every title, a title at a time, and of measuring its evidence.

    The latter where native-rate evidence is wanted.
    """
    runtime = choose_runtime(encoder)
    files = zip(titles.titles["title"], titles.titles["file"], strict=True)
    jobs = {
        title: partial(
            embed_title_file, encoder, titles.path(file), with_evidence, runtime.precision, device
        )
        for (title, file), device in zip(files, cycle(runtime.devices), strict=False)
    }
    return ShardJobs(
        fingerprint(
            encoder.config,
            runtime.precision,
            EVIDENCE_VERSION if with_evidence else None,
            titles.fingerprint(),
            *weights_of(encoder),
        ),
        jobs,
        compute.on_gpus(runtime.gpus),
        label="titles embedded",
    )


def embed_title_file(
    encoder: AudioEncoder,
    path: Location,
    with_evidence: bool,
    precision: Precision,
    device: torch.device,
) -> Arrays:
    """Return times, embeddings and native-rate evidence of a title's segments, by name."""
    rate = probe(path).sample_rate if with_evidence else SAMPLE_RATE
    blocks = stream_audio(path, BLOCK_S, sample_rate=rate)
    embedded = embed_title(encoder, blocks, rate, precision, device, with_evidence=with_evidence)
    return embedded.arrays()


def score_titles(
    titles: TitleFolder,
    embeddings: ArrayShards,
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier | NystroemClassifier,
    probes: dict[str, LinearProbe],
    with_evidence: bool,
    compute: Compute,
) -> ShardJobs:
    """Return the work of scoring every title with every system, a title at a time."""
    model = candidate_model(encoder, head, classifier, probes, with_evidence)
    decision = {
        "classifier": [classifier.parameters, classifier.sigma],
        "probes": {name: [probe.parameters, probe.sigma] for name, probe in probes.items()},
    }
    jobs = {
        title: partial(
            score_title, titles.path(file), embeddings.by_name[title], title, split, model
        )
        for title, split, file in zip(
            *(titles.titles[column] for column in ("title", "split", "file")), strict=True
        )
    }
    work = fingerprint(decision, titles.fingerprint(), embeddings.fingerprint(), *weights_of(head))
    return ShardJobs(work, jobs, compute, label="titles scored")


def score_title(
    path: Location, embedded: Location, title: str, split: str, model: PadamModel
) -> pd.DataFrame:
    """Score one title with PADAM, its ablations and DNSMOS; the worst channel counts."""
    dnsmos = DnsmosScorer()
    by_system = PadamAblations(model).score_embeddings(TitleEmbeddings(**read_arrays(embedded)))
    blocks = stream_audio(path, BLOCK_S, sample_rate=dnsmos.sample_rate)
    systems = [*by_system.groupby("scorer"), (dnsmos.name, dnsmos.score(blocks))]
    tables = [
        worst_channel(scores).assign(scorer=name, split=split, title=title)
        for name, scores in systems
    ]
    return pd.concat(tables, ignore_index=True)


def evaluate(
    scores: pd.DataFrame, titles: TitleFolder, config: EvaluationConfig
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], Figure, Figure]:
    """Return Tables 2 and 3 of the paper, recall per defect, a summary, and two figures."""
    evaluation = evaluate_scorers(scores, titles.labels, config)
    test = titles.titles[titles.titles["split"] == "test"]
    defective = int(test["title"].isin(set(titles.labels["title"])).sum())
    summary = {
        "scorers": f1_by_scorer(evaluation.systems),
        "titles": {"defective": defective, "clean": len(test) - defective},
    }
    return (
        evaluation.systems,
        evaluation.defects,
        summary,
        precision_recall_figure(scores, titles.labels),
        title_timelines_figure(scores, titles.labels, evaluation.operating_point("padam")),
    )


def f1_by_scorer(systems: pd.DataFrame) -> dict[str, Any]:
    """Return F1 and average precision by scorer, level and origin of the threshold."""
    found: dict[str, Any] = {}
    for row in systems.to_dict(orient="records"):
        level = found.setdefault(row["scorer"], {}).setdefault(row["level"], {})
        level[f"f1_from_{row['threshold_from']}"] = float(row["f1"])
        if row["threshold_from"] == "validation":
            level["average_precision"] = float(row["average_precision"])
    return found


def package_model(
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier | NystroemClassifier,
    probes: dict[str, LinearProbe],
    with_evidence: bool,
    fitted: dict[str, Any],
    systems: pd.DataFrame,
) -> PadamModel:
    """Return the model that `padam scan` loads, deciding as tuned on the validation titles."""
    model = candidate_model(encoder, head, classifier, probes, with_evidence)
    point = Evaluation(systems, pd.DataFrame()).operating_point("padam")
    return replace(
        model, threshold=point.threshold, filter=point.filter, normaliser=fitted["normaliser"]
    )
