"""Drawn parameters as a person reads them: a name and a value with its unit."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from padam.audio.codec_settings import CodecSettings
from padam.defects.base import DefectParams
from padam.defects.encoding import TranscodeParams

Rows = list[tuple[str, str]]

_UNITS = {"db": "dB", "lufs": "LUFS", "hz": "Hz", "kbps": "kbit/s", "rad": "rad", "s": "s"}
_ABBREVIATIONS = {"snr": "SNR", "lowpass": "low-pass", "highpass": "high-pass", "in": "in-"}
# what a name alone does not tell
_WORDED = {
    "percent": ("clipped samples", "{} %"),
    "beta": ("β of the spectrum 1/f^β", "{}"),
    "highpass": ("high-pass", "{} × Nyquist"),
    "amount": ("overwritten", "one byte in {}"),
    "dropamount": ("dropped by the filter", "one packet in {}"),
    "packet_drop_share": ("share of lost packets", "{}"),
    "mean_burst_packets": ("mean burst", "{} packets"),
    "sample_rate": ("sample rate", "{} Hz"),
    "bits": ("word length", "{} bits"),
    "low": ("lower threshold", "{}"),
    "high": ("upper threshold", "{}"),
    "conceal": ("gaps are closed by", "{}"),
    "weights": ("weights of the harmonics", "{}"),
    "in_band_snr_db": ("SNR within 20 Hz – 8 kHz", "{} dB"),
}
_PLACEMENT = {"defect", "interval", "channels"}


def defect_rows(defect: DefectParams, channels: int, duration_s: float) -> Rows:
    """Placement and parameters of a defect in a clip of `channels` and `duration_s`."""
    where = defect.interval
    whole = where.start_s == 0 and where.duration_s >= duration_s - 1e-6
    span = f"{where.start_s:.3f} – {where.end_s:.3f} s ({where.duration_s:.3f} s)"
    rows = [
        ("interval", "the whole clip" if whole else span),
        ("channels", channel_text(defect.channels, channels)),
    ]
    return rows + _rows(defect, leave_out=_PLACEMENT)


def codec_rows(settings: CodecSettings) -> Rows:
    """Settings of an encoder."""
    rows = _rows(settings)
    return [(name, "the encoder's own" if value == "none" else value) for name, value in rows]


def transcode_rows(params: TranscodeParams) -> Rows:
    """What a transcode does, in the order in which it does it."""
    return _rows(params, leave_out={"codec"}) + codec_rows(params.codec)


def channel_text(affected: Sequence[int], channels: int) -> str:
    """Affected channels counted from 1, or that it is all of them."""
    if len(affected) == channels:
        return f"all {channels}" if channels > 1 else "the only one"
    return f"{', '.join(str(channel + 1) for channel in affected)} (of {channels})"


def number_text(value: float) -> str:
    """A number of three digits or more; a dash for none."""
    return "–" if value != value else _text(value)


def quantity_text(name: str) -> str:
    """A name with its unit in brackets: `interval duration_s` → interval duration (s)."""
    bracketed = re.sub(rf"_({'|'.join(_UNITS)})\b", lambda unit: f" ({_UNITS[unit[1]]})", name)
    return bracketed.replace("_", " ")


def _rows(params: BaseModel, leave_out: Iterable[str] = ()) -> Rows:
    return [
        _row(name, value)
        for name, value in params
        # a packet loss's codec is the source encode
        if name not in leave_out and not isinstance(value, CodecSettings)
    ]


def _row(name: str, value: Any) -> tuple[str, str]:
    if name in _WORDED:
        label, form = _WORDED[name]
        return label, form.format(_text(value)) if value is not None else "none"
    words = name.split("_")
    unit = _UNITS.get(words[-1]) if len(words) > 1 else None
    label = " ".join(_ABBREVIATIONS.get(word, word) for word in (words[:-1] if unit else words))
    return label, _with_unit(value, unit)


def _with_unit(value: Any, unit: str | None) -> str:
    if unit is None or value is None:
        return _text(value)
    if unit == "s" and abs(value) < 0.1:
        return f"{_text(value * 1000)} ms"
    return f"{_text(value)} {unit}"


def _text(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
            return text.replace("-", "−")
        case tuple() if value and isinstance(value[0], BaseModel):
            return _listed(value)
        case tuple() if value:
            return f"{len(value)}, {_span(value, None)}"
    return str(value)


def _listed(items: Sequence[BaseModel]) -> str:
    """Number of items and the span of each of their numbers: a list of fifty is not read."""
    parts = [str(len(items))]
    for name in type(items[0]).model_fields:
        label, _ = _row(name, 1.0)
        unit = _UNITS.get(name.rpartition("_")[2])
        parts.append(f"{label} {_span([getattr(item, name) for item in items], unit)}")
    return "; ".join(parts)


def _span(values: Sequence[float], unit: str | None) -> str:
    low, high = min(values), max(values)
    if low == high:
        return _with_unit(low, unit)
    return f"{_with_unit(low, unit)} – {_with_unit(high, unit)}"
