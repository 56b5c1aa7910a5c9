"""Figure of a learning curve."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from padam.defects.registry import DEFECT_NAMES
from padam.training.learning_curve_table import DEFECTIVE, LearningCurve

LABELS = {
    "auc": "area under the ROC curve",
    "average_precision": "average precision",
}


def plot_learning_curve(curve: LearningCurve) -> Figure:
    """Draw AUC and average precision over the number of training sources, and AUC by defect.

    A line goes through the medians of the draws. Its bars are the 95 % intervals over validation
    sources, the band and the dots are the draws.
    """
    figure = Figure(figsize=(14, 4.8), layout="constrained")
    sources = curve.table.groupby("part")["sources"].first()
    places = sources[[name for name in curve.parts if name in sources.index]].astype(float)
    if places.empty:
        figure.text(0.5, 0.5, "no part of the training sources could be fitted", ha="center")
        return figure
    *wholes, by_defect = figure.subplots(1, 3, sharex=True)
    for axes, (measure, label) in zip(wholes, LABELS.items(), strict=True):
        _any_defect(axes, curve, places, f"{measure}_{DEFECTIVE}")
        axes.set(ylabel=label, title="any defect against clean")
    handles = wholes[0].get_legend_handles_labels()
    figure.legend(*handles, fontsize="small", loc="outside lower left", ncols=3)
    _each_defect(by_defect, curve, places)
    for axes in (*wholes, by_defect):
        _source_axis(axes, curve.table)
    figure.suptitle(
        "Stage 3 on growing parts of its training sources; stages 1 and 2 as trained on all"
    )
    return figure


def _any_defect(axes: Axes, curve: LearningCurve, places: pd.Series, name: str) -> None:
    found = _measured(curve, places, name)
    axes.fill_between(
        places, found["draws_low"], found["draws_high"], color="C0", alpha=0.2, label="all draws"
    )
    fitted = curve.table[curve.table["reason"] == ""]
    axes.plot(fitted["sources"], fitted[name], "o", ms=3.5, color="C0", alpha=0.5, label="a draw")
    bars = np.stack([found["median"] - found["low"], found["high"] - found["median"]])
    axes.errorbar(
        places,
        found["median"],
        yerr=bars,
        fmt="-",
        color="black",
        elinewidth=1,
        capsize=4,
        label="median, with its 95 % interval over validation sources",
    )


def _each_defect(axes: Axes, curve: LearningCurve, places: pd.Series) -> None:
    medians = {name: _measured(curve, places, f"auc_{name}")["median"] for name in DEFECT_NAMES}
    last = {name: float(median.iloc[-1]) for name, median in medians.items()}
    for name in sorted(DEFECT_NAMES, key=lambda name: -np.nan_to_num(last[name])):
        colour = f"C{DEFECT_NAMES.index(name)}"
        value = f"{last[name]:.2f}" if np.isfinite(last[name]) else "–"
        label = f"{name.replace('_', ' ')} {value}"
        axes.plot(places, medians[name], "o-", ms=3.5, color=colour, label=label)
    axes.set(ylabel=LABELS["auc"], title="each defect against clean, medians")
    title = "defect, with last median"
    axes.legend(fontsize="small", title=title, loc="center left", bbox_to_anchor=(1, 0.5))


def _measured(curve: LearningCurve, places: pd.Series, name: str) -> pd.DataFrame:
    """Return median, low, high, draws_low and draws_high of a measure, a part a line."""
    lines = [curve.parts[part][name] for part in places.index]
    return pd.DataFrame(lines, index=places.index).astype(float)


def _source_axis(axes: Axes, table: pd.DataFrame) -> None:
    """Mark each part by the number of its sources and its share of all."""
    parts = table.groupby("sources")["fraction"].first()
    axes.set_xscale("log", base=2)
    shares = [f"1/{round(1 / share)}" if share < 1 else "all" for share in parts]
    texts = [f"{count}\n{share}" for count, share in zip(parts.index, shares, strict=True)]
    axes.set_xticks(parts.index.to_list(), texts)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("training sources (titles, or files of clips)")
    axes.grid(alpha=0.3)
