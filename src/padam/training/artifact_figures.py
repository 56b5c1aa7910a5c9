"""Figures of AA's classifier: the confusion matrix, and recall against severity."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from padam.defects.audio_artifacts.config import CLASSES, METHODS

_SEVERITY: Final = {
    "hum": "noise to signal (dB)",
    "hiss": "noise to signal (dB)",
    "distortion": "share of samples that were clipped",
    "additive_click": "greatest step (re full scale)",
    "reductive_click": "greatest step (re full scale)",
}


def plot_confusion(shares: npt.NDArray[np.float64], title: str) -> Figure:
    """Draw the normalised confusion matrix (AA fig. 3): a row is a class, and sums to 1."""
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    names = [name.replace("_", " ") for name in CLASSES]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{share:.3f}", ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, label="share of the class")
    return figure


def plot_recall_by_severity(table: pd.DataFrame) -> Figure:
    """Draw recall over the severity of each method; `table` is that of `recall_by_severity`."""
    figure = Figure(figsize=(3.4 * len(METHODS), 3.4), layout="constrained")
    for axes, method in zip(figure.subplots(1, len(METHODS), sharey=True), METHODS, strict=True):
        rows = table[table["method"] == method]
        middle = (rows["severity_low"] + rows["severity_high"]) / 2
        axes.plot(middle, rows["recall"], marker="o", lw=1.4)
        reach = np.stack([middle - rows["severity_low"], rows["severity_high"] - middle])
        axes.errorbar(middle, rows["recall"], xerr=reach, fmt="none", ecolor="0.7", zorder=0)
        axes.set(title=method.replace("_", " "), xlabel=_SEVERITY[method], ylim=(-0.03, 1.03))
        if method == "distortion" and len(rows):
            axes.set_xscale("log")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("recall")
    return figure
