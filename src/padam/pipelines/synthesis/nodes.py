"""From media to pairs of reference and degraded clips."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.audio.media_folder import MediaFolder
from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import ClipShards, RenderedShard
from padam.defects.distribution import compare_with_intended, count_outside
from padam.defects.figures import plot_drawn_distributions
from padam.defects.gallery import Gallery, GalleryConfig, plan_gallery
from padam.defects.plan import (
    PlanConfig,
    SourceRules,
    check_plan,
    inspect_source,
    plan_clips,
    split_sources,
)
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import ClipRejectedError, synthesise_clip
from padam.defects.workflow import WorkflowConfig

SPLITS = ("train", "validation", "test")
SMALL_SHARDS = 64
SHOWN = 10
RENDERED_BY = [f"{each} {version(each)}" for each in ("padam", "av", "numpy", "scipy", "soxr")]
"""Other versions may give other samples: what they left unfinished is not taken up."""
REPLACED = ("labels", "label_vector", "layers", "params")
"""Metadata that the manifest holds in another form."""


class SplitConfig(BaseModel):
    """Shares of the sources' duration by split, and the seed of their assignment.

    `folders` names by split the folders below the root of the media that go to it whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fractions: dict[str, float]
    folders: dict[str, tuple[str, ...]] = {}
    seed: int = Field(0, ge=0)

    @field_validator("fractions")
    @classmethod
    def _whole(cls, fractions: dict[str, float]) -> dict[str, float]:
        if set(fractions) != set(SPLITS) or min(fractions.values()) < 0:
            raise ValueError(f"fractions {fractions}: give {', '.join(SPLITS)}, none below 0")
        if abs(sum(fractions.values()) - 1) > 1e-6:
            raise ValueError(f"fractions {fractions} sum to {sum(fractions.values())}, not to 1")
        return fractions

    @field_validator("folders")
    @classmethod
    def _of_known_splits(cls, folders: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := set(folders) - set(SPLITS):
            raise ValueError(f"folders of {', '.join(sorted(unknown))}: give {', '.join(SPLITS)}")
        return folders


def inspect_sources(media: MediaFolder, rules: SourceRules, compute: Compute) -> ShardJobs:
    """Return the work of decoding every media file to tell whether it is a clean source."""
    files, count = media.files, len(media.files)
    # films take minutes each: small shards keep all workers busy to the end
    size = max(1, min(compute.shard_size, count // SMALL_SHARDS))
    jobs = {
        f"sources-{start // size:06d}": partial(
            inspect_shard, media.root, files[start : start + size], rules
        )
        for start in range(0, count, size)
    }
    work = fingerprint(rules, size, media.signature())
    return ShardJobs(fingerprint=work, jobs=jobs, compute=compute, label="sources inspected")


def inspect_shard(root: Location, files: Sequence[str], rules: SourceRules) -> list[dict[str, Any]]:
    """Inspect some sources; a file that cannot be read is a row with the reason."""
    return [inspect_source(root, file, rules) for file in files]


def index_sources(
    media: MediaFolder, inspections: pd.DataFrame, split: SplitConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable sources with their split, and the rejected ones with the reason."""
    accepted = inspections["accepted"].astype(bool)
    rejected = inspections.loc[~accepted, ["source", "reason"]].reset_index(drop=True)
    if not accepted.any():
        reasons = [f"{row.source}: {row.reason}" for row in rejected.head(SHOWN).itertuples()]
        raise ValueError(
            f"None of the {len(rejected)} media files in '{media.root}' can be used. "
            f"{'; '.join(reasons)}{'; …' if len(rejected) > SHOWN else ''}"
        )
    index = split_sources(inspections, split.fractions, split.seed, split.folders)
    return index.drop(columns=["accepted", "reason"]), rejected


def draw_clip_plan(
    index: pd.DataFrame, config: PlanConfig, workflow: WorkflowConfig
) -> pd.DataFrame:
    """Return one row per clip: its id, source, offset in seconds, split, seed, layers."""
    return plan_clips(index, config, fingerprint(workflow))


def synthesise_clips(
    media: MediaFolder, plan: pd.DataFrame, workflow: WorkflowConfig, compute: Compute
) -> ShardJobs:
    """Return the work of rendering every clip of the plan, in shards."""
    check_plan(plan, fingerprint(workflow))
    rows: list[dict[str, Any]] = plan.to_dict(orient="records")  # type: ignore[assignment]
    size = compute.shard_size
    jobs = {
        f"clips-{start // size:06d}": partial(
            render_shard, media.root, rows[start : start + size], workflow
        )
        for start in range(0, len(rows), size)
    }
    work = fingerprint(
        plan.to_json(orient="records"), workflow, size, media.signature(), RENDERED_BY
    )
    return ShardJobs(fingerprint=work, jobs=jobs, compute=compute, label="synthesis")


def render_shard(
    root: Location, rows: list[dict[str, Any]], workflow: WorkflowConfig
) -> RenderedShard:
    """Render the clips of one shard; one that cannot be made is recorded with its reason."""
    rendered = RenderedShard()
    for row in rows:
        try:
            rendered.pairs.append(synthesise_clip(root, row, workflow))
        except ClipRejectedError as error:
            rendered.rejected.append(
                {"clip_id": error.clip_id, "source": error.source, "reason": error.reason}
            )
    return rendered


class LabelRules(BaseModel):
    """Which drawn defects count as labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Hiss above 8 kHz cannot be heard at stage 1's 16 kHz: beyond this SNR in band it is no label.
    max_in_band_snr_db: float = Field(40.0, ge=0)


def collect_manifest(clips: ClipShards, rules: LabelRules) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per clip with every drawn parameter, and the clips that could not be made."""
    manifest = pd.DataFrame([manifest_row(metadata, rules) for metadata in clips.metadata()])
    rejected = pd.DataFrame(clips.rejected(), columns=["clip_id", "source", "reason"])
    if manifest.empty:
        reasons = "; ".join(sorted(set(rejected["reason"])))
        raise ValueError(f"None of {len(rejected)} planned clips could be made: {reasons}")
    return manifest, rejected


def manifest_row(metadata: dict[str, Any], rules: LabelRules) -> dict[str, Any]:
    """Flatten one clip's metadata; drawn parameters stay together as JSON.

    ``channel`` is the channel that most defects hit (0 for a clean clip), whose embeddings stand
    for the clip; the 0/1 columns are the defects on that channel. ``labels`` names those of all
    channels.
    """
    heard = [defect for defect in metadata["params"]["defects"] if is_heard(defect, rules)]
    hits = Counter(channel for defect in heard for channel in defect["channels"])
    channel = min(hits, key=lambda each: (-hits[each], each), default=0)
    here = {defect["defect"] for defect in heard if channel in defect["channels"]}
    named = {defect["defect"] for defect in heard}
    kept = {key: value for key, value in metadata.items() if key not in REPLACED}
    return {
        **kept,
        "labels": ",".join(name for name in DEFECT_NAMES if name in named),
        **{name: int(name in here) for name in DEFECT_NAMES},
        "channel": channel,
        "layers": json.dumps(metadata.get("layers", [])),
        "params": json.dumps(metadata["params"], sort_keys=True),
    }


def is_heard(defect: dict[str, Any], rules: LabelRules) -> bool:
    """Return whether a model at 16 kHz can hear a drawn defect."""
    in_band_snr_db = defect.get("in_band_snr_db")
    return in_band_snr_db is None or in_band_snr_db <= rules.max_in_band_snr_db


def compare_draws(
    manifest: pd.DataFrame, rejected_clips: pd.DataFrame, workflow: WorkflowConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the shares of choices and the ranges of numbers, drawn beside intended."""
    return compare_with_intended(manifest, workflow, rejected=len(rejected_clips))


def choose_gallery(
    clips: ClipShards,
    manifest: pd.DataFrame,
    shares: pd.DataFrame,
    numbers: pd.DataFrame,
    config: GalleryConfig,
) -> Gallery:
    """Return a page of examples to look at and listen to, with what was drawn."""
    return plan_gallery(manifest, shares, numbers, clips.select, config)


def summarise_synthesis(
    index: pd.DataFrame,
    rejected_sources: pd.DataFrame,
    manifest: pd.DataFrame,
    rejected_clips: pd.DataFrame,
    shares: pd.DataFrame,
    numbers: pd.DataFrame,
) -> tuple[dict[str, Any], Figure]:
    """Return the counts of the run, and a figure of what was drawn."""
    summary = {
        "sources": {
            "accepted": len(index),
            "rejected": len(rejected_sources),
            "minutes": float(index["duration_s"].sum() / 60),
        },
        "clips": {
            "total": len(manifest),
            "rejected": len(rejected_clips),
            "mixes": int((manifest["layers"] != "[]").sum()),
            "clean": int((manifest[list(DEFECT_NAMES)].sum(axis=1) == 0).sum()),
            "by_defect": {name: int(manifest[name].sum()) for name in DEFECT_NAMES},
            "by_split": dict(Counter(manifest["split"])),
        },
        "drawn": count_outside(shares, numbers),
    }
    return summary, plot_drawn_distributions(manifest)
