"""Every choice that the workflow draws: the intended share of each option, and what clips hold."""

import itertools
from collections.abc import Callable, Iterable, Mapping

from padam.audio.codec_settings import CodecSettings
from padam.defects.drawn_choice import Choice, Options, equal, given, taken_when
from padam.defects.drawn_clip import DrawnClip
from padam.defects.drawn_defect_choices import defect_choices
from padam.defects.encoding import (
    DRAWN_PROFILES,
    INTEGER_PROBABILITY,
    CodecRanges,
    TranscodeParams,
)
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLoss
from padam.defects.workflow_config import WorkflowConfig

Settings = Callable[[DrawnClip], list[CodecSettings]]

PLACED_AGAIN = "before redraws of places without sound"


def choices(config: WorkflowConfig) -> list[Choice]:
    """All choices of the workflow, from the kind of a clip to its transcode."""
    return [
        *_clip_choices(config),
        *_placement_choices(config),
        *(
            choice
            for name, ranges in config.ranges.items()
            if name in config.defects
            for choice in defect_choices(ranges, config)
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
                taken_when("whole clip", _is_whole(d.interval, clip.duration_s))
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
                taken_when("all", len(d.channels) == clip.channels)
                for d in clip.params.defects
                if clip.channels > 1
            ],
            note=PLACED_AGAIN,
            judged=False,
        ),
    ]


def _source_encode_choices(config: WorkflowConfig) -> list[Choice]:
    p = config.source_encode_probability
    sets = _defect_sets(config)
    loses = sum(share for names, share in sets.items() if PacketLoss.name in names)

    def settings(clip: DrawnClip) -> list[CodecSettings]:
        return given([clip.params.source_encode])

    return [
        Choice(
            "source encode",
            "clips",
            {"yes": p + (1 - p) * loses},
            lambda clip: [taken_when("yes", clip.params.source_encode is not None)],
            note=f"{p:g} + {1 - p:g} · {loses:.3g}: packet loss needs a stream" if loses else "",
        ),
        *_codec_choices("source encode", config.source_encode, settings),
    ]


def _transcode_choices(config: WorkflowConfig) -> list[Choice]:
    ranges = config.transcode

    def last(clip: DrawnClip) -> list[TranscodeParams]:
        return given([clip.params.transcode])

    return [
        Choice(
            "transcode",
            "clips",
            {"yes": config.transcode_probability},
            lambda clip: [taken_when("yes", clip.params.transcode is not None)],
        ),
        Choice(
            "transcode loudness",
            "transcoded clips",
            {"yes": ranges.loudness_probability},
            lambda clip: [taken_when("yes", t.loudness_lufs is not None) for t in last(clip)],
        ),
        Choice(
            "transcode low-pass",
            "transcoded clips",
            {"yes": ranges.lowpass_probability},
            lambda clip: [taken_when("yes", t.lowpass_hz is not None) for t in last(clip)],
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

    bitrates = {f"{kbps} kbit/s": share for kbps, share in equal(ranges.bitrates_kbps).items()}
    rates = {f"{hz} Hz": share for hz, share in equal(ranges.sample_rates).items()}
    formats = {"s16": INTEGER_PROBABILITY, "float": 1 - INTEGER_PROBABILITY}
    free_rate = tuple(name for name in names if name != "opus")
    free_format = tuple(name for name in names if name != "aac")
    found = [
        Choice(
            f"{stage} codec",
            f"{stage}s",
            equal(ranges.codecs),
            lambda clip: [(s.codec,) for s in settings(clip)],
        ),
        choice("bitrate", names, bitrates, lambda s: f"{s.bitrate_kbps} kbit/s"),
    ]
    if free_rate:
        found.append(choice("sample rate", free_rate, rates, lambda s: f"{s.sample_rate} Hz"))
    if free_format:
        found.append(choice("sample format", free_format, formats, lambda s: s.sample_format))
    found += [
        choice("profile", (name,), equal(DRAWN_PROFILES[name]), lambda s: s.profile or "default")
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


def _is_whole(interval: Interval, duration_s: float) -> bool:
    return interval.start_s == 0 and interval.duration_s >= duration_s - 1e-6
