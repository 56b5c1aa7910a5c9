"""Whether stage 3 would gain by more data: its last fit on growing parts of its sources."""

import logging
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.defects.registry import DEFECT_NAMES
from padam.models.binary_classifier import check_labels, check_representations
from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig
from padam.models.search import SvmSearchConfig
from padam.pipelines.defect_classifier.nodes import evidence_columns, rows_of, sources_of
from padam.training.learning_curve import CurveFit, LearningCurveConfig, fit_part, parts_of
from padam.training.learning_curve_figure import plot_learning_curve
from padam.training.learning_curve_table import JudgedRows, LearningCurve, judge_curve
from padam.training.source_bootstrap import SourceBootstrap

logger = logging.getLogger(__name__)

SAME_SCORE = 0.01
"""Scores of all sources that differ by more from those of stage 3 are of another fit."""


def fit_parts(
    table: pd.DataFrame,
    classifier: DefectClassifier | NystroemClassifier,
    search: SvmSearchConfig,
    refit: RefitConfig,
    config: LearningCurveConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of fitting each part with the classifier's ν and γ; nothing is searched.

    Raises ValueError for rows that are not finite, a split of one class only, and rows that the
    classifier is not of.
    """
    train, validation = (checked_rows(table, split) for split in ("train", "validation"))
    measured = evidence_columns(table)
    if classifier.evidence_columns != measured:
        raise ValueError(
            f"'classifier_rows' have {measured} values of native-rate evidence, "
            f"'defect_classifier' was fitted on {classifier.evidence_columns}: run the pipeline "
            "defect_classifier again."
        )
    sources = np.array(sources_of(table, "train"))
    fit = CurveFit(classifier, search, refit)
    data = fingerprint(fit.settings(), *(array.tobytes() for array in (*train, *validation)))
    parts = {part.name: part for part in parts_of(sources, config)}
    keys = {name: fingerprint(data, name, part.kept.tobytes()) for name, part in parts.items()}
    jobs = {
        name: partial(fit_part, part, fit, *train, sources, validation[0])
        for name, part in parts.items()
    }
    return ShardJobs(fingerprint(keys), jobs, compute, label="parts fitted", keys=keys)


def judge_parts(
    scores: pd.DataFrame,
    table: pd.DataFrame,
    classifier: DefectClassifier | NystroemClassifier,
    config: LearningCurveConfig,
) -> tuple[pd.DataFrame, dict[str, Any], Figure]:
    """Return the curve as a table, the numbers that it comes down to, and a figure."""
    rows = rows_of(table, "validation")[0]
    validation = table[table["split"] == "validation"]
    sources = np.unique(sources_of(table, "validation"), return_inverse=True)[1]
    bootstrap = SourceBootstrap(sources, config.bootstrap_rounds, config.seed)
    judged = JudgedRows(validation[list(DEFECT_NAMES)].to_numpy() > 0, bootstrap)
    curve = judge_curve(scores, judged)
    stage_3 = classifier.score(rows)
    whole = scores.loc[scores["of"] == 1, "score"].to_numpy()
    difference = float(np.abs(whole - stage_3).max())
    if difference > SAME_SCORE:  # NaN where that fit failed, of which the summary has the reason
        logger.warning(
            "Fitted on all sources, scores differ by up to %.3g from those of 'defect_classifier', "
            "which was fitted on other rows or with other settings of defect_classifier.search and "
            "defect_classifier.refit.",
            difference,
        )
    summary = {
        **{name: getattr(classifier, name) for name in ("kind", "nu", "gamma")},
        **counts(curve, config),
        "validation_rows": len(validation),
        "validation_sources": bootstrap.count,
        "auc_stage_3": bootstrap.auc(stage_3, judged.defective).value,
        "largest_difference_to_stage_3": difference if np.isfinite(difference) else None,
        "parts": curve.parts,
        "gain_of_last_doubling": curve.gain,
    }
    return curve.table, summary, plot_learning_curve(curve)


def counts(curve: LearningCurve, config: LearningCurveConfig) -> dict[str, Any]:
    """Return how much was fitted, and what could not be."""
    whole = curve.table.iloc[-1]
    failed = curve.table[curve.table["reason"] != ""]
    return {
        "draws": config.draws,
        "fits": len(curve.table),
        "fits_failed": len(failed),
        "reasons": sorted(failed["reason"].unique()),
        "sources": int(whole["sources"]),
        "rows": int(whole["rows"]),
    }


def checked_rows(
    table: pd.DataFrame, split: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a split's rows (n, width) and labels (n,); ValueError names the split."""
    rows, labels = rows_of(table, split)
    try:
        return check_representations(rows), check_labels(labels, len(rows))
    except ValueError as error:
        raise ValueError(f"Rows of the split '{split}' in 'classifier_rows': {error}") from error
