"""All metrics of a clip pair: level matching, channels, rates, and what could not be scored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.audio import Audio
from padam.audio.levels import match_level, peak, snr_db
from padam.audio.resampling import resample
from padam.quality.base import Metric, MetricScore, Signal
from padam.quality.cdpam import Precision, resolve_precision
from padam.quality.guards import unscorable_channel, unsound_samples
from padam.quality.registry import METRIC_NAMES, create_metric
from padam.quality.visqol_v3 import VisqolMode

ChannelPolicy = Literal["most_damaged", "worst", "mean"]


class NotAPairError(ValueError):
    """Two signals that differ in channels or length."""


class ScoringConfig(BaseModel):
    """How a clip pair is scored. The defaults are a laptop's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: tuple[str, ...] = METRIC_NAMES
    # one channel costs half of two; the paper environment scores every channel (`worst`)
    channel_policy: ChannelPolicy = "most_damaged"
    level_match: bool = True
    # a third of the clip costs a third; the paper environment scores the whole clip (null)
    cdpam_crop_s: float | None = Field(3.0, ge=0.5)
    # `auto`: bfloat16 where the CPU has it; the paper environment says float32
    cdpam_precision: Precision = "auto"
    visqol_mode: VisqolMode = "audio"
    # the most damaged 4 s cost a third of a clip of 10 s: Spearman 0.970 over 48 clips
    visqol_crop_s: float | None = Field(None, ge=1.0)

    def on_this_machine(self) -> "ScoringConfig":
        """Copy with the precision that `auto` means here, so that all workers take the same."""
        name = str(resolve_precision(self.cdpam_precision)).removeprefix("torch.")
        return self.model_copy(update={"cdpam_precision": name})

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in metrics if name not in METRIC_NAMES]
        if unknown or not metrics or len(set(metrics)) < len(metrics):
            raise ValueError(f"metrics {list(metrics)}: each once, out of {list(METRIC_NAMES)}")
        return metrics


class PairScorer:
    """Scores clip pairs. Cheap to create and to send to a worker: engines load at first use."""

    def __init__(self, config: ScoringConfig | None = None) -> None:
        self.config = config or ScoringConfig()

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config}

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The configured metrics, in the configured order."""
        options: dict[str, dict[str, Any]] = {
            "cdpam": {
                "crop_s": self.config.cdpam_crop_s,
                "precision": self.config.cdpam_precision,
            },
            "visqol": {"mode": self.config.visqol_mode, "crop_s": self.config.visqol_crop_s},
        }
        return tuple(create_metric(name, **options.get(name, {})) for name in self.config.metrics)

    def score(
        self, reference: Audio, degraded: Audio, sample_rate: int
    ) -> dict[str, float | str | None]:
        """Score a time-aligned pair, both (channels, samples).

        Returns `<metric>` and `<metric>_reason` for every metric: a value and None, or NaN and why.
        A channel that is silent on both sides does not count; a metric is missing where another one
        of the channels that do could not be scored. Raises NotAPairError where the two differ in
        shape.
        """
        if reference.ndim != 2 or reference.shape != degraded.shape or not reference.shape[0]:
            raise NotAPairError(
                f"reference {reference.shape} and degraded {degraded.shape} must have one and the "
                "same shape (channels, samples)"
            )
        return as_row(self._scores(reference, degraded, sample_rate))

    def unscored(self, reason: str) -> dict[str, float | str | None]:
        """Row of a pair that no metric can score."""
        return as_row({name: MetricScore.missing(reason) for name in self.config.metrics})

    def _scores(self, reference: Audio, degraded: Audio, rate: int) -> dict[str, MetricScore]:
        for role, audio in (("reference", reference), ("degraded", degraded)):
            if reason := unsound_samples(audio):
                return {m.name: MetricScore.missing(f"{role}: {reason}") for m in self.metrics}
        faults = [
            _Faults(unscorable_channel(r, rate), unscorable_channel(d, rate))
            for r, d in zip(reference, degraded, strict=True)
        ]
        if self.config.level_match:
            degraded = match_level(reference, degraded)
        reference, degraded = _fit_to_full_scale(reference, degraded)
        channels = self._channels(reference, degraded, faults)
        at_rate: dict[int, tuple[Audio, Audio]] = {}
        scores = {}
        for metric in self.metrics:
            if metric.sample_rate not in at_rate:
                at_rate[metric.sample_rate] = _fit_to_full_scale(
                    resample(reference[channels], rate, metric.sample_rate),
                    resample(degraded[channels], rate, metric.sample_rate),
                )
            pairs = zip(channels, *at_rate[metric.sample_rate], strict=True)
            scores[metric.name] = self._over_channels(
                metric, [faults[channel].score(metric, *pair) for channel, *pair in pairs]
            )
        return scores

    def _channels(self, reference: Audio, degraded: Audio, faults: "list[_Faults]") -> list[int]:
        """The channels to score: distinct ones, and the most damaged of them if so configured.

        A channel that is silent on both sides has nothing to compare, and counts for nothing.
        """
        distinct: list[int] = []
        for channel in range(len(reference)):
            if not any(
                np.array_equal(reference[channel], reference[other])
                and np.array_equal(degraded[channel], degraded[other])
                for other in distinct
            ):
                distinct.append(channel)
        sounding = [c for c in distinct if not (faults[c].reference and faults[c].degraded)]
        if not sounding or self.config.channel_policy != "most_damaged":
            return sounding or distinct[:1]
        return [
            min(
                sounding,
                key=lambda c: snr_db(reference[c : c + 1], (degraded - reference)[c : c + 1]),
            )
        ]

    def _over_channels(self, metric: Metric, scores: list[MetricScore]) -> MetricScore:
        """One score of all channels; a channel that cannot be scored may be the worst of them."""
        reasons = dict.fromkeys(
            score.reason or "no score" for score in scores if not score.answered
        )
        if reasons:
            return MetricScore(math.nan, "; ".join(reasons))
        values = [score.value for score in scores]
        if self.config.channel_policy == "mean":
            return MetricScore(float(np.mean(values)))
        return MetricScore(min(values) if metric.higher_is_better else max(values))


def as_row(scores: Mapping[str, MetricScore]) -> dict[str, float | str | None]:
    """`<metric>` and `<metric>_reason` of every metric."""
    row: dict[str, float | str | None] = {}
    for name, score in scores.items():
        row[name] = score.value
        row[f"{name}_reason"] = score.reason
    return row


@dataclass(frozen=True)
class _Faults:
    """Why a channel's reference and its degraded side cannot be scored, before levels are matched.

    Matching would raise a channel that is all but silent to full level.
    """

    reference: str | None
    degraded: str | None

    def score(self, metric: Metric, reference: Signal, degraded: Signal) -> MetricScore:
        if metric.needs_reference and self.reference:
            return MetricScore.missing(f"reference: {self.reference}")
        if self.degraded:
            return MetricScore.missing(f"degraded: {self.degraded}")
        return metric.score(reference, degraded)


def _fit_to_full_scale(reference: Audio, degraded: Audio) -> tuple[Audio, Audio]:
    """Lower both by one gain where level matching or resampling took one of them over 1."""
    highest = max(peak(reference), peak(degraded))
    if highest <= 1.0:
        return reference, degraded
    gain = np.float32(1.0 / highest)
    return np.clip(reference * gain, -1, 1), np.clip(degraded * gain, -1, 1)
