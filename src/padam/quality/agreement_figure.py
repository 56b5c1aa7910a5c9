"""Figure of agreement with listeners: q̂ and every metric against the mean opinion scores."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from padam.quality.agreement import FUSED
from padam.quality.registry import METRICS, higher_is_better


def agreement_figure(table: pd.DataFrame, scores: pd.DataFrame, mos: pd.Series) -> Figure:
    """Scatter of q̂ against MOS with its linear map, and a panel for each metric.

    table: `agreement_table`; scores: higher is better, by clip id; mos: by clip id.
    """
    metrics = [name for name in table["metric"] if name != FUSED]
    columns = max(1, math.ceil(len(metrics) / 2))
    figure = Figure(figsize=(4.4 + 2.6 * columns, 4.6), layout="constrained", dpi=120)
    grid = figure.add_gridspec(2, 2 + columns)
    large = figure.add_subplot(grid[:, :2])
    _scatter(large, table, scores[FUSED], mos)
    large.set(xlabel="fused quality q̂", ylabel="mean opinion score")
    for number, name in enumerate(metrics):
        axes = figure.add_subplot(grid[number // columns, 2 + number % columns], sharey=large)
        _scatter(axes, table, scores[name], mos)
        axes.tick_params(labelleft=False)
    return figure


def _scatter(axes: Axes, table: pd.DataFrame, scores: pd.Series, mos: pd.Series) -> None:
    row = table[table["metric"] == scores.name].iloc[0]
    pairs = pd.DataFrame({"x": scores.reindex(mos.index), "y": mos}).dropna()
    axes.scatter(pairs["x"], pairs["y"], s=8, alpha=0.4, linewidths=0)
    if pd.notna(row["lcc"]):
        line = stats.linregress(pairs["x"], pairs["y"])
        ends = np.array([pairs["x"].min(), pairs["x"].max()])
        axes.plot(ends, line.intercept + line.slope * ends, color="black", lw=1)
    name = "q̂" if scores.name == FUSED else str(scores.name)
    if name in METRICS and not higher_is_better(name):
        name = f"{name}, negated"
    values = " · ".join(f"{key.upper()} {row[key]:.2f}" for key in ("srocc", "lcc", "rmse"))
    axes.set_title(f"{name}\n{values}", fontsize=8)
    axes.set(ylim=(0.9, 5.1), yticks=range(1, 6))
    axes.grid(alpha=0.3)
