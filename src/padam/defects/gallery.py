"""A page to look at and listen to: one example pair of every defect and codec, and what was drawn.

It is a folder of `index.html`, pictures and FLAC files, which a browser opens without a network.
"""

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field

from padam.audio.codec_settings import CodecName
from padam.audio.storage import written_whole
from padam.defects.base import DefectParams
from padam.defects.distribution import CONFIDENCE, count_outside
from padam.defects.drawn_clip import read_params
from padam.defects.figures import plot_drawn_distributions
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
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import ClipPair, flac_bytes
from padam.defects.workflow import ClipParams

INDEX = "index.html"
CLEAN = "clean"
KINDS = (*DEFECT_NAMES, CLEAN)

SourceCodec = CodecName | Literal["none"]
CODECS: tuple[SourceCodec, ...] = (*get_args(CodecName), "none")

_DPI = 150
_WEBP = {"quality": 85, "method": 1}
# hum and hiss are seen in the spectrum, all else in the waveform
_SPECTRAL = ("hum", "hiss")

Cell = tuple[str, str]


class GalleryConfig(BaseModel):
    """How much the gallery shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of each defect, and of clean clips, with each codec
    examples_per_cell: int = Field(default=1, ge=0, le=20)
    codecs: tuple[SourceCodec, ...] = CODECS
    # how much of the waveform is shown sample by sample
    detail_s: float = Field(default=0.05, ge=0.001, le=1)


@dataclass(frozen=True)
class Example:
    """A clip that stands for a kind (a defect, or clean) and a source codec."""

    kind: str
    codec: str
    number: int
    clip_id: str

    @property
    def slug(self) -> str:
        """Name of its files and its place on the page."""
        return f"{self.kind}-{self.codec}-{self.number}"


@dataclass(frozen=True)
class Gallery:
    """What a page shows; `read` gives the clips that it is asked for, in any order."""

    config: GalleryConfig
    examples: tuple[Example, ...]
    counts: dict[Cell, int]
    clips: int
    shares: pd.DataFrame
    numbers: pd.DataFrame
    drawn: Figure | None
    read: Callable[[Collection[str]], Iterable[ClipPair]]


def plan_gallery(
    manifest: pd.DataFrame,
    shares: pd.DataFrame,
    numbers: pd.DataFrame,
    read: Callable[[Collection[str]], Iterable[ClipPair]],
    config: GalleryConfig,
) -> Gallery:
    """Choose examples by the manifest alone; audio is read when the page is written.

    `shares` and `numbers` are those of `compare_with_intended`. An example holds as few other
    defects as there are clips for, is not transcoded where there is such a one, and stands in one
    cell only, as long as others can fill the rest.
    """
    counts: Counter[Cell] = Counter()
    found: dict[Cell, list[tuple[int, bool, str]]] = {}
    drawn = [] if manifest.empty else zip(manifest["clip_id"], manifest["params"], strict=True)
    for clip_id, text in drawn:
        params = read_params(clip_id, text)
        codec = params.source_encode.codec if params.source_encode else "none"
        rank = (len(params.defects), params.transcode is not None, str(clip_id))
        for kind in params.labels or [CLEAN]:
            counts[kind, codec] += 1
            found.setdefault((kind, codec), []).append(rank)
    return Gallery(
        config=config,
        examples=tuple(_examples(found, config)),
        counts=dict(counts),
        clips=len(manifest),
        shares=shares,
        numbers=numbers,
        drawn=None if manifest.empty else plot_drawn_distributions(manifest),
        read=read,
    )


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
    page = _template().render(_page(gallery, cards))
    # a file name that is no Unicode has no other way to be shown
    _write(folder / INDEX, page.encode("utf-8", errors="xmlcharrefreplace"))
    return folder / INDEX


def _examples(
    found: dict[Cell, list[tuple[int, bool, str]]], config: GalleryConfig
) -> Iterable[Example]:
    taken: set[str] = set()
    for kind in KINDS:
        for codec in config.codecs:
            candidates = found.get((kind, codec), [])
            ranked = sorted(candidates, key=lambda rank: (rank[2] in taken, *rank))
            for number, (_, _, clip_id) in enumerate(ranked[: config.examples_per_cell], start=1):
                taken.add(clip_id)
                yield Example(kind, codec, number, clip_id)


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


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("padam.defects"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "words": _words,
        "share": _share,
        "number": number_text,
        "quantity": quantity_text,
    }
    return environment.get_template(INDEX)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"


def _picture(figure: Figure, file_format: str) -> bytes:
    buffer = io.BytesIO()
    options = _WEBP if file_format == "webp" else {}
    figure.savefig(buffer, format=file_format, dpi=_DPI, pil_kwargs=options)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(content)
