"""Titles for evaluation: excerpts of held-out sources in a row, half of them with defects.

Clips of one defect each tell little of how a model fares on titles: there a defect starts anywhere
and covers a part of a segment. So titles of one to two minutes are joined from excerpts, and one or
two defects of the production workflow (PADAM §3.1) are laid over intervals of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.audio import Audio
from padam.audio.levels import apply_gain_db, peak_db
from padam.audio.media import read_audio
from padam.audio.storage import Location, locate
from padam.defects.encoding import draw_codec, draw_transcode, encode, transcode
from padam.defects.interval import within
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.title_defects import lay_defects

Seconds = Annotated[tuple[float, float], within(1, 3600)]
STAGES = ("source", "encode")
_PEAK_CEILING_DB = -1.0


class TitlesConfig(BaseModel):
    """How titles are assembled; what the defects look like is the workflow's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Per split. The paper has 606 real titles of 20 minutes to 2 hours, 10 of them defective.
    titles: int = Field(default=14, ge=1)
    defective_share: float = Field(default=0.5, ge=0, le=1)
    second_defect_probability: float = Field(default=0.3, ge=0, le=1)
    duration_s: Seconds = (60.0, 120.0)
    excerpt_s: Seconds = (15.0, 40.0)
    defect_s: Seconds = (4.0, 20.0)
    crossfade_s: float = Field(default=0.05, ge=0, le=1)
    defects: tuple[str, ...] = Field(default=DEFECT_NAMES, min_length=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> TitlesConfig:
        unknown = set(self.defects) - set(DEFECT_NAMES)
        if unknown:
            raise ValueError(f"unknown defects {sorted(unknown)}; known are {DEFECT_NAMES}")
        if self.defect_s[1] > self.duration_s[0]:
            raise ValueError(
                f"defects of {self.defect_s[1]} s do not fit titles of {self.duration_s[0]} s"
            )
        return self


class Excerpt(BaseModel):
    """A part of a source: where it lies in it, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    start_s: float
    duration_s: float


class TitlePlan(BaseModel):
    """What a title is made of; with the same sources it gives the same samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title_id: str
    split: str
    excerpts: tuple[Excerpt, ...]
    defects: tuple[str, ...]
    duration_s: float
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Title:
    """A title with its truth: audio (channels, samples), labels (title, start_s, end_s, defect).

    Labels may tell `error_to_signal_db`, too. `content` and `look_alike` are empty where unknown.
    """

    title_id: str
    split: str
    audio: Audio
    sample_rate: int
    labels: pd.DataFrame
    metadata: dict[str, Any]
    content: str = ""
    look_alike: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.audio.shape[1] / self.sample_rate


def assemble_titles(
    root: Location,
    sources: pd.DataFrame,
    config: TitlesConfig,
    workflow: WorkflowConfig | None = None,
) -> Iterator[Title]:
    """Render the titles of one split one after the other: each takes tens of megabytes.

    sources: rows (source, duration_s, split) of a source index, all of one split. Raises ValueError
    where there are none, and MediaError for a source that can no longer be read.
    """
    for plan in plan_titles(sources, config):
        yield render_title(root, plan, config, workflow or WorkflowConfig())[0]


def plan_titles(sources: pd.DataFrame, config: TitlesConfig) -> list[TitlePlan]:
    """Draw excerpts and kinds of defect, each kind as often as the others or once more."""
    if sources.empty:
        raise ValueError("no sources to assemble titles from: this split of the index is empty")
    splits = sources["split"].unique().tolist()
    if len(splits) != 1:
        raise ValueError(f"titles come from one split, not from {splits}")
    split = str(splits[0])
    sources = sources.sort_values("source")
    common = [config.seed, zlib.crc32(split.encode())]
    rng = np.random.default_rng(common)
    defective = set(
        rng.permutation(config.titles)[: round(config.titles * config.defective_share)].tolist()
    )
    kinds = _endless_kinds(rng, config.defects)
    plans = []
    for number in range(config.titles):
        own = np.random.default_rng([*common, number])
        duration_s = float(own.uniform(*config.duration_s))
        excerpts = _draw_excerpts(own, sources, duration_s, config)
        names: tuple[str, ...] = ()
        if number in defective:
            names = (next(kinds),)
            others = [name for name in config.defects if name not in names]
            if others and own.random() < config.second_defect_probability:
                names += (others[own.integers(len(others))],)
        plans.append(
            TitlePlan(
                title_id=f"{split}-{number:03d}",
                split=split,
                excerpts=excerpts,
                defects=tuple(name for name in DEFECT_NAMES if name in names),
                duration_s=duration_s,
                seed=(*common, number, 1),
            )
        )
    return plans


def render_title(
    root: Location, plan: TitlePlan, config: TitlesConfig, workflow: WorkflowConfig
) -> tuple[Title, Audio]:
    """The title, and its audio as it was before defects and codecs, at the same gain."""
    rate = workflow.sample_rate
    rng = np.random.default_rng(plan.seed)
    clean = _join(
        [
            read_audio(
                locate(root, part.source),
                part.start_s,
                part.duration_s,
                sample_rate=rate,
                channels=2,
            )
            for part in plan.excerpts
        ],
        round(config.crossfade_s * rate),
    )[:, : round(plan.duration_s * rate)]
    gain_db = min(float(rng.uniform(*workflow.peak_db)) - peak_db(clean), workflow.max_gain_db)
    clean = apply_gain_db(clean, gain_db)
    encodes = rng.random() < workflow.source_encode_probability
    codec = draw_codec(rng, workflow.source_encode)
    transcodes = rng.random() < workflow.transcode_probability
    last = draw_transcode(rng, workflow.transcode)

    stages = [tuple(n for n in plan.defects if DEFECTS[n].stage == s) for s in STAGES]
    audio, laid = lay_defects(rng, clean, stages[0], config.defect_s, codec, workflow)
    clean, audio = _below_ceiling(clean, audio)
    if stages[1]:
        # A stream that loses packets is encoded already.
        audio, lost = lay_defects(rng, audio, stages[1], config.defect_s, codec, workflow)
        laid += lost
    elif encodes:
        audio = encode(audio, rate, codec)
    if transcodes:
        audio = transcode(audio, rate, last)
    clean, audio = _below_ceiling(clean, audio)
    rows = [
        (plan.title_id, start_s + p.interval.start_s, start_s + p.interval.end_s, p.defect)
        for p, start_s in laid
    ]
    metadata = {
        "excerpts": [part.model_dump() for part in plan.excerpts],
        "defects": [
            {"offset_s": start_s, **params.model_dump(mode="json")} for params, start_s in laid
        ],
        "source_encode": codec.model_dump(mode="json") if encodes or stages[1] else None,
        "transcode": last.model_dump(mode="json") if transcodes else None,
    }
    title = Title(
        plan.title_id,
        plan.split,
        audio,
        rate,
        pd.DataFrame(rows, columns=LABEL_COLUMNS),
        metadata,
    )
    return title, clean


def _below_ceiling(clean: Audio, audio: Audio) -> tuple[Audio, Audio]:
    """Both scaled down together where either is above: cut tops would be a defect."""
    lower_db = min(0.0, _PEAK_CEILING_DB - max(peak_db(audio), peak_db(clean)))
    return apply_gain_db(clean, lower_db), apply_gain_db(audio, lower_db)


def _endless_kinds(rng: np.random.Generator, names: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from rng.permutation(names).tolist()


def _draw_excerpts(
    rng: np.random.Generator, sources: pd.DataFrame, duration_s: float, config: TitlesConfig
) -> tuple[Excerpt, ...]:
    excerpts: list[Excerpt] = []
    lasting_s = 0.0
    rows = list(zip(sources["source"], sources["duration_s"].astype(float), strict=True))
    while lasting_s < duration_s:
        # The same source twice in a row would be a jump within it, which no one edits like that.
        others = [row for row in rows if not excerpts or row[0] != excerpts[-1].source] or rows
        source, available_s = others[rng.integers(len(others))]
        length_s = min(float(rng.uniform(*config.excerpt_s)), available_s)
        start_s = float(rng.uniform(0, available_s - length_s))
        excerpts.append(Excerpt(source=source, start_s=start_s, duration_s=length_s))
        lasting_s += max(length_s - config.crossfade_s, 0.1)
    return tuple(excerpts)


def _join(parts: list[Audio], overlap: int) -> Audio:
    """Excerpts in a row, each faded into the next over `overlap` samples: a cut can click."""
    joined = [parts[0]]
    for part in parts[1:]:
        length = min(overlap, joined[-1].shape[1], part.shape[1])
        rise = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)) ** 2
        rise = rise.astype(np.float32)
        before, tail = np.split(joined[-1], [joined[-1].shape[1] - length], axis=1)
        joined[-1:] = [before, tail * (1 - rise) + part[:, :length] * rise, part[:, length:]]
    return np.concatenate(joined, axis=1)
