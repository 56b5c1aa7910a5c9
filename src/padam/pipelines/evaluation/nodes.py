"""Offline evaluation on titles whose sources no stage has seen, and the packaged model."""

from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.media import stream_audio
from padam.audio.storage import Location
from padam.datasets.media_folder import MediaFolder
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.titles import TitleFolder
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.evaluation_figures import precision_recall_figure, title_timelines_figure
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import Scorer, worst_channel
from padam.detection.scorers.dnsmos import DnsmosScorer
from padam.detection.scorers.padam import PadamAblations
from padam.detection.title_evaluation import Evaluation, EvaluationConfig, evaluate_scorers
from padam.detection.titles import Title, TitlePlan, TitlesConfig, plan_titles, render_title
from padam.models.audio_encoder import AudioEncoder
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.quality_head import QualityHead

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
    classifier: DefectClassifier,
    probes: dict[str, LinearProbe],
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
    )


def score_titles(
    titles: TitleFolder,
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier,
    probes: dict[str, LinearProbe],
    compute: Compute,
) -> ShardJobs:
    """Return the work of scoring every title with every system, a title at a time."""
    model = candidate_model(encoder, head, classifier, probes)
    weights = [
        tensor.numpy().tobytes()
        for network in (encoder, head)
        for tensor in network.state_dict().values()
    ]
    decision = {
        "classifier": [classifier.parameters, classifier.sigma],
        "probes": {name: [probe.parameters, probe.sigma] for name, probe in probes.items()},
    }
    jobs = {
        title: partial(score_title, titles.path(file), title, split, model)
        for title, split, file in zip(
            *(titles.titles[column] for column in ("title", "split", "file")), strict=True
        )
    }
    work = fingerprint(decision, titles.fingerprint(), *weights)
    return ShardJobs(work, jobs, compute, label="titles scored")


def score_title(path: Location, title: str, split: str, model: PadamModel) -> pd.DataFrame:
    """Score one title with PADAM, its ablations and DNSMOS; the worst channel counts."""
    scorers: list[Scorer] = [PadamAblations(model), DnsmosScorer()]
    tables = []
    for scorer in scorers:
        rows = scorer.score(stream_audio(path, BLOCK_S, sample_rate=scorer.sample_rate))
        systems = rows.groupby("scorer") if "scorer" in rows else [(scorer.name, rows)]
        for name, scores in systems:
            worst = worst_channel(scores)
            tables.append(worst.assign(scorer=name, split=split, title=title))
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
    classifier: DefectClassifier,
    probes: dict[str, LinearProbe],
    fitted: dict[str, Any],
    systems: pd.DataFrame,
) -> PadamModel:
    """Return the model that `padam scan` loads, deciding as tuned on the validation titles."""
    model = candidate_model(encoder, head, classifier, probes)
    point = Evaluation(systems, pd.DataFrame()).operating_point("padam")
    return replace(
        model, threshold=point.threshold, filter=point.filter, normaliser=fitted["normaliser"]
    )
