"""What a trial of the search does: fit on some clips, score on others.

A child process imports this module, so it does without Optuna.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from padam.models.binary_classifier import Floats, training_weights
from padam.models.defect_classifier import DefectClassifier, feasible_nu

Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
ScoredBy = Literal["f1", "auc"]


class SearchData(NamedTuple):
    """Representations (n, width), labels (n,), and pairs of indices: fitted rows, scoring rows."""

    rows: Floats
    labels: Labels
    splits: tuple[tuple[Indices, Indices], ...]

    def feasible_nu(self, *, balanced: bool) -> float:
        """Return the largest ν that every split allows."""
        fitted = [self.labels[train] for train, _ in self.splits]
        return min(
            feasible_nu(labels, training_weights(labels, balanced=balanced)) for labels in fitted
        )


def fit_score(settings: Mapping[str, Any], data: SearchData, scored_by: ScoredBy) -> float:
    """Fit a DefectClassifier of these settings per split and return the mean of what they score.

    That is F1 of the decisions, or the area under the ROC curve of the decision function.
    """
    found = []
    for train, scoring in data.splits:
        classifier = DefectClassifier(**settings).fit(data.rows[train], data.labels[train])
        rows, labels = data.rows[scoring], data.labels[scoring]
        if scored_by == "auc":
            found.append(roc_auc_score(labels, classifier.decision_function(rows)))
        else:
            found.append(f1_score(labels, classifier.predict(rows), zero_division=0.0))
    return float(np.mean(found))


def held_out(train: tuple[Floats, Labels], validation: tuple[Floats, Labels]) -> SearchData:
    """Return one split: fitted on the training clips, scored on the validation clips."""
    (rows, labels), (scoring, scoring_labels) = train, validation
    indices = np.arange(len(rows) + len(scoring))
    return SearchData(
        np.concatenate([rows, scoring]),
        np.concatenate([labels, scoring_labels]),
        ((indices[: len(rows)], indices[len(rows) :]),),
    )


def check_sources(groups: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.str_]:
    """Return the source of each of ``rows`` clips as (rows,); ValueError where some lack it."""
    sources = np.asarray([] if groups is None else groups).astype(str)
    if sources.shape != (rows,):
        raise ValueError(
            f"Folds need the source of each of {rows} clips, got {len(sources)}: give them as "
            "groups, or set folds to 1."
        )
    return sources


def grouped_folds(
    rows: Floats, labels: Labels, sources: npt.NDArray[np.str_], folds: int, seed: int
) -> SearchData:
    """Return ``folds`` splits of the training clips; clips of one source stay together.

    Labels are spread as evenly as the sources (n,) allow. Raises ValueError where there are too
    few sources, or a side of a split lacks a label.
    """
    count = len(np.unique(sources))
    if count < folds:
        raise ValueError(
            f"{folds} folds need as many sources, there are {count}: lower folds, or add sources."
        )
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split
    splits = tuple(split(rows, labels, sources))
    for number, sides in enumerate(splits, start=1):
        if any(len(np.unique(labels[side])) < 2 for side in sides):
            raise ValueError(
                f"Fold {number} of {folds} leaves clean or defective clips on one side only: lower "
                "folds, or add sources with both."
            )
    return SearchData(rows, labels, splits)
