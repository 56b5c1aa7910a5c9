"""The choices that the draw of a defect makes: patterns, modes, options."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from padam.defects.base import DefectRanges
from padam.defects.clipping import ClippingParams, ClippingRanges
from padam.defects.drawn_choice import Choice, Options, equal, taken_when
from padam.defects.drawn_clip import DrawnClip
from padam.defects.drops import DropsParams, DropsRanges
from padam.defects.hum import HumParams, HumRanges
from padam.defects.packet_loss import PacketLossParams, PacketLossRanges
from padam.defects.quantization import QuantizationParams, QuantizationRanges
from padam.defects.workflow_config import WorkflowConfig

DRAWN_AGAIN = "before redraws of what cannot be heard"
# hum this much above the floor of audibility is never drawn again
_SAFE_DB = 10.0


def defect_choices(ranges: DefectRanges, config: WorkflowConfig) -> list[Choice]:
    """Choices of one kind of defect, by its ranges."""
    match ranges:
        case HumRanges():
            return _hum_choices(ranges, config)
        case DropsRanges():
            return _of_each(
                "drops", DropsParams, {"mode": (equal(ranges.modes), lambda d: (d.mode,))}
            )
        case ClippingRanges():
            return _clipping_choices(ranges)
        case QuantizationRanges():
            shaped = {"yes": ranges.noise_shaping_probability}
            return _of_each(
                "quantization",
                QuantizationParams,
                {
                    "bits": (
                        equal([str(bits) for bits in ranges.bits]),
                        lambda d: (str(d.bits),),
                    ),
                    "dither": (equal(ranges.dithers), lambda d: (d.dither,)),
                    "noise shaping": (shaped, lambda d: taken_when("yes", d.noise_shaping)),
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
                        lambda d: taken_when("yes", d.dropamount is not None),
                    ),
                    "drops packets": (drops, lambda d: taken_when("yes", d.packet_drop_share > 0)),
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
        for hz, share in equal(ranges.mains_hz).items()
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
            "pattern": (equal(ranges.patterns), lambda d: (d.pattern,)),
            "waveform": (equal(ranges.waveforms), lambda d: (d.waveform,)),
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
                taken_when("yes", d.regions == (d.interval,))
                for d in clip.of(ClippingParams)
                if d.interval.duration_s > longest_s
            ],
            DRAWN_AGAIN,
            False,
        )
    ]
