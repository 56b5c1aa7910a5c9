"""From nothing to a first score: a fresh process loads the PADAM model and scans a clip of 10 s.

Run `python benchmarks/model.py [--quick] [--json PATH]`. Models are untrained: speed does not
depend on weights. Seconds count from the start of the interpreter, on one thread, with files that
the system has cached; wall seconds grow with other work on the machine. Processes with our
classifier files and with scikit-learn's as skops take turns.
"""

import os

# Before numpy and torch start their threads.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Row, parser, publish, row

PARTS = ("torch", "imports", "load", "score")
Laps = dict[str, tuple[float, float]]


def main() -> None:
    options = parser("Time to the first score of a fresh process.")
    options.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.child:
        started, model, clip = arguments.child
        print(json.dumps(first_score(float(started), model, clip)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), rounds=2 if arguments.quick else 7)
    publish(rows, arguments.json, load=round(os.getloadavg()[0], 1))


def first_score(started: float, model: str, clip: str) -> Laps:
    """Wall seconds since `started` and CPU seconds of this process after each part."""
    laps: Laps = {}

    def lap(part: str) -> None:
        laps[part] = (time.time() - started, time.process_time())

    import torch

    lap("torch")
    from padam.detection.padam_model import PadamModel
    from padam.detection.scan import ScanConfig, scan_title

    lap("imports")
    torch.set_num_threads(1)
    scorer = PadamModel.load(model).scorer()
    lap("load")
    document = scan_title(clip, scorer, ScanConfig(threshold=0.5))
    lap("score")
    assert document["segments"][0]["channel_scores"][0] is not None
    return laps


def measure(folder: Path, rounds: int) -> list[Row]:
    clip, models = prepare(folder)
    laps: dict[str, list[Laps]] = {name: [] for name in models}
    in_fresh_process(models["skops"], clip)  # fills the system's cache
    for _ in range(rounds):
        for name, model in models.items():
            laps[name].append(in_fresh_process(model, clip))
    note = f"median of {rounds} fresh processes, one thread, 10 s of stereo AAC"
    wall, cpu = (median(laps["small"], kind) for kind in (0, 1))
    rows = [
        row("first_score_s", wall["score"], "s", f"wall; {note}"),
        row("first_score_cpu_s", cpu["score"], "s", f"CPU; {note}"),
    ]
    before = 0.0
    for part, what in zip(PARTS, ("import torch", "other imports", "model", "scan"), strict=True):
        rows.append(row(f"first_score_{part}_cpu_s", cpu[part] - before, "s", f"of it: {what}"))
        before = cpu[part]
    paper, skops = (median(laps[name], 1)["score"] for name in ("paper", "skops"))
    rows.append(row("first_score_paper_size_s", median(laps["paper"], 0)["score"], "s", "wall"))
    rows.append(row("first_score_paper_size_cpu_s", paper, "s", "encoder of 12 layers of 384"))
    rows.append(
        row("ratio_skops_over_ours", skops / cpu["score"], "x", "CPU; classifiers kept as skops")
    )
    return rows


def prepare(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Write a clip and the models that take turns."""
    from dataclasses import replace

    from detection import untrained_model
    from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
    from sample_titles import write_title

    model = untrained_model("small", rows=800)
    models = {name: folder / name for name in ("small", "paper", "skops")}
    model.save(models["small"])
    paper = AudioEncoder(AUDIO_ENCODER_SIZES["paper"]).eval()
    replace(model, encoder=paper).save(models["paper"])
    model.save(models["skops"])
    shutil.rmtree(models["skops"] / "classifier")
    model.classifier.save(models["skops"] / "classifier")
    seal(models["skops"])
    return write_title(folder / "clip.m4a", 10.0), models


def seal(model: Path) -> None:
    """Write the checksums of a folder whose files were exchanged."""
    document = json.loads((model / "model.json").read_text())
    files = (path for path in model.rglob("*") if path.is_file() and path.name != "model.json")
    document["files"] = {
        path.relative_to(model).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    (model / "model.json").write_text(json.dumps(document))


def in_fresh_process(model: Path, clip: Path) -> Laps:
    command = [sys.executable, __file__, "--child", str(time.time()), str(model), str(clip)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    laps: Laps = json.loads(answer.splitlines()[-1])
    return laps


def median(laps: list[Laps], kind: int) -> dict[str, float]:
    """Median over processes of each part's end; kind 0 is wall, 1 is CPU seconds."""
    return {part: statistics.median(each[part][kind] for each in laps) for part in PARTS}


if __name__ == "__main__":
    main()
