"""What the rows of the run summary are, and how a value with its interval is written."""

from collections.abc import Mapping
from typing import Any

Rows = list[tuple[str, str]]
Summary = Mapping[str, Any]


def estimate(row: Summary, name: str) -> str:
    """Write a value with its interval, or what of them there is."""
    if row[name] is None:
        return "–"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{row[name]:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")
