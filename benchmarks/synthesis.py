"""Cost of a synthesised clip pair, and of its codec round trips beside the ffmpeg program.

Run as `python benchmarks/synthesis.py [--quick] [--json PATH]`. Seconds are CPU seconds of this
process and its children on one thread, which other work on the machine does not lengthen; the
speed-up of two workers is wall time and wants an idle machine.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import soundfile

from padam.audio.codecs import CodecSettings, round_trip
from padam.defects.shards import synthesise_clip, write_shard
from padam.defects.workflow_config import WorkflowConfig
from report import Row, parser, publish, row

RATE = 48_000
CLIP_S = 10.0
PAPER_CLIPS = 250_000
ENCODERS = {"aac": "aac", "mp3": "libmp3lame", "opus": "libopus"}
SUFFIXES = {"aac": "m4a", "mp3": "mp3", "opus": "ogg"}


def main() -> None:
    arguments = parser("Cost of synthesis.").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish(measure(Path(folder), arguments.quick), arguments.json)


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return all rows."""
    source = write_source(folder / "source.flac", 60.0)
    clips = 12 if quick else 48
    serial_s = cpu_seconds(partial(synthesise, folder, source, range(clips))) / clips
    rows = [
        row("cpu_s_per_pair", serial_s, "s", f"mean of {clips} pairs of {CLIP_S:g} s, read to tar"),
        row("core_hours_250k", serial_s * PAPER_CLIPS / 3600, "h", "the paper's 250 000 clips"),
    ]
    rows += against_ffmpeg(folder, source, rounds=3 if quick else 9)
    rows.append(two_workers(folder, source, clips))
    return rows


def write_source(path: Path, seconds: float) -> Path:
    """Write a melody over a soft floor, so that encoders and defects have something to do."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * RATE)) / RATE
    audio = 0.01 * rng.standard_normal((2, len(time_s)))
    for onset_s in np.arange(0.0, seconds, 0.5):
        after = np.clip(time_s - onset_s, 0, None)
        pitch_hz = 110.0 * 2 ** (rng.integers(0, 36) / 12)
        tone = sum(np.sin(2 * np.pi * pitch_hz * h * after) / h for h in range(1, 7))
        audio += (time_s >= onset_s) * tone * np.exp(-4 * after) * rng.uniform(0.2, 1, (2, 1))
    soundfile.write(path, (0.7 * audio / np.abs(audio).max()).T, RATE, subtype="PCM_24")
    return path


def synthesise(folder: Path, source: Path, numbers: range) -> None:
    """Make clip pairs and write them as one shard."""
    config = WorkflowConfig()
    pairs = []
    for number in numbers:
        plan = {
            "clip_id": f"{number:06d}",
            "source": source.name,
            "split": "train",
            "kind": "music",
            "start_s": float(number % 5) * CLIP_S,
            "duration_s": CLIP_S,
            "seed": number,  # the same excerpt with the same seed is the same clip
        }
        pairs.append(synthesise_clip(folder, plan, config))
    write_shard(folder / f"{numbers.start}.tar", pairs)


def against_ffmpeg(folder: Path, source: Path, rounds: int) -> list[Row]:
    """Compare the codec round trip of one clip in process with the ffmpeg program, in turn."""
    samples, _ = soundfile.read(source, frames=round(CLIP_S * RATE), dtype="float32")
    clip = folder / "clip.wav"
    soundfile.write(clip, samples, RATE, subtype="PCM_24")
    program = shutil.which("ffmpeg")
    rows = []
    for codec in ENCODERS:
        settings = CodecSettings(codec=codec, bitrate_kbps=64)
        work = {"ours": partial(round_trip, samples.T.copy(), RATE, settings)}
        if program:
            work["ffmpeg"] = partial(ffmpeg_round_trip, program, clip, folder, codec)
        spent: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(rounds):
            for name, run in work.items():
                spent[name].append(cpu_seconds(run))
        ours = statistics.median(spent["ours"])
        rows.append(row(f"cpu_s_{codec}_round_trip", ours, "s", "10 s stereo at 64 kbit/s"))
        if program:
            ratio = statistics.median(spent["ffmpeg"]) / ours
            rows.append(row(f"cpu_ratio_ffmpeg_subprocess_over_ours_{codec}", ratio, "x"))
        else:
            print("ffmpeg is not installed: no ratio over it")
    ratios = [each["value"] for each in rows if "ratio" in each["measure"]]
    if ratios:
        note = "mean over the codecs, encode and decode"
        mean = statistics.mean(ratios)
        rows.append(row("cpu_ratio_ffmpeg_subprocess_over_ours", mean, "x", note))
    return rows


def ffmpeg_round_trip(program: str, clip: Path, folder: Path, codec: str) -> None:
    """Encode to a file and decode it again, as a script around ffmpeg does."""
    packed = folder / f"packed.{SUFFIXES[codec]}"
    quiet = [program, "-v", "error", "-y", "-threads", "1"]
    encode = ["-i", str(clip), "-c:a", ENCODERS[codec], "-b:a", "64k", str(packed)]
    subprocess.run([*quiet, *encode], check=True)
    subprocess.run([*quiet, "-i", str(packed), str(folder / "back.wav")], check=True)


def two_workers(folder: Path, source: Path, clips: int) -> Row:
    """Compare wall time of one and two worker processes on the same shards."""
    size = clips // 4
    parts = [range(start, start + size) for start in range(0, clips, size)]
    seconds = {}
    for workers in (1, 2):
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            pool = joblib.Parallel(n_jobs=workers)
            pool(
                joblib.delayed(synthesise)(folder, source, range(900, 901)) for _ in range(workers)
            )
            start = time.perf_counter()
            pool(joblib.delayed(synthesise)(folder, source, part) for part in parts)
            seconds[workers] = time.perf_counter() - start
    return row("two_worker_speedup", seconds[1] / seconds[2], "x", "wall time, processes warm")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of the children that ended meanwhile."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    main()
