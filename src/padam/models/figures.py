"""Figures of the classifier's search."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from padam.models.search import EDGE_SHARE, SvmSearchConfig

BEST = "tab:red"
AXES = {"nu": "ν", "gamma": "γ"}
SCORES = {"f1": "F1", "auc": "AUC"}


def plot_search(trials: pd.DataFrame, config: SvmSearchConfig) -> Figure:
    """Draw the score, F1 or AUC, over ν and γ, over each alone, and over the trials.

    ``trials`` has the columns number, state, nu, gamma and score (NaN where pruned). The
    shaded ends of the ranges are where a best point is too near to an edge.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    (plane, course), marginals = figure.subplots(2, 2)
    _plane(plane, trials, config)
    _course(course, trials, config)
    for axes, name in zip(marginals, AXES, strict=True):
        _marginal(axes, trials, config, name)
    best = _best(trials).iloc[0]
    edges = config.edges_near({name: float(best[name]) for name in AXES})
    where = f"on the edge of the range: {', '.join(edges)}" if edges else "inside the range"
    figure.suptitle(f"Random search of the ν-SVM; the best point lies {where}")
    return figure


def _plane(axes: Axes, trials: pd.DataFrame, config: SvmSearchConfig) -> None:
    done, pruned, best = _done(trials), trials[trials["score"].isna()], _best(trials)
    points = axes.scatter(done["nu"], done["gamma"], c=done["score"], cmap="viridis", s=40)
    if len(pruned):
        axes.scatter(pruned["nu"], pruned["gamma"], marker="x", color="0.6", label="pruned")
    axes.scatter(best["nu"], best["gamma"], s=160, facecolors="none", edgecolors=BEST, label="best")
    score = SCORES[config.scored_by]
    axes.set(xscale="log", yscale="log", xlabel="ν", ylabel="γ", title=f"{score} over ν and γ")
    for name, shade in (("nu", axes.axvspan), ("gamma", axes.axhspan)):
        for low, high in _ends(config, name):
            shade(low, high, color="0.9", zorder=0)
    axes.set(xlim=config.range_of("nu"), ylim=config.range_of("gamma"))
    _plain_ticks(axes.xaxis)
    axes.legend()
    axes.figure.colorbar(points, ax=axes, label=score)


def _course(axes: Axes, trials: pd.DataFrame, config: SvmSearchConfig) -> None:
    done = _done(trials)
    axes.plot(done["number"], done["score"], "o", ms=4, color="0.6", label="trial")
    axes.step(done["number"], done["score"].cummax(), where="post", color=BEST, label="best so far")
    axes.set(xlabel="trial", ylabel=SCORES[config.scored_by], title="Course of the search")
    axes.legend()


def _marginal(axes: Axes, trials: pd.DataFrame, config: SvmSearchConfig, name: str) -> None:
    done, best = _done(trials), _best(trials)
    axes.plot(done[name], done["score"], "o", ms=4, color="0.4")
    axes.plot(best[name], best["score"], "o", ms=12, mfc="none", mec=BEST)
    for number, (low, high) in enumerate(_ends(config, name)):
        label = f"outer {EDGE_SHARE:.0%} of the range" if number == 0 else None
        axes.axvspan(low, high, color="0.9", zorder=0, label=label)
    score = SCORES[config.scored_by]
    axes.set(xscale="log", xlabel=AXES[name], ylabel=score, title=f"{score} over {AXES[name]}")
    axes.set_xlim(config.range_of(name))
    if name == "nu":
        _plain_ticks(axes.xaxis)
    axes.legend()


def _plain_ticks(axis: Axis) -> None:
    """Write 0.05, 0.1, 0.2 …: powers of ten say little of one decade, and overlap."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def _ends(config: SvmSearchConfig, name: str) -> list[tuple[float, float]]:
    """Return the outer parts of a logarithmic range, the lower one first."""
    low, high = config.range_of(name)
    width = (high / low) ** EDGE_SHARE
    return [(low, low * width), (high / width, high)]


def _done(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials["score"].notna()]


def _best(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.nlargest(1, "score")
