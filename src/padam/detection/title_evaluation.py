"""Evaluation: segment-level and title-level tables of every scorer (PADAM §5.1, Tables 2 and 3).

Each row stands for one scorer at one operating point, which was tuned either on the test titles
themselves, as the paper does, or on the validation titles, as anyone who scans unlabelled titles
must. Intervals are 95 % bootstrap intervals over titles at that fixed operating point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.detection import matching
from padam.detection.evaluation_breakdown import breakdown_rows, defect_rows
from padam.detection.evaluation_measures import (
    Decision,
    Measures,
    compare,
    measure_segments,
    measure_titles,
    segment_ranking,
)
from padam.detection.operating_point import OperatingPoint, TitleScores, tune_titles
from padam.detection.temporal_filter import TemporalFilter
from padam.detection.title_bootstrap import TitleDraws

SPLITS = ("validation", "test")
LEVELS = ("segment", "title")
SCORE_COLUMNS = ["scorer", "split", "title", "start_s", "end_s", "score"]


class EvaluationConfig(BaseModel):
    """What the operating points are searched over, the bootstrap, and what is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The paper's best filters range from 20 s/20 s to 120 s/120 s (Table 3).
    filter_x_s: tuple[float, ...] = (0, 10, 20, 30, 45, 60, 90, 100, 120)
    filter_y_s: tuple[float, ...] = (0, 20, 45, 60, 80, 100, 110, 120)
    threshold_candidates: int = Field(default=150, ge=2)
    bootstrap_rounds: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)
    # The paper's test set has 0.56 % of defective segments.
    reference_prevalence: float = Field(default=0.01, gt=0, lt=1)
    compared_with: str = "padam"

    @field_validator("filter_x_s", "filter_y_s")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or min(values) < 0:
            raise ValueError("give at least one length in seconds, none below 0")
        return tuple(sorted(set(values)))

    @property
    def filters(self) -> list[TemporalFilter]:
        """Every possible filter of the grid (x ≤ y), the weakest first.

        0 among the x, or a grid without any filter, stands for none.
        """
        pairs = product(self.filter_y_s, self.filter_x_s)
        grid = [TemporalFilter(x_s=x, y_s=y) for y, x in pairs if 0 < x <= y]
        return [TemporalFilter(), *grid] if 0 in self.filter_x_s or not grid else grid


@dataclass(frozen=True)
class Evaluation:
    """The tables of an evaluation, tidy, one row per scorer, level and origin of the threshold."""

    systems: pd.DataFrame
    defects: pd.DataFrame = field(default_factory=pd.DataFrame)
    breakdown: pd.DataFrame = field(default_factory=pd.DataFrame)

    def operating_point(
        self, scorer: str, threshold_from: str = "validation", level: str = "title"
    ) -> OperatingPoint:
        """The operating point of a scorer; KeyError if it was not evaluated."""
        rows = self.systems.query(
            "scorer == @scorer and level == @level and threshold_from == @threshold_from"
        )
        if rows.empty:
            raise KeyError(f"{scorer!r} was not evaluated; known: {set(self.systems['scorer'])}")
        row = rows.iloc[0]
        x_s, y_s = (0.0 if pd.isna(row[f"filter_{n}_s"]) else float(row[f"filter_{n}_s"])
                    for n in "xy")  # fmt: skip
        return OperatingPoint(float(row["threshold"]), TemporalFilter(x_s=x_s, y_s=y_s))


def evaluate_scorers(
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    config: EvaluationConfig,
    titles: pd.DataFrame | None = None,
    absent: Mapping[str, str] | None = None,
) -> Evaluation:
    """Both levels and both origins of the threshold for every scorer in `scores`.

    scores: one row per scorer, split, title and segment (`SCORE_COLUMNS`), greater = more
    defective, NaN = could not be scored. labels: title, start_s, end_s, defect, and perhaps
    error_to_signal_db; a title without a row is clean. titles: title, split, and perhaps content
    and look_alike; without it the titles are those of the scores. absent: why a further scorer has
    no scores; it gets rows that say so. Raises ValueError for a missing column, scores of an
    unknown title, or where there is no test title.
    """
    _check_columns(scores, SCORE_COLUMNS, "scores")
    _check_columns(labels, matching.LABEL_COLUMNS, "labels")
    if titles is None:
        titles = scores[["title", "split"]].drop_duplicates()
    _check_columns(titles, ["title", "split"], "titles")
    if not (scores["split"] == "test").any():
        raise ValueError("scores hold no row of split 'test': assemble titles of that split first")
    names = {split: titles.loc[titles["split"] == split, "title"].astype(str) for split in SPLITS}
    draws = TitleDraws.of(len(set(names["test"])), config.bootstrap_rounds, config.seed)
    systems: list[dict[str, Any]] = []
    defects: list[dict[str, Any]] = []
    breakdown: list[dict[str, Any]] = []
    measured: dict[tuple[str, str, str], Measures] = {}
    for scorer, rows in scores.groupby("scorer", sort=False):
        splits = {
            split: TitleScores.of(part, labels, names[split])
            for split in SPLITS
            if not (part := rows[rows["split"] == split]).empty
        }
        if "test" not in splits:
            raise ValueError(f"{scorer} has no scores of split 'test'")
        for decision in _decisions(str(scorer), splits, config):
            measure = measure_segments if decision.level == "segment" else measure_titles
            found = measure(decision, draws, config.reference_prevalence)
            measured[decision.key] = found
            systems.append(decision.named() | decision.described() | found.columns())
            defects += defect_rows(decision, labels, draws)
            breakdown += breakdown_rows(decision, labels, titles, draws)
    for row in systems:
        other = measured.get((config.compared_with, row["level"], row["threshold_from"]))
        mine = measured[row["scorer"], row["level"], row["threshold_from"]]
        row |= compare(mine, other) | {"note": ""}
    origins = sorted({row["threshold_from"] for row in systems})
    for scorer, note in (absent or {}).items():
        systems += [
            {"scorer": scorer, "level": level, "threshold_from": origin, "note": note}
            for origin, level in product(origins, LEVELS)
        ]
    return Evaluation(pd.DataFrame(systems), pd.DataFrame(defects), pd.DataFrame(breakdown))


def _decisions(
    scorer: str, splits: Mapping[str, TitleScores], config: EvaluationConfig
) -> Iterator[Decision]:
    """Every decision that is measured on the test titles."""
    ranking = segment_ranking(splits["test"])
    for origin in (name for name in ("test", "validation") if name in splits):
        tuned = splits[origin]
        segment = OperatingPoint(matching.best_threshold(tuned.scores, tuned.truth))
        title = tune_titles(tuned, config.filters, config.threshold_candidates)
        for level, point in zip(LEVELS, (segment, title), strict=True):
            yield Decision.of((scorer, level, origin), splits["test"], point, ranking)


def _check_columns(frame: pd.DataFrame, columns: list[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"{name} lack the columns {missing}; they have {list(frame.columns)}")
