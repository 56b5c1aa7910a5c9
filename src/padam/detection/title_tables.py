"""The tables of titles with ground truth, whoever wrote them: checked and completed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from padam.defects.registry import DEFECT_NAMES
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.segments import MINIMUM_LAST_S, SEGMENT_S

TITLES, LABELS = "titles.csv", "labels.csv"
REQUIRED_TITLE_COLUMNS = ["title", "split", "file", "duration_s"]
TITLE_COLUMNS = [*REQUIRED_TITLE_COLUMNS, "content", "look_alike"]
ERROR_COLUMN = "error_to_signal_db"
FULL_LABEL_COLUMNS = [*LABEL_COLUMNS, ERROR_COLUMN]
END_TOLERANCE_S = 0.02
"""A label may pass the title's end by this much: times are rounded, codecs pad; it is cut there."""

_SHOWN = 5


@dataclass(frozen=True)
class CheckedTitles:
    """Titles and labels that can be relied on, and what was put right or is worth to know."""

    titles: pd.DataFrame
    labels: pd.DataFrame
    notes: tuple[str, ...] = field(default=())


def check_titles(
    titles: pd.DataFrame, labels: pd.DataFrame, place: object = "the titles"
) -> CheckedTitles:
    """Check titles (title, split, file, duration_s) and labels (title, start_s, end_s, defect).

    Columns that may be absent are filled: `content` and `look_alike` with "", `error_to_signal_db`
    with NaN. Labels of one defect that overlap are merged, those that pass the title's end by a
    rounding are cut; both are noted, as are titles shorter than a segment. Raises ValueError, which
    names `place`, the table, the title and the value, for whatever else is wrong.
    """
    notes: list[str] = []
    titles = _complete_titles(titles, f"{place}: {TITLES}", notes)
    labels = _complete_labels(labels, titles, f"{place}: {LABELS}", notes)
    return CheckedTitles(titles, labels, tuple(notes))


def _complete_titles(titles: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    _need_columns(titles, REQUIRED_TITLE_COLUMNS, where)
    if titles.empty:
        raise ValueError(f"{where} holds no title")
    titles = titles.copy()
    for column in ("title", "split", "file"):
        _refuse(titles[column].isna() | (titles[column].astype(str) == ""), titles, where, column)
        titles[column] = titles[column].astype(str)
    for column in ("title", "file"):
        twice = titles[column].duplicated()
        if twice.any():
            raise ValueError(f"{where}: {column} {_some(titles.loc[twice, column])} is there twice")
    titles["duration_s"] = _numbers(titles, "duration_s", where)
    seconds = titles["duration_s"]
    _refuse(seconds < MINIMUM_LAST_S, titles, where, "duration_s", f"{MINIMUM_LAST_S:g} s or more")
    short = int((seconds < SEGMENT_S).sum())
    if short:
        notes.append(
            f"{short} titles are shorter than a segment of {SEGMENT_S:g} s: one score each"
        )
    for column in ("content", "look_alike"):
        given = titles[column] if column in titles else pd.Series("", index=titles.index)
        titles[column] = given.astype(object).where(given.notna(), "").astype(str)
    return titles.reset_index(drop=True)


def _complete_labels(
    labels: pd.DataFrame, titles: pd.DataFrame, where: str, notes: list[str]
) -> pd.DataFrame:
    _need_columns(labels, LABEL_COLUMNS, where)
    labels = labels.copy()
    labels["title"] = labels["title"].astype(str)
    lasting = dict(zip(titles["title"], titles["duration_s"], strict=True))
    duration_s = labels["title"].map(lasting).astype(float)
    if duration_s.isna().any():
        unknown = _some(labels.loc[duration_s.isna(), "title"])
        raise ValueError(f"{where}: labels of titles that {TITLES} does not hold: {unknown}")
    _refuse(
        ~labels["defect"].isin(DEFECT_NAMES),
        labels,
        where,
        "defect",
        f"one of {', '.join(DEFECT_NAMES)}",
    )
    for column in ("start_s", "end_s"):
        labels[column] = _numbers(labels, column, where)
    _refuse(labels["start_s"] < 0, labels, where, "start_s", "0 or more")
    _refuse(labels["end_s"] <= labels["start_s"], labels, where, "end_s", "above start_s")
    beyond = labels["end_s"] - duration_s
    _refuse(
        (beyond > END_TOLERANCE_S) | (labels["start_s"] >= duration_s),
        labels,
        where,
        "end_s",
        "at most the title's duration_s",
    )
    if cut := int((beyond > 1e-6).sum()):
        notes.append(f"{cut} labels passed the end of their title by a rounding and are cut there")
    labels["end_s"] = np.minimum(labels["end_s"], duration_s)
    if ERROR_COLUMN not in labels:
        labels[ERROR_COLUMN] = np.nan
    labels[ERROR_COLUMN] = pd.to_numeric(labels[ERROR_COLUMN], errors="coerce").astype(float)
    merged = _merge(labels)
    if count := len(labels) - len(merged):
        notes.append(f"{count} labels overlapped another of the same defect and are merged with it")
    return merged


def _merge(labels: pd.DataFrame) -> pd.DataFrame:
    """Labels of one title and defect that overlap as one, as strong as the strongest of them."""
    rows: list[dict[str, object]] = []
    ordered = labels.sort_values(["title", "defect", "start_s"], kind="stable")
    for row in ordered.to_dict(orient="records"):
        last = rows[-1] if rows else None
        same = last is not None and all(last[key] == row[key] for key in ("title", "defect"))
        if last is None or not same or row["start_s"] >= last["end_s"]:
            rows.append({str(key): value for key, value in row.items()})
            continue
        last["end_s"] = max(last["end_s"], row["end_s"])
        last[ERROR_COLUMN] = np.fmax(last[ERROR_COLUMN], row[ERROR_COLUMN])  # type: ignore[call-overload]
    merged = pd.DataFrame(rows, columns=list(labels.columns)).astype(labels.dtypes.to_dict())
    return merged.sort_values(["title", "start_s", "defect"], kind="stable").reset_index(drop=True)


def _need_columns(table: pd.DataFrame, columns: list[str], where: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{where} lacks the columns {', '.join(missing)}")


def _numbers(table: pd.DataFrame, column: str, where: str) -> pd.Series[float]:
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    _refuse(numbers.abs().isin([np.inf]) | numbers.isna(), table, where, column, "a number")
    return numbers


def _refuse(
    wrong: pd.Series[bool], table: pd.DataFrame, where: str, column: str, wanted: str = "a value"
) -> None:
    """Raise ValueError that names the first rows that are wrong."""
    if not wrong.any():
        return
    found = [
        f"{column} {value} of title {title}"
        for value, title in zip(
            table.loc[wrong, column].head(_SHOWN),
            table.loc[wrong, "title"].head(_SHOWN),
            strict=True,
        )
    ]
    more = f" and {int(wrong.sum()) - _SHOWN} more" if wrong.sum() > _SHOWN else ""
    raise ValueError(f"{where}: {'; '.join(found)}{more}: expected {wanted}")


def _some(values: pd.Series[str]) -> str:
    names = sorted(set(map(str, values)))
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))
