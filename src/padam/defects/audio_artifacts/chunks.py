"""The versions of a piece, cut into chunks of one channel, with what is known of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from padam.defects.audio_artifacts.config import CLASS_OF, METHODS, SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.titles import TitlePlanConfig
from padam.defects.audio_artifacts.tones import Pcm
from padam.defects.audio_artifacts.tracks import Rendered, Track, draw_track, lookahead, render
from padam.defects.base import UndrawableDefectError
from padam.defects.clip_ids import clip_rng

CLEAN = "no_defect"
# a chunk of digital silence has no level to relate to
_FLOOR = 1e-12


@dataclass(frozen=True)
class Chunk:
    """Samples of one channel, and a row of the chunk table."""

    samples: Pcm
    row: dict[str, Any]


def clean_chunk_id(chunk_id: str) -> str:
    """Return the id of the clean chunk that a chunk was made of."""
    return f"{chunk_id.rpartition(':')[0]}:{CLEAN}"


def title_tracks(
    piece: Mapping[str, Any], config: SimulationConfig
) -> tuple[list[Track], dict[str, str]]:
    """Return the five defective versions of a piece's title, and why one cannot be made.

    They depend on the title and the seed alone, so all pieces of a title share them.
    """
    tracks, reasons = [], {}
    for number, method in enumerate(METHODS):
        rng = clip_rng(int(piece["seed"]), str(piece["source"]), float(number))
        try:
            tracks.append(
                draw_track(rng, method, int(piece["samples"]), int(piece["peak"]), config)
            )
        except UndrawableDefectError as error:
            reasons[method] = str(error)
    return tracks, reasons


def chunks_of(
    samples: npt.NDArray[np.int16],
    piece: Mapping[str, Any],
    tracks: list[Track],
    plan: TitlePlanConfig,
    config: SimulationConfig,
) -> Iterator[Chunk]:
    """Yield every clean chunk of a piece, and every chunk of `tracks` that differs from it.

    `samples` (channels, n) are those of `read_piece` with `lookahead` more. A row has chunk_id,
    source, split, kind, channel, start_s, method, label (index of the class) and severity: for hum
    and hiss the noise to the signal in dB, for distortion the share of samples that were clipped,
    for clicks the greatest step relative to full scale.
    """
    start, length = int(piece["start"]), plan.chunk_samples
    stop = start + int(piece["length"])
    near = [track.near(start, stop) for track in tracks]
    for position in range(start, stop, length):
        for channel, signal in enumerate(samples):
            here = signal[position - start : position - start + length + lookahead(config)]
            clean = here[:length]
            yield Chunk(clean, _row(piece, position, channel, CLEAN, np.nan))
            for track in near:
                found = render(track, here, position, length, channel, config)
                if found is not None:
                    severity = _severity(track.method, clean, found)
                    row = _row(piece, position, channel, track.method, severity)
                    yield Chunk(found.samples, row)


def _row(
    piece: Mapping[str, Any], position: int, channel: int, method: str, severity: float
) -> dict[str, Any]:
    source, start_s = str(piece["source"]), position / SAMPLE_RATE
    return {
        "chunk_id": f"{source}:{start_s:g}:{channel}:{method}",
        "source": source,
        "split": str(piece["split"]),
        "kind": str(piece["kind"]),
        "channel": channel,
        "start_s": start_s,
        "method": method,
        "label": CLASS_OF.get(method, 0),
        "severity": severity,
    }


def _severity(method: str, clean: Pcm, found: Rendered) -> float:
    if method == "distortion":
        return float(np.mean(found.samples != clean))
    if method in ("hum", "hiss"):
        signal = clean.astype(np.float64) / 32768
        noise = found.samples / 32768 - signal
        return float(10 * np.log10((np.mean(noise**2) + _FLOOR) / (np.mean(signal**2) + _FLOOR)))
    return found.step / 32768
