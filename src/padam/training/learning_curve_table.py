"""The learning curve as a table and numbers: what the judged rows say, and what the draws do."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.defects.registry import DEFECT_NAMES
from padam.training.learning_curve import ALL, part_name
from padam.training.source_bootstrap import Estimate, Resampled, SourceBootstrap

Floats = npt.NDArray[np.floating]

DEFECTIVE: Final = "defective"
AGAINST_CLEAN: Final = (DEFECTIVE, *DEFECT_NAMES)
"""What is told from clean rows: any defect, and each."""
MEASURES: Final = ("auc", "average_precision")
FIT: Final = ("sources", "rows", "defective_rows", "kind")

Measured = dict[str, Resampled]
"""By measure and what is told from clean, as ``auc_hum``."""


class LearningCurve(NamedTuple):
    """What `judge_curve` finds."""

    table: pd.DataFrame
    """A fit a line: part, fraction, draw, what was fitted, each measure with its interval."""
    parts: dict[str, dict[str, dict[str, float | None]]]
    """By part, as ``1_of_2``, and by measure: see `over_draws`."""
    gain: dict[str, dict[str, float | None]]
    """By measure: what all sources give more than a half of them."""


class JudgedRows(NamedTuple):
    """The rows (m,) that every fit is judged on."""

    defects: npt.NDArray[np.bool_]
    """(m, 7), of `DEFECT_NAMES`."""
    bootstrap: SourceBootstrap

    @property
    def defective(self) -> npt.NDArray[np.bool_]:
        """(m,), of any defect."""
        return np.asarray(self.defects.any(axis=1))


def judge_curve(scores: pd.DataFrame, judged: JudgedRows) -> LearningCurve:
    """Measure every fit on the same rows, and the curve over its draws.

    ``scores`` are tables of `fit_part`, one below the other. Raises ValueError where a fit has
    another number of scores than there are rows.
    """
    found: dict[int, list[Measured]] = {}
    lines = []
    for _, fit in scores.groupby(["of", "draw"], sort=False):
        score = fit["score"].to_numpy(dtype=np.float64)
        if len(score) != len(judged.defects):
            raise ValueError(
                f"A fit of the learning curve has {len(score)} scores for {len(judged.defects)} "
                "validation rows: run `learning_curve` again on the newest rows."
            )
        first = fit.iloc[0]
        of = int(first["of"])
        measured = measure(score, judged)
        if not first["reason"]:
            found.setdefault(of, []).append(measured)
        line = {"part": part_name(of), "fraction": 1 / of, "draw": int(first["draw"])}
        line |= {name: first[name] for name in FIT}
        for name, each in measured.items():
            estimate = judged.bootstrap.estimate(*each)
            line |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))
        lines.append({**line, "reason": first["reason"]})
    table = pd.DataFrame(lines).sort_values(["fraction", "draw"], ignore_index=True)
    parts = {
        part_name(of): {name: over_draws(fits, name, judged.bootstrap) for name in measured_names()}
        for of, fits in sorted(found.items(), reverse=True)
    }
    return LearningCurve(table, parts, gain_of_last_doubling(found, judged.bootstrap))


def measure(score: Floats, judged: JudgedRows) -> Measured:
    """Return all measures of scores (m,); a defect is judged against clean rows alone.

    Another defect is no false alarm of a decision on any.
    """
    defective = judged.defective
    by_name = dict(zip(DEFECT_NAMES, judged.defects.T, strict=True)) | {DEFECTIVE: defective}
    measured = {}
    for what in AGAINST_CLEAN:
        taking_part = np.where(by_name[what] | ~defective, score, np.nan)
        of = (taking_part, by_name[what])
        measured[f"auc_{what}"] = judged.bootstrap.resampled_auc(*of)
        precision = judged.bootstrap.resampled_average_precision(*of)
        measured[f"average_precision_{what}"] = precision
    return measured


def measured_names() -> list[str]:
    """Return the names of the measures, ``auc_defective`` first."""
    return [f"{each}_{what}" for each in MEASURES for what in AGAINST_CLEAN]


def over_draws(
    fits: list[Measured], name: str, bootstrap: SourceBootstrap
) -> dict[str, float | None]:
    """Return the ``median`` over draws of a measure with two ranges, which say different things.

    ``low`` and ``high`` are the 95 % interval of the median over samples of the judged sources,
    ``draws_low`` and ``draws_high`` the least and the greatest of the draws on the judged sources
    as they are. None is what could not be estimated.
    """
    values = np.array([fit[name].value for fit in fits])
    median = Resampled(
        float(np.median(values)), np.median([fit[name].rounds for fit in fits], axis=0)
    )
    estimate: Estimate = bootstrap.estimate(*median)
    plain = {
        "median": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "draws_low": float(values.min()),
        "draws_high": float(values.max()),
    }
    return {key: value if np.isfinite(value) else None for key, value in plain.items()}


def gain_of_last_doubling(
    found: Mapping[int, list[Measured]], bootstrap: SourceBootstrap
) -> dict[str, dict[str, float | None]]:
    """Return by measure what all sources give more than each half of them, `over_draws`.

    The judged sources are resampled alike for both. Nothing where either could not be fitted.
    """
    if not (found.get(ALL) and found.get(2 * ALL)):
        return {}
    (whole,) = found[ALL]
    gains: list[Measured] = [
        {
            name: Resampled(
                whole[name].value - half[name].value, whole[name].rounds - half[name].rounds
            )
            for name in measured_names()
        }
        for half in found[2 * ALL]
    ]
    return {name: over_draws(gains, name, bootstrap) for name in measured_names()}
