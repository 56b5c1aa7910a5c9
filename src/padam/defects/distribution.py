"""What was drawn against what the workflow intended: shares of choices, and ranges of numbers."""

from array import array
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from padam.defects.drawn_choice import Choice
from padam.defects.drawn_choices import choices
from padam.defects.drawn_clip import drawn_clips
from padam.defects.drawn_numbers import Number, numbers
from padam.defects.workflow_config import WorkflowConfig

CONFIDENCE = 0.99
"""Of the binomial bounds: one judged share in a hundred lies outside by chance."""

# rounding of sums of seconds, and of a logarithm and its inverse
_ROUNDING = 1e-9

SHARE_COLUMNS = {
    "quantity": "str",
    "option": "str",
    "among": "str",
    "intended": "float64",
    "observed": "float64",
    "count": "int64",
    "total": "int64",
    "low": "float64",
    "high": "float64",
    "within": "boolean",
    "note": "str",
}
NUMBER_COLUMNS = {
    "defect": "str",
    "parameter": "str",
    "low": "float64",
    "high": "float64",
    "count": "int64",
    "min": "float64",
    "p05": "float64",
    "p50": "float64",
    "p95": "float64",
    "max": "float64",
    "inside": "boolean",
}


def compare_with_intended(
    manifest: pd.DataFrame, config: WorkflowConfig, rejected: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of the shares of every choice, and of the range of every number.

    The first has one row per option: `observed` is `count` of `total` draws, `low` and `high` are
    the 99 % binomial bounds around the `intended` share, and `within` is missing where there was no
    draw, or where redraws leave the intended share without a closed form (`note`). `rejected` clips
    were drawn but are not in the manifest: the bounds allow for anything that they may have held.

    The second has one row per parameter of a defect or stage: `low` and `high` of its configured
    range, least, greatest and quantiles of what was drawn, and whether all lies `inside`; that is
    missing for what is measured, not drawn. Raises ValueError for a manifest of another workflow.
    """
    duration_s = 0.0 if manifest.empty else float(manifest["duration_s"].max())
    all_choices, all_numbers = choices(config), numbers(config, duration_s)
    totals = [0] * len(all_choices)
    counts: list[Counter[str]] = [Counter() for _ in all_choices]
    values = [array("d") for _ in all_numbers]
    for clip in drawn_clips(manifest, config):
        for index, choice in enumerate(all_choices):
            for options in choice.drawn(clip):
                totals[index] += 1
                counts[index].update(options)
        for index, number in enumerate(all_numbers):
            values[index].extend(number.drawn(clip))
    shares = [
        row
        for choice, count, total in zip(all_choices, counts, totals, strict=True)
        for row in _share_rows(choice, count, total, rejected)
    ]
    ranges = [_range_row(*pair) for pair in zip(all_numbers, values, strict=True)]
    return (
        pd.DataFrame(shares, columns=list(SHARE_COLUMNS)).astype(SHARE_COLUMNS),
        pd.DataFrame(ranges, columns=list(NUMBER_COLUMNS)).astype(NUMBER_COLUMNS),
    )


def count_outside(shares: pd.DataFrame, numbers: pd.DataFrame) -> dict[str, int]:
    """How many shares and numbers could be judged, and how many of them lie outside."""
    return {
        "shares_checked": int(shares["within"].notna().sum()),
        "shares_outside": int((~shares["within"].dropna().astype(bool)).sum()),
        "numbers_checked": int(numbers["inside"].notna().sum()),
        "numbers_outside": int((~numbers["inside"].dropna().astype(bool)).sum()),
    }


def _share_rows(
    choice: Choice, counts: Counter[str], total: int, rejected: int
) -> list[dict[str, Any]]:
    unforeseen = sorted(set(counts) - set(choice.shares))
    rows = []
    for option in [*choice.shares, *unforeseen]:
        intended = min(choice.shares.get(option, 0.0), 1.0)
        count = counts[option]
        # every rejected clip may have held this option, or a draw of another one, or no draw
        least, most = binom.interval(CONFIDENCE, total + rejected, intended)
        # where nothing else can be drawn, redraws change nothing
        judged = choice.judged or intended in (0.0, 1.0)
        judgeable = total > 0 and judged
        rows.append(
            {
                "quantity": choice.quantity,
                "option": option,
                "among": choice.among,
                "intended": intended,
                "observed": count / total if total else np.nan,
                "count": count,
                "total": total,
                "low": max(0.0, (least - rejected) / total) if total else np.nan,
                "high": min(1.0, most / total) if total else np.nan,
                "within": bool(least - rejected <= count <= most) if judgeable else None,
                "note": choice.note if choice.judged or not judged else "",
            }
        )
    return rows


def _range_row(number: Number, drawn: "array[float]") -> dict[str, Any]:
    values = np.frombuffer(drawn, dtype=np.float64)
    row: dict[str, Any] = {
        "defect": number.of,
        "parameter": number.parameter,
        "low": number.low,
        "high": number.high,
        "count": len(values),
        "inside": None,
    }
    if len(values) == 0:
        return row
    names = ("min", "p05", "p50", "p95", "max")
    row |= zip(names, np.quantile(values, [0, 0.05, 0.5, 0.95, 1]), strict=True)
    limits = np.array([number.low, number.high])
    if not np.isnan(limits).all():
        slack = _ROUNDING * (1 + np.nanmax(np.abs(limits)))
        below, above = row["min"] < number.low - slack, row["max"] > number.high + slack
        row["inside"] = not (below or above)
    return row
