"""Titles of the benchmark: of sources that nothing was trained on, with rare defects and truth."""

from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.media_folder import MediaFolder
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.titles import TitleFolder
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import BenchmarkConfig
from padam.detection.benchmark.figure import title_levels_figure
from padam.detection.benchmark.look_alikes import inspect_look_alikes
from padam.detection.benchmark.plan import plan_benchmark
from padam.detection.benchmark.render import render_title
from padam.detection.benchmark.summary import summarise_titles

RENDERED_BY = [f"{each} {version(each)}" for each in ("padam", "av", "numpy", "scipy", "soxr")]
"""Other versions may give other samples: what they left unfinished is not taken up."""


def find_look_alikes(
    media: MediaFolder, index: pd.DataFrame, config: BenchmarkConfig
) -> pd.DataFrame:
    """Return the recordings that resemble defects, and the reason where one may not be used."""
    return inspect_look_alikes(media, index, config.look_alikes)


def build_titles(
    media: MediaFolder,
    index: pd.DataFrame,
    look_alikes: pd.DataFrame,
    config: BenchmarkConfig,
    workflow: WorkflowConfig,
    compute: Compute,
) -> ShardJobs:
    """Return the work of rendering validation and test titles from sources of their own splits."""
    usable = look_alikes[look_alikes["accepted"].astype(bool)]
    plans = plan_benchmark(index, usable, config)
    work = fingerprint(
        [plan.model_dump(mode="json") for plan in plans],
        config,
        workflow,
        media.signature(),
        RENDERED_BY,
    )
    jobs = {
        plan.title_id: partial(render_title, media.root, plan, config, workflow) for plan in plans
    }
    return ShardJobs(work, jobs, compute, label="benchmark titles")


def summarise(
    titles: TitleFolder, look_alikes: pd.DataFrame, config: BenchmarkConfig
) -> tuple[dict[str, Any], Figure]:
    """Return counts, hours and the prevalence really obtained, and a figure of a few titles."""
    summary = summarise_titles(titles.titles, titles.labels, config)
    summary["look_alikes_refused"] = int((~look_alikes["accepted"].astype(bool)).sum())
    summary["notes"] = list(titles.notes)
    return summary, title_levels_figure(titles.titles, titles.labels, titles.path)
