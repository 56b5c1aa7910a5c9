"""A production review to read: Markdown, a figure, and the numbers as one document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from padam.detection.review import MEASURES, Review, title_verdicts
from padam.detection.scanned_titles import ScannedTitles
from padam.detection.verdicts import VERDICTS

_COLOURS = {"genuine": "tab:red", "creative_intent": "tab:orange", "no_issue": "tab:gray"}
_MOST_BARS = 12


def review_summary(
    review: Review, scanned: ScannedTitles, table: pd.DataFrame, thresholds: pd.DataFrame
) -> dict[str, Any]:
    """Counts, shares with their intervals and thresholds, ready for JSON: what is unknown is null.

    `flagged_unreviewed` counts scanned titles with something flagged of which no file of verdicts
    tells.
    """
    flagged = {title.document_id for title in scanned.titles if title.flagged}
    values = [
        "count",
        "of",
        "share",
        "wilson_low",
        "wilson_high",
        "bootstrap_low",
        "bootstrap_high",
    ]
    shares: dict[str, dict[str, Any]] = {}
    for row in table.to_dict(orient="records"):
        found = {name: None if pd.isna(row[name]) else row[name] for name in values}
        shares.setdefault(row["level"], {})[row["measure"]] = found
    return {
        "counts": review.counts,
        "scanned": {
            "titles": len(scanned.titles),
            "flagged": len(flagged),
            "flagged_unreviewed": len(flagged - set(review.events["document_id"])),
            "repeated": scanned.repeated,
            "model": scanned.model,
        },
        "shares": shares,
        "thresholds": {
            f"{row['volume']:g}": None if np.isnan(row["threshold"]) else row["threshold"]
            for row in thresholds.to_dict(orient="records")
        },
    }


def review_markdown(
    summary: dict[str, Any], table: pd.DataFrame, groups: pd.DataFrame, thresholds: pd.DataFrame
) -> str:
    """The review as a page of Markdown."""
    return "\n".join(_markdown(summary, table, groups, thresholds)) + "\n"


def review_figure(review: Review, table: pd.DataFrame, groups: pd.DataFrame) -> Figure:
    """Precisions with their intervals, verdicts by defect, and what creative intent is."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    shares, defects, intents = figure.subplots(1, 3)
    rows = table[table["measure"].isin(MEASURES)].dropna(subset=["share"])
    measures = rows["measure"].str.replace("_", " ")
    names = [f"{measure}, {level}s" for measure, level in zip(measures, rows["level"], strict=True)]
    error = np.abs(rows[["wilson_low", "wilson_high"]].to_numpy().T - rows["share"].to_numpy())
    shares.errorbar(rows["share"], names, xerr=error, fmt="o", ms=4, capsize=3)
    shares.set(xlim=(0, 1), xlabel="share of what was judged")
    shares.invert_yaxis()
    shares.grid(axis="x", alpha=0.3)
    shares.set_title("95 % intervals after Wilson", loc="left", fontsize=9)
    by_defect = groups[groups["by"] == "defect"].head(_MOST_BARS).iloc[::-1]
    left = np.zeros(len(by_defect))
    for verdict, text in VERDICTS.items():
        width = by_defect[verdict].to_numpy(dtype=float)
        labels = by_defect["value"].str.replace("_", " ")
        defects.barh(labels, width, left=left, color=_COLOURS[verdict], label=text)
        left += width
    defects.set_xlabel("events by their likeliest defect")
    defects.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    intent = groups[groups["by"] == "creative_intent"].head(_MOST_BARS).iloc[::-1]
    intents.barh(intent["value"], intent["events"], color=_COLOURS["creative_intent"])
    intents.set_xlabel("events of creative intent")
    if intent.empty:
        intents.text(0.5, 0.5, "none", ha="center", va="center", transform=intents.transAxes)
    judged = int((review.events["verdict"] != "").sum())
    titles = len(title_verdicts(review))
    figure.suptitle(f"{judged} events judged, {titles} titles", x=0.01, ha="left", fontsize=10)
    return figure


def _markdown(
    summary: dict[str, Any], table: pd.DataFrame, groups: pd.DataFrame, thresholds: pd.DataFrame
) -> Iterator[str]:
    counts, scanned = summary["counts"], summary["scanned"]
    yield "# Production review"
    yield ""
    yield (
        f"Events: {counts['events']} in {counts['titles']} titles, {counts['unjudged']} of them "
        f"not judged. Reviewers: {counts['reviewers']}."
    )
    yield (
        f"{counts['by_several']} events were judged by several, who disagreed on "
        f"{counts['disagreed']}; {counts['disputed']} had no majority and count for nothing. "
        f"{counts['repeated']} verdicts were replaced by a later one of the same reviewer."
    )
    if scanned["titles"]:
        yield (
            f"{scanned['titles']} titles were scanned ({scanned['model']}), {scanned['flagged']} "
            f"flagged; {scanned['flagged_unreviewed']} of these have not been reviewed."
        )
    else:
        yield "No detections documents were given: there is no flagged share and no threshold."
    yield ""
    yield (
        "Intervals are of 95 %: Wilson's takes what is counted for independent, the bootstrap "
        "draws titles. Recall is not known: nobody has listened to what was not flagged."
    )
    yield ""
    yield from _table(
        ["level", "measure", "count", "share", "Wilson", "bootstrap over titles"],
        [
            [
                row["level"],
                row["measure"].replace("_", " "),
                f"{row['count']} of {row['of']}",
                _percent(row["share"]),
                _interval(row["wilson_low"], row["wilson_high"]),
                _interval(row["bootstrap_low"], row["bootstrap_high"]),
            ]
            for row in table.to_dict(orient="records")
        ],
    )
    for by in ("defect", "severity"):
        yield from ("", f"## By {by}", "")
        yield from _table(
            [by, "events", "titles", *VERDICTS.values(), "genuine precision", "valid precision"],
            [
                [
                    str(row["value"]).replace("_", " "),
                    row["events"],
                    row["titles"],
                    *(row[name] for name in VERDICTS),
                    _percent(row["genuine_precision"]),
                    _percent(row["valid_precision"]),
                ]
                for row in groups[groups["by"] == by].to_dict(orient="records")
            ],
        )
    for verdict, text in VERDICTS.items():
        rows = groups[groups["by"] == verdict].to_dict(orient="records")
        if rows:
            yield from ("", f"## {text} by sub-category", "")
            yield from _table(
                ["sub-category", "events", "titles", "share"],
                [[r["value"], r["events"], r["titles"], _percent(r["share"])] for r in rows],
            )
    if len(thresholds):
        yield from ("", "## Thresholds for a volume of review", "")
        yield from _table(
            ["at most", "threshold", "segments", "titles", "hours to review"],
            [
                [
                    _percent(row["volume"]),
                    "none" if np.isnan(row["threshold"]) else f"{row['threshold']:.4f}",
                    _percent(row["segments_share"]),
                    _percent(row["titles_share"]),
                    f"{row['review_hours']:.2f} of {row['hours']:.1f}",
                ]
                for row in thresholds.to_dict(orient="records")
            ],
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        # what a reviewer wrote must not end a cell
        cells = (str(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f} %"


def _interval(low: float, high: float) -> str:
    return "–" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f} %"
