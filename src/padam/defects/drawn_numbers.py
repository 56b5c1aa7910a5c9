"""Every number that the workflow draws: the configured range, and what clips hold."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from padam.audio.codec_settings import CodecSettings
from padam.defects.base import DefectRanges
from padam.defects.clicks import ClicksRanges
from padam.defects.clipping import ClippingRanges
from padam.defects.drawn_clip import DrawnClip
from padam.defects.drops import DropsRanges
from padam.defects.encoding import TranscodeParams
from padam.defects.hiss import HissRanges
from padam.defects.hum import HumRanges
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLossRanges
from padam.defects.workflow_config import WorkflowConfig

SUSTAINED = ("hum", "hiss", "clipping", "quantization")
"""Defects whose shortest interval is `min_sustained_s`."""

_MEASURED = (np.nan, np.nan)
# interruptions and clicks keep less than this apart
_WIDEST_GAP_S = 0.01

Range = tuple[float, float]
Drawn = Callable[[Any], Iterable[float]]


@dataclass(frozen=True)
class Number:
    """A number drawn from [low, high]; a limit is NaN where there is none, as of a measurement."""

    of: str
    parameter: str
    low: float
    high: float
    drawn: Callable[[DrawnClip], Iterable[float]]


def numbers(config: WorkflowConfig, duration_s: float) -> list[Number]:
    """All numbers that the workflow draws, for clips of `duration_s`."""
    gain = Number("clip", "gain_db", np.nan, config.max_gain_db, lambda c: [c.params.gain_db])
    return [gain, *_of_defects(config, duration_s), *_of_stages(config)]


def _of_defects(config: WorkflowConfig, duration_s: float) -> list[Number]:
    found = []
    for name in config.ranges:
        if name not in config.defects:
            continue
        parameters = {
            **_interval_numbers(name, config, duration_s),
            **_defect_numbers(config.ranges[name]),
        }
        found += [
            Number(name, parameter, *limits, _of_each(name, drawn))
            for parameter, (limits, drawn) in parameters.items()
        ]
    return found


def _of_each(name: str, drawn: Drawn) -> Callable[[DrawnClip], Iterable[float]]:
    return lambda clip: [
        value for defect in clip.params.defects if defect.defect == name for value in drawn(defect)
    ]


def _interval_numbers(
    name: str, config: WorkflowConfig, duration_s: float
) -> dict[str, tuple[Range, Drawn]]:
    placement = config.placement
    least_s = placement.min_sustained_s if name in SUSTAINED else placement.min_duration_s
    least_s = min(least_s, duration_s)
    return {
        "interval start_s": ((0.0, duration_s - least_s), lambda d: [d.interval.start_s]),
        "interval duration_s": ((least_s, duration_s), lambda d: [d.interval.duration_s]),
        "interval end_s": ((least_s, duration_s), lambda d: [d.interval.end_s]),
    }


def _defect_numbers(ranges: DefectRanges) -> Mapping[str, tuple[Range, Drawn]]:
    """Range and drawn values of each parameter of a kind of defect."""
    match ranges:
        case HumRanges():
            mains_hz = ranges.mains_hz
            return {
                "snr_db": (ranges.snr_db, lambda d: [d.snr_db]),
                "fundamental_hz other than mains": (
                    ranges.other_hz,
                    lambda d: [] if d.fundamental_hz in mains_hz else [d.fundamental_hz],
                ),
                "harmonics": (ranges.harmonics, lambda d: [len(d.weights)]),
                "weights": (ranges.weight, lambda d: d.weights),
                "phase_rad": ((-2 * np.pi, 2 * np.pi), lambda d: [d.phase_rad]),
            }
        case HissRanges():
            return {
                "snr_db": (ranges.snr_db, lambda d: [d.snr_db]),
                "in_band_snr_db": (_MEASURED, lambda d: [d.in_band_snr_db]),
                "beta": (ranges.beta, lambda d: [d.beta]),
                "highpass": (ranges.highpass, lambda d: [d.highpass]),
            }
        case DropsRanges():
            return {
                "events in each second": (
                    _per_second(ranges.per_second, ranges.duration_s),
                    lambda d: _in_each_second(d.interval, [e.start_s for e in d.events]),
                ),
                "events duration_s": (
                    ranges.duration_s,
                    lambda d: [e.duration_s for e in d.events],
                ),
            }
        case ClippingRanges():
            return {
                "percent": (ranges.percent, lambda d: [d.percent]),
                "regions duration_s": (
                    ranges.region_s,
                    lambda d: [r.duration_s for r in d.regions if d.regions != (d.interval,)],
                ),
                "pauses duration_s": (
                    (ranges.min_gap_s, ranges.max_gap_s),
                    lambda d: [b.start_s - a.end_s for a, b in itertools.pairwise(d.regions)],
                ),
                "low threshold": (_MEASURED, lambda d: [d.low]),
                "high threshold": (_MEASURED, lambda d: [d.high]),
            }
        case PacketLossRanges():
            return {
                "amount": (ranges.amount, lambda d: [d.amount]),
                "dropamount": (ranges.dropamount, lambda d: _given([d.dropamount])),
                "packet_drop_share": (
                    ranges.packet_drop_share,
                    lambda d: [d.packet_drop_share] if d.packet_drop_share > 0 else [],
                ),
                "mean_burst_packets": (
                    ranges.mean_burst_packets,
                    lambda d: [d.mean_burst_packets],
                ),
            }
        case ClicksRanges():
            return {
                "clicks in each second": (
                    _per_second(ranges.per_second, ranges.duration_s),
                    lambda d: _in_each_second(d.interval, [c.start_s for c in d.clicks]),
                ),
                "clicks duration_s": (
                    ranges.duration_s,
                    lambda d: [c.duration_s for c in d.clicks],
                ),
                "clicks amplitude without sign": (
                    ranges.amplitude,
                    lambda d: [abs(c.amplitude) for c in d.clicks],
                ),
            }
    return {}


def _of_stages(config: WorkflowConfig) -> list[Number]:
    ranges = config.transcode

    def source(clip: DrawnClip) -> list[CodecSettings]:
        return _given([clip.params.source_encode])

    def last(clip: DrawnClip) -> list[TranscodeParams]:
        return _given([clip.params.transcode])

    return [
        Number(
            "source encode",
            "cutoff_hz",
            *config.source_encode.cutoff_hz,
            lambda clip: _given(s.cutoff_hz for s in source(clip)),
        ),
        Number(
            "transcode",
            "loudness_lufs",
            ranges.loudness_lufs,
            ranges.loudness_lufs,
            lambda clip: _given(t.loudness_lufs for t in last(clip)),
        ),
        Number(
            "transcode",
            "lowpass_hz",
            *ranges.lowpass_hz,
            lambda clip: _given(t.lowpass_hz for t in last(clip)),
        ),
        Number(
            "transcode",
            "cutoff_hz",
            *ranges.codec.cutoff_hz,
            lambda clip: _given(t.codec.cutoff_hz for t in last(clip)),
        ),
    ]


def _per_second(count: tuple[int, int], duration_s: Range) -> Range:
    """Least and greatest number in a second; where they do not fit, the last ones give way."""
    return min(count[0], int(1 / (duration_s[1] + _WIDEST_GAP_S))), count[1]


def _in_each_second(interval: Interval, starts_s: Sequence[float]) -> Iterable[float]:
    """Number of starts in each whole second of the interval."""
    seconds = int(interval.duration_s + 1e-9)
    second = np.floor(np.array(starts_s) - interval.start_s)
    return [float((second == number).sum()) for number in range(seconds)]


def _given(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]
