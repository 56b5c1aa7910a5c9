"""A listening test: which clips people rate, and the opaque names that they rate them under.

Absolute category rating (ITU-T P.800 Annex B) with hidden references (ITU-T P.913 §7.2.2); the
paper had 616 clips rated by 12 people (PADAM §3.2).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio

CLIP, HIDDEN_REFERENCE, TRAINING = "clip", "hidden_reference", "training"
CLEAN, SEVERAL = "clean", "several"
KEY_COLUMNS = ("test_id", "item", "kind", "clip")

# no vowels, so no words; no digits, so no spreadsheet takes an id for a number
_LETTERS = "bcdfghjklmnpqrstvwxz"
_ID_LETTERS = 7


class SampleConfig(BaseModel):
    """Which clips are rated. The default is a laptop's; the paper had 616, drawn at random."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: int = Field(16, ge=1, le=5000)
    splits: tuple[str, ...] = Field(("validation",), min_length=1)
    # stratified: as many of each defect, of several and of none, and of each quality among them
    sampling: Literal["stratified", "random"] = "stratified"
    quality_bins: int = Field(4, ge=1, le=100)
    # of all rated items; such an item is the reference of a clip that is rated, too
    hidden_reference_share: float = Field(0.1, ge=0, le=0.5)
    # over the range of q̂, rated first and not counted; of any split, none of the clips above
    training_items: int = Field(4, ge=0, le=50)
    seed: int = Field(2026, ge=0)

    @property
    def hidden_references(self) -> int:
        """How many references are rated beside the clips."""
        share = self.hidden_reference_share
        return round(self.clips * share / (1 - share))


