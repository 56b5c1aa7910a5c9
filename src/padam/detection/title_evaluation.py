"""Evaluation: segment-level and title-level tables of every scorer (PADAM §5.1, Tables 2 and 3).

Each row stands for one scorer at one operating point, which was tuned either on the test titles
themselves, as the paper does, or on the validation titles, as anyone who scans unlabelled titles
must. Intervals are 95 % bootstrap intervals over titles at that fixed operating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.detection import matching
from padam.detection.matching import DetectionCounts
from padam.detection.operating_point import (
    OperatingPoint,
    TitleScores,
    title_scores,
    tune_titles,
)
from padam.detection.temporal_filter import TemporalFilter

SPLITS = ("validation", "test")
SCORE_COLUMNS = ["scorer", "split", "title", "start_s", "end_s", "score"]


class EvaluationConfig(BaseModel):
    """What the operating points are searched over, and the bootstrap."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The paper's best filters range from 20 s/20 s to 120 s/120 s (Table 3).
    filter_x_s: tuple[float, ...] = (0, 10, 20, 30, 45, 60, 90, 100, 120)
    filter_y_s: tuple[float, ...] = (0, 20, 45, 60, 80, 100, 110, 120)
    threshold_candidates: int = Field(default=150, ge=2)
    bootstrap_rounds: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)

    @field_validator("filter_x_s", "filter_y_s")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or min(values) < 0:
            raise ValueError("give at least one length in seconds, none below 0")
        return tuple(sorted(set(values)))

    @property
    def filters(self) -> list[TemporalFilter]:
        """Every possible filter of the grid (x ≤ y), the weakest first; 0/0 is no filter."""
        pairs = product(self.filter_y_s, self.filter_x_s)
        grid = [TemporalFilter(x_s=x, y_s=y) for y, x in pairs if 0 < x <= y]
        return [TemporalFilter(), *grid]


@dataclass(frozen=True)
class Evaluation:
    """The tables of an evaluation, tidy, one row per scorer, level and origin of the threshold."""

    systems: pd.DataFrame
    defects: pd.DataFrame

    def operating_point(self, scorer: str, threshold_from: str = "validation") -> OperatingPoint:
        """The title-level operating point of a scorer; KeyError if it was not evaluated."""
        rows = self.systems.query(
            "scorer == @scorer and level == 'title' and threshold_from == @threshold_from"
        )
        if rows.empty:
            raise KeyError(f"{scorer!r} was not evaluated; known: {set(self.systems['scorer'])}")
        row = rows.iloc[0]
        return OperatingPoint(
            float(row["threshold"]),
            TemporalFilter(x_s=float(row["filter_x_s"]), y_s=float(row["filter_y_s"])),
        )


def evaluate_scorers(
    scores: pd.DataFrame, labels: pd.DataFrame, config: EvaluationConfig
) -> Evaluation:
    """Both levels and both origins of the threshold for every scorer in `scores`.

    scores: one row per scorer, split, title and segment (`SCORE_COLUMNS`), greater = more
    defective, NaN = could not be scored. labels: title, start_s, end_s, defect; a title without a
    row is clean. Raises ValueError for a missing column or where there is no test title.
    """
    _check_columns(scores, SCORE_COLUMNS, "scores")
    _check_columns(labels, matching.LABEL_COLUMNS, "labels")
    if not (scores["split"] == "test").any():
        raise ValueError("scores hold no row of split 'test': assemble titles of that split first")
    systems: list[dict[str, object]] = []
    defects: list[dict[str, object]] = []
    for scorer, rows in scores.groupby("scorer", sort=False):
        splits = {
            split: TitleScores.of(part, labels)
            for split in SPLITS
            if not (part := rows[rows["split"] == split]).empty
        }
        test = splits["test"]
        for origin in (name for name in ("test", "validation") if name in splits):
            rng = np.random.default_rng(config.seed)
            at = OperatingPoint(
                matching.best_threshold(splits[origin].scores, splits[origin].truth)
            )
            point = tune_titles(splits[origin], config.filters, config.threshold_candidates)
            for level, chosen in (("segment", at), ("title", point)):
                kept = test.detections(chosen)
                row = {"scorer": scorer, "level": level, "threshold_from": origin}
                systems.append(row | _measure(test, kept, level, chosen, config, rng))
                defects += [row | found for found in _defect_recall(test, kept, labels, level)]
    return Evaluation(pd.DataFrame(systems), pd.DataFrame(defects, columns=_DEFECT_COLUMNS))


