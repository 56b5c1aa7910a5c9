"""Figures of what was synthesised."""

import json

import pandas as pd
from matplotlib.figure import Figure

from padam.defects.registry import DEFECT_NAMES

SNR_BINS_DB = range(0, 16, 1)


def plot_drawn_distributions(manifest: pd.DataFrame) -> Figure:
    """Draw clips per defect and split, codecs, durations of defects, and SNR of the noises.

    ``manifest`` has one row per clip: ``split``, a 0/1 column per defect, and ``params``, the JSON
    of everything drawn.
    """
    params = [json.loads(text) for text in manifest["params"]]
    drawn = pd.DataFrame([defect for clip in params for defect in clip["defects"]])
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2)

    counts = manifest.groupby("split")[list(DEFECT_NAMES)].sum()
    counts["clean"] = (
        (manifest[list(DEFECT_NAMES)].sum(axis=1) == 0).groupby(manifest["split"]).sum()
    )
    counts.columns = [name.replace("_", " ") for name in counts.columns]
    counts.T.plot.barh(stacked=True, ax=axes[0, 0], width=0.8)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set(title="Clips per defect", xlabel="clips", ylabel="")

    codecs = pd.Series([(clip["source_encode"] or {}).get("codec", "none") for clip in params])
    transcoded = pd.Series(["transcoded" if clip["transcode"] else "as is" for clip in params])
    pd.crosstab(codecs, transcoded).plot.bar(stacked=True, ax=axes[0, 1], rot=0)
    axes[0, 1].legend(title=None)
    axes[0, 1].set(title="Source encode and transcode", xlabel="source codec", ylabel="clips")

    if not drawn.empty:
        durations = drawn["interval"].map(lambda interval: interval["duration_s"])
        axes[1, 0].hist(durations, bins=20, color="tab:green")
    axes[1, 0].set(title="Duration of a defect in its clip", xlabel="s", ylabel="defects")

    for name in ("hum", "hiss"):
        if not drawn.empty and (drawn["defect"] == name).any():
            snr_db = drawn.loc[drawn["defect"] == name, "snr_db"]
            axes[1, 1].hist(snr_db, bins=list(SNR_BINS_DB), alpha=0.6, label=name)
    axes[1, 1].set(title="SNR over the affected interval", xlabel="dB", ylabel="defects")
    if axes[1, 1].get_legend_handles_labels()[0]:
        axes[1, 1].legend()
    return figure
