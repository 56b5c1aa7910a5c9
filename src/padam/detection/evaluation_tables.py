"""Tables 2 and 3 of the paper for people: Markdown to read, LaTeX to print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

NAMES: Final = {
    "audio_artifacts": "AA",
    "dnsmos": "DNSMOS",
    "nisqa": "NISQA",
    "srmr": "SRMR",
    "scoreq": "SCOREQ",
    "essentia": "Essentia",
    "feature_extractor": "PADAM: feature extractor",
    "quality_head": "PADAM: + quality head",
    "native_evidence": "PADAM: native-rate evidence alone",
    "padam": "PADAM: + SVM classifier",
}
"""Systems in the order of the paper: its baselines, then PADAM from its first stage on."""

ORIGINS: Final = {
    "validation": "threshold from the validation titles",
    "test": "threshold tuned on the test titles, as in the paper",
}
LEVELS: Final = {
    "segment": "Table 2: segments of 10 s",
    "title": "Table 3: titles, with the temporal filter",
}
Row = dict[str, Any]
Cell = Callable[[Row], str]


def markdown_tables(systems: pd.DataFrame, defects: pd.DataFrame, titles: Mapping[str, int]) -> str:
    """Return a page with both tables for each origin of the threshold, and recall by defect.

    systems and defects: as of `evaluate_scorers`; titles: how many are `defective` and `clean`.
    """
    parts = [
        "# PADAM beside other systems",
        f"{titles['defective']} defective and {titles['clean']} clean test titles. In brackets: "
        "95 % bootstrap intervals over titles at a fixed operating point. p: of no difference to "
        "PADAM, from the same draws of titles.",
    ]
    for level, heading in LEVELS.items():
        for origin, how in ORIGINS.items():
            rows = _rows(systems, level, origin)
            if rows:
                columns = _columns(level)
                body = [[cell(row) for cell in columns.values()] for row in rows]
                parts += [
                    f"## {heading}",
                    f"{how.capitalize()}.",
                    markdown_table(list(columns), body),
                ]
    if not defects.empty:
        parts += ["## Recall and AUC by defect", *_defect_tables(defects)]
    return "\n\n".join(parts) + "\n"


def latex_tables(systems: pd.DataFrame) -> str:
    """Return a LaTeX table per level and origin of the threshold, for the package booktabs."""
    parts = []
    for level, heading in LEVELS.items():
        for origin, how in ORIGINS.items():
            rows = _rows(systems, level, origin)
            if not rows:
                continue
            columns = _columns(level)
            best = {
                name: max((row[name] for row in rows if pd.notna(row.get(name))), default=None)
                for name in ("precision", "recall", "f1")
            }
            lines = [
                " & ".join(_latex_cell(name, cell, row, best) for name, cell in columns.items())
                for row in rows
            ]
            parts.append(
                "\n".join(
                    [
                        r"\begin{table}",
                        r"\centering",
                        rf"\caption{{{_escaped(heading)}; {_escaped(how)}.}}",
                        rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
                        r"\toprule",
                        " & ".join(map(_escaped, columns)) + r" \\",
                        r"\midrule",
                        *(f"{line} \\\\" for line in lines),
                        r"\bottomrule",
                        r"\end{tabular}",
                        r"\end{table}",
                    ]
                )
            )
    return "\n\n".join(parts) + "\n"


def in_order(scorers: Sequence[str]) -> list[str]:
    """Systems as the paper has them; unknown ones first, as they come."""
    order = {name: number for number, name in enumerate(NAMES)}
    return sorted(dict.fromkeys(scorers), key=lambda name: order.get(name, -1))


def display_name(scorer: str) -> str:
    """What a system is called in tables."""
    return NAMES.get(scorer, scorer)


def _rows(systems: pd.DataFrame, level: str, origin: str) -> list[Row]:
    chosen = systems[(systems["level"] == level) & (systems["threshold_from"] == origin)]
    by_name: dict[str, Row] = {row["scorer"]: row for row in _records(chosen)}
    return [by_name[name] for name in in_order(list(by_name))]


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _columns(level: str) -> dict[str, Cell]:
    """Heading and text of each column; what a system that did not run has is its note."""
    columns: dict[str, Cell] = {"Model": lambda row: display_name(row["scorer"])}
    if level == "title":
        columns["Filter"] = _filter
    return columns | {
        "Threshold": lambda row: row["note"] or number(row["threshold"]),
        "Precision": lambda row: number(row["precision"]),
        "Recall": lambda row: estimate(row, "recall"),
        "F1": lambda row: estimate(row, "f1"),
        "AP": lambda row: estimate(row, "average_precision"),
        "AUC": lambda row: number(row["auc"]),
        "False alarms per hour": lambda row: number(row["false_alarms_per_hour"]),
        "p of F1": lambda row: number(row.get("f1_p"), 3),
        "p of AP": lambda row: number(row.get("average_precision_p"), 3),
        **(
            {"F1 at the reference prevalence": lambda row: number(row.get("f1_at_reference"))}
            if level == "segment"
            else {}
        ),
        "Not scored": lambda row: "" if row["note"] else str(int(row["segments_unscored"])),
    }


def _filter(row: Row) -> str:
    if row["note"] or pd.isna(row["filter_x_s"]):
        return ""
    return f"{row['filter_x_s']:g} s/{row['filter_y_s']:g} s" if row["filter_y_s"] else "none"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as tables have it; nothing for one that is absent."""
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def estimate(row: Row, name: str) -> str:
    """Return a measure of a row with its interval in brackets."""
    low, high = number(row.get(f"{name}_low")), number(row.get(f"{name}_high"))
    return number(row[name]) + (f" [{low}, {high}]" if low and high else "")


def _defect_tables(defects: pd.DataFrame) -> Iterator[str]:
    """A table of recall and AUC of segments per origin of the threshold."""
    segments = defects[defects["level"] == "segment"]
    for origin, how in ORIGINS.items():
        chosen = segments[segments["threshold_from"] == origin]
        if chosen.empty:
            continue
        kinds = sorted(chosen["defect"].unique())
        cells = {
            (row["scorer"], row["defect"]): f"{number(row['recall'])} ({number(row['auc'])})"
            for row in chosen.to_dict(orient="records")
        }
        scorers = in_order(chosen["scorer"].tolist())
        body = [[display_name(s), *(cells.get((s, k), "") for k in kinds)] for s in scorers]
        yield f"Of segments, AUC in brackets; {how}."
        yield markdown_table(["Model", *kinds], body)


def markdown_table(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [list(columns), ["---"] * len(columns), *map(list, body)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def _latex_cell(name: str, cell: Cell, row: Row, best: Mapping[str, Any]) -> str:
    text = _escaped(cell(row))
    measure = name.lower()
    greatest = best.get(measure)
    return rf"\textbf{{{text}}}" if greatest is not None and row.get(measure) == greatest else text


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text
