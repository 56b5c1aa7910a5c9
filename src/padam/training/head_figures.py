"""Figures of what a quality head makes of held-out clips."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, roc_curve

from padam.defects.registry import DEFECT_NAMES
from padam.training.head_validation import (
    HeadOutputs,
    similarity_and_closeness,
    similarity_correlation,
)

BINS = 20
COLOURS = ("0.75", *(f"C{number}" for number in range(7)), "black")


def plot_representations(outputs: HeadOutputs) -> Figure:
    """Draw r of held-out clips on its first two principal components, by q̂ and by defect."""
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    if len(outputs.r) < 2:
        return _nothing(figure)
    pca = PCA(n_components=2, random_state=0)
    places = pca.fit_transform(outputs.r)
    by_quality, by_defect = figure.subplots(1, 2, sharex=True, sharey=True)
    scored = np.isfinite(outputs.q_rank)
    points = by_quality.scatter(*places[scored].T, c=outputs.q_rank[scored], s=14, vmin=0, vmax=1)
    figure.colorbar(points, ax=by_quality, label="rank of q̂ among training clips, clean = 1")
    kinds = _kinds(outputs.labels)
    for kind, (name, colour) in enumerate(
        zip(("clean", *DEFECT_NAMES, "several"), COLOURS, strict=True)
    ):
        rows = kinds == kind
        if rows.any():
            by_defect.scatter(
                *places[rows].T, s=14, color=colour, label=f"{name.replace('_', ' ')} {rows.sum()}"
            )
    by_defect.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    shares = pca.explained_variance_ratio_
    for axes, title in ((by_quality, "by quality"), (by_defect, "by defect")):
        axes.set(xlabel=f"first component, {shares[0]:.0%} of variance", title=title)
    by_quality.set_ylabel(f"second component, {shares[1]:.0%} of variance")
    figure.suptitle("Representation r of held-out clips")
    return figure


def plot_similarity(outputs: HeadOutputs) -> Figure:
    """Draw the cosine similarity of pairs of held-out clips over |Δq̂|, with its correlation."""
    figure = Figure(figsize=(6.2, 4.8), layout="constrained")
    correlation = similarity_correlation(outputs.z, outputs.q_rank)
    if not np.isfinite(correlation):
        return _nothing(figure)
    similarity, closeness = similarity_and_closeness(outputs.z, outputs.q_rank)
    distance = -closeness
    axes = figure.subplots()
    cells = axes.hexbin(distance, similarity, gridsize=45, mincnt=1, bins="log", cmap="Blues")
    figure.colorbar(cells, ax=axes, label="pairs of clips")
    edges = np.linspace(0, distance.max(), BINS + 1)
    place = np.clip(np.digitize(distance, edges) - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    filled = count > 0
    means = np.bincount(place, similarity, minlength=BINS)[filled] / count[filled]
    axes.plot(
        ((edges[1:] + edges[:-1]) / 2)[filled], means, "o-", color="tab:red", ms=4, label="mean"
    )
    axes.set(
        xlabel="|Δq̂|, in ranks of the training clips",
        ylabel="cosine similarity of z",
        title=f"Held-out clips: correlation with −|Δq̂| {correlation:.2f}",
    )
    axes.legend(loc="lower left")
    return figure


def plot_roc(outputs: HeadOutputs) -> Figure:
    """Draw the ROC curve of each output of the auxiliary classifier, and of their greatest."""
    figure = Figure(figsize=(6.8, 4.8), layout="constrained")
    if not len(outputs.labels):
        return _nothing(figure)
    axes = figure.subplots()
    for i, name in enumerate(DEFECT_NAMES):
        _curve(axes, name.replace("_", " "), outputs.labels[:, i], outputs.logits[:, i], f"C{i}")
    _curve(axes, "any defect", outputs.labels.max(axis=1), outputs.logits.max(axis=1), "black")
    axes.plot([0, 1], [0, 1], ":", color="0.6")
    axes.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        title="Auxiliary classifier on held-out clips",
        aspect=1,
    )
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _curve(
    axes: Axes,
    name: str,
    truth: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    colour: str,
) -> None:
    if truth.min() == truth.max():
        axes.plot([], [], color=colour, label=f"{name}: no such clip")
        return
    false, true, _ = roc_curve(truth, score)
    label = f"{name}: AUC {roc_auc_score(truth, score):.2f}"
    axes.plot(false, true, color=colour, linewidth=1.4, label=label)


def _kinds(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return 0 for a clean clip, 1…7 for one with that defect alone, 8 for one with several."""
    count = labels.sum(axis=1)
    single = np.where(count == 1, 1 + labels.argmax(axis=1), len(DEFECT_NAMES) + 1)
    return np.where(count == 0, 0, single)


def _nothing(figure: Figure) -> Figure:
    figure.text(0.5, 0.5, "no held-out clips to compare", ha="center")
    return figure
