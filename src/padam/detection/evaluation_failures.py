"""Failures to listen to: the defects that were missed by most, and the loudest false alarms."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.audio.media import MediaError, read_audio, write_flac
from padam.audio.pages import render
from padam.audio.storage import Location, written_whole
from padam.detection.evaluation_breakdown import CONTENT, LOOK_ALIKE, SEVERITY
from padam.detection.matching import segment_truth
from padam.detection.segments import SEGMENT_S

MISS, FALSE_ALARM = "miss", "false alarm"
TABLE, INDEX = "failures.csv", "index.html"
RATE: Final = 48_000
COLUMNS: Final = [
    "kind",
    "rank",
    "scorer",
    "title",
    "start_s",
    "end_s",
    "score",
    "threshold",
    "defect",
    SEVERITY,
    CONTENT,
    LOOK_ALIKE,
]


class FailuresConfig(BaseModel):
    """How many failures are kept, and how much of each is heard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worst: int = Field(default=10, ge=0)
    around_s: float = Field(default=2.0, ge=0)
    longest_s: float = Field(default=14.0, gt=0)


@dataclass(frozen=True)
class Failures:
    """A row per failure (`COLUMNS`, excerpt_start_s, excerpt_end_s), and where its title lies."""

    table: pd.DataFrame
    paths: Mapping[str, Location]


def worst_failures(
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    titles: pd.DataFrame,
    scorer: str,
    threshold: float,
    config: FailuresConfig,
) -> pd.DataFrame:
    """Return the worst misses and false alarms of a scorer on the test titles, a row each.

    A miss is a label of which no segment reaches the threshold: those without any score first, then
    by their greatest score, the lowest first. A false alarm is a run of flagged segments that
    overlap no label, by its greatest score, the highest first.
    """
    test = scores[(scores["scorer"] == scorer) & (scores["split"] == "test")]
    test = test.sort_values(["title", "start_s"]).reset_index(drop=True)
    test["title"] = test["title"].astype(str)
    test["truth"] = segment_truth(test, labels)
    test["flagged"] = test["score"].to_numpy(dtype=np.float64) >= threshold
    labels = labels.assign(title=labels["title"].astype(str))
    known = labels[
        labels["title"].isin(set(titles.loc[titles["split"] == "test", "title"].astype(str)))
    ]
    rows = [
        *_ranked(_misses(test, known), config.worst, MISS),
        *_ranked(_false_alarms(test), config.worst, FALSE_ALARM),
    ]
    table = pd.DataFrame(
        rows, columns=[name for name in COLUMNS if name not in ("scorer", "threshold")]
    )
    table = table.assign(scorer=scorer, threshold=threshold)
    about = titles.assign(title=titles["title"].astype(str)).set_index("title")
    for column in (CONTENT, LOOK_ALIKE):
        if column in about.columns:
            table[column] = table["title"].map(about[column])
    start_s = (table["start_s"] - config.around_s).clip(lower=0.0)
    end_s = np.minimum(table["end_s"] + config.around_s, start_s + config.longest_s)
    return table[COLUMNS].assign(excerpt_start_s=start_s, excerpt_end_s=end_s)


def write_failures(folder: Path, failures: Failures) -> Path:
    """Write the excerpts as FLAC, `failures.csv` and `index.html`; return the path of the page.

    A title that can no longer be read leaves its row with the reason instead of the sound.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files, reasons = [], []
    for row in failures.table.to_dict(orient="records"):
        name = f"{row['kind'].replace(' ', '_')}_{row['rank']:02d}.flac"
        start_s = float(row["excerpt_start_s"])
        duration_s = float(row["excerpt_end_s"]) - start_s
        reason = ""
        try:
            audio = read_audio(failures.paths[row["title"]], start_s, duration_s, sample_rate=RATE)
            if audio.shape[1]:
                write_flac(folder / name, audio[:8], RATE, subtype="PCM_16")
            else:
                reason = "the file ends before"
        except (MediaError, OSError) as error:
            reason = str(error)
        files.append("" if reason else name)
        reasons.append(reason)
    table = failures.table.assign(file=files, reason=reasons)
    text = io.StringIO()
    table.to_csv(text, index=False)
    page = render(
        "padam.detection",
        "failures.html",
        kinds={
            "Misses": _cards(table[table["kind"] == MISS]),
            "False alarms": _cards(table[table["kind"] == FALSE_ALARM]),
        },
        scorer=next(iter(table["scorer"]), "the system"),
    )
    for name, content in ((TABLE, text.getvalue()), (INDEX, page)):
        with written_whole(folder / name) as partial:
            partial.write_text(content, encoding="utf-8")
    return folder / INDEX


def _misses(test: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    by_title = dict(iter(test.groupby("title")))
    rows: list[dict[str, Any]] = []
    for label in labels.to_dict(orient="records"):
        segments = by_title.get(label["title"])
        if segments is None:
            continue
        inside = segments[
            (segments["end_s"] > label["start_s"]) & (segments["start_s"] < label["end_s"])
        ]
        if not inside.empty and not inside["flagged"].any():
            rows.append(
                {
                    **{name: label[name] for name in ("title", "start_s", "end_s", "defect")},
                    SEVERITY: label.get(SEVERITY, np.nan),
                    "score": float(inside["score"].max()),
                }
            )
    table = pd.DataFrame(rows, columns=["title", "start_s", "end_s", "defect", SEVERITY, "score"])
    return table.sort_values(["score", "title", "start_s"], na_position="first")


def _false_alarms(test: pd.DataFrame) -> pd.DataFrame:
    wrong = test["flagged"] & ~test["truth"]
    before = test.shift()
    joined = (
        wrong.shift(fill_value=False)
        & (before["title"] == test["title"])
        & (test["start_s"] - before["end_s"] < SEGMENT_S / 100)
    )
    run = (~joined).cumsum()[wrong]
    chosen = test[wrong]
    found = chosen.groupby(run).agg(
        title=("title", "first"),
        start_s=("start_s", "first"),
        end_s=("end_s", "last"),
        score=("score", "max"),
    )
    return found.sort_values(["score", "title", "start_s"], ascending=[False, True, True])


def _ranked(table: pd.DataFrame, worst: int, kind: str) -> list[dict[Any, Any]]:
    chosen = table.head(worst)
    return chosen.assign(kind=kind, rank=range(1, len(chosen) + 1)).to_dict(orient="records")


def _cards(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """What the page says of each failure; what is not known is left out."""
    cards = []
    for row in table.to_dict(orient="records"):
        known = {
            "defect": row["defect"],
            "error to signal": row[SEVERITY],
            "content": row[CONTENT],
            "resembles": row[LOOK_ALIKE],
        }
        facts = {
            name: f"{value:.1f} dB" if isinstance(value, float) else str(value)
            for name, value in known.items()
            if not pd.isna(value)
        }
        score = "not scored" if pd.isna(row["score"]) else f"{row['score']:.3f}"
        cards.append(row | {"facts": facts, "shown_score": score})
    return cards
