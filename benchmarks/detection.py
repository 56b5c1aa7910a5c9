"""Scanning titles: speed and memory of `padam scan` beside its peers, on the same title.

Run `python benchmarks/detection.py [--quick] [--json PATH] [--model FOLDER] [--nisqa nisqa.tar]`.

Every system scans the same AAC stereo title, both channels, in segments of 10 s, through the same
decoder, in a process of its own on two cores: PADAM at the paper's and the laptop's size, DNSMOS,
SRMR, NISQA (with `--nisqa`: its weights are not ours to ship), Essentia's detectors (where
installed), and nothing but the decoding. Without a model an untrained one is scanned with, whose
speed is that of a trained one. PADAM's own rows are of the whole command, from its start to its
reports; ratios are of CPU seconds, once everything is loaded, since PADAM computes on two threads
and most of the others on one.
"""

import argparse
import os
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from padam.defects.registry import DEFECT_NAMES
from padam.detection.padam_model import PadamModel
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.defect_classifier import DefectClassifier
from padam.models.quality_head import QualityHead
from report import Row, parser, publish, row
from sample_titles import write_title
from scan_process import Spent, measure, watch

CORES = 2
SIZES = {"padam": "paper", "padam_laptop": "small"}
# Of a film: what the rows are named after. --quick makes all of them shorter, and says so.
FULL = {"long": 7200.0, "middle": 1200.0, "excerpt": 120.0, "warm_up": 20.0}
QUICK = {"long": 60.0, "middle": 30.0, "excerpt": 20.0, "warm_up": 10.0}
Took = dict[str, tuple[float, float]]
"""Median wall and CPU seconds by name."""


