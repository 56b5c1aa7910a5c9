"""Figures of a training."""

import pandas as pd
from matplotlib.figure import Figure

RUNNING_MEAN_STEPS = 10

# Panel by the end of a metric's name; one axis never holds two units.
_PANELS = {
    "loss": ("_loss",),
    "parts of the loss": ("_l_d", "_l_q", "_l_c"),
    "median rank": ("_median_rank",),
}
_NOT_DRAWN = ("_learning_rate",)
_OTHERS = "share, area or correlation"


def plot_history(history: pd.DataFrame, title: str) -> Figure:
    """Draw the metrics of a training over its steps, a panel for each unit.

    `history` is a table of step, metric, value; training metrics are drawn as their running mean.
    """
    panels: dict[str, list[str]] = {}
    for name in sorted(history["metric"].unique()):
        if not name.endswith(_NOT_DRAWN):
            panels.setdefault(_panel(name), []).append(name)
    columns = max(1, len(panels))
    figure = Figure(figsize=(5.2 * columns, 4), layout="constrained")
    for axes, (label, names) in zip(
        figure.subplots(1, columns, squeeze=False)[0], panels.items(), strict=False
    ):
        for name in names:
            rows = history[history["metric"] == name]
            if name.startswith("train_"):
                values = rows["value"].rolling(RUNNING_MEAN_STEPS, min_periods=1).mean()
                axes.plot(rows["step"], values, label=name, linewidth=1.4)
            else:
                axes.plot(rows["step"], rows["value"], marker="o", label=name, linewidth=1.4)
        axes.set(xlabel="step", ylabel=label)
        axes.legend(fontsize="x-small")
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    return figure


def _panel(name: str) -> str:
    return next((label for label, ends in _PANELS.items() if name.endswith(ends)), _OTHERS)