_DEFECT_COLUMNS = ["scorer", "level", "threshold_from", "defect", "actual", "detected", "recall"]


def _measure(
    test: TitleScores,
    kept: npt.NDArray[np.bool_],
    level: str,
    point: OperatingPoint,
    config: EvaluationConfig,
    rng: np.random.Generator,
) -> dict[str, object]:
    scored = ~np.isnan(test.scores)
    per_title = np.stack([test.sum_by_title(f) for f in (kept & test.truth, kept, test.truth)])
    hours = float((test.times[:, 1] - test.times[:, 0])[scored].sum()) / 3600
    if level == "title":
        found, predicted, actual = per_title > 0
        per_title = np.sign(per_title)
        false_alarms = float((predicted & ~found).sum()) / hours if hours else float("nan")
        area = matching.average_precision(title_scores(test, point.filter), actual)
    else:
        false_alarms = matching.false_alarms_per_hour(kept, test.truth, test.times, scored)
        area = matching.average_precision(test.scores, test.truth)
    counts = DetectionCounts(*(int(total) for total in per_title.sum(axis=1)))
    low, high = _bootstrap_f1(per_title, config.bootstrap_rounds, rng)
    return {
        "threshold": point.threshold,
        "filter_x_s": point.filter.x_s if level == "title" else float("nan"),
        "filter_y_s": point.filter.y_s if level == "title" else float("nan"),
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "f1_low": low,
        "f1_high": high,
        "average_precision": area,
        "false_alarms_per_hour": false_alarms,
        "true_positives": counts.true_positives,
        "predicted": counts.predicted,
        "actual": counts.actual,
        "segments": len(test.scores),
        "titles": len(test.bounds) - 1,
        "unscored": int((~scored).sum()),
    }


def _bootstrap_f1(
    per_title: npt.NDArray[np.int64], rounds: int, rng: np.random.Generator
) -> tuple[float, float]:
    """2.5 % and 97.5 % points of F1 over titles drawn with replacement; NaN without defects.

    per_title: true positives, predicted and actual positives, (3, titles).
    """
    titles = per_title.shape[1]
    draws = rng.multinomial(titles, np.full(titles, 1 / titles), size=rounds)
    hit, flagged, true = per_title @ draws.T
    with_defects = true > 0
    if not with_defects.any():
        return float("nan"), float("nan")
    f1 = 2 * hit[with_defects] / (flagged + true)[with_defects]
    low, high = np.percentile(f1, [2.5, 97.5])
    return float(low), float(high)


def _defect_recall(
    test: TitleScores, kept: npt.NDArray[np.bool_], labels: pd.DataFrame, level: str
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    segments = pd.DataFrame(
        {"title": test.titles, "start_s": test.times[:, 0], "end_s": test.times[:, 1]}
    )
    for defect, named in labels[labels["title"].isin(set(test.titles))].groupby("defect"):
        truth = matching.segment_truth(segments, named)
        actual, detected = truth, kept & truth
        if level == "title":
            actual, detected = test.sum_by_title(truth) > 0, test.sum_by_title(detected) > 0
        counts = DetectionCounts(int(detected.sum()), int(detected.sum()), int(actual.sum()))
        rows.append(
            {
                "defect": defect,
                "actual": counts.actual,
                "detected": counts.true_positives,
                "recall": counts.recall,
            }
        )
    return rows


def _check_columns(frame: pd.DataFrame, columns: list[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"{name} lack the columns {missing}; they have {list(frame.columns)}")
