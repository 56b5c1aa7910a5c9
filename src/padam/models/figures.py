"""Figures of the classifier's search."""

import pandas as pd
from matplotlib.figure import Figure


def plot_search(trials: pd.DataFrame) -> Figure:
    """Draw F1 over ν and γ, one point a trial; pruned trials are crosses.

    ``trials`` has the columns number, state, nu, gamma and f1 (NaN where pruned).
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    plane, course = figure.subplots(1, 2)
    done = trials[trials["f1"].notna()]
    pruned = trials[trials["f1"].isna()]
    points = plane.scatter(done["nu"], done["gamma"], c=done["f1"], cmap="viridis", s=40)
    plane.scatter(pruned["nu"], pruned["gamma"], marker="x", color="0.6", label="pruned")
    best = done.nlargest(1, "f1")
    plane.scatter(best["nu"], best["gamma"], s=160, facecolors="none", edgecolors="tab:red")
    plane.set(xscale="log", yscale="log", xlabel="ν", ylabel="γ", title="F1 on validation clips")
    if len(pruned):
        plane.legend()
    figure.colorbar(points, ax=plane, label="F1")
    course.plot(done["number"], done["f1"], "o", ms=4, color="0.6", label="trial")
    course.plot(done["number"], done["f1"].cummax(), color="tab:red", label="best so far")
    course.set(xlabel="trial", ylabel="F1", title="Random search")
    course.legend()
    return figure
