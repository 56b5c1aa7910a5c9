"""report.html: what an operator listens to and judges, one file that needs no network.

Sound is Ogg Opus of 96 kbit/s; with its pictures an event takes less than 300 kB. Verdicts stay in
the browser until they are exported, with the columns of `padam.detection.verdicts`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from padam.audio import Audio
from padam.audio.channels import to_stereo
from padam.audio.levels import peak_db
from padam.audio.ogg_opus import ogg_opus
from padam.audio.pages import render
from padam.detection.reports.event_pictures import (
    HEIGHT,
    WIDTH,
    frequency_ticks,
    spectrogram_webp,
    waveform_path,
)
from padam.detection.reports.excerpts import Excerpt, Excerpts
from padam.detection.reports.score_paths import end_of, time_ticks, timeline
from padam.detection.reports.timecode import timecode
from padam.detection.verdicts import (
    GUARD,
    GUARDED,
    SCHEMA_VERSION,
    VERDICT_COLUMNS,
    VERDICTS,
    document_id,
)

Document = dict[str, Any]

SUB_CATEGORIES = (
    "channel effects",
    "clipping",
    "distorted guitar",
    "distortion",
    "environmental",
    "lo-fi",
    "noise",
    "radio voice",
    "rain",
    "silence",
    "telephone voice",
    "tone or buzz",
    "vinyl",
)
"""Suggestions only, after PADAM §5.2; a reviewer may write any."""

_VERDICTS = {
    "clean": "Clean: nothing was detected.",
    "defective": "Defective",
    "undetermined": "Undetermined: the title could not be judged.",
}
_SEVERITIES = {"fyi": "FYI", "issue": "Issue", "blocker": "Blocker"}
_MOST_DRAWN = 4
_SILENT = 1e-6


def html_report(document: Document, excerpts: Excerpts) -> str:
    """Page of a detections document 2.0; `excerpts` gives the sound of its events."""
    title, events = document["title"], document["events"]
    names = _channel_names(title)
    end_s = end_of(document)
    cards = [_card(event, names, excerpts(event)) for event in events]
    page = render(
        "padam.detection.reports",
        "report.html",
        file=title["file"],
        verdict=document["verdict"],
        verdict_text=_VERDICTS[document["verdict"]],
        severity=document["severity"],
        severities=_SEVERITIES,
        facts=list(_facts(document, names)),
        warnings=document["warnings"],
        timeline=timeline(document, names, end_s),
        ticks=time_ticks(0.0, end_s),
        cards=cards,
        without_sound=sum(1 for card in cards if card["silent"]),
        verdicts=VERDICTS,
        sub_categories=SUB_CATEGORIES,
        width=WIDTH,
        height=HEIGHT,
        data=_data(document, names, end_s),
    )
    # a file name that is no Unicode could not be written
    return page.encode("utf-8", errors="replace").decode("utf-8")


def _facts(document: Document, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What the head of the page says of title and model."""
    title, model = document["title"], document["model"]
    yield "Duration", timecode(title["duration_s"])
    sound = f"{title['channels']} at {title['sample_rate'] / 1000:g} kHz"
    mixed = "" if title["scored_channels"] == title["channels"] else ", mixed down to be scored"
    yield "Channels", f"{sound}{mixed} ({', '.join(names)})"
    if rate := title["frame_rate"]:
        yield "Frame rate", f"{rate['numerator'] / rate['denominator']:.6g} frames per second"
    if title["start_timecode"]:
        yield "Start timecode", title["start_timecode"]
    if title["audio_start_s"] > 0:
        yield "Sound starts", f"{title['audio_start_s']:.3f} s after the title"
    segments = document["segments"]
    flagged = sum(1 for segment in segments if segment["flagged"])
    yield "Segments", f"{flagged} of {len(segments)} flagged"
    # a model of ours is named after its run
    told = model["run_id"] in (None, "", model["version"])
    run = "" if told else f", run {model['run_id']}"
    # documents before 2.1 name neither the packaged model nor its digest
    yield "Model", f"{model.get('name') or model['scorer']} {model['version']}{run}"
    if model.get("sha256"):
        yield "SHA-256 of the model", model["sha256"]
    threshold = model["threshold"]
    named = f", operating point {model['operating_point']}" if model.get("operating_point") else ""
    yield "Threshold", "none" if threshold is None else f"{threshold:.3f}{named}"
    x_s, y_s = model["filter"]["x_s"], model["filter"]["y_s"]
    kept = f"{x_s:g} s of detections within {y_s:g} s" if x_s else "none"
    yield "Temporal filter", kept
    yield "Made by", f"{document['tool']['name']} {document['tool']['version']}"


