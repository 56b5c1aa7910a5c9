"""Figures of the fused score."""

import math
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


def severity_correlation(severities: pd.DataFrame) -> dict[str, float]:
    """Spearman's ρ of severity and lost quality, -q̂, by defect: 1 where worse always scores lower.

    severities: `defect`, `severity`, `q_hat` and `low_is_severe` (whether the low end of the
    severity is the severe one), one row per defect of a clip. NaN for fewer than three clips.
    """
    correlations = {}
    for defect, found in severities.groupby("defect"):
        worse = found["severity"].where(~found["low_is_severe"].astype(bool), -found["severity"])
        correlations[str(defect)] = float(
            worse.corr(-found["q_hat"], method="spearman", min_periods=3)
        )
    return correlations


def quality_by_severity(severities: pd.DataFrame) -> Figure:
    """Scatter of q̂ over the severity of each defect, severe to the right.

    severities: as in `severity_correlation`, whose ρ stands above each panel, with `label`, the
    name of the severity's scale.
    """
    correlations = severity_correlation(severities)
    figure = _figure(10.0, 5.0)
    columns = max(1, math.ceil(len(correlations) / 2))
    for number, (defect, found) in enumerate(severities.groupby("defect"), start=1):
        axes = figure.add_subplot(2, columns, number)
        found = found.dropna(subset=["severity", "q_hat"])
        axes.scatter(found["severity"], found["q_hat"], s=12, alpha=0.6, linewidths=0)
        rank = correlations[str(defect)]
        text = "–" if math.isnan(rank) else f"{rank:.2f}"
        name = str(defect).replace("_", " ")
        axes.set_title(f"{name}: {len(found)} clips, ρ {text}", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        if number % columns == 1 or columns == 1:
            axes.set_ylabel("fused quality q̂")
        if len(found):
            axes.set_xlabel(found["label"].iloc[0], fontsize=8)
            if found["low_is_severe"].iloc[0]:
                axes.invert_xaxis()
    figure.suptitle("q̂ by severity, severe to the right")
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
