"""Figures of a training."""

import pandas as pd
from matplotlib.figure import Figure


def plot_history(history: pd.DataFrame, title: str) -> Figure:
    """Draw the metrics of a training over its steps: losses on the left, the others beside them.

    `history` is a table of step, metric, value; training metrics are drawn with their running mean.
    """
    metrics = sorted(history["metric"].unique())
    losses = [name for name in metrics if "loss" in name]
    others = [name for name in metrics if "loss" not in name]
    panels = [(names, label) for names, label in ((losses, "loss"), (others, "metric")) if names]
    figure = Figure(figsize=(5.5 * max(1, len(panels)), 4), layout="constrained")
    for axes, (names, label) in zip(
        figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels, strict=False
    ):
        for name in names:
            rows = history[history["metric"] == name]
            few = len(rows) < 20
            values = rows["value"] if few else rows["value"].rolling(10, min_periods=1).mean()
            axes.plot(rows["step"], values, marker="o" if few else None, label=name, linewidth=1.4)
        axes.set(xlabel="step", ylabel=label)
        axes.legend(fontsize="x-small")
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    return figure
