"""Passages of a title: excerpts of sources in a row, their levels, and what joins them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.defects.mixing import Layer, draw_layers, layer_candidates
from padam.detection.benchmark.config import DIGITAL_SILENCE, BenchmarkConfig, Content
from padam.detection.titles import Excerpt

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


def draw_passages(
    rng: np.random.Generator,
    by_content: Mapping[Content, pd.DataFrame],
    content: Content,
    look_alike: str,
    duration_s: float,
    config: BenchmarkConfig,
) -> tuple[Passage, ...]:
    """Draw passages that fill `duration_s`, two at least.

    `by_content` are the sources (source, kind, duration_s) that passages of a content begin with;
    no source comes twice in a row where there is another. A look-alike that is an effect lies on
    the first passage and on every other one of the rest.
    """
    rows = by_content[content]
    layered = pd.concat(by_content.values()).drop_duplicates("source")
    kinds = sorted(rows["kind"].unique()) if content == "mix" else []
    passages: list[Passage] = []
    at_s = 0.0
    while at_s < duration_s:
        # of a mix every kind leads as often as the others, however many sources it has
        here = rows[rows["kind"] == kinds[rng.integers(len(kinds))]] if kinds else rows
        last = passages[-1].excerpt.source if passages else None
        kind, excerpt = _draw_excerpt(rng, here, last, duration_s / 2, config)
        length_s = excerpt.duration_s
        layers: tuple[Layer, ...] = ()
        if content == "mix":
            candidates = layer_candidates(layered, round(length_s * 1000), config.mix)
            layers = draw_layers(rng, kind, candidates, round(length_s * 1000), config.mix)
        effect = look_alike if look_alike in config.look_alikes.effects else None
        effect = effect if not passages or rng.random() < 0.5 else None
        transition = _draw_transition(rng, look_alike == DIGITAL_SILENCE, length_s, config)
        passages.append(
            Passage(
                excerpt=excerpt,
                layers=layers,
                gain_db=float(rng.uniform(*config.programme.passage_gain_db)),
                effect=effect,
                transition=transition,
            )
        )
        at_s += max(length_s + transition.advance_s, 0.1)
    return tuple(passages)


def _draw_excerpt(
    rng: np.random.Generator,
    rows: pd.DataFrame,
    last: str | None,
    longest_s: float,
    config: BenchmarkConfig,
) -> tuple[str, Excerpt]:
    others = rows[rows["source"] != last] if len(rows) > 1 else rows
    source = others.iloc[int(rng.integers(len(others)))]
    available_s = float(source["duration_s"])
    length_s = min(float(rng.uniform(*config.programme.passage_s)), available_s, longest_s)
    start_s = float(rng.uniform(0, available_s - length_s))
    return str(source["kind"]), Excerpt(
        source=str(source["source"]), start_s=start_s, duration_s=length_s
    )


def _draw_transition(
    rng: np.random.Generator, zeros: bool, passage_s: float, config: BenchmarkConfig
) -> Transition:
    ranges = config.programme
    names = sorted(ranges.transitions)
    weights = np.array([ranges.transitions[name] for name in names])
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
