"""Figures of the evaluation: precision against recall of every scorer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from padam.detection import matching
from padam.detection.events import flag_segments
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.figure import score_timelines


def precision_recall_figure(scores: pd.DataFrame, labels: pd.DataFrame) -> Figure:
    """Segment-level precision against recall on the test titles, one line per scorer.

    Takes the tables of `evaluate_scorers`. The dotted line is a scorer that guesses. Segments that
    a scorer could not judge are never found, so its line ends short of full recall.
    """
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    test = scores[scores["split"] == "test"]
    prevalence = None
    for name, rows in test.groupby("scorer", sort=False):
        truth = matching.segment_truth(rows, labels)
        values = rows["score"].to_numpy(dtype=np.float64)
        scored = ~np.isnan(values)
        if not truth[scored].any():
            continue
        precision, recall, _ = precision_recall_curve(truth[scored], values[scored])
        reachable = truth[scored].sum() / truth.sum()
        area = matching.average_precision(values, truth)
        axes.step(recall * reachable, precision, where="post", label=f"{name} (AP {area:.2f})")
        prevalence = float(truth.mean())
    if prevalence is None:
        axes.text(0.5, 0.5, "no defective segment was scored", ha="center", va="center")
    else:
        axes.axhline(prevalence, ls=":", lw=0.8, color="0.4")
        axes.legend(fontsize=8)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    axes.set_title("Segments of 10 s, test titles", loc="left", fontsize=10)
    return figure


def title_timelines_figure(
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    point: OperatingPoint,
    scorer: str = "padam",
    limit: int = 6,
) -> Figure:
    """Score timelines of one scorer on test titles, defects shaded, defective titles first."""
    rows = scores[(scores["scorer"] == scorer) & (scores["split"] == "test")]
    defective = set(labels["title"])
    names = sorted(rows["title"].unique(), key=lambda name: (name not in defective, name))[:limit]
    titles = {}
    for name in names:
        segments = rows.loc[rows["title"] == name, ["start_s", "end_s", "score"]]
        flagged = flag_segments(segments, point.threshold, point.filter.x_s, point.filter.y_s)
        titles[name] = (flagged, labels[labels["title"] == name])
    return score_timelines(titles, point.threshold)