def _card(event: Document, names: Sequence[str], excerpt: Excerpt | str) -> Document:
    defects = [
        {"name": _words(found["defect"]), "share": f"{100 * (found['probability'] or 0):.0f} %"}
        for found in event["defects"]
    ]
    return {
        "id": event["id"],
        "start": event["start_timecode"],
        "end": event["end_timecode"],
        "lasting": f"{event['end_s'] - event['start_s']:.2f} s",
        "severity": event["severity"],
        "channels": ", ".join(names[channel] for channel in event["channels"]),
        "defects": defects,
        "likeliest": f"{defects[0]['name']} {defects[0]['share']}"
        if defects
        else "no defect named",
        "peak_score": f"{event['peak_score']:.3f}",
        "silent": excerpt if isinstance(excerpt, str) else "",
        "excerpt": None if isinstance(excerpt, str) else _excerpt(event, names, excerpt),
    }


def _excerpt(event: Document, names: Sequence[str], excerpt: Excerpt) -> Document:
    """Sound and pictures of an event; places in them are shares of their width."""
    audio, rate = excerpt.audio, excerpt.sample_rate
    channels = [channel for channel in event["channels"] if channel < len(audio)]
    drawn = channels[:_MOST_DRAWN]
    highest = max(float(np.abs(audio[drawn]).max(initial=0)), _SILENT)
    played, heard = _playable(audio, channels, names)
    lasting_s = excerpt.end_s - excerpt.start_s
    first, last = (
        min(max((time_s - excerpt.start_s) / lasting_s, 0.0), 1.0)
        for time_s in (event["start_s"], event["end_s"])
    )
    peak = peak_db(audio[drawn]) if drawn else -math.inf
    return {
        "sound": _inlined("audio/ogg", ogg_opus(played, rate)),
        "heard": heard,
        "start_s": excerpt.start_s,
        "seconds": lasting_s,
        "from": timecode(excerpt.start_s),
        "cut": event["end_s"] > excerpt.end_s + 1e-3,
        "first": first,
        "last": last,
        "ticks": time_ticks(excerpt.start_s, excerpt.end_s),
        "peak": f"peak {peak:.1f} dBFS".replace("-", "−")
        if math.isfinite(peak)
        else "digital silence",
        "highest": f"{highest:.2g}",
        "hertz": frequency_ticks(rate),
        "undrawn": [names[channel] for channel in channels[_MOST_DRAWN:]],
        "channels": [
            {
                "name": names[channel],
                "waveform": waveform_path(audio[channel], highest),
                "spectrogram": _inlined("image/webp", spectrogram_webp(audio[channel], rate)),
            }
            for channel in drawn
        ],
    }


def _playable(audio: Audio, channels: list[int], names: Sequence[str]) -> tuple[Audio, str]:
    """One or two channels that let the event be heard, and what they are."""
    if len(audio) <= 2:
        return audio, ""
    if len(channels) in (1, 2):
        return audio[channels], f"Heard: {', '.join(names[channel] for channel in channels)} alone."
    mixed = to_stereo(audio)
    return mixed / max(1.0, float(np.abs(mixed).max())), "Heard: mixed down to stereo."


def _data(document: Document, names: Sequence[str], end_s: float) -> Document:
    """What the page's script needs: places, scores to read off, and rows to export."""
    return {
        "id": document_id(document),
        "columns": VERDICT_COLUMNS,
        # pairs: an object would be sorted by name
        "verdicts": list(VERDICTS.items()),
        "guard": GUARD,
        "guarded": GUARDED,
        "file": document["title"]["file"],
        "endS": end_s,
        "names": names,
        "segments": [
            [segment["start_s"], segment["end_s"], segment["channel_scores"], segment["flagged"]]
            for segment in document["segments"]
        ],
        "rows": [_row(document, event, names) for event in document["events"]],
    }


def _row(document: Document, event: Document, names: Sequence[str]) -> Document:
    """A row of the exported verdicts, but for what the reviewer says."""
    title, segments = document["title"], document["segments"]
    likeliest = event["defects"][0] if event["defects"] else {"defect": "", "probability": ""}
    return {
        "schema_version": SCHEMA_VERSION,
        "title": title["file"],
        "title_duration_s": title["duration_s"],
        "document_id": document_id(document),
        "segments_scored": sum(
            1
            for segment in segments
            if any(value is not None for value in segment["channel_scores"])
        ),
        "segments_flagged": sum(1 for segment in segments if segment["flagged"]),
        "event_id": event["id"],
        "start_s": event["start_s"],
        "end_s": event["end_s"],
        "start_timecode": event["start_timecode"],
        "channels": " ".join(names[channel] for channel in event["channels"]),
        "severity": event["severity"],
        "defect": likeliest["defect"],
        "probability": likeliest["probability"],
        "peak_score": event["peak_score"],
    }


def _channel_names(title: Document) -> list[str]:
    """A name for each scored channel; one without a name has its number, from 1 on."""
    names = title["channel_names"]
    return [name or f"channel {number}" for number, name in enumerate(names, start=1)]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _inlined(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
