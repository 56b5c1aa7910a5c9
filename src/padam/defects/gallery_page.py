"""The gallery as a folder that a browser opens without a network: page, pictures, FLAC files."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from padam.audio.pages import render
from padam.audio.storage import written_whole
from padam.defects.base import DefectParams
from padam.defects.distribution import CONFIDENCE, count_outside
from padam.defects.gallery import CODECS, KINDS, Example, Gallery, GalleryConfig
from padam.defects.pair_figures import (
    SPECTROGRAM_DB,
    detail_start_s,
    plot_detail,
    plot_side,
    plot_spectra,
)
from padam.defects.parameter_text import (
    Rows,
    codec_rows,
    defect_rows,
    number_text,
    quantity_text,
    transcode_rows,
)
from padam.defects.shards import ClipPair, flac_bytes
from padam.defects.workflow import ClipParams

INDEX = "index.html"
_DPI = 150
_WEBP = {"quality": 85, "method": 1}
# hum and hiss are seen in the spectrum, all else in the waveform
_SPECTRAL = ("hum", "hiss")


def write_gallery(folder: Path, gallery: Gallery) -> Path:
    """Write the page, its pictures and its audio into a folder; return the path of `index.html`.

    Raises ValueError for an example that `read` does not give.
    """
    for part in ("pictures", "audio"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    by_clip: dict[str, list[Example]] = {}
    for example in gallery.examples:
        by_clip.setdefault(example.clip_id, []).append(example)
    cards = {
        example.slug: _card(folder, example, pair, gallery.config)
        for pair in gallery.read(set(by_clip))
        for example in by_clip[pair.clip_id]
    }
    missing = [example.clip_id for example in gallery.examples if example.slug not in cards]
    if missing:
        raise ValueError(
            f"clips {', '.join(missing[:5])} stand in the manifest but in none of the shards; load "
            "the two of one run, or run the synthesis again"
        )
    if gallery.drawn is not None:
        _write(folder / "pictures" / "drawn.png", _picture(gallery.drawn, "png"))
    page = render("padam.defects", INDEX, _FILTERS, **_page(gallery, cards))
    # a file name that is no Unicode has no other way to be shown
    _write(folder / INDEX, page.encode("utf-8", errors="xmlcharrefreplace"))
    return folder / INDEX


def _card(folder: Path, example: Example, pair: ClipPair, config: GalleryConfig) -> dict[str, Any]:
    """What the page says of one example; its pictures and its audio are written here."""
    params = ClipParams.model_validate(pair.metadata["params"])
    shown = next((d for d in params.defects if d.defect == example.kind), None)
    channels, duration_s = len(pair.reference), pair.reference.shape[1] / pair.sample_rate
    channel = shown.channels[0] if shown else 0
    reference, degraded = pair.reference[channel], pair.degraded[channel]
    highest = 1.05 * max(float(np.abs(reference).max()), float(np.abs(degraded).max()), 1e-6)
    figures = {
        "reference": plot_side(reference, pair.sample_rate, highest, shown),
        "degraded": plot_side(degraded, pair.sample_rate, highest, shown),
    }
    detail = ""
    if shown is not None:
        figures["detail"], detail = _detail(reference, degraded, pair.sample_rate, shown, config)
    for name, figure in figures.items():
        _write(folder / "pictures" / f"{example.slug}.{name}.webp", _picture(figure, "webp"))
    for side, audio in (("reference", pair.reference), ("degraded", pair.degraded)):
        path = folder / "audio" / f"{example.slug}.{side}.flac"
        _write(path, flac_bytes(audio, pair.sample_rate))
    return {
        "slug": example.slug,
        "clip_id": pair.clip_id,
        "source": str(pair.metadata.get("source", "")),
        "start_s": pair.metadata.get("start_s", 0.0),
        "duration_s": duration_s,
        "channel": f"{channel + 1} of {channels}",
        "others": [_words(d.defect) for d in params.defects if d is not shown],
        "detail": detail,
        "parameters": _parameters(params, pair, channels, duration_s),
    }


def _detail(
    reference: Any, degraded: Any, sample_rate: int, shown: DefectParams, config: GalleryConfig
) -> tuple[Figure, str]:
    """A close view of the damage, and what it shows."""
    if shown.defect in _SPECTRAL:
        where = shown.interval.slice(sample_rate, len(reference))
        figure = plot_spectra(reference[where], degraded[where], sample_rate)
        return figure, "Mean spectrum of the affected interval"
    start_s = detail_start_s(reference, degraded, sample_rate, shown, config.detail_s)
    figure = plot_detail(reference, degraded, sample_rate, start_s, config.detail_s)
    return figure, f"{1000 * config.detail_s:g} ms from {start_s:.3f} s on, where damage is seen"


def _parameters(
    params: ClipParams, pair: ClipPair, channels: int, duration_s: float
) -> list[tuple[str, Rows]]:
    """Everything that was drawn, in the order of the workflow."""
    clip: Rows = [
        ("gain", f"{number_text(params.gain_db)} dB"),
        ("sample rate", f"{pair.sample_rate} Hz"),
        ("channels", str(channels)),
    ]
    clip += [
        ("laid over", f"{layer['source']} from {layer['start_s']:g} s on")
        for layer in pair.metadata.get("layers", [])
    ]
    encoded, last = params.source_encode, params.transcode
    return [
        ("Clip", clip),
        *((_words(d.defect), defect_rows(d, channels, duration_s)) for d in params.defects),
        ("Source encode", codec_rows(encoded) if encoded else [("codec", "none")]),
        ("Transcode", transcode_rows(last) if last else [("codec", "none")]),
    ]


def _page(gallery: Gallery, cards: dict[str, dict[str, Any]]) -> dict[str, Any]:
    sections = []
    for kind in KINDS:
        examples = [e for e in gallery.examples if e.kind == kind]
        without = [c for c in gallery.config.codecs if not gallery.counts.get((kind, c))]
        sections.append(
            {
                "kind": kind,
                "title": _words(kind),
                "cells": [
                    {
                        "codec": codec,
                        "count": gallery.counts.get((kind, codec), 0),
                        "slug": next((e.slug for e in examples if e.codec == codec), None),
                    }
                    for codec in CODECS
                ],
                "cards": [{**cards[e.slug], "codec": e.codec} for e in examples],
                "without": without,
            }
        )
    return {
        "clips": gallery.clips,
        "sections": sections,
        "codecs": CODECS,
        "outside": _outside(gallery.shares, gallery.numbers),
        "judged": count_outside(gallery.shares, gallery.numbers),
        "shares": gallery.shares.to_dict(orient="records"),
        "numbers": gallery.numbers.to_dict(orient="records"),
        "confidence": CONFIDENCE,
        "colours_db": SPECTROGRAM_DB,
        "drawn": gallery.drawn is not None,
    }


def _outside(shares: pd.DataFrame, numbers: pd.DataFrame) -> list[str]:
    """What lies outside, to stand at the top of the page."""
    wrong_shares = shares[shares["within"].eq(False).fillna(False)].to_dict(orient="records")
    wrong_numbers = numbers[numbers["inside"].eq(False).fillna(False)].to_dict(orient="records")
    return [
        f"{_words(row['quantity'])} {_words(row['option'])}: {_share(row['observed'])} drawn, "
        f"{_share(row['intended'])} intended"
        for row in wrong_shares
    ] + [
        f"{_words(row['defect'])} {quantity_text(row['parameter'])}: {number_text(row['min'])} to "
        f"{number_text(row['max'])} drawn of {number_text(row['low'])} to "
        f"{number_text(row['high'])}"
        for row in wrong_numbers
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"


_FILTERS: dict[str, Callable[..., str]] = {
    "words": _words,
    "share": _share,
    "number": number_text,
    "quantity": quantity_text,
}


def _picture(figure: Figure, file_format: str) -> bytes:
    buffer = io.BytesIO()
    options = _WEBP if file_format == "webp" else {}
    figure.savefig(buffer, format=file_format, dpi=_DPI, pil_kwargs=options)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(content)
