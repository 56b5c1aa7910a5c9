"""Measures of one decision on the test titles, in every round of the bootstrap at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from padam.detection.operating_point import OperatingPoint, TitleScores, title_scores
from padam.detection.title_bootstrap import (
    Array,
    Flags,
    Ranking,
    TitleDraws,
    interval,
    ratio,
    two_sided_p,
)

COMPARED = ("f1", "average_precision")


@dataclass(frozen=True)
class Decision:
    """What a scorer decides on the segments of the test titles at one operating point.

    `ranking` is that of all segments by their scores, which no operating point changes.
    """

    scorer: str
    level: str
    threshold_from: str
    test: TitleScores
    point: OperatingPoint
    kept: Flags
    ranking: Ranking

    @classmethod
    def of(
        cls,
        names: tuple[str, str, str],
        test: TitleScores,
        point: OperatingPoint,
        ranking: Ranking,
    ) -> Decision:
        """Flag the segments and filter them; `ranking` is that of the segments."""
        return cls(*names, test, point, test.detections(point), ranking)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this decision from the others."""
        return self.scorer, self.level, self.threshold_from

    def named(self) -> dict[str, Any]:
        """The columns that tell this decision from the others."""
        names = ("scorer", "level", "threshold_from")
        return dict(zip(names, self.key, strict=True))

    def described(self) -> dict[str, Any]:
        """Threshold and filter, as columns."""
        filters = self.level == "title"
        return {
            "threshold": self.point.threshold,
            "filter_x_s": self.point.filter.x_s if filters else float("nan"),
            "filter_y_s": self.point.filter.y_s if filters else float("nan"),
        }


@dataclass(frozen=True)
class Measures:
    """Each measure in every round, (1 + rounds,), of which the first is the estimate; counts."""

    rounds: dict[str, Array]
    counts: dict[str, float]

    def columns(self) -> dict[str, Any]:
        """Each estimate with its interval, then the counts."""
        found: dict[str, Any] = {}
        for name, values in self.rounds.items():
            found[name] = float(values[0])
            found[f"{name}_low"], found[f"{name}_high"] = interval(values)
        return found | self.counts


def measure_segments(
    decision: Decision, draws: TitleDraws, reference_prevalence: float | None = None
) -> Measures:
    """Segment-level measures (PADAM Table 2); without `reference_prevalence` none restated at it.

    A segment is right when it overlaps a labelled defect; one that could not be scored raises no
    alarm, and its time counts in no hour.
    """
    test, kept = decision.test, decision.kept
    hit, flagged, true = (
        draws.totals(test.sum_by_title(flags)) for flags in (kept & test.truth, kept, test.truth)
    )
    clean = draws.totals(test.sum_by_title(~test.truth & test.scored))
    ranking = decision.ranking
    rounds = _decided(hit, flagged, true)
    rounds["average_precision"] = ranking.average_precision(draws)
    rounds["auc"] = ranking.auc(draws)
    rounds["false_alarms_per_hour"] = ratio(flagged - hit, _hours(test, draws))
    counts = _counts(hit, flagged, true)
    if reference_prevalence is not None:
        rounds |= _at_prevalence(hit, flagged, true, clean, reference_prevalence)
        weight = _negative_weight(ranking, reference_prevalence)
        rounds["average_precision_at_reference"] = ranking.average_precision(draws, weight)
        counts["reference_prevalence"] = reference_prevalence
    return Measures(rounds, counts | _sizes(test))


