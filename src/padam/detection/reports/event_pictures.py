"""Pictures of an excerpt: waveforms as paths, spectrograms as small pictures, for an HTML page."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from matplotlib.image import imsave

from padam.defects.pair_figures import SPECTROGRAM_DB, spectrogram_db

WIDTH, HEIGHT = 1000, 200
"""Size of a waveform's coordinates."""

Channel = npt.NDArray[np.float32]

_WAVEFORM_COLUMNS = 500
_COLUMNS, _ROWS = 500, 160
_WEBP = {"quality": 60, "method": 4}
_MEL_TICKS_HZ = (100, 500, 1000, 2000, 5000, 10_000, 20_000)


def waveform_path(audio: Channel, highest: float) -> str:
    """SVG path of the band between least and greatest samples; ±`highest` fill `HEIGHT`."""
    columns = _starts(len(audio), _WAVEFORM_COLUMNS)
    x = np.round((columns + 0.5) / len(audio) * WIDTH).astype(int)
    least = _y(np.minimum.reduceat(audio, columns), highest)
    greatest = _y(np.maximum.reduceat(audio, columns), highest)
    # half a unit of ink where there is silence
    there = [f"{a} {b}" for a, b in zip(x, greatest - 1, strict=True)]
    back = [f"{a} {b}" for a, b in zip(x[::-1], least[::-1] + 1, strict=True)]
    return f"M{'L'.join(there + back)}Z"


def spectrogram_webp(audio: Channel, sample_rate: int) -> bytes:
    """Spectrogram of one channel on the mel scale as a WebP picture, the highest row on top.

    Colours go from -100 to -10 dB re full-scale sine; a point shows the greatest level it covers.
    """
    level_db, _ = spectrogram_db(audio, sample_rate)
    level_db = np.maximum.reduceat(level_db, _starts(level_db.shape[0], _ROWS), axis=0)
    level_db = np.maximum.reduceat(level_db, _starts(level_db.shape[1], _COLUMNS), axis=1)
    low, high = SPECTROGRAM_DB
    content = io.BytesIO()
    imsave(
        content,
        np.ascontiguousarray(level_db[::-1]),
        format="webp",
        cmap="magma",
        vmin=low,
        vmax=high,
        pil_kwargs=dict(_WEBP),
    )
    return content.getvalue()


def frequency_ticks(sample_rate: int) -> list[tuple[float, str]]:
    """Height from the bottom as a share, and text, of the ticks of a spectrogram's axis."""
    top = np.log10(1 + sample_rate / 2 / 700)
    return [
        (float(np.log10(1 + hz / 700) / top), f"{hz / 1000:g}")
        for hz in _MEL_TICKS_HZ
        if hz <= 0.95 * sample_rate / 2
    ]


def _starts(length: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, length, most, endpoint=False).astype(np.int64))


def _y(values: Channel, highest: float) -> npt.NDArray[np.int64]:
    return np.round((1 - values / highest) * HEIGHT / 2).astype(np.int64)
