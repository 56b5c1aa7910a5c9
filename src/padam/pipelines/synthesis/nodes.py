"""From media to pairs of reference and degraded clips."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from matplotlib.figure import Figure

from padam.datasets.media_folder import MediaFolder
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import ClipShards
from padam.defects.figures import plot_drawn_distributions
from padam.defects.plan import (
    PlanConfig,
    SourceRules,
    SplitConfig,
    inspect_source,
    plan_clips,
    split_sources,
)
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import ClipPair, synthesise_clip
from padam.defects.workflow import WorkflowConfig


def index_sources(
    media: MediaFolder, rules: SourceRules, split: SplitConfig, compute: Compute
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable sources with their split, and the rejected ones with the reason."""
    inspect = joblib.delayed(inspect_source)
    rows = joblib.Parallel(n_jobs=compute.n_jobs)(
        inspect(media.path(file), media.root, rules) for file in media.files
    )
    found = pd.DataFrame(rows)
    accepted = found["accepted"].astype(bool)
    if not accepted.any():
        reasons = "; ".join(f"{row.source}: {row.reason}" for row in found.itertuples())
        raise ValueError(
            f"None of the {len(found)} media files in '{media.root}' can be used. {reasons}"
        )
    index = split_sources(found[accepted].drop(columns=["accepted", "reason"]), split)
    return index, found.loc[~accepted, ["source", "reason"]].reset_index(drop=True)


def draw_clip_plan(index: pd.DataFrame, config: PlanConfig) -> pd.DataFrame:
    """Return one row per clip: source, offset in seconds, split, seed."""
    return plan_clips(index, config)


def synthesise_clips(
    media: MediaFolder, plan: pd.DataFrame, workflow: WorkflowConfig, compute: Compute
) -> ShardJobs:
    """Return the work of rendering every clip of the plan, in shards."""
    rows = plan.to_dict(orient="records")
    size = compute.shard_size
    jobs = {
        f"clips-{start // size:06d}": partial(
            render_shard, media.root, rows[start : start + size], workflow
        )
        for start in range(0, len(rows), size)
    }
    work = fingerprint(plan.to_json(orient="records"), workflow, size, str(media.root))
    return ShardJobs(fingerprint=work, jobs=jobs, compute=compute, label="synthesis")


def render_shard(
    root: Path, rows: list[dict[str, Any]], workflow: WorkflowConfig
) -> list[ClipPair]:
    """Render the clips of one shard."""
    return [synthesise_clip(root, row, workflow) for row in rows]


def collect_manifest(clips: ClipShards) -> pd.DataFrame:
    """Return one row per clip with every drawn parameter, as the shards hold it."""
    return pd.DataFrame([manifest_row(metadata) for metadata in clips.metadata()])


def manifest_row(metadata: dict[str, Any]) -> dict[str, Any]:
    """Flatten one clip's metadata; drawn parameters stay together as JSON."""
    labels = set(metadata["labels"])
    return {
        **{key: value for key, value in metadata.items() if key not in ("labels", "params")},
        "labels": ",".join(metadata["labels"]),
        **{name: int(name in labels) for name in DEFECT_NAMES},
        "params": json.dumps(metadata["params"], sort_keys=True),
    }


def summarise_synthesis(
    index: pd.DataFrame, rejected: pd.DataFrame, manifest: pd.DataFrame
) -> tuple[dict[str, Any], Figure]:
    """Return the counts of the run, and a figure of what was drawn."""
    summary = {
        "sources": {
            "accepted": len(index),
            "rejected": len(rejected),
            "minutes": float(index["duration_s"].sum() / 60),
        },
        "clips": {
            "total": len(manifest),
            "clean": int((manifest[list(DEFECT_NAMES)].sum(axis=1) == 0).sum()),
            "by_defect": {name: int(manifest[name].sum()) for name in DEFECT_NAMES},
            "by_split": dict(Counter(manifest["split"])),
        },
    }
    return summary, plot_drawn_distributions(manifest)
