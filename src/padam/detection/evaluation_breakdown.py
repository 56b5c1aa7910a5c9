"""Where a scorer does well and where not.

By defect, its severity, how much of a segment it fills, content and look-alikes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.detection.evaluation_measures import Decision, measure_segments
from padam.detection.operating_point import TitleScores
from padam.detection.title_bootstrap import Flags, TitleDraws, interval, ratio

SEVERITY = "error_to_signal_db"
SEVERITIES = ("mildest third", "middle third", "strongest third")
OVERLAPS_S = (0.5, 1.0, 2.0, 4.0)
"""Between groups of segments, by the seconds that a label overlaps."""
CONTENT, LOOK_ALIKE = "content", "look_alike"
Row = dict[str, Any]


def defect_rows(decision: Decision, labels: pd.DataFrame, draws: TitleDraws) -> list[Row]:
    """Recall of each kind of defect, and AUC of its segments against those without any defect.

    At the level of titles a title counts for a kind when it has a label of it, as found when a kept
    segment overlaps one of these; there is no AUC, since other kinds may lie in the same title.
    """
    test = decision.test
    rows: list[Row] = []
    ranking = decision.ranking if decision.level == "segment" else None
    for defect, named in _known(labels, test).groupby("defect"):
        truth = test.overlapping(named)
        actual, detected = test.sum_by_title(truth), test.sum_by_title(truth & decision.kept)
        if decision.level == "title":
            labelled = np.isin(test.names, named["title"].astype(str).unique())
            actual, detected = labelled.astype(np.float64), np.sign(detected)
        row = decision.named() | {"defect": str(defect)} | _recall(actual, detected, draws)
        if ranking is not None:
            auc = ranking.only(truth[test.truth]).auc(draws)
            row |= {"auc": float(auc[0])} | _interval("auc", auc)
        rows.append(row)
    return rows


def breakdown_rows(
    decision: Decision, labels: pd.DataFrame, titles: pd.DataFrame, draws: TitleDraws
) -> list[Row]:
    """Recall by severity and by overlap, and all measures by content and on look-alikes.

    Only decisions on segments are broken down. What tables of an archive do not tell (severity of a
    label, content of a title, what it resembles) gives no row.
    """
    if decision.level != "segment":
        return []
    rows = [*_severity_rows(decision, labels, draws), *_overlap_rows(decision, labels, draws)]
    for column in (CONTENT, LOOK_ALIKE):
        for group, members in _groups(titles, column, decision.test):
            found = measure_segments(decision, draws.among(members)).columns()
            flagged = decision.test.sum_by_title(decision.kept) > 0
            own = _sizes(decision.test, members) | {
                "titles_flagged": int((flagged & members).sum())
            }
            rows.append(decision.named() | {"by": column, "group": group} | found | own)
    return rows


def _severity_rows(decision: Decision, labels: pd.DataFrame, draws: TitleDraws) -> Iterator[Row]:
    """Recall of the thirds of each kind's labels, by the energy of the error to the signal."""
    if SEVERITY not in labels.columns:
        return
    test = decision.test
    known = _known(labels, test).dropna(subset=[SEVERITY])
    for defect, named in known.groupby("defect"):
        if len(named) < len(SEVERITIES):
            continue
        rank = named[SEVERITY].rank(method="first", pct=True)
        third = np.ceil(rank * len(SEVERITIES)).astype(int) - 1
        for number, group in enumerate(SEVERITIES):
            chosen = named[third == number]
            yield (
                decision.named()
                | {"by": "severity", "group": group, "defect": str(defect)}
                | {
                    f"{SEVERITY}_from": float(chosen[SEVERITY].min()),
                    f"{SEVERITY}_to": float(chosen[SEVERITY].max()),
                }
                | _found(decision, test.overlapping(chosen), draws)
            )


def _overlap_rows(decision: Decision, labels: pd.DataFrame, draws: TitleDraws) -> Iterator[Row]:
    """Recall of segments by how long a label overlaps them; one with 0.1 s of it counts as well."""
    overlap_s = decision.test.overlapped_s(labels)
    bounds = (0.0, *OVERLAPS_S, float("inf"))
    for low, high in pairwise(bounds):
        truth = (overlap_s > low) & (overlap_s <= high)
        if truth.any():
            group = f"over {low:g} s" if np.isinf(high) else f"{low:g} to {high:g} s"
            yield (
                decision.named()
                | {"by": "overlap", "group": group}
                | _found(decision, truth, draws)
            )


def _groups(titles: pd.DataFrame, column: str, test: TitleScores) -> Iterator[tuple[str, Flags]]:
    """Groups of a column of the titles with the test titles in each, (titles,)."""
    if column not in titles.columns:
        return
    values = titles.set_index(titles["title"].astype(str))[column]
    values = values[~values.index.duplicated()].reindex(list(test.names))
    # a yes or no that a CSV file keeps as a word or a number
    words = values.map(lambda value: "" if pd.isna(value) else str(value).strip())
    words = words.where(~words.str.lower().isin(["", "false", "no", "0", "0.0", "none"]), "")
    words = words.where(~words.str.lower().isin(["true", "yes", "1", "1.0"]), "yes")
    for group in sorted(set(words) - {""}):
        yield group, (words == group).to_numpy()


def _known(labels: pd.DataFrame, test: TitleScores) -> pd.DataFrame:
    return labels[labels["title"].astype(str).isin(set(test.names))]


def _recall(
    actual: npt.NDArray[np.float64], detected: npt.NDArray[np.float64], draws: TitleDraws
) -> Row:
    recall = ratio(draws.totals(detected), draws.totals(actual))
    return {
        "actual": int(actual.sum()),
        "detected": int(detected.sum()),
        "recall": float(recall[0]),
    } | _interval("recall", recall)


def _found(decision: Decision, truth: Flags, draws: TitleDraws) -> Row:
    """Recall of these defective segments, and their AUC against those without any defect."""
    test = decision.test
    auc = decision.ranking.only(truth[test.truth]).auc(draws)
    return (
        _recall(test.sum_by_title(truth), test.sum_by_title(truth & decision.kept), draws)
        | {"auc": float(auc[0])}
        | _interval("auc", auc)
    )


def _interval(name: str, values: npt.NDArray[np.float64]) -> Row:
    low, high = interval(values)
    return {f"{name}_low": low, f"{name}_high": high}


def _sizes(test: TitleScores, members: Flags) -> Row:
    """Segments, titles and prevalence of a group, in place of those of all titles."""
    inside = members[test.index]
    truth = test.truth[inside]
    return {
        "segments": int(inside.sum()),
        "segments_unscored": int((inside & ~test.scored).sum()),
        "titles": int(members.sum()),
        "titles_defective": int((members & test.defective).sum()),
        "prevalence": float(truth.mean()) if len(truth) else float("nan"),
    }
