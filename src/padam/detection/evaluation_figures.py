"""Figures of the evaluation: precision against recall, timelines, and the search for a filter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.metrics import precision_recall_curve

from padam.detection import matching
from padam.detection.evaluation_tables import display_name, in_order
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
    by_name = dict(iter(test.groupby("scorer", sort=False)))
    for name in in_order([str(name) for name in by_name]):
        rows = by_name[name]
        truth = matching.segment_truth(rows, labels)
        values = rows["score"].to_numpy(dtype=np.float64)
        scored = ~np.isnan(values)
        if not truth[scored].any():
            continue
        precision, recall, _ = precision_recall_curve(truth[scored], values[scored])
        reachable = truth[scored].sum() / truth.sum()
        area = matching.average_precision(values, truth)
        axes.step(
            recall * reachable,
            precision,
            where="post",
            lw=2.2 if name == "padam" else 1.2,
            label=f"{display_name(name)} (AP {area:.2f})",
        )
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
    labels = labels.assign(title=labels["title"].astype(str))
    rows = rows.assign(title=rows["title"].astype(str))
    defective = set(labels["title"])
    names = sorted(rows["title"].unique(), key=lambda name: (name not in defective, name))[:limit]
    titles = {}
    for name in names:
        segments = rows.loc[rows["title"] == name, ["start_s", "end_s", "score"]]
        flagged = flag_segments(segments, point.threshold, point.filter.x_s, point.filter.y_s)
        titles[name] = (flagged, labels[labels["title"] == name])
    return score_timelines(titles, point.threshold)


def filter_search_figure(
    surface: pd.DataFrame, chosen: OperatingPoint, title: str = "Best F1 of titles by filter"
) -> Figure:
    """Greatest title-level F1 of each temporal filter: x across, y upwards, the chosen one framed.

    surface: as of `FilterSearch.surface`. Filters that cannot be (x above y) are left white; 0/0 is
    no filter.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    if surface["f1"].isna().all():
        axes.text(0.5, 0.5, "nothing to tune on", ha="center", va="center")
        axes.set_axis_off()
        return figure
    grid = surface.pivot(index="y_s", columns="x_s", values="f1")
    image = axes.imshow(
        np.ma.masked_invalid(grid.to_numpy()), origin="lower", cmap="viridis", aspect="auto"
    )
    axes.set_xticks(range(len(grid.columns)), [f"{x:g}" for x in grid.columns])
    axes.set_yticks(range(len(grid.index)), [f"{y:g}" for y in grid.index])
    least, most = np.nanmin(grid.to_numpy()), np.nanmax(grid.to_numpy())
    for row, values in enumerate(grid.to_numpy()):
        for column, value in enumerate(values):
            if np.isfinite(value):
                dark = value < (least + most) / 2
                axes.text(
                    *(column, row, f"{value:.2f}"),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark and most > least else "black",
                )
    place = (
        np.flatnonzero(grid.columns == chosen.filter.x_s)[0],
        np.flatnonzero(grid.index == chosen.filter.y_s)[0],
    )
    frame = Rectangle((place[0] - 0.5, place[1] - 0.5), 1, 1, fill=False, ec="tab:red", lw=2)
    axes.add_patch(frame)
    axes.set(xlabel="x: seconds of detections", ylabel="y: window in seconds")
    figure.colorbar(image, ax=axes, label="F1")
    return figure
