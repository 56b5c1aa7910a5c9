"""Stage 3 (extension): the event localiser, fitted on the titles to train on."""

from functools import partial
from typing import Any

from padam.audio.media import probe, stream_audio
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import Arrays, ArrayShards, read_arrays
from padam.datasets.titles import TitleFolder
from padam.datasets.torch_model import Absent
from padam.models.event_localiser import EventLocaliser
from padam.models.native_evidence.windows import WINDOWS_VERSION
from padam.pipelines.evaluation.scoring import digest_files
from padam.training.event_localiser import (
    LocaliserFitConfig,
    TitleWindows,
    fit_event_localiser,
    judge_event_localiser,
    measure_title,
    window_truth,
)

WINDOWS_ARRAY = "windows"
BLOCK_S = 60.0
"""Whole windows of 0.4 s: a block's edge parts none."""


def measure_event_windows(
    titles: TitleFolder, config: LocaliserFitConfig, compute: Compute
) -> ShardJobs:
    """Return the work of measuring the windows of titles with defects, a title at a time.

    Of each split the first `config.titles` are measured. What was measured before is not measured
    again for other titles or labels.
    """
    defective = titles.titles["title"].isin(titles.labels["title"])
    chosen = titles.titles[defective].sort_values("title").groupby("split").head(config.titles)
    rows = chosen[["title", "file"]].astype(str)
    paths = {title: titles.path(file) for title, file in rows.itertuples(index=False)}
    digests = digest_files(paths)
    keys = {title: fingerprint(WINDOWS_VERSION, digest) for title, digest in digests.items()}
    jobs = {title: partial(event_windows, path) for title, path in paths.items()}
    return ShardJobs(fingerprint(keys), jobs, compute, label="titles measured", keys=keys)


def event_windows(path: Location) -> Arrays:
    """Return the evidence of each 0.4 s of a title, at its own rate."""
    rate = probe(path).sample_rate
    return {WINDOWS_ARRAY: measure_title(stream_audio(path, BLOCK_S, sample_rate=rate), rate)}


def fit_localiser(
    windows: ArrayShards, titles: TitleFolder, config: LocaliserFitConfig
) -> tuple[EventLocaliser | Absent, dict[str, Any]]:
    """Fit the event localiser on the training titles; what it is worth on those of validation.

    Without a training title that has defects there is none.
    """
    known = {split: known_windows(windows, titles, split) for split in ("train", "validation")}
    if not known["train"]:
        return Absent("no training title has defects"), {"titles": dict.fromkeys(known, 0)}
    localiser = fit_event_localiser(known["train"], config)
    return localiser, {
        "titles": {split: len(each) for split, each in known.items()},
        **{split: judge_event_localiser(localiser, each) for split, each in known.items()},
    }


def known_windows(windows: ArrayShards, titles: TitleFolder, split: str) -> dict[str, TitleWindows]:
    """Return the windows of a split's titles with defects, and how much of each is defective."""
    chosen = titles.titles.loc[titles.titles["split"] == split, "title"].astype(str)
    found = {}
    for title in chosen[chosen.isin(set(windows.by_name))]:
        measured = read_arrays(windows.by_name[title])[WINDOWS_ARRAY]
        labels = titles.labels[titles.labels["title"] == title]
        intervals = labels[["start_s", "end_s"]].astype(float).itertuples(index=False)
        found[title] = TitleWindows(measured, window_truth(intervals, len(measured)))
    return found
