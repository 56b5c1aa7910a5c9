"""The page of a listening test: a folder that a browser opens, with or without a network."""

import base64
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from padam.audio import Audio
from padam.audio.levels import peak_db
from padam.audio.loudness import integrated_loudness_lufs
from padam.audio.media import write_flac
from padam.audio.pages import render
from padam.audio.storage import written_whole
from padam.quality.listening_test import HIDDEN_REFERENCE, TRAINING, ListeningTest, Pair

INDEX = "index.html"
AUDIO = "audio"
SCALE = ((5, "Excellent"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Bad"))
"""Scores and words of the listening-quality scale (ITU-T P.800 §B.4.5)."""

_TONES = 5
# that a listener takes to decide, for the promise of how long it takes
_RATING_S = 5.0


def write_kit(folder: Path, test: ListeningTest) -> Path:
    """Write the page and its audio into a folder; return the path of `index.html`.

    Audio is `audio/<item>.flac`, or lies within the page. Neither tells what an item is. Raises
    ValueError for a clip that `read` does not give, one that a change of loudness would clip, and
    a page that would be larger than configured.
    """
    if not test.page.inline_audio:
        (folder / AUDIO).mkdir(parents=True, exist_ok=True)
        duration_s = _write_audio(folder / AUDIO, test)
        return _write_page(folder / INDEX, test, duration_s, {})
    with TemporaryDirectory(dir=folder, prefix=".") as scratch:
        duration_s = _write_audio(Path(scratch), test)
        inlined = _inline(Path(scratch), test)
    return _write_page(folder / INDEX, test, duration_s, inlined)


def _write_audio(folder: Path, test: ListeningTest) -> float:
    """Write the FLAC file of every item; return how long all of them are together."""
    items = {str(clip): rows for clip, rows in test.key.groupby("clip")}
    total_s = 0.0
    for pair in test.read(set(items)):
        for item, kind in items.pop(pair.clip_id)[["item", "kind"]].itertuples(index=False):
            audio = _audible(pair, kind == HIDDEN_REFERENCE, test.page.loudness_lufs)
            write_flac(folder / f"{item}.flac", audio, pair.sample_rate)
            total_s += audio.shape[1] / pair.sample_rate
    if items:
        raise ValueError(
            f"clips {', '.join(list(items)[:5])} stand in the tables but in none of the shards; "
            "load those of one run, or run the synthesis again"
        )
    return total_s


def _audible(pair: Pair, reference: bool, loudness_lufs: float | None) -> Audio:
    audio = pair.reference if reference else pair.degraded
    if loudness_lufs is None:
        return audio
    # one gain for both: what a defect does to the loudness stays
    found_lufs = integrated_loudness_lufs(pair.reference, pair.sample_rate)
    gain_db = loudness_lufs - found_lufs if math.isfinite(found_lufs) else 0.0
    audio = audio * np.float32(10 ** (gain_db / 20))
    if peak_db(audio) > 0:
        raise ValueError(
            f"clip {pair.clip_id} would peak {peak_db(audio):.1f} dB over full scale with a "
            f"loudness of {loudness_lufs:g} LUFS: lower listening_test.page.loudness_lufs"
        )
    return audio


def _inline(folder: Path, test: ListeningTest) -> dict[str, str]:
    """Base64 of every item's file."""
    files = [folder / f"{item}.flac" for item in test.key["item"]]
    needed_mb = sum(file.stat().st_size for file in files) * 4 / 3 / 1e6
    if needed_mb > test.page.max_inline_mb:
        raise ValueError(
            f"a page that holds its audio would take {needed_mb:.0f} MB, more than "
            f"{test.page.max_inline_mb:g}: have fewer items rated (listening_test.sample.clips), "
            "raise listening_test.page.max_inline_mb, or set listening_test.page.inline_audio to "
            "false, which makes a folder"
        )
    return {file.stem: base64.b64encode(file.read_bytes()).decode("ascii") for file in files}


def _write_page(path: Path, test: ListeningTest, audio_s: float, inlined: dict[str, str]) -> Path:
    training = test.key["kind"] == TRAINING
    data: dict[str, Any] = {
        "id": test.test_id,
        "training": test.key.loc[training, "item"].tolist(),
        "trials": test.key.loc[~training, "item"].tolist(),
        "minHeardShare": test.page.min_heard_share,
        "breakAfterMin": test.page.break_after_min,
        "headphonesCheck": test.page.headphones_check,
        "tones": _TONES,
    }
    minutes = math.ceil((audio_s + _RATING_S * len(test.key)) / 60)
    page = render(
        "padam.quality",
        "listening_test.html",
        test=data,
        minutes=minutes,
        scale=SCALE,
        inlined=inlined,
    )
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path
