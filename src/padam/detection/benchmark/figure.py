"""A few titles of the benchmark over time: their level, and where the labels lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from padam.audio.media import stream_audio
from padam.audio.storage import Location
from padam.defects.registry import DEFECT_NAMES

_FRAME_S = 0.1
_RATE = 16000
_FLOOR_DB = -90.0


def title_levels_figure(
    titles: pd.DataFrame, labels: pd.DataFrame, path: Callable[[str], Location], limit: int = 9
) -> Figure:
    """Level in dB over time of some titles, defects shaded; one title of each defect first."""
    shown = _chosen(titles, labels, limit)
    if shown.empty:
        figure = Figure(figsize=(10, 1.0))
        figure.text(0.5, 0.5, "no titles", ha="center", va="center")
        return figure
    figure = Figure(figsize=(10, 1.0 + 1.1 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    colours = {name: f"C{index}" for index, name in enumerate(DEFECT_NAMES)}
    for axis, title in zip(axes, shown.to_dict(orient="records"), strict=True):
        level_db = _levels_db(path(str(title["file"])))
        axis.plot(np.arange(len(level_db)) * _FRAME_S, level_db, color="0.35", lw=0.6)
        for label in labels[labels["title"] == title["title"]].to_dict(orient="records"):
            colour = colours[str(label["defect"])]
            axis.axvspan(label["start_s"], label["end_s"], color=colour, alpha=0.5, lw=0)
            axis.text(label["end_s"], 0, f" {label['defect']}", va="top", fontsize=8, color=colour)
        about = " · ".join(str(title[key]) for key in ("content", "look_alike") if title[key])
        axis.set_title(f"{title['title']}  {about}", loc="left", fontsize=8)
        axis.set(ylim=(_FLOOR_DB, 3), yticks=[-80, -40, 0])
        axis.tick_params(labelsize=7)
    axes[-1].set_xlabel("time in s")
    figure.supylabel("level in dB", fontsize=9)
    return figure


def _chosen(titles: pd.DataFrame, labels: pd.DataFrame, limit: int) -> pd.DataFrame:
    """A title of each defect and some clean ones, of the test split where there is one."""
    test = titles[titles["split"] == "test"]
    titles = test if len(test) else titles
    first = labels[labels["title"].isin(set(titles["title"]))].drop_duplicates("defect")
    named = titles["title"].isin(set(first["title"]))
    clean = titles[~titles["title"].isin(set(labels["title"]))]
    # look-alikes are what a clean title is worth to be seen for, each once before any comes again
    again = clean.duplicated("look_alike") | (clean["look_alike"] == "")
    order = titles[named].head(limit - 2 if len(clean) else limit)
    return pd.concat([order, clean[~again], clean[again]]).head(limit)


def _levels_db(path: Location) -> npt.NDArray[np.float64]:
    """RMS in dB of each 0.1 s over all channels."""
    frame = round(_FRAME_S * _RATE)
    levels: list[npt.NDArray[np.float64]] = []
    for block in stream_audio(path, 10.0, sample_rate=_RATE):
        whole = block[:, : block.shape[1] - block.shape[1] % frame]
        frames = whole.reshape(block.shape[0], -1, frame).astype(np.float64)
        levels.append(10 * np.log10(np.mean(frames**2, axis=(0, 2)) + 1e-12))
    return np.maximum(np.concatenate(levels or [np.zeros(0)]), _FLOOR_DB)
