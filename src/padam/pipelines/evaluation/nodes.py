"""Offline evaluation on titles whose sources no stage has seen, and the packaged model."""

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.media_folder import MediaFolder
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.titles import TitleFolder
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.evaluation_failures import Failures, FailuresConfig, worst_failures
from padam.detection.evaluation_figures import (
    filter_search_figure,
    precision_recall_figure,
    title_timelines_figure,
)
from padam.detection.evaluation_tables import display_name, latex_tables, markdown_tables
from padam.detection.operating_point import TitleScores, search_filters
from padam.detection.padam_model import PadamModel
from padam.detection.review_volume import ReviewPoint, review_points
from padam.detection.title_evaluation import Evaluation, EvaluationConfig, evaluate_scorers
from padam.detection.titles import Title, TitlePlan, TitlesConfig, plan_titles, render_title
from padam.models.audio_encoder import AudioEncoder
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.event_localiser import EventLocaliser
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.quality_head import QualityHead
from padam.pipelines.evaluation.scoring import candidate_model

DRAWS = 10


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


def evaluate(
    scores: pd.DataFrame, systems: dict[str, Any], titles: TitleFolder, config: EvaluationConfig
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], str, str]:
    """Return Tables 2 and 3 of the paper, recall per defect, a breakdown, a summary, and pages.

    The pages have the tables in Markdown and in LaTeX.
    """
    absent = {name: found["note"] for name, found in systems.items() if found["note"]}
    evaluation = evaluate_scorers(scores, titles.labels, config, titles.titles, absent)
    test = titles.titles.loc[titles.titles["split"] == "test", "title"].astype(str)
    defective = int(test.isin(set(titles.labels["title"].astype(str))).sum())
    counts = {"defective": defective, "clean": len(test) - defective}
    return (
        evaluation.systems,
        evaluation.defects,
        evaluation.breakdown,
        {"scorers": summarise(evaluation.systems), "titles": counts},
        markdown_tables(evaluation.systems, evaluation.defects, counts),
        latex_tables(evaluation.systems),
    )


def summarise(systems: pd.DataFrame) -> dict[str, Any]:
    """Return the numbers to compare runs by, per scorer and level; a note where there are none."""
    found: dict[str, Any] = {}
    for row in systems.to_dict(orient="records"):
        scorer = found.setdefault(row["scorer"], {})
        if row["note"]:
            scorer["note"] = row["note"]
            continue
        level = scorer.setdefault(row["level"], {})
        origin = row["threshold_from"]
        level[f"f1_from_{origin}"] = float(row["f1"])
        level[f"false_alarms_per_hour_from_{origin}"] = float(row["false_alarms_per_hour"])
        if origin == "validation" or "average_precision" not in level:
            level["average_precision"] = float(row["average_precision"])
            level["auc"] = float(row["auc"])
        scorer["segments_unscored"] = int(row["segments_unscored"])
    return found


def draw_figures(
    scores: pd.DataFrame, systems: pd.DataFrame, titles: TitleFolder, config: EvaluationConfig
) -> tuple[Figure, Figure, pd.DataFrame, Figure]:
    """Return precision against recall, timelines, and what the search for a filter has seen.

    Timelines and search are those of the system that others are compared with, or of the first.
    """
    scorer, origin = shown(systems, config)
    point = Evaluation(systems).operating_point(scorer, origin)
    rows = scores[(scores["scorer"] == scorer) & (scores["split"] == origin)]
    names = titles.titles.loc[titles.titles["split"] == origin, "title"]
    split = TitleScores.of(rows, titles.labels, names)
    search = search_filters(split, config.filters, config.threshold_candidates)
    surface = search.surface().assign(scorer=scorer, split=origin)
    return (
        precision_recall_figure(scores, titles.labels),
        title_timelines_figure(scores, titles.labels, point, scorer),
        surface,
        filter_search_figure(
            surface, search.best, f"{display_name(scorer)}: best F1 of {origin} titles by filter"
        ),
    )


def find_failures(
    scores: pd.DataFrame,
    systems: pd.DataFrame,
    titles: TitleFolder,
    config: EvaluationConfig,
    wanted: FailuresConfig,
) -> Failures:
    """Return the worst misses and false alarms of the system that others are compared with."""
    scorer, origin = shown(systems, config)
    point = Evaluation(systems).operating_point(scorer, origin, level="segment")
    table = worst_failures(scores, titles.labels, titles.titles, scorer, point.threshold, wanted)
    files = dict(zip(titles.titles["title"].astype(str), titles.titles["file"], strict=True))
    return Failures(table, {name: titles.path(files[name]) for name in table["title"]})


def shown(systems: pd.DataFrame, config: EvaluationConfig) -> tuple[str, str]:
    """Return the system whose decisions are drawn, and what its thresholds were tuned on."""
    there = systems[systems["note"].fillna("") == ""]
    scorers = there["scorer"].tolist()
    scorer = config.compared_with if config.compared_with in scorers else scorers[0]
    origins = set(there.loc[there["scorer"] == scorer, "threshold_from"])
    return scorer, "validation" if "validation" in origins else "test"


def package_model(
    encoder: AudioEncoder,
    head: QualityHead,
    classifier: DefectClassifier | NystroemClassifier,
    probes: dict[str, LinearProbe],
    with_evidence: bool,
    fitted: dict[str, Any],
    systems: pd.DataFrame,
    scores: pd.DataFrame,
    titles: TitleFolder,
    localiser: EventLocaliser | None,
) -> PadamModel:
    """Return the model that `padam scan --model newest` loads, tuned on the validation titles.

    With an event localiser, where one was fitted; its scans tell times sharper than without.
    """
    model = candidate_model(encoder, head, classifier, probes, with_evidence)
    point = Evaluation(systems).operating_point("padam")
    return replace(
        model,
        threshold=point.threshold,
        filter=point.filter,
        normaliser=fitted["normaliser"],
        operating_points=find_review_points(scores, titles),
        localiser=localiser,
    )


def find_review_points(scores: pd.DataFrame, titles: TitleFolder) -> dict[str, ReviewPoint]:
    """Return PADAM's operating points by review volume, of validation segments outside labels."""
    rows = scores[(scores["scorer"] == "padam") & (scores["split"] == "validation")]
    names = titles.titles.loc[titles.titles["split"] == "validation", "title"]
    split = TitleScores.of(rows, titles.labels, names)
    return review_points(split.scores[~split.truth])
