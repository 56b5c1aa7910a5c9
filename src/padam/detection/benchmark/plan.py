"""What each title of the benchmark is made of: drawn before anything is read or rendered."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from padam.defects.mixing import ROLES
from padam.detection.benchmark.config import (
    DIGITAL_SILENCE,
    SPLITS,
    BenchmarkConfig,
    Content,
    Split,
    SplitSize,
)
from padam.detection.benchmark.passages import Passage, draw_passages
from padam.detection.benchmark.prevalence import draw_durations


class BenchmarkPlan(BaseModel):
    """A title: its passages, and the kind and durations of the defects; `()` where it is clean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title_id: str
    split: Split
    content: Content
    look_alike: str
    duration_s: float
    passages: tuple[Passage, ...]
    recordings: tuple[str, ...]
    defect: str | None
    defect_durations_s: tuple[float, ...]
    seed: tuple[int, ...]


class _Drawn(NamedTuple):
    duration_s: float
    defect: str | None
    defect_durations_s: tuple[float, ...]
    content: Content
    look_alike: str


def plan_benchmark(
    sources: pd.DataFrame, look_alikes: pd.DataFrame, config: BenchmarkConfig
) -> list[BenchmarkPlan]:
    """Plan the titles of all splits, each of sources (source, kind, duration_s, split) of its own.

    `look_alikes` are rows (source, name, split). Raises ValueError where a split has no sources.
    """
    return [
        plan
        for split in SPLITS
        if split in config.splits
        for plan in _plan_split(
            split,
            sources[sources["split"] == split].sort_values("source"),
            look_alikes[look_alikes["split"] == split],
            config,
        )
    ]


def _plan_split(
    split: Split, sources: pd.DataFrame, look_alikes: pd.DataFrame, config: BenchmarkConfig
) -> list[BenchmarkPlan]:
    size = config.splits[split]
    total = size.defective + size.clean
    if not total:
        return []
    by_content = _sources_by_content(sources, config)
    if not by_content:
        raise ValueError(
            f"no sources for the {split} titles: the index has {len(sources)} of that split, "
            "none of them of a kind in benchmark_titles.titles.contents"
        )
    common = (config.seed, zlib.crc32(split.encode()))
    recorded = {
        str(name): sorted(rows["source"]) for name, rows in look_alikes.groupby("name", sort=True)
    }
    plans = []
    for number, title in enumerate(_draw_titles(common, size, by_content, recorded, config)):
        rng = np.random.default_rng([*common, 1, number])
        passages = draw_passages(
            rng, by_content, title.content, title.look_alike, title.duration_s, config
        )
        plans.append(
            BenchmarkPlan(
                title_id=f"{split}-{number:04d}",
                split=split,
                content=title.content,
                look_alike=title.look_alike,
                duration_s=title.duration_s,
                passages=passages,
                recordings=_draw_recordings(rng, recorded.get(title.look_alike, ()), config),
                defect=title.defect,
                defect_durations_s=title.defect_durations_s,
                seed=(*common, 2, number),
            )
        )
    return plans


def _draw_titles(
    seed: tuple[int, ...],
    size: SplitSize,
    by_content: Mapping[Content, pd.DataFrame],
    recorded: Mapping[str, Sequence[str]],
    config: BenchmarkConfig,
) -> list[_Drawn]:
    """Draw what is balanced over the titles of a split: defects, contents, look-alikes."""
    total = size.defective + size.clean
    rng = np.random.default_rng([*seed, 0])
    durations_s = rng.uniform(*config.duration_s, total)
    # defective ones anywhere, so that no first part of the list is of one class
    defective = np.isin(np.arange(total), rng.permutation(total)[: size.defective])
    kinds = _in_turn(rng, config.defects, size.defective)
    intervals = draw_durations(rng, durations_s, durations_s[defective], config)
    defects = iter(zip(kinds, intervals, strict=True))
    weights = {name: config.contents[name] for name in by_content}
    # apart for each class: neither content nor look-alike tells which it is
    of_class = {
        flag: list(
            zip(
                _in_proportion(rng, weights, count),
                _draw_look_alikes(rng, count, tuple(recorded), config),
                strict=True,
            )
        )
        for flag, count in ((True, size.defective), (False, size.clean))
    }
    titles = []
    for duration_s, flag in zip(durations_s, defective, strict=True):
        defect, lasting_s = next(defects) if flag else (None, ())
        content, look_alike = of_class[bool(flag)].pop()
        titles.append(_Drawn(float(duration_s), defect, lasting_s, content, look_alike))
    return titles


def _sources_by_content(
    sources: pd.DataFrame, config: BenchmarkConfig
) -> dict[Content, pd.DataFrame]:
    """Rows that passages of a content begin with; contents that cannot be made are left out."""
    roles = sources["kind"].map(lambda kind: config.mix.role_of(str(kind)) or "mix")
    found: dict[Content, pd.DataFrame] = {
        role: sources[roles == role] for role in ROLES if (roles == role).any()
    }
    # what plays no role, as films, is mixed already; two roles can be mixed
    if len(found) > 1 or (roles == "mix").any():
        found["mix"] = sources if len(found) > 1 else sources[roles == "mix"]
    return {name: rows for name, rows in found.items() if config.contents.get(name, 0) > 0}


def _draw_recordings(
    rng: np.random.Generator, recordings: Sequence[str], config: BenchmarkConfig
) -> tuple[str, ...]:
    """Recordings of one name, each once before any comes again."""
    if not recordings:
        return ()
    count = int(rng.integers(*config.look_alikes.per_title, endpoint=True))
    order = [recordings[index] for index in rng.permutation(len(recordings))]
    return tuple(order[index % len(order)] for index in range(count))


def _draw_look_alikes(
    rng: np.random.Generator, count: int, recorded: tuple[str, ...], config: BenchmarkConfig
) -> list[str]:
    """A look-alike or "" for each of `count` titles; each as often as the others or once more."""
    ranges = config.look_alikes
    names = (*ranges.effects, *((DIGITAL_SILENCE,) if ranges.digital_silence else ()), *recorded)
    having = round(count * ranges.share) if names else 0
    values = [*_in_turn(rng, names, having), *[""] * (count - having)]
    return [values[index] for index in rng.permutation(count)]


def _in_turn(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    """`count` names, each as often as the others or once more, in random order."""
    turns: list[str] = []
    while len(turns) < count:
        turns += [names[index] for index in rng.permutation(len(names))]
    return [turns[:count][index] for index in rng.permutation(count)]


def _in_proportion(
    rng: np.random.Generator, weights: Mapping[Content, float], count: int
) -> list[Content]:
    """`count` names in proportion to their weights (largest remainders), in random order."""
    names = sorted(weights)
    exact = np.array([weights[name] for name in names]) / sum(weights.values()) * count
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: count - counts.sum()]:
        counts[index] += 1
    values = [name for name, number in zip(names, counts, strict=True) for _ in range(number)]
    return [values[index] for index in rng.permutation(count)]
