"""The tables of the model card and of the page on limits, from what a run has saved.

A page says where a table belongs, and what stands there is replaced::

    <!-- table: defects -->
    <!-- end of table -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from padam.detection.evaluation_tables import display_name, estimate, in_order, markdown_table
from padam.shipped import HERE, MODEL, RUNS, shipped_digests

THIRDS: Final = ("mildest third", "middle third", "strongest third")
_BLOCK = re.compile(r"<!-- table: (\S+) -->\n.*?<!-- end of table -->", re.DOTALL)
Row = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """Where the figures are: the folder of a run's evaluation tables, and the shipped model's.

    `cpu_hours` of training at `watts` of a core under load give its energy, an estimate.
    """

    evaluation: Path
    cpu_hours: float
    watts: float
    shipped: Path = HERE

    def table(self, name: str) -> pd.DataFrame:
        """Return the newest version of a table, or the one file of its name."""
        versions = sorted((self.evaluation / name).glob(f"*/{name}"))
        return pd.read_csv(versions[-1] if versions else self.evaluation / name)

    @property
    def model(self) -> Row:
        """The shipped model's description."""
        text = (self.shipped / MODEL / "model.json").read_text(encoding="utf-8")
        return dict(json.loads(text))


def fill_tables(page: str, figures: Figures) -> str:
    """Return a page with each of its tables made anew.

    Raises ValueError for a table of an unknown name, and OSError where its figures are absent.
    """

    def fill(block: re.Match[str]) -> str:
        name = block[1]
        if name not in TABLES:
            raise ValueError(f"there is no table '{name}', only {', '.join(TABLES)}")
        return f"<!-- table: {name} -->\n\n{TABLES[name](figures)}\n\n<!-- end of table -->"

    return _BLOCK.sub(fill, page)


def systems_table(figures: Figures) -> str:
    """Every system on segments and on titles, at the threshold from validation titles."""
    table = figures.table("evaluation_table.csv")
    table = table[table["threshold_from"] == "validation"]
    rows = {(row["scorer"], row["level"]): row for row in _records(table)}
    body = []
    for scorer in in_order(table["scorer"].tolist()):
        segment, title = rows[scorer, "segment"], rows.get((scorer, "title"))
        if isinstance(segment["note"], str) and segment["note"]:
            body.append([display_name(scorer), segment["note"], *[""] * 5])
            continue
        measures = ("auc", "average_precision", "f1", "f1_at_reference", "false_alarms_per_hour")
        cells = [estimate(segment, measure) for measure in measures]
        body.append([display_name(scorer), *cells, estimate(title, "f1") if title else ""])
    columns = [
        *("System", "AUC", "AP", "F1", "F1 at the reference prevalence"),
        *("False alarms per hour", "F1 of titles"),
    ]
    return markdown_table(columns, body)


def defects_table(figures: Figures) -> str:
    """PADAM on segments of each defect."""
    body = [
        [
            _words(row["defect"]),
            f"{row['actual']:.0f}",
            estimate(row, "auc"),
            estimate(row, "recall"),
        ]
        for row in _of_padam(figures.table("defect_recall.csv"))
    ]
    return markdown_table(["Defect", "Segments", "AUC", "Recall"], body)


def severity_table(figures: Figures) -> str:
    """PADAM on segments of each defect by how strong it is."""
    rows = _of_padam(figures.table("evaluation_breakdown.csv"), by="severity")
    order = {third: number for number, third in enumerate(THIRDS)}
    body = [
        [
            _words(row["defect"]),
            row["group"],
            f"{_decibels(row['error_to_signal_db_from'])} to "
            f"{_decibels(row['error_to_signal_db_to'])} dB",
            f"{row['actual']:.0f}",
            estimate(row, "auc"),
            estimate(row, "recall"),
        ]
        for row in sorted(rows, key=lambda row: (row["defect"], order[row["group"]]))
    ]
    columns = ["Defect", "Severity", "Error to signal", "Segments", "AUC", "Recall"]
    return markdown_table(columns, body)


