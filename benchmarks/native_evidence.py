"""Native-rate evidence: its speed beside decoding alone, the encoders and Essentia's detectors.

Run `python benchmarks/native_evidence.py [--quick] [--json PATH]`. Everything takes the same
minute or so of sample media in turn; seconds are the process's own, on one thread. Essentia's six
detectors, which look for much of the same, are there where Essentia is installed (the extra
`essentia`). The encoders are untrained: speed does not depend on weights.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from padam.audio import Audio
from padam.audio.media import stream_audio
from padam.audio.resampling import resample
from padam.detection.scorers.essentia_detectors import EssentiaMissingError, EssentiaScorer
from padam.models import native_evidence as evidence
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.native_evidence.windows import evidence_windows
from padam.training.embedding import SAMPLE_RATE, embed_audio
from report import Row, parser, publish, row
from sample_titles import RATE, sample_content, write_title

SEGMENT_S = 10
RATES = (16_000, 44_100, 96_000)


def main() -> None:
    arguments = parser("Speed of native-rate evidence.").parse_args()
    torch.set_num_threads(1)
    mono = sample_content()[:1]
    mono = mono[:, : mono.shape[1] // (SEGMENT_S * RATE) * SEGMENT_S * RATE]
    seconds = mono.shape[1] / RATE
    with tempfile.TemporaryDirectory() as folder:
        title = write_title(Path(folder) / "title.m4a", seconds)
        took = in_turn(systems(mono, title), 3 if arguments.quick else 9)
    speed = {name: seconds / taken for name, taken in took.items()}
    rows = speeds(speed) + families(mono, seconds)
    publish(rows, arguments.json, torch=torch.__version__, values=len(evidence.EVIDENCE_NAMES))


def systems(mono: Audio, title: Path) -> dict[str, Callable[[], object]]:
    heard = resample(mono, RATE, SAMPLE_RATE)
    found: dict[str, Callable[[], object]] = {
        "": lambda: [evidence.native_evidence(part, RATE) for part in segments(mono, RATE)],
        "_decoding": lambda: list(stream_audio(title, 60, sample_rate=RATE)),
    }
    found["_windows"] = lambda: [evidence_windows(part, RATE) for part in segments(mono, RATE)]
    for rate in RATES:
        at_rate = resample(mono, RATE, rate)
        found[f"_{rate}_hz"] = lambda at_rate=at_rate, rate=rate: [
            evidence.native_evidence(part, rate) for part in segments(at_rate, rate)
        ]
    for size in ("paper", "small"):
        encoder = AudioEncoder(AUDIO_ENCODER_SIZES[size]).eval()
        encoder.log_mel.fit_statistics(torch.from_numpy(heard))
        found[f"_encoder_{size}"] = lambda encoder=encoder: embed_audio(encoder, heard)
    try:
        find = EssentiaScorer(RATE).find
    except EssentiaMissingError:
        print("Essentia is not installed: its rows are left out")
    else:
        found["_essentia"] = lambda: [find(part[0]) for part in segments(mono, RATE)]
    return found


def segments(audio: Audio, rate: int) -> Iterator[Audio]:
    """Yield segments of 10 s, the rest left out."""
    length = SEGMENT_S * rate
    for start in range(0, audio.shape[1] - length + 1, length):
        yield audio[:, start : start + length]


def in_turn(systems: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run A B C A B C … after a round that warms up; return each one's median seconds."""
    took: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds + 1):
        for name, work in systems.items():
            start = time.process_time()
            work()
            if turn:
                took[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in took.items()}


def speeds(speed: dict[str, float]) -> list[Row]:
    notes = {
        "": f"mono at {RATE} Hz",
        "_windows": f"about each 0.4 s, as in flagged segments for their events; mono at {RATE} Hz",
        "_decoding": "stereo AAC at 128 kbit/s, both channels",
        "_essentia": "six detectors, each segment",
        "_encoder_paper": "16 kHz, the paper's size, the runtime of this machine",
        "_encoder_small": "16 kHz, the laptop's size",
    }
    rows = [
        row(f"x_realtime{name}", value, "x", f"{notes.get(name, 'mono')}; CPU, one thread")
        for name, value in speed.items()
    ]
    ratios = {"decoding": "above 1: cheaper than decoding", "essentia": "above 1: ours is cheaper"}
    rows += [
        row(f"ratio_over_{name}", speed[""] / speed[f"_{name}"], "x", note)
        for name, note in ratios.items()
        if f"_{name}" in speed
    ]
    for size in ("paper", "small"):
        share = speed[f"_encoder_{size}"] / speed[""]
        rows.append(row(f"share_of_encoder_{size}", share, "", "its time over that of embedding"))
    return rows


def families(mono: Audio, seconds: float) -> list[Row]:
    """Return what each family of measures takes of a second of audio."""
    parts = [np.ascontiguousarray(part[0]) for part in segments(mono, RATE)]
    parts = [part / np.abs(part).max() for part in parts if np.abs(part).max() > 0]
    work = {
        family.__name__.rsplit(".", 1)[1]: (
            lambda family=family: [
                evidence.measure_families((family,), part, RATE) for part in parts
            ]
        )
        for family in evidence.FAMILIES
    }
    note = f"CPU time for each second of mono at {RATE} Hz, with the spectrum where it is wanted"
    return [
        row(f"ms_per_s_{name}", 1000 * taken / seconds, "ms", note)
        for name, taken in in_turn(work, 3).items()
    ]


if __name__ == "__main__":
    main()
