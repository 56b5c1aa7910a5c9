"""From media files to a plan of clips: inspect, split by source, place without overlap."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.defects.clip_ids import clip_ids, clip_rng
from padam.defects.mixing import Layer, MixRanges, draw_layers, dump_layers, layer_candidates
from padam.defects.source_inspection import SourceRules, inspect_source

__all__ = [
    "PlanConfig",
    "SourceRules",
    "check_plan",
    "inspect_source",
    "plan_clips",
    "split_sources",
]


class PlanConfig(BaseModel):
    """How many clips are cut from the sources; the paper has 250 000 of 10 s."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: int = Field(default=400, ge=1)  # paper: 250 000
    clip_duration_s: float = Field(default=10.0, ge=0.5)
    seed: int = Field(default=0, ge=0)
    # ours: versions of each excerpt, of other seeds; the plan has that many times `clips` rows
    degradations_per_clip: int = Field(default=1, ge=1, le=1000)
    max_per_source: int | None = Field(default=None, ge=1)
    # titles are assembled from the held-out test sources, clips only where asked for
    splits: tuple[Literal["train", "validation", "test"], ...] = Field(
        default=("train", "validation"), min_length=1
    )
    # ours: share of the clips of dialogue, music and effects that become film-like mixes
    mix_probability: float = Field(default=0.0, ge=0, le=1)
    mix: MixRanges = MixRanges()


