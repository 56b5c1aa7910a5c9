"""Score timeline: the scores of a title over time, its threshold, detections and known defects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from padam.detection.reports.timecode import timecode


def score_timeline(
    segments: pd.DataFrame,
    threshold: float,
    *,
    title: str = "",
    labels: pd.DataFrame | None = None,
) -> Figure:
    """One title: segments as by `flag_segments`, labels (start_s, end_s, defect) shaded."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    draw_timeline(figure.add_subplot(), segments, threshold, title=title, labels=labels)
    return figure


def score_timelines(
    titles: dict[str, tuple[pd.DataFrame, pd.DataFrame]], threshold: float
) -> Figure:
    """Figure of several titles under each other: name → (segments, labels)."""
    figure = Figure(figsize=(10, 1 + 1.7 * max(1, len(titles))), layout="constrained")
    for index, (name, (segments, labels)) in enumerate(titles.items()):
        shared = figure.axes[0] if index else None
        axes = figure.add_subplot(len(titles), 1, index + 1, sharey=shared)
        draw_timeline(axes, segments, threshold, title=name, labels=labels)
    return figure


def draw_timeline(
    axes: Axes,
    segments: pd.DataFrame,
    threshold: float,
    *,
    title: str = "",
    labels: pd.DataFrame | None = None,
) -> None:
    """Draw one title on the given axes; segments without a score leave a gap."""
    if labels is not None:
        for row, label in enumerate(labels.to_dict("records")):
            axes.axvspan(label["start_s"], label["end_s"], color="tab:orange", alpha=0.25, lw=0)
            axes.annotate(
                str(label["defect"]),
                (label["start_s"], 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -9 - 9 * (row % 3)),
                textcoords="offset points",
                fontsize=7,
                color="tab:brown",
            )
    if not segments.empty:
        edges = np.append(segments["start_s"].to_numpy(), segments["end_s"].iloc[-1])
        axes.stairs(segments["score"].to_numpy(dtype=float), edges, baseline=None, color="tab:blue")
        flagged = segments[segments["flagged"]]
        axes.plot(
            (flagged["start_s"] + flagged["end_s"]) / 2,
            flagged["score"],
            "o",
            ms=4,
            color="tab:red",
            label="flagged",
        )
        axes.set_xlim(0, float(edges[-1]))
    if np.isfinite(threshold):
        axes.axhline(threshold, ls="--", lw=0.8, color="0.4", label="threshold")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: timecode(max(0.0, x))[:8]))
    axes.set_ylabel("score")
    axes.set_title(title, loc="left", fontsize=9)
