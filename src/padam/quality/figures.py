"""Figures of the fused score."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from padam.quality.fusion import orient

CLEAN = "clean"


def quality_by_defect(q_hat: pd.Series, labels: Sequence[Sequence[str]]) -> Figure:
    """Box plot of q̂ by defect, worst first; a clip with several defects counts in each.

    labels: the defects of each clip in the order of `q_hat`; none means clean.
    """
    if len(labels) != len(q_hat):
        raise ValueError(f"{len(q_hat)} scores but {len(labels)} label lists")
    values: dict[str, list[float]] = {}
    for value, defects in zip(q_hat, labels, strict=True):
        if pd.notna(value):
            for defect in list(defects) or [CLEAN]:
                values.setdefault(defect, []).append(float(value))
    order = sorted(values, key=lambda defect: float(pd.Series(values[defect]).median()))
    figure = _figure(7.0, 3.5)
    axes = figure.add_subplot()
    if order:
        axes.boxplot(
            [values[defect] for defect in order],
            tick_labels=[f"{defect.replace('_', ' ')}\n{len(values[defect])}" for defect in order],
            showfliers=False,
        )
    axes.set_ylabel("fused quality q̂")
    axes.set_title("q̂ by defect (number of clips below)")
    axes.grid(axis="y", alpha=0.3)
    return figure


def metric_correlation(scores: pd.DataFrame) -> Figure:
    """Spearman correlation of the metrics, each oriented so that higher is better."""
    correlation = orient(scores).corr(method="spearman", min_periods=3)
    names = list(correlation.columns)
    figure = _figure(4.5, 4.0)
    axes = figure.add_subplot()
    image = axes.imshow(correlation.to_numpy(), vmin=-1, vmax=1, cmap="RdBu")
    for row, values in enumerate(correlation.to_numpy()):
        for column, value in enumerate(values):
            text = "–" if pd.isna(value) else f"{value:.2f}"
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Spearman correlation of the metrics")
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure
