"""What the table at the end of a run tells of the learning curve."""

from collections.abc import Mapping
from typing import Any

from padam.defects.registry import DEFECT_NAMES

AUC = "auc_{}"
ANY = AUC.format("defective")


def learning_curve_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """AUC of each part, and what the last doubling of the sources gave."""
    rows = [
        (f"AUC on {name.replace('_', ' ')}", with_ranges(found[ANY], "{:.3f}"))
        for name, found in summary["parts"].items()
    ]
    if gains := summary["gain_of_last_doubling"]:
        of_defects = {name: gains[AUC.format(name)]["median"] for name in DEFECT_NAMES}
        told = (f"{name} {gain:+.3f}" for name, gain in of_defects.items() if gain is not None)
        rows += [
            ("gain of the last doubling", with_ranges(gains[ANY], "{:+.3f}")),
            ("by defect", ", ".join(told) or "–"),
        ]
    if summary["fits_failed"]:
        why = "; ".join(summary["reasons"])
        rows.append(("not fitted", f"{summary['fits_failed']} of {summary['fits']}: {why}"))
    trained = f"{summary['sources']} training sources"
    judged = f"{summary['validation_rows']} rows of {summary['validation_sources']} others"
    return [*rows, ("of", f"{trained}, judged on {judged}")]


def with_ranges(found: Mapping[str, float | None], form: str) -> str:
    """Write a median, its interval over validation sources, and the range of the draws."""
    if found["median"] is None:
        return "–"
    low, high, first, last = (
        "–" if (value := found[name]) is None else form.format(value)
        for name in ("low", "high", "draws_low", "draws_high")
    )
    drawn = "" if first == last else f"; draws {first} to {last}"
    return f"{form.format(found['median'])} [{low}, {high}]{drawn}"