def main() -> None:
    options = parser("Speed and memory of a scan.")
    options.add_argument("--model", type=Path, help="folder of a trained model")
    options.add_argument("--nisqa", type=Path, help="nisqa.tar, for the rows of NISQA")
    arguments = options.parse_args()
    load = round(os.getloadavg()[0], 1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(Path(folder), arguments)
    # Wall times are only as good as the machine was idle: above 0, others worked on it too.
    machine = {"torch": torch.__version__, "threads": CORES, "load at the start": load}
    publish(rows, arguments.json, **machine)


def compare(folder: Path, arguments: argparse.Namespace) -> list[Row]:
    lengths_s = QUICK if arguments.quick else FULL
    titles = {name: write_title(folder / f"{name}.m4a", s) for name, s in lengths_s.items()}
    models = {name: folder / name for name in SIZES}
    for name, place in models.items():
        untrained_model(SIZES[name], 400 if arguments.quick else 4000).save(place)
    if arguments.model:
        models = {"padam": arguments.model.resolve()}
    rounds = 1 if arguments.quick else 3
    rows: list[Row] = []
    for name, model in models.items():
        size = "trained" if arguments.model else f"untrained, {SIZES[name]} size"
        suffix = name.removeprefix("padam")
        scans = {
            length: scan_by_command(titles[length], model, folder, bool(arguments.model))
            for length in ("middle", "long")
        }
        rows += command_rows(scans, lengths_s, size, suffix)
    rows.append(overlap_row(titles, models["padam"], rounds, lengths_s["middle"]))
    systems = [*models, "dnsmos", "srmr", "decoding"] + ["srmr_exact"] * (not arguments.quick)
    systems += ["nisqa"] * bool(arguments.nisqa) + ["essentia"] * bool(find_spec("essentia"))
    return rows + contest(systems, titles, models, arguments.nisqa, rounds, lengths_s["excerpt"])


def scan_by_command(title: Path, model: Path, folder: Path, trained: bool) -> Spent:
    """Scan a title as a user does; an untrained model would report half of it, so it flags none."""
    reports = folder / f"reports_{title.stem}_{model.name}"
    command = [sys.executable, "-m", "padam", "scan", str(title), "--out", str(reports)]
    command += ["--model", str(model), *([] if trained else ["--threshold", "1"])]
    return watch(command, accepted=(0, 1))


def command_rows(
    scans: dict[str, Spent], lengths_s: dict[str, float], size: str, suffix: str
) -> list[Row]:
    long, middle = scans["long"], scans["middle"]
    length_s = lengths_s["long"]
    note = f"{length(length_s)} of stereo AAC, {size}, {CORES} cores"
    peak = "start to reports, all processes"
    return [
        row(f"x_realtime{suffix}", length_s / long.wall_s, "x", f"wall; {note}; the whole command"),
        row(f"x_realtime_cpu{suffix}", length_s / long.cpu_s, "x", f"CPU; {note}"),
        row(
            f"peak_rss_mb_20min{suffix}",
            middle.peak_rss_mb,
            "MB",
            f"{length(lengths_s['middle'])}, {size}; {peak}",
        ),
        row(f"peak_rss_mb_2h{suffix}", long.peak_rss_mb, "MB", f"{length(length_s)}, {size}"),
        row(
            f"peak_rss_ratio_2h_over_20min{suffix}",
            long.peak_rss_mb / middle.peak_rss_mb,
            "x",
            "1: flat",
        ),
    ]


def overlap_row(titles: dict[str, Path], model: Path, rounds: int, length_s: float) -> Row:
    """How much longer a scan takes than the scoring of what was decoded before."""
    spec = {"system": "overlap", "model": str(model), "threads": CORES, "rounds": rounds}
    took, _ = measure(spec | {"title": str(titles["middle"]), "warm_up": str(titles["warm_up"])})
    wall = {name: statistics.median(w for w, _ in times) for name, times in took.items()}
    note = f"wall, {length(length_s)}, {CORES} threads, in turn, median of {rounds}"
    return row("ratio_total_over_scoring", wall["scan"] / wall["scoring"], "x", note)


def contest(
    systems: list[str],
    titles: dict[str, Path],
    models: dict[str, Path],
    nisqa: Path | None,
    rounds: int,
    length_s: float,
) -> list[Row]:
    """Rows of every system on the same excerpt, in turn."""
    took: dict[str, list[tuple[float, float]]] = {system: [] for system in systems}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for system in systems:
            spec = {
                "system": system,
                "title": str(titles["excerpt"]),
                "warm_up": str(titles["warm_up"]),
                "threads": CORES,
                "rounds": 1,
                "model": str(models.get(system, "")),
                "nisqa": str(nisqa),
            }
            times, peak = measure(spec)
            took[system] += times["scan"]
            peaks[system] = max(peaks.get(system, 0.0), peak)
    middle = {
        system: (statistics.median(w for w, _ in times), statistics.median(c for _, c in times))
        for system, times in took.items()
    }
    return contest_rows(middle, peaks, length_s, rounds)


def contest_rows(took: Took, peaks: dict[str, float], length_s: float, rounds: int) -> list[Row]:
    note = f"{length(length_s)} of the same title, without the start, median of {rounds}"
    rows = []
    for system, (wall_s, cpu_s) in took.items():
        rows += [
            row(f"x_realtime_{system}", length_s / wall_s, "x", f"wall; {note}"),
            row(f"x_realtime_cpu_{system}", length_s / cpu_s, "x", f"CPU; {note}"),
            row(f"peak_rss_mb_{system}", peaks[system], "MB", length(length_s)),
        ]
    ours = [system for system in took if system.startswith("padam")]
    for rival in (system for system in took if system not in ours):
        meaning = (
            "above 1: ours is cheaper" if rival != "decoding" else "the floor: its share of ours"
        )
        for system in ours:
            suffix = system.removeprefix("padam")
            wall, cpu = (took[rival][n] / took[system][n] for n in (0, 1))
            rows.append(row(f"ratio_over_{rival}{suffix}", cpu, "x", f"CPU; {meaning}"))
            if system == "padam":
                rows.append(row(f"ratio_over_{rival}_wall", wall, "x", f"wall, {CORES} cores"))
    return rows


def untrained_model(size: str, rows: int) -> PadamModel:
    """Return a model that costs what a trained one does, its SVM fitted on `rows` drawn rows."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    return PadamModel(
        encoder=AudioEncoder(AUDIO_ENCODER_SIZES[size]).eval(),
        quality_head=QualityHead().eval(),
        classifier=DefectClassifier().fit(rng.standard_normal((rows, 512)) + y[:, None] / 8, y),
        threshold=0.5,
        label_names=DEFECT_NAMES,
    )


def length(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


if __name__ == "__main__":
    main()
