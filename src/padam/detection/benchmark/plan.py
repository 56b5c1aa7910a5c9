"""What each title of the benchmark is made of: drawn before anything is read or rendered."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.defects.mixing import ROLES, Layer, draw_layers, layer_candidates
from padam.detection.benchmark.config import (
    DIGITAL_SILENCE,
    SPLITS,
    BenchmarkConfig,
    Content,
    Split,
)
from padam.detection.benchmark.prevalence import draw_durations
from padam.detection.titles import Excerpt

# of a drawn passage; a source may have no more
_LEAST_PASSAGE_S = 2.0
_CUT_S = 0.005


class Transition(BaseModel):
    """What joins a passage to the next: `pause` and `digital_silence` lie between, others over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    duration_s: float = Field(ge=0)
    fade_s: float = Field(ge=0)
    noise_db: float | None = None

    @property
    def advance_s(self) -> float:
        """How much later than the passage's end the next one begins."""
        between = self.kind in ("pause", DIGITAL_SILENCE)
        return self.duration_s if between else -self.duration_s


class Passage(BaseModel):
    """An excerpt with its layers, its level, the effect on it, and what leads to the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    excerpt: Excerpt
    layers: tuple[Layer, ...]
    gain_db: float
    effect: str | None
    transition: Transition


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
    rng = np.random.default_rng([*common, 0])
    durations_s = rng.uniform(*config.duration_s, total)
    # defective ones anywhere, so that no prefix of the list is of one class
    defective = np.isin(np.arange(total), rng.permutation(total)[: size.defective])
    recorded = {
        str(name): sorted(rows["source"]) for name, rows in look_alikes.groupby("name", sort=True)
    }
    kinds = iter(_in_turn(rng, config.defects, size.defective))
    intervals = iter(draw_durations(rng, durations_s, durations_s[defective], config))
    drawn: dict[bool, tuple[list[Content], list[str]]] = {}
    for flag, count in ((True, size.defective), (False, size.clean)):
        weights = {name: config.contents[name] for name in by_content}
        drawn[flag] = (
            _in_proportion(rng, weights, count),
            _draw_look_alikes(rng, count, tuple(recorded), config),
        )
    plans = []
    for number in range(total):
        flag = bool(defective[number])
        content, look_alike = (values.pop() for values in drawn[flag])
        own = np.random.default_rng([*common, 1, number])
        plans.append(
            BenchmarkPlan(
                title_id=f"{split}-{number:04d}",
                split=split,
                content=content,  # type: ignore[arg-type]
                look_alike=look_alike,
                duration_s=float(durations_s[number]),
                passages=_draw_passages(
                    own, by_content, content, look_alike, durations_s[number], config  # type: ignore[arg-type]
                ),
                recordings=_draw_recordings(own, recorded.get(look_alike, ()), config),
                defect=next(kinds) if flag else None,
                defect_durations_s=next(intervals) if flag else (),
                seed=(*common, 2, number),
            )
        )
    return plans


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


def _draw_passages(
    rng: np.random.Generator,
    by_content: Mapping[Content, pd.DataFrame],
    content: Content,
    look_alike: str,
    duration_s: float,
    config: BenchmarkConfig,
) -> tuple[Passage, ...]:
    rows = by_content[content]
    all_rows = pd.concat(by_content.values()).drop_duplicates("source")
    kinds = sorted(rows["kind"].unique()) if content == "mix" else []
    ranges, effects = config.programme, set(config.look_alikes.effects)
    passages: list[Passage] = []
    at_s = 0.0
    while at_s < duration_s:
        # of a mix every kind leads as often as the others, however many sources it has
        here = rows[rows["kind"] == kinds[rng.integers(len(kinds))]] if kinds else rows
        last = passages[-1].excerpt.source if passages else None
        others = here[here["source"] != last] if len(here) > 1 else here
        source = others.iloc[int(rng.integers(len(others)))]
        # two passages at least, so that there is something between tracks
        longest_s = min(float(source["duration_s"]), duration_s / 2)
        length_s = min(float(rng.uniform(*ranges.passage_s)), longest_s)
        excerpt = Excerpt(
            source=str(source["source"]),
            start_s=float(rng.uniform(0, float(source["duration_s"]) - length_s)),
            duration_s=length_s,
        )
        layers = ()
        if content == "mix":
            candidates = layer_candidates(all_rows, round(length_s * 1000), config.mix)
            layers = draw_layers(
                rng, str(source["kind"]), candidates, round(length_s * 1000), config.mix
            )
        # the first passage has it always, the others every other time
        effect = look_alike if look_alike in effects else None
        effect = effect if not passages or rng.random() < 0.5 else None
        transition = _draw_transition(rng, look_alike == DIGITAL_SILENCE, length_s, config)
        passages.append(
            Passage(
                excerpt=excerpt,
                layers=layers,
                gain_db=float(rng.uniform(*ranges.passage_gain_db)),
                effect=effect,
                transition=transition,
            )
        )
        at_s += max(length_s + transition.advance_s, 0.1)
    return tuple(passages)


def _draw_transition(
    rng: np.random.Generator, zeros: bool, passage_s: float, config: BenchmarkConfig
) -> Transition:
    ranges = config.programme
    names = sorted(ranges.transitions)
    weights = np.array([ranges.transitions[name] for name in names])  # type: ignore[index]
    kind = str(rng.choice(names, p=weights / weights.sum()))
    crossfade_s = min(float(rng.uniform(*ranges.crossfade_s)), passage_s / 4)
    pause_s, fade_s = float(rng.uniform(*ranges.pause_s)), float(rng.uniform(*ranges.fade_s))
    noise_db = float(rng.uniform(*ranges.pause_noise_db))
    fade_s = min(fade_s, passage_s / 4)
    if zeros:
        return Transition(kind=DIGITAL_SILENCE, duration_s=pause_s, fade_s=fade_s)
    if kind == "pause":
        return Transition(kind=kind, duration_s=pause_s, fade_s=fade_s, noise_db=noise_db)
    length_s = crossfade_s if kind == "crossfade" else _CUT_S
    return Transition(kind=kind, duration_s=length_s, fade_s=length_s)


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
