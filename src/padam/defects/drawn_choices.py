"""Every choice that the workflow draws: the intended share of each option, and what clips hold."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from padam.audio.codec_settings import CodecSettings
from padam.defects.base import DefectRanges
from padam.defects.clipping import ClippingParams, ClippingRanges
from padam.defects.drawn_clip import DrawnClip
from padam.defects.drops import DropsParams, DropsRanges
from padam.defects.encoding import (
    DRAWN_PROFILES,
    INTEGER_PROBABILITY,
    CodecRanges,
    TranscodeParams,
)
from padam.defects.hum import HumParams, HumRanges
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLoss, PacketLossParams, PacketLossRanges
from padam.defects.quantization import QuantizationParams, QuantizationRanges
from padam.defects.workflow_config import WorkflowConfig

Options = Sequence[str]
Settings = Callable[[DrawnClip], list[CodecSettings]]

PLACED_AGAIN = "before redraws of places without sound"
DRAWN_AGAIN = "before redraws of what cannot be heard"
# hum this much above the floor of audibility is never drawn again
_SAFE_DB = 10.0


@dataclass(frozen=True)
class Choice:
    """A draw among options, whose intended `shares` are those `among` what the name says.

    `drawn` gives the options that each draw of a clip took; a clip may hold no draw, and a draw of
    yes or no takes no option for a no. Where redraws move the shares they have no closed form:
    then they are not `judged`, and `note` says why.
    """

    quantity: str
    among: str
    shares: Mapping[str, float]
    drawn: Callable[[DrawnClip], Iterable[Options]]
    note: str = ""
    judged: bool = True


def choices(config: WorkflowConfig) -> list[Choice]:
    """All choices of the workflow, from the kind of a clip to its transcode."""
    return [
        *_clip_choices(config),
        *_placement_choices(config),
        *(
            choice
            for name, ranges in config.ranges.items()
            if name in config.defects
            for choice in _defect_choices(ranges, config)
        ),
        *_source_encode_choices(config),
        *_transcode_choices(config),
    ]


def _clip_choices(config: WorkflowConfig) -> list[Choice]:
    sets = _defect_sets(config)
    several = sum(share for names, share in sets.items() if len(names) > 1)
    kinds = ("clean", "single", "several")
    found = [
        Choice(
            "clip",
            "clips",
            _summed((kinds[min(len(names), 2)], share) for names, share in sets.items()),
            lambda clip: [(kinds[min(len(clip.params.defects), 2)],)],
        ),
        Choice(
            "defect",
            "clips",
            _summed((name, share) for names, share in sets.items() for name in names),
            lambda clip: [tuple(clip.params.intervals)],
        ),
    ]
    if several > 0:
        found.insert(
            1,
            Choice(
                "number of defects",
                "clips with several",
                _summed((str(len(n)), share / several) for n, share in sets.items() if len(n) > 1),
                lambda clip: [(str(n),)] if (n := len(clip.params.defects)) > 1 else [],
            ),
        )
    return found


def _placement_choices(config: WorkflowConfig) -> list[Choice]:
    placement = config.placement
    return [
        Choice(
            "interval",
            "defects",
            {"whole clip": placement.whole_probability},
            lambda clip: [
                _when("whole clip", _is_whole(d.interval, clip.duration_s))
                for d in clip.params.defects
            ],
            note=PLACED_AGAIN,
            judged=False,
        ),
        Choice(
            "channels",
            "defects of clips with several channels",
            {"all": placement.all_channels_probability},
            lambda clip: [
                _when("all", len(d.channels) == clip.channels)
                for d in clip.params.defects
                if clip.channels > 1
            ],
            note=PLACED_AGAIN,
            judged=False,
        ),
    ]


def _defect_choices(ranges: DefectRanges, config: WorkflowConfig) -> list[Choice]:
    match ranges:
        case HumRanges():
            return _hum_choices(ranges, config)
        case DropsRanges():
            return _of_each(
                "drops", DropsParams, {"mode": (_equal(ranges.modes), lambda d: (d.mode,))}
            )
        case ClippingRanges():
            return _clipping_choices(ranges)
        case QuantizationRanges():
            shaped = {"yes": ranges.noise_shaping_probability}
            return _of_each(
                "quantization",
                QuantizationParams,
                {
                    "bits": (_equal([str(bits) for bits in ranges.bits]), lambda d: (str(d.bits),)),
                    "dither": (_equal(ranges.dithers), lambda d: (d.dither,)),
                    "noise shaping": (shaped, lambda d: _when("yes", d.noise_shaping)),
                },
            )
        case PacketLossRanges():
            stretch = ranges.stretch_probability
            drops = {"yes": ranges.packet_drop_probability}
            return _of_each(
                "packet loss",
                PacketLossParams,
                {
                    "dropamount": (
                        {"yes": ranges.dropamount_probability},
                        lambda d: _when("yes", d.dropamount is not None),
                    ),
                    "drops packets": (drops, lambda d: _when("yes", d.packet_drop_share > 0)),
                    "concealment": (
                        {"stretch": stretch, "timestamps": 1 - stretch},
                        lambda d: (d.conceal,),
                    ),
                },
            )
    return []


def _of_each(
    name: str,
    kind: type[Any],
    options: Mapping[str, tuple[Mapping[str, float], Callable[[Any], Options]]],
    note: str = DRAWN_AGAIN,
    judged: bool = False,
) -> list[Choice]:
    """Choices that every defect of a kind holds once: name → (shares, options drawn)."""

    def drawn(options: Callable[[Any], Options]) -> Callable[[DrawnClip], Iterable[Options]]:
        return lambda clip: [options(defect) for defect in clip.of(kind)]

    return [
        Choice(f"{name} {quantity}", f"{name} defects", shares, drawn(taken), note, judged)
        for quantity, (shares, taken) in options.items()
    ]


def _hum_choices(ranges: HumRanges, config: WorkflowConfig) -> list[Choice]:
    mains = {
        f"{hz:g} Hz": ranges.mains_probability * share
        for hz, share in _equal(ranges.mains_hz).items()
    }
    loud = -ranges.snr_db[1] >= config.audible_floor_db + _SAFE_DB
    # the first harmonic is at most the third order; the stages may cut what is above
    highest_hz = 3 * max(*ranges.mains_hz, ranges.other_hz[1])
    cut_hz = min(
        config.sample_rate / 2,
        config.transcode.lowpass_hz[0],
        config.transcode.codec.cutoff_hz[0],
        config.source_encode.cutoff_hz[0],
    )
    always_heard = loud and highest_hz < cut_hz
    return _of_each(
        "hum",
        HumParams,
        {
            "fundamental": (
                {**mains, "other": 1 - ranges.mains_probability},
                lambda d: (
                    f"{d.fundamental_hz:g} Hz" if d.fundamental_hz in ranges.mains_hz else "other",
                ),
            ),
            "pattern": (_equal(ranges.patterns), lambda d: (d.pattern,)),
            "waveform": (_equal(ranges.waveforms), lambda d: (d.waveform,)),
        },
        "" if always_heard else DRAWN_AGAIN,
        always_heard,
    )


def _clipping_choices(ranges: ClippingRanges) -> list[Choice]:
    # one region may fill a shorter interval by chance
    longest_s = ranges.region_s[1]
    return [
        Choice(
            "clipping without pause",
            f"clipping defects over {longest_s:g} s",
            {"yes": ranges.unbroken_probability},
            lambda clip: [
                _when("yes", d.regions == (d.interval,))
                for d in clip.of(ClippingParams)
                if d.interval.duration_s > longest_s
            ],
            DRAWN_AGAIN,
            False,
        )
    ]


def _source_encode_choices(config: WorkflowConfig) -> list[Choice]:
    p = config.source_encode_probability
    sets = _defect_sets(config)
    loses = sum(share for names, share in sets.items() if PacketLoss.name in names)

    def settings(clip: DrawnClip) -> list[CodecSettings]:
        return _given([clip.params.source_encode])

    return [
        Choice(
            "source encode",
            "clips",
            {"yes": p + (1 - p) * loses},
            lambda clip: [_when("yes", clip.params.source_encode is not None)],
            note=f"{p:g} + {1 - p:g} · {loses:.3g}: packet loss needs a stream" if loses else "",
        ),
        *_codec_choices("source encode", config.source_encode, settings),
    ]


def _transcode_choices(config: WorkflowConfig) -> list[Choice]:
    ranges = config.transcode

    def last(clip: DrawnClip) -> list[TranscodeParams]:
        return _given([clip.params.transcode])

    return [
        Choice(
            "transcode",
            "clips",
            {"yes": config.transcode_probability},
            lambda clip: [_when("yes", clip.params.transcode is not None)],
        ),
        Choice(
            "transcode loudness",
            "transcoded clips",
            {"yes": ranges.loudness_probability},
            lambda clip: [_when("yes", t.loudness_lufs is not None) for t in last(clip)],
        ),
        Choice(
            "transcode low-pass",
            "transcoded clips",
            {"yes": ranges.lowpass_probability},
            lambda clip: [_when("yes", t.lowpass_hz is not None) for t in last(clip)],
        ),
        *_codec_choices("transcode", ranges.codec, lambda clip: [t.codec for t in last(clip)]),
    ]


def _codec_choices(stage: str, ranges: CodecRanges, settings: Settings) -> list[Choice]:
    names = tuple(dict.fromkeys(ranges.codecs))

    def choice(
        quantity: str,
        codecs: Options,
        shares: Mapping[str, float],
        drawn: Callable[[CodecSettings], str],
    ) -> Choice:
        stated = f" in {' or '.join(codecs)}" if codecs != names else ""
        return Choice(
            f"{stage} {quantity}",
            f"{stage}s{stated}",
            shares,
            lambda clip: [(drawn(s),) for s in settings(clip) if s.codec in codecs],
        )

    bitrates = {f"{kbps} kbit/s": share for kbps, share in _equal(ranges.bitrates_kbps).items()}
    rates = {f"{hz} Hz": share for hz, share in _equal(ranges.sample_rates).items()}
    formats = {"s16": INTEGER_PROBABILITY, "float": 1 - INTEGER_PROBABILITY}
    free_rate = tuple(name for name in names if name != "opus")
    free_format = tuple(name for name in names if name != "aac")
    found = [
        Choice(
            f"{stage} codec",
            f"{stage}s",
            _equal(ranges.codecs),
            lambda clip: [(s.codec,) for s in settings(clip)],
        ),
        choice("bitrate", names, bitrates, lambda s: f"{s.bitrate_kbps} kbit/s"),
    ]
    if free_rate:
        found.append(choice("sample rate", free_rate, rates, lambda s: f"{s.sample_rate} Hz"))
    if free_format:
        found.append(choice("sample format", free_format, formats, lambda s: s.sample_format))
    found += [
        choice("profile", (name,), _equal(DRAWN_PROFILES[name]), lambda s: s.profile or "default")
        for name in names
    ]
    return found


def _defect_sets(config: WorkflowConfig) -> dict[frozenset[str], float]:
    """Probability of each set of defects: all choices of as many entries are equally likely."""
    low, high = config.several_count
    counts = {0: config.clean_probability, 1: config.single_probability}
    counts |= dict.fromkeys(range(low, high + 1), config.several_probability / (high - low + 1))
    sets: dict[frozenset[str], float] = {}
    for count, probability in counts.items():
        chosen = list(itertools.combinations(config.defects, min(count, len(config.defects))))
        for names in map(frozenset, chosen):
            sets[names] = sets.get(names, 0.0) + probability / len(chosen)
    return sets


def _summed(shares: Iterable[tuple[str, float]]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for option, share in shares:
        totals[option] = totals.get(option, 0.0) + share
    return totals


def _equal(options: Sequence[Any]) -> dict[Any, float]:
    """Share of each option where every entry is equally likely; one that stands twice has more."""
    return {option: count / len(options) for option, count in Counter(options).items()}


def _is_whole(interval: Interval, duration_s: float) -> bool:
    return interval.start_s == 0 and interval.duration_s >= duration_s - 1e-6


def _when(option: str, condition: bool) -> Options:
    return (option,) if condition else ()


def _given(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]
