"""Scan: one title from file to detections document, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.audio import Audio
from padam.audio.media import MediaError, MediaInfo, probe, stream_audio
from padam.detection.events import find_events, flag_segments
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.json_report import Document, detections_document
from padam.detection.scorers.base import Scorer
from padam.detection.segments import MINIMUM_LAST_S
from padam.detection.temporal_filter import TemporalFilter

Progress = Callable[[float, float], None]
"""Called with the seconds scanned so far and the title's duration in seconds."""


class ScanConfig(BaseModel):
    """How a title is scanned; None takes the model's own, tuned on its validation titles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float | None = None
    x_s: float | None = Field(default=None, ge=0)
    y_s: float | None = Field(default=None, ge=0)
    # Two channels of a surround title cost a third; a defect in one of six is diluted by it.
    surround: Literal["downmix", "every_channel"] = "downmix"
    block_s: float = Field(default=60.0, gt=0, le=600)

    @model_validator(mode="after")
    def _filter_is_whole(self) -> ScanConfig:
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
) -> Document:
    """The detections document of a media file; see `reports.json_report`.

    Raises MediaError for a file that cannot be read or holds no audio, and ValueError where neither
    the configuration nor the scorer has a threshold.
    """
    config = config or ScanConfig()
    point = _operating_point(scorer, config)
    info = probe(path)
    if not info.has_audio:
        raise MediaError(path, "holds no audio stream")
    scores = score_file(info, scorer, config, progress)
    x_s, y_s = point.filter.x_s, point.filter.y_s
    segments = flag_segments(scores, point.threshold, x_s, y_s)
    channels = int(scores["channel"].nunique()) or _scored_channels(info, config)
    return detections_document(
        info,
        channels,
        scorer,
        point,
        scores,
        segments,
        find_events(scores, point.threshold, x_s, y_s),
        _warnings(info, scores, segments, point),
    )


def score_file(
    info: MediaInfo, scorer: Scorer, config: ScanConfig, progress: Progress | None = None
) -> pd.DataFrame:
    """Scores of a file's segments and channels, streamed: a block at a time is in memory."""
    downmix = 2 if info.channels > 2 and config.surround == "downmix" else None
    blocks = stream_audio(
        info.path, config.block_s, sample_rate=scorer.sample_rate, channels=downmix
    )
    if progress is not None:
        blocks = _reporting(blocks, scorer.sample_rate, info.duration_s, progress)
    return scorer.score(blocks)


def _reporting(
    blocks: Iterable[Audio], sample_rate: int, duration_s: float, progress: Progress
) -> Iterator[Audio]:
    done_s = 0.0
    for block in blocks:
        # Control comes back here when the scorer wants more: the block before is then scored.
        yield block
        done_s += block.shape[1] / sample_rate
        progress(min(done_s, duration_s) if duration_s > 0 else done_s, duration_s)


def _operating_point(scorer: Scorer, config: ScanConfig) -> OperatingPoint:
    own = scorer.operating_point
    threshold = config.threshold
    if threshold is None and own is not None:
        threshold = own.threshold
    if threshold is None:
        raise ValueError(
            f"{scorer.name} brings no threshold of its own; give one (ScanConfig.threshold)"
        )
    if config.x_s is not None and config.y_s is not None:
        return OperatingPoint(threshold, TemporalFilter(x_s=config.x_s, y_s=config.y_s))
    return OperatingPoint(threshold, own.filter if own else TemporalFilter())


def _scored_channels(info: MediaInfo, config: ScanConfig) -> int:
    return 2 if info.channels > 2 and config.surround == "downmix" else info.channels


def _warnings(
    info: MediaInfo, scores: pd.DataFrame, segments: pd.DataFrame, point: OperatingPoint
) -> list[str]:
    warnings = []
    if segments.empty:
        warnings.append(f"shorter than {MINIMUM_LAST_S:g} s: there was nothing to score")
    unscored = int(segments["score"].isna().sum())
    if unscored:
        warnings.append(f"{unscored} of {len(segments)} segments could not be scored")
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
    if info.channels > 2 and scores["channel"].nunique() == 2:
        warnings.append(f"{info.channels} channels were mixed down to 2 before scoring")
    return warnings
