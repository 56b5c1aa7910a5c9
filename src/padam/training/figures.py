"""Figures of a training."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from padam.training.stage_1 import Clip, Retrieval

RUNNING_MEAN_STEPS = 10

# Panel by the end of a metric's name; one axis never holds two units.
_PANELS = {
    "loss": ("train_loss", "validation_loss", "_contrast_loss", "_labels_loss"),
    "cross-entropy": ("_l_d",),
    "log-likelihood": ("_l_q", "_l_c"),
    "median rank": ("_median_rank",),
}
_NOT_DRAWN = ("_learning_rate", "_clips_replaced")
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


def plot_retrievals(retrievals: Sequence[Retrieval], clips: int) -> Figure:
    """Show what some held-out sounds find among the pictures of `clips` clips, a row for each.

    The first picture is the sound's own; the answer that is right has a green frame. Clips without
    pictures are shown by their names alone.
    """
    columns = 1 + max((len(each.answers) for each in retrievals), default=1)
    rows = max(1, len(retrievals))
    figure = Figure(figsize=(2.3 * columns, 1.75 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.set_visible(False)
    for row, each in zip(grid, retrievals, strict=False):
        _show(row[0], each.query, f"asked: rank {each.rank} of {clips}", "0.5")
        for axes, answer, value in zip(row[1:], each.answers, each.similarities, strict=False):
            right = answer.name == each.query.name
            _show(axes, answer, f"cosine {value:.2f}", "tab:green" if right else "0.8")
    if not retrievals:
        figure.text(0.5, 0.5, "no held-out clips", ha="center")
    figure.suptitle("What the sound of held-out clips finds, the most alike first")
    return figure


def _show(axes: Axes, clip: Clip, title: str, colour: str) -> None:
    axes.set_visible(True)
    if clip.picture is not None:
        axes.imshow(clip.picture)
    axes.set_title(title, fontsize="small")
    axes.set_xlabel(clip.name, fontsize="x-small")
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=3)


def _panel(name: str) -> str:
    return next((label for label, ends in _PANELS.items() if name.endswith(ends)), _OTHERS)