def measure_titles(
    decision: Decision, draws: TitleDraws, reference_prevalence: float | None = None
) -> Measures:
    """Title-level measures (PADAM Table 3): a title is found when a kept segment overlaps a label.

    A defective title in which only other places were flagged is both missed and a false alarm.
    """
    test, kept = decision.test, decision.kept
    found = test.sum_by_title(kept & test.truth) > 0
    predicted = test.sum_by_title(kept) > 0
    hit, flagged, true = (
        draws.totals(flags.astype(np.float64)) for flags in (found, predicted, test.defective)
    )
    rounds = _decided(hit, flagged, true)
    ranking = title_ranking(decision)
    rounds["average_precision"] = ranking.average_precision(draws)
    rounds["auc"] = ranking.auc(draws)
    rounds["false_alarms_per_hour"] = ratio(flagged - hit, _hours(test, draws))
    return Measures(rounds, _counts(hit, flagged, true) | _sizes(test))


def segment_ranking(test: TitleScores) -> Ranking:
    """How the defective segments rank among all."""
    return Ranking.of(test.scores, test.truth, ~test.truth, test.index, len(test.names))


def title_ranking(decision: Decision) -> Ranking:
    """How the defective titles rank, each by the highest threshold at which it is flagged.

    A title that the filter never lets through is at the bottom; one without a scored segment is
    unscored.
    """
    test = decision.test
    scores = title_scores(test, decision.point.filter)
    judged = test.sum_by_title(test.scored) > 0
    never = np.isnan(scores) & judged
    lowest = np.nanmin(scores) - 1 if not np.isnan(scores).all() else 0.0
    scores = np.where(never, lowest, scores)
    titles = np.arange(len(test.names))
    return Ranking.of(scores, test.defective, ~test.defective, titles, len(titles))


def compare(mine: Measures, other: Measures | None) -> dict[str, Any]:
    """Difference of F1 and average precision to another system's, its interval and p.

    The rounds of both are of the same titles. Empty without another system.
    """
    if other is None:
        return {}
    found: dict[str, Any] = {}
    for name in COMPARED:
        differences = mine.rounds[name] - other.rounds[name]
        found[f"{name}_difference"] = float(differences[0])
        low, high = interval(differences)
        found[f"{name}_difference_low"], found[f"{name}_difference_high"] = low, high
        same = mine is other
        found[f"{name}_p"] = float("nan") if same else two_sided_p(differences)
    return found


def _decided(hit: Array, flagged: Array, true: Array) -> dict[str, Array]:
    f1 = np.where(true > 0, ratio(2 * hit, flagged + true), np.nan)
    return {"precision": ratio(hit, flagged), "recall": ratio(hit, true), "f1": f1}


def _at_prevalence(
    hit: Array, flagged: Array, true: Array, clean: Array, prevalence: float
) -> dict[str, Array]:
    """Precision and F1 where so much of the segments were defective, at the same two rates."""
    recall, alarm_rate = ratio(hit, true), ratio(flagged - hit, clean)
    right, wrong = recall * prevalence, alarm_rate * (1 - prevalence)
    precision = ratio(right, right + wrong)
    f1 = np.where(np.isnan(recall), np.nan, ratio(2 * right, right + wrong + prevalence))
    return {"precision_at_reference": precision, "f1_at_reference": f1}


def _negative_weight(ranking: Ranking, prevalence: float) -> float:
    positives, negatives = ranking.positives.sum(), ranking.negatives.sum()
    if not positives or not negatives:
        return 1.0
    return float((1 - prevalence) / prevalence * positives / negatives)


def _hours(test: TitleScores, draws: TitleDraws) -> Array:
    lengths: npt.NDArray[np.float64] = test.times[:, 1] - test.times[:, 0]
    return draws.totals(test.sum_by_title(lengths * test.scored)) / 3600


def _counts(hit: Array, flagged: Array, true: Array) -> dict[str, float]:
    return {
        "true_positives": int(hit[0]),
        "predicted": int(flagged[0]),
        "actual": int(true[0]),
    }


def _sizes(test: TitleScores) -> dict[str, float]:
    defective = test.truth.mean() if len(test.truth) else float("nan")
    return {
        "segments": len(test.scores),
        "segments_unscored": int((~test.scored).sum()),
        "titles": len(test.names),
        "prevalence": float(defective),
    }