def split_sources(
    index: pd.DataFrame,
    fractions: Mapping[str, float],
    seed: int,
    folders: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Accepted rows of a source index with a `split`, stratified by kind, whole files only.

    Fractions are of duration. `folders` names by split the folders that go to it whole, below the
    root of the media; the fractions are then of the other sources. Of two folders, one in the
    other, the inner one counts. Every split gets a source where there are enough of them. Raises
    ValueError for fractions that do not sum to 1, for a folder in which no source was accepted or
    that two splits claim, and for fewer accepted sources than splits.
    """
    wanted = {name: share for name, share in fractions.items() if share > 0}
    if abs(sum(fractions.values()) - 1) > 1e-6 or min(fractions.values()) < 0:
        raise ValueError(f"split fractions {dict(fractions)} do not sum to 1")
    accepted = index[index["accepted"].astype(bool)].sort_values("source").reset_index(drop=True)
    split = _split_of_folders(accepted["source"], folders or {})
    drawn = accepted[split == ""]
    empty = [name for name in wanted if not (split == name).any()]
    if len(drawn) < len(empty):
        raise ValueError(
            f"{len(drawn)} accepted sources cannot fill the splits {', '.join(empty)}; "
            "add media files or look up the reasons of rejection in the source index"
        )
    rng = np.random.default_rng([seed, 1])
    filled = dict.fromkeys(wanted, 0.0)
    for _, members in drawn.groupby("kind", sort=True):
        for row in rng.permutation(members.index):
            # whichever lacks most in its kind, then overall
            of_kind = split[members.index]
            kind_total = {n: members["duration_s"][of_kind == n].sum() for n in wanted}
            name = max(
                wanted,
                key=lambda n: (
                    wanted[n] * members["duration_s"].sum()
                    - kind_total[n]
                    + 1e-3 * (wanted[n] * drawn["duration_s"].sum() - filled[n])
                ),
            )
            split[row] = name
            filled[name] += float(drawn["duration_s"][row])
    of_drawn = split[drawn.index]
    _fill_empty(of_drawn, drawn["duration_s"], empty)
    split[drawn.index] = of_drawn
    return accepted.assign(split=split.astype(str))


def plan_clips(index: pd.DataFrame, config: PlanConfig, workflow: str = "") -> pd.DataFrame:
    """Rows clip_id, source, split, kind, start_s, duration_s, seed, layers; excerpts never overlap.

    `index` is that of `split_sources`, `workflow` a fingerprint of the configuration that the clips
    are rendered with, which becomes part of their ids. `layers` is the JSON of what is laid over
    the excerpt: excerpts of sources of the same split, which may overlap with other clips of that
    split. With several degradations per clip, each excerpt has as many rows, which differ in the
    seed and so in everything that is drawn for them. Raises ValueError where `index` holds too
    little, naming how many clips are possible.
    """
    sources = index[index["split"].isin(config.splits)].sort_values("source")
    # milliseconds as integers: no overlap by rounding
    clip_ms = round(config.clip_duration_s * 1000)
    room_ms = (sources["duration_s"] * 1000).astype(int).to_numpy()
    possible = room_ms // clip_ms
    if config.max_per_source is not None:
        possible = np.minimum(possible, config.max_per_source)
    if possible.sum() < config.clips:
        raise ValueError(
            f"{config.clips} clips of {config.clip_duration_s:g} s asked for, but "
            f"{len(sources)} sources allow {possible.sum()}; lower `clips` or add media"
        )
    rng = np.random.default_rng([config.seed, 2])
    slots = np.repeat(np.arange(len(sources)), possible)
    counts = np.bincount(rng.choice(slots, config.clips, replace=False), minlength=len(sources))
    rows = [
        {
            "source": source.source,
            "split": source.split,
            "kind": source.kind,
            "start_s": start_ms / 1000,
            "duration_s": clip_ms / 1000,
            "seed": config.seed,
        }
        for source, count, room in zip(sources.itertuples(), counts, room_ms, strict=True)
        for start_ms in _place(rng, int(count), clip_ms, int(room))
    ]
    _lay_over(rows, sources, config)
    seeds = _version_seeds(config)
    rows = [{**row, "seed": seed} for row in rows for seed in seeds]
    plan = pd.DataFrame(rows)
    plan.insert(0, "clip_id", clip_ids(rows, workflow))
    return plan


def check_plan(plan: pd.DataFrame, workflow: str) -> None:
    """Raise ValueError for a plan that was drawn for another workflow: its ids would be wrong."""
    rows: list[dict[str, Any]] = plan.to_dict(orient="records")  # type: ignore[assignment]
    if plan["clip_id"].tolist() != clip_ids(rows, workflow):
        raise ValueError(
            "the clip plan was drawn for other parameters of the workflow, or changed by hand, so "
            "its clip ids do not name what would be rendered; draw it again: "
            "`kedro run --from-nodes synthesis.draw_clip_plan`"
        )


def _split_of_folders(
    sources: "pd.Series[str]", folders: Mapping[str, Sequence[str]]
) -> "pd.Series[str]":
    """Return the split that claims each source's folder, or an empty text."""
    owners: dict[str, str] = {}
    for name, claimed in folders.items():
        for folder in (each.strip("/") for each in claimed):
            if folder in owners:
                raise ValueError(
                    f"split.folders: '{folder}' is claimed by {owners[folder]} and by {name}"
                )
            owners[folder] = name
    split = pd.Series("", index=sources.index, dtype=object)
    for folder in sorted(owners, key=len):  # inner folders last
        inside = sources.str.startswith(f"{folder}/")
        if not inside.any():
            raise ValueError(
                f"split.folders: no source was accepted in '{folder}'; give folders below the "
                "root of the media, or look up the reasons in the table of rejected sources"
            )
        split[inside] = owners[folder]
    return split


def _lay_over(rows: list[dict[str, Any]], sources: pd.DataFrame, config: PlanConfig) -> None:
    """Give each row its `layers`, drawn from a generator of its own."""
    clip_ms = round(config.clip_duration_s * 1000)
    candidates = {
        split: layer_candidates(members, clip_ms, config.mix)
        for split, members in sources.groupby("split")
        if config.mix_probability > 0
    }
    for row in rows:
        layers: tuple[Layer, ...] = ()
        if config.mix_probability > 0:
            rng = clip_rng(config.seed, row["source"], row["start_s"]).spawn(1)[0]
            if rng.random() < config.mix_probability:
                pool = candidates[row["split"]]
                layers = draw_layers(rng, row["kind"], pool, clip_ms, config.mix)
        row["layers"] = dump_layers(layers)


def _version_seeds(config: PlanConfig) -> list[int]:
    """Return the seed of each version of a clip; the first is the plan's own."""
    versions = range(1, config.degradations_per_clip)
    others = [np.random.SeedSequence([config.seed, version]) for version in versions]
    return [config.seed, *(int(each.generate_state(1)[0]) for each in others)]


def _place(
    rng: np.random.Generator, count: int, clip_ms: int, room_ms: int
) -> npt.NDArray[np.int64]:
    """Starts of `count` clips, uniform over all placements that do not overlap."""
    slack = room_ms - count * clip_ms
    return np.sort(rng.integers(0, slack, count, endpoint=True)) + np.arange(count) * clip_ms


def _fill_empty(split: "pd.Series[str]", duration_s: "pd.Series[float]", names: list[str]) -> None:
    """Give each empty split the shortest source of the split that has most of them."""
    for name in names:
        if (split == name).any():
            continue
        largest = split.value_counts().index[0]
        split[duration_s[split == largest].idxmin()] = name