class PageConfig(BaseModel):
    """How the page presents the items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # how much of an item must have been heard before it can be rated
    min_heard_share: float = Field(1.0, ge=0, le=1)
    # ITU-T P.800 §B.3: no session over 20 minutes
    break_after_min: float = Field(20.0, gt=0, le=45)
    headphones_check: bool = True
    # programme loudness that each reference is brought to, its clip by the same gain; null: none
    loudness_lufs: float | None = Field(None, ge=-60, le=-10)
    # one file that holds all audio, instead of a folder
    inline_audio: bool = False
    max_inline_mb: float = Field(100.0, gt=0, le=1000)


class Pair(Protocol):
    """Reference and degraded audio (channels, samples) of one clip."""

    @property
    def clip_id(self) -> str:
        """Name of the clip."""
        ...

    @property
    def reference(self) -> Audio:
        """What it was made of."""
        ...

    @property
    def degraded(self) -> Audio:
        """What is rated."""
        ...

    @property
    def sample_rate(self) -> int:
        """Rate of both, in Hz."""
        ...


@dataclass(frozen=True)
class ListeningTest:
    """A test to be written as a page; `read` gives the pairs that it is asked for, in any order.

    `key` has a row per item with `KEY_COLUMNS`: it alone tells what an item is. `sampled` holds the
    clips that are rated, with `stratum` and `quality_bin`.
    """

    test_id: str
    key: pd.DataFrame
    sampled: pd.DataFrame
    page: PageConfig
    read: Callable[[Collection[str]], Iterable[Pair]]

    def summary(self) -> dict[str, Any]:
        """Counts of items by kind, and of clips by stratum and by quality bin."""
        kinds, strata, bins = (
            column.value_counts().sort_index()
            for column in (self.key["kind"], self.sampled["stratum"], self.sampled["quality_bin"])
        )
        return {
            "test_id": self.test_id,
            "items": {kind: int(kinds.get(kind, 0)) for kind in (CLIP, HIDDEN_REFERENCE, TRAINING)},
            "clips_by_stratum": {str(name): int(count) for name, count in strata.items()},
            "clips_by_quality_bin": {f"bin_{name}": int(count) for name, count in bins.items()},
        }


def plan_listening_test(
    quality: pd.DataFrame,
    read: Callable[[Collection[str]], Iterable[Pair]],
    sample: SampleConfig,
    page: PageConfig,
) -> ListeningTest:
    """Choose clips by the table alone; audio is read when the page is written.

    `quality` has a row per clip: `clip_id`, `split`, `labels` (defects, by commas) and `q_hat`.
    The same table, in any order, and the same configuration give the same test, and so the same
    test id. Raises ValueError where there are too few clips.
    """
    rng = np.random.default_rng(sample.seed)
    scored = quality[np.isfinite(quality["q_hat"])].sort_values("clip_id", ignore_index=True)
    sampled = sample_clips(scored, sample, rng)
    rest = scored[~scored["clip_id"].isin(sampled["clip_id"])]
    items = [
        *((CLIP, clip) for clip in sampled["clip_id"]),
        *((HIDDEN_REFERENCE, clip) for clip in _choose_references(sampled, sample, rng)),
        *((TRAINING, clip) for clip in _spread_over_quality(rest, sample)),
    ]
    key = pd.DataFrame(items, columns=["kind", "clip"])
    key.insert(0, "item", _opaque_ids(len(key), rng))
    # in the order of the names, which tells nothing
    key = key.sort_values("item", ignore_index=True)
    content = json.dumps([key.to_dict(orient="records"), page.model_dump(mode="json")])
    test_id = f"lt-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    key.insert(0, "test_id", test_id)
    return ListeningTest(test_id, key, sampled, page, read)


def sample_clips(
    scored: pd.DataFrame, config: SampleConfig, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the clips to rate; returns their rows with `stratum` and `quality_bin` (0 the worst).

    Stratified, the strata (each defect alone, several, clean) differ by at most one clip, and so
    do the quality bins within a stratum, as long as there are clips. Bins hold equally many of
    the clips that could be drawn.
    """
    pool = scored[scored["split"].isin(config.splits)].sample(frac=1, random_state=rng)
    if len(pool) < config.clips:
        raise ValueError(
            f"{config.clips} clips are to be rated, but {len(pool)} with a q̂ are there in split "
            f"{', '.join(config.splits)}: lower listening_test.sample.clips, name more splits in "
            "listening_test.sample.splits, or synthesise more clips (synthesis.plan.clips)"
        )
    labels = pool["labels"].fillna("")
    stratum = labels.mask(labels == "", CLEAN).mask(labels.str.contains(","), SEVERAL)
    place = pool["q_hat"].rank(method="first").astype(int) - 1
    pool = pool.assign(stratum=stratum, quality_bin=place * config.quality_bins // len(pool))
    if config.sampling == "stratified":
        pool = pool.loc[_in_turn(pool, config.clips)]
    return pool.head(config.clips).sort_values("clip_id", ignore_index=True)


def _in_turn(pool: pd.DataFrame, count: int) -> list[Any]:
    """Index of clips taken in turn: the least taken stratum, therein the least taken bin.

    Among bins that are even, the one goes first that all strata together have taken the least.
    """
    left = {
        cell: list(rows.index)
        for cell, rows in pool.groupby(["stratum", "quality_bin"], sort=False)
    }
    taken: Counter[Any] = Counter()
    chosen = []
    for _ in range(count):
        stratum, quality_bin = min(
            left, key=lambda cell: (taken[cell[0]], taken[cell], taken[cell[1]])
        )
        taken.update([stratum, quality_bin, (stratum, quality_bin)])
        chosen.append(left[stratum, quality_bin].pop())
        if not left[stratum, quality_bin]:
            del left[stratum, quality_bin]
    return chosen


def _choose_references(
    sampled: pd.DataFrame, config: SampleConfig, rng: np.random.Generator
) -> list[str]:
    """Clips whose references are rated, too: with a defect, or the two would be nearly one."""
    defective = sampled.loc[sampled["stratum"] != CLEAN, "clip_id"]
    if len(defective) < config.hidden_references:
        raise ValueError(
            f"{config.hidden_references} references are to be rated, but only {len(defective)} of "
            f"the {len(sampled)} clips hold a defect: lower "
            "listening_test.sample.hidden_reference_share"
        )
    return list(rng.choice(defective.to_numpy(), config.hidden_references, replace=False))


def _spread_over_quality(rest: pd.DataFrame, config: SampleConfig) -> list[str]:
    """Clips from the worst to the best q̂ among those that are not rated, at equal steps of rank."""
    if len(rest) < config.training_items:
        raise ValueError(
            f"{config.training_items} training items are asked for, but {len(rest)} clips with a "
            f"q̂ remain beside the {config.clips} that are rated: lower "
            "listening_test.sample.training_items or listening_test.sample.clips"
        )
    ranked = rest.sort_values("q_hat", kind="stable")["clip_id"].to_numpy()
    steps = np.linspace(0, len(ranked) - 1, config.training_items).round().astype(int)
    return list(ranked[steps])


def _opaque_ids(count: int, rng: np.random.Generator) -> list[str]:
    numbers = rng.choice(len(_LETTERS) ** _ID_LETTERS, count, replace=False)
    digits = np.array(np.unravel_index(numbers, (len(_LETTERS),) * _ID_LETTERS)).T
    return ["".join(_LETTERS[digit] for digit in row) for row in digits]
