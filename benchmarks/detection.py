"""Scanning titles: speed of a whole scan beside DNSMOS and NISQA, and its memory.

Run `python benchmarks/detection.py [--quick] [--json PATH] [--model FOLDER] [--nisqa nisqa.tar]`.
Without a model an untrained PADAM of the laptop's size is scanned with: speed does not depend on
weights. Every system scans the same AAC stereo file through the same code, in turn; seconds are the
process's own on one thread, which other work on the machine does not lengthen.
"""

import os

# Before numpy and torch start their threads.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch

from padam.audio import Audio
from padam.audio.media import read_audio, stream_audio
from padam.defects.registry import DEFECT_NAMES
from padam.detection.operating_point import OperatingPoint
from padam.detection.padam_model import PadamModel
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.scorers.base import Scorer, score_in_batches
from padam.detection.scorers.dnsmos import DnsmosScorer
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.defect_classifier import DefectClassifier
from padam.models.quality_head import QualityHead
from report import Row, parser, publish, row

RATE = 48_000
NISQA_SHA256 = "7ec4cf937514dd3f8860b21e66fabd8ca87a168572675ef8d979c4c4ad2e805c"
SAMPLE_MEDIA = Path(__file__).parents[1] / "data" / "01_raw" / "sample_media"
CONFIG = ScanConfig(threshold=0.5)


def main() -> None:
    options = parser("Speed and memory of a scan.")
    options.add_argument("--model", type=Path, help="folder of a trained model")
    options.add_argument("--nisqa", type=Path, help="nisqa.tar, for the ratio over NISQA")
    options.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    torch.set_num_threads(1)
    padam = load_model(arguments.model).scorer()
    if arguments.scan:
        scan_title(arguments.scan, padam, CONFIG)
        print(peak_rss_mb())
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), padam, arguments)
    publish(rows, arguments.json, torch=torch.__version__)


def measure(folder: Path, padam: Scorer, arguments: argparse.Namespace) -> list[Row]:
    minutes = 2.0 if arguments.quick else 20.0
    title = write_title(folder / "title.m4a", minutes * 60)
    excerpt = write_title(folder / "excerpt.m4a", 40 if arguments.quick else 120)
    size = f"{minutes:g} min stereo AAC"
    weights = "trained" if arguments.model else "untrained, laptop size"

    rivals: dict[str, Scorer] = {"dnsmos": DnsmosScorer()}
    if arguments.nisqa and not arguments.quick:
        rivals["nisqa"] = NisqaScorer(arguments.nisqa)
    contest = {"padam": padam, **rivals}
    spent = in_turn(
        {name: lambda s=s: scan_title(excerpt, s, CONFIG) for name, s in contest.items()}
    )

    blocks = list(stream_audio(title, CONFIG.block_s, sample_rate=padam.sample_rate))
    whole = in_turn(
        {"scan": lambda: scan_title(title, padam, CONFIG), "scoring": lambda: padam.score(blocks)}
    )
    note = f"{size}, {weights}, one thread"
    rows = [row("x_realtime", minutes * 60 / whole["scan"], "x", f"{note}; decoding included")]
    for name in rivals:
        value = spent[name] / spent["padam"]
        rows.append(
            row(f"ratio_over_{name}", value, "x", "the same file and scan; above 1: faster")
        )
    rows.append(row("ratio_total_over_scoring", whole["scan"] / whole["scoring"], "x", note))
    rows.append(
        row("peak_rss_mb_20min", scan_apart(title, arguments.model), "MB", f"{size}, {weights}")
    )
    if not arguments.quick:
        long = write_title(folder / "long.m4a", 7200)
        rows.append(row("peak_rss_mb_2h", scan_apart(long, arguments.model), "MB", "2 h"))
    return rows


def load_model(folder: Path | None) -> PadamModel:
    if folder is not None:
        return PadamModel.load(folder)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(800) % 2
    return PadamModel(
        encoder=AudioEncoder(AUDIO_ENCODER_SIZES["small"]).eval(),
        quality_head=QualityHead().eval(),
        classifier=DefectClassifier().fit(rng.standard_normal((800, 512)) + y[:, None] / 8, y),
        threshold=0.5,
        label_names=DEFECT_NAMES,
    )


class NisqaScorer:
    """NISQA v2 by torchmetrics on weights whose checksum was compared; score = −MOS."""

    name = "nisqa"
    version = "2.0"
    sample_rate = RATE
    segment_s = 10.0
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self, weights: Path) -> None:
        from torchmetrics.functional.audio import nisqa

        if hashlib.sha256(weights.read_bytes()).hexdigest() != NISQA_SHA256:
            raise SystemExit(f"{weights}: this is not the published nisqa.tar (checksum differs)")
        if weights.name != "nisqa.tar":
            raise SystemExit(f"{weights}: torchmetrics wants the file to be called nisqa.tar")
        nisqa.NISQA_DIR = str(weights.parent.resolve())
        self._predict = nisqa.non_intrusive_speech_quality_assessment

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score."""

        def rate(rows: Audio) -> dict[str, np.ndarray]:
            mos = [float(self._predict(torch.from_numpy(channel), RATE)[0]) for channel in rows]
            return {"score": -np.array(mos)}

        return score_in_batches(blocks, RATE, rate, batch_segments=1)


def write_title(path: Path, duration_s: float) -> Path:
    """Encode sample media, repeated to the length, as AAC at 128 kbit/s."""
    content = sample_content()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo", bit_rate=128_000)
        position, total = 0, round(duration_s * RATE)
        while position < total:
            # Blocks of 1024 samples that divide the content: no bookkeeping across its end.
            start = position % content.shape[1]
            samples = np.ascontiguousarray(content[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, position
            frame.time_base = Fraction(1, RATE)
            container.mux(stream.encode(frame))
            position += samples.shape[1]
        container.mux(stream.encode(None))
    return path


def sample_content() -> Audio:
    """A minute or so of music, speech and effects; noise where the sample media are missing."""
    files = sorted(p for p in SAMPLE_MEDIA.rglob("*") if p.suffix in {".flac", ".ogg", ".opus"})
    parts = [read_audio(p, 2.0, 15.0, sample_rate=RATE, channels=2) for p in files[:6]]
    if not parts:
        noise = np.random.default_rng(0).standard_normal((2, 60 * RATE)) / 20
        parts = [noise.astype(np.float32)]
    content = np.concatenate(parts, axis=1)
    return content[:, : content.shape[1] // 1024 * 1024]


def in_turn(work: dict[str, Callable[[], object]], rounds: int = 3) -> dict[str, float]:
    """Median CPU seconds of each, run A B A B …, after a round to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, run in work.items():
            start = time.process_time()
            run()
            if number:
                spent[name].append(time.process_time() - start)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def scan_apart(title: Path, model: Path | None) -> float:
    """Peak memory of a process that does nothing but scan."""
    command = [sys.executable, __file__, "--scan", str(title)]
    if model is not None:
        command += ["--model", str(model)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output.split()[-1])


def peak_rss_mb() -> float:
    # Not getrusage: a child inherits its parent's peak there.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
