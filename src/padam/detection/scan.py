"""Scan: one title from file to detections document, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.audio import Audio
from padam.audio.ahead import read_ahead
from padam.audio.media import DecodedAudio, MediaError, MediaInfo, probe, stream_audio
from padam.detection.events import find_events, flag_segments
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.json_report import Document, detections_document
from padam.detection.reports.timecode import timecode
from padam.detection.scorers.base import (
    LocalisingScorer,
    NativeRateScorer,
    PackagedScorer,
    Scorer,
)
from padam.detection.segments import MINIMUM_LAST_S
from padam.detection.severity import SeverityRules
from padam.detection.temporal_filter import TemporalFilter

Progress = Callable[[float, float], None]
"""Called with the seconds scanned so far and the title's duration in seconds."""
LATE_S = 0.1
DOWNMIX = ("Lo", "Ro")
_LFE = ("LFE", "LFE2")


class ScanConfig(BaseModel):
    """How a title is scanned; None takes the model's own, tuned on its validation titles.

    `operating_point` names one of the model's by review volume; a filter given here outranks its.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None = None
    operating_point: str | None = None  # strict, balanced or sensitive; an extension
    x_s: float | None = Field(default=None, ge=0)
    y_s: float | None = Field(default=None, ge=0)
    # `every`: each channel but the LFE, which is no programme to a model; `downmix`: two of a
    # surround title, which cost a third and dilute a defect in one of six; or names such as FL, FR
    channels: Literal["every", "downmix"] | tuple[str, ...] = "every"
    block_s: float = Field(default=60.0, gt=0, le=600)
    # seconds of low evidence of an event localiser that part two events; None: never. An extension
    event_gap_s: float | None = Field(default=4.0, ge=0, allow_inf_nan=False)
    severity: SeverityRules = SeverityRules()

    @model_validator(mode="after")
    def _decision_is_one(self) -> ScanConfig:
        if self.threshold is not None and self.operating_point is not None:
            raise ValueError(
                f"the operating point {self.operating_point} has a threshold of its own: "
                f"give it, or the threshold {self.threshold:g}, not both"
            )
        if (self.x_s is None) != (self.y_s is None):
            raise ValueError("give both x_s and y_s of the temporal filter, or neither")
        if self.x_s is not None and self.y_s is not None:
            TemporalFilter(x_s=self.x_s, y_s=self.y_s)
        return self


def scan_title(
    path: str | Path,
    scorer: Scorer,
    config: ScanConfig | None = None,
    progress: Progress | None = None,
    fingerprint: str | None = None,
) -> Document:
    """The detections document of a media file; see `reports.json_report`.

    `fingerprint` is kept in it: a digest of what the document depends on.

    Raises MediaError for a file that cannot be read or holds no audio, and ValueError where neither
    the configuration nor the scorer has a threshold, or the scorer lacks the operating point.
    """
    config = config or ScanConfig()
    point = chosen_point(scorer, config)
    info = probe(path)
    if not info.has_audio:
        raise MediaError(path, "holds no audio stream")
    chosen = choose_channels(info, config.channels)
    if isinstance(scorer, NativeRateScorer):
        scorer = scorer.at_rate(info.sample_rate)
    gap_s, localised = None, False
    if isinstance(scorer, LocalisingScorer):
        localised = scorer.localises
        gap_s = config.event_gap_s if localised else None
        scorer = scorer.at_threshold(point.threshold)
    stream = stream_audio(
        info.path,
        config.block_s,
        sample_rate=scorer.sample_rate,
        channels=None if chosen.rows is not None else 2,
    )
    scores = scorer.score(_prepared(stream, chosen, scorer.sample_rate, info, progress))
    x_s, y_s = point.filter.x_s, point.filter.y_s
    segments = flag_segments(scores, point.threshold, x_s, y_s)
    events = find_events(
        scores, point.threshold, x_s, y_s, config.severity, localised=localised, gap_s=gap_s
    )
    return detections_document(
        info,
        chosen.names,
        scorer,
        point,
        scores,
        segments,
        events,
        [*_warnings(info, chosen, scores, segments, point), *_damage(stream)],
        fingerprint,
        rules=config.severity,
        event_gap_s=gap_s,
    )


@dataclass(frozen=True)
class ChosenChannels:
    """Channels to be scored: their names, and their rows in the file; None: mixed down to 2."""

    names: tuple[str, ...]
    rows: tuple[int, ...] | None


def choose_channels(
    info: MediaInfo, wanted: Literal["every", "downmix"] | tuple[str, ...]
) -> ChosenChannels:
    """Return which channels of a file are scored; MediaError where it has none of the names."""
    names = info.channel_names
    if wanted == "downmix" and info.channels > 2:
        return ChosenChannels(DOWNMIX, None)
    if isinstance(wanted, str):
        rows = tuple(row for row, name in enumerate(names) if name not in _LFE)
        rows = rows or tuple(range(info.channels))
    else:
        rows = tuple(names.index(name) for name in wanted if name in names)
        if not rows:
            raise MediaError(
                info.path, f"none of the channels {', '.join(wanted)} in it: {', '.join(names)}"
            )
    return ChosenChannels(tuple(names[row] for row in rows), rows)


def _prepared(
    stream: DecodedAudio,
    chosen: ChosenChannels,
    sample_rate: int,
    info: MediaInfo,
    progress: Progress | None,
) -> Iterator[Audio]:
    """Blocks of the chosen channels, decoded while the ones before are scored."""
    rows = chosen.rows
    whole = rows is None or rows == tuple(range(info.channels))
    blocks: Iterator[Audio] = stream if whole else (block[list(rows or ())] for block in stream)
    ahead = read_ahead(blocks)
    if progress is None:
        return ahead
    return _reporting(ahead, sample_rate, info.duration_s, progress)


def _reporting(
    blocks: Iterable[Audio], sample_rate: int, duration_s: float, progress: Progress
) -> Iterator[Audio]:
    done_s = 0.0
    for block in blocks:
        # Control comes back here when the scorer wants more: the block before is then scored.
        yield block
        done_s += block.shape[1] / sample_rate
        progress(min(done_s, duration_s) if duration_s > 0 else done_s, duration_s)


def chosen_point(scorer: Scorer, config: ScanConfig) -> OperatingPoint:
    """Return what the configuration and the scorer decide with; ValueError where that is nothing.

    What the configuration says outranks what the scorer brings.
    """
    named = config.operating_point
    own = scorer.operating_point if named is None else _named_point(scorer, named)
    threshold = config.threshold
    if threshold is None and own is not None:
        threshold = own.threshold
    if threshold is None:
        raise ValueError(
            f"{scorer.name} brings no threshold of its own; give one (ScanConfig.threshold)"
        )
    if config.x_s is not None and config.y_s is not None:
        return OperatingPoint(threshold, TemporalFilter(x_s=config.x_s, y_s=config.y_s), named)
    return OperatingPoint(threshold, own.filter if own else TemporalFilter(), named)


def _named_point(scorer: Scorer, name: str) -> OperatingPoint:
    points = scorer.review_points if isinstance(scorer, PackagedScorer) else {}
    if name not in points:
        raise ValueError(
            f"the model has no operating point '{name}'; it has {', '.join(points) or 'none'}"
        )
    point = points[name]
    if point.threshold is None:
        raise ValueError(f"the model has no operating point '{name}': {point.reason}")
    return OperatingPoint(point.threshold, point.filter, name)


def _warnings(
    info: MediaInfo,
    chosen: ChosenChannels,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    point: OperatingPoint,
) -> list[str]:
    warnings = []
    if segments.empty:
        warnings.append(f"shorter than {MINIMUM_LAST_S:g} s: there was nothing to score")
    unscored = int(segments["score"].isna().sum())
    if unscored:
        warnings.append(
            f"{unscored} of {len(segments)} segments could not be scored: silent, or not sound"
        )
    partly = int(scores["score"].isna().sum())
    if partly and not unscored:
        warnings.append(f"{partly} of {len(scores)} channel scores could not be given")
    if math.isnan(point.threshold):
        warnings.append("the model has no usable threshold: nothing can be detected")
    heard_s = float(segments["end_s"].max()) if len(segments) else 0.0
    if len(segments) and heard_s < info.duration_s - MINIMUM_LAST_S - 0.5:
        warnings.append(
            f"audio ends at {heard_s:.1f} s of {info.duration_s:.1f} s: "
            "the file is cut short or its sound is shorter than its picture"
        )
    if info.audio_start_s > LATE_S:
        warnings.append(f"the sound begins {info.audio_start_s:.2f} s after the title")
    if chosen.rows is None:
        warnings.append(f"{info.channels} channels were mixed down to 2 before scoring")
    elif len(chosen.rows) < info.channels:
        left = [n for row, n in enumerate(info.channel_names) if row not in chosen.rows]
        warnings.append(f"not scored: channel {', '.join(left)}")
    return warnings


def _damage(stream: DecodedAudio) -> list[str]:
    """What the decoder had to put up with."""
    warnings = []
    if gaps := stream.gaps:
        missing_s = sum(gap.end_s - gap.start_s for gap in gaps)
        warnings.append(
            f"{len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'} in the sound, {missing_s:.2f} s in "
            f"all, the first at {timecode(gaps[0].start_s)}: silence stands in"
        )
    if stream.not_finite:
        warnings.append(f"{stream.not_finite} samples are NaN or infinite")
    return warnings
