"""What others call the defects: items of the EBU QC catalogue, codes of a delivery specification.

The table with its sources is docs/report_formats.md. None: no item or code fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

UNNAMED: Final = "audio defect"
"""What an event is called whose scorer names no kind of defect."""

_LIKELY: Final = 0.5


@dataclass(frozen=True)
class EbuItem:
    """An item of the EBU QC catalogue, and its output that says where it was detected."""

    identifier: str
    version: str
    name: str
    output: str


@dataclass(frozen=True)
class DefectLabel:
    """A defect's name for people, its EBU QC item, and its code in Netflix's QC glossary."""

    text: str
    ebu: EbuItem | None
    netflix: str | None


LABELS: Final[dict[str, DefectLabel]] = {
    "hum": DefectLabel(
        "hum",
        EbuItem("0088B", "1.0", "Audio Hum & Buzz", "AudioHumDetected"),
        "[006] Audio Hum/Buzz",
    ),
    "hiss": DefectLabel(
        "hiss",
        EbuItem("0086B", "1.0", "Audio Noise", "AudioNoiseReported"),
        "[002] Audio Hiss",
    ),
    "drops": DefectLabel(
        "drops",
        EbuItem("0008B", "2.0", "Audio Dropouts", "AudioDropoutDetected"),
        "[016] Audio Drop Out/Mute",
    ),
    "clipping": DefectLabel(
        "clipping",
        EbuItem("0005B", "2.0", "Audio Digital Clipping", "AudioDigitalClippingDetected"),
        "[001] Audio Clipping/Distortion",
    ),
    "quantization": DefectLabel("quantization", None, "[001] Audio Clipping/Distortion"),
    "packet_loss": DefectLabel("packet loss", None, "[003] Audio Static"),
    "clicks": DefectLabel(
        "clicks",
        EbuItem("0057B", "1.0", "Audio Clicks", "AudioClicksDetected"),
        "[004] Audio Tick",
    ),
}
"""Labels by the name of the defect, in the order of `padam.defects.registry`."""


def kinds(event: dict[str, Any]) -> tuple[str, ...]:
    """The kinds of defect an event counts as: the likeliest, and others of probability ≥ 0.5.

    Empty where its scorer names none.
    """
    named = event["defects"]
    likely = (one["defect"] for one in named[1:] if (one["probability"] or 0) >= _LIKELY)
    return tuple(one["defect"] for one in named[:1]) + tuple(likely)


def kinds_are_named(document: dict[str, Any]) -> bool:
    """Whether the title's scorer names kinds of defect at all."""
    return any(part["defects"] for part in (*document["events"], *document["segments"]))


def text_of(defect: str) -> str:
    """A defect's name for people; the name itself where it is none of ours."""
    return LABELS[defect].text if defect in LABELS else defect


def description(event: dict[str, Any], document: dict[str, Any]) -> str:
    """One line for a marker: severity, kinds with probabilities, channels, score."""
    probabilities = {one["defect"]: one["probability"] for one in event["defects"]}
    named = ", ".join(
        text_of(kind)
        if probabilities[kind] is None
        else f"{text_of(kind)} {probabilities[kind]:.2f}"
        for kind in kinds(event)
    )
    return (
        f"{event['severity']}: {named or UNNAMED} "
        f"({' '.join(channels(event, document))}, score {event['peak_score']:.2f})"
    )


def channels(event: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Names of an event's channels, or their numbers from 1 where there is no name."""
    names = document["title"]["channel_names"]
    return [
        names[channel] if channel < len(names) else str(channel + 1)
        for channel in event["channels"]
    ]