def overlap_table(figures: Figures) -> str:
    """PADAM on segments by how many of their seconds a defect fills."""
    rows = _of_padam(figures.table("evaluation_breakdown.csv"), by="overlap")
    body = [
        [row["group"], f"{row['actual']:.0f}", estimate(row, "auc"), estimate(row, "recall")]
        for row in rows
    ]
    return markdown_table(["A label overlaps", "Segments", "AUC", "Recall"], body)


def groups_table(figures: Figures) -> str:
    """PADAM on titles of each kind of content, and with each look-alike of a defect."""
    breakdown = figures.table("evaluation_breakdown.csv")
    kinds = {"content": "content", "look_alike": "look-alike"}
    body = [
        [
            f"{told}: {_words(row['group'])}",
            f"{row['titles']:.0f}",
            estimate(row, "auc"),
            estimate(row, "recall"),
            estimate(row, "false_alarms_per_hour"),
        ]
        for by, told in kinds.items()
        for row in _of_padam(breakdown, by=by)
    ]
    return markdown_table(["Titles with", "Titles", "AUC", "Recall", "False alarms per hour"], body)


def operating_points_table(figures: Figures) -> str:
    """The shipped model's decisions by name, and its own."""
    model = figures.model
    body = [["its own", "greatest F1 of titles", _score(model["threshold"]), _filter(model)]]
    for name, point in model.get("operating_points", {}).items():
        body.append(
            [
                f"`{name}`",
                f"{100 * point['review_volume']:g} % of clean segments",
                point["reason"] or _score(point["threshold"]),
                _filter(point),
            ]
        )
    return markdown_table(["Operating point", "Chosen for", "Threshold", "Filter"], body)


def training_table(figures: Figures) -> str:
    """Time and energy of training, and its runs."""
    runs = json.loads((figures.shipped / RUNS).read_text(encoding="utf-8"))
    energy = figures.cpu_hours * figures.watts / 1000
    body = [[run["run_name"], run["start_time"], _minutes(run["duration_s"])] for run in runs]
    told = (
        f"{figures.cpu_hours:g} CPU-hours. Energy: {energy:.2f} kWh, an estimate: CPU-hours by "
        f"{figures.watts:g} W a core."
    )
    if not body:
        return told
    return f"{told}\n\n{markdown_table(['Run', 'Started', 'Wall time, minutes'], body)}"


def files_table(figures: Figures) -> str:
    """Size and SHA-256 of every shipped file."""
    body = [
        [f"`{file}`", f"{(figures.shipped / file).stat().st_size / 1e6:.3f}", f"`{digest}`"]
        for file, digest in shipped_digests(figures.shipped).items()
    ]
    return markdown_table(["File", "MB", "SHA-256"], body)


TABLES: Final[Mapping[str, Callable[[Figures], str]]] = {
    "systems": systems_table,
    "defects": defects_table,
    "severity": severity_table,
    "overlap": overlap_table,
    "groups": groups_table,
    "operating_points": operating_points_table,
    "training": training_table,
    "files": files_table,
}


def _of_padam(table: pd.DataFrame, **where: str) -> list[Row]:
    """Rows of PADAM's segments at the threshold from validation titles."""
    wanted = {"scorer": "padam", "level": "segment", "threshold_from": "validation", **where}
    for column, value in wanted.items():
        table = table[table[column] == value]
    return _records(table)


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _decibels(value: float) -> str:
    return str(round(value))


def _score(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.4f}"


def _filter(point: Mapping[str, Any]) -> str:
    x_s, y_s = point["filter"]["x_s"], point["filter"]["y_s"]
    return f"{x_s:g} s within {y_s:g} s" if y_s else "none"


def _minutes(duration_s: float | None) -> str:
    return "" if duration_s is None else f"{duration_s / 60:.0f}"
