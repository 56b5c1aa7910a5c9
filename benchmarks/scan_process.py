"""Scans in processes of their own, so that each has its own time and memory.

As a script it is such a process: `python benchmarks/scan_process.py '{"system": …}'`.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_S = 0.05
BLOCK_S = 60.0
NEVER = 1e9
"""A threshold that no score of any system reaches."""

Spec = dict[str, Any]


@dataclass(frozen=True)
class Spent:
    """What a command took, its processes together: peak memory is the sum of their peaks."""

    output: str
    wall_s: float
    cpu_s: float
    peak_rss_mb: float


def watch(command: Sequence[str], accepted: Sequence[int] = (0,)) -> Spent:
    """Run a command to its end; raises CalledProcessError for another exit status."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "DO_NOT_TRACK": "1"}
    before, start = _children_cpu_s(), time.perf_counter()
    # Not getrusage for the memory: a child inherits its parent's peak there.
    peaks: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None:
            for pid in _descendants(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), _peak_rss_mb(pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
        wall_s = time.perf_counter() - start
        output = process.stdout.read() if process.stdout else ""
    if process.returncode not in accepted:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return Spent(output, wall_s, _children_cpu_s() - before, sum(peaks.values()))


def measure(spec: Spec) -> tuple[dict[str, Any], float]:
    """Return what a process of the spec measured, and its peak memory in MB."""
    spent = watch([sys.executable, __file__, json.dumps(spec)])
    return json.loads(spent.output.splitlines()[-1]), spent.peak_rss_mb


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in listed.read_text().split():
                yield from _descendants(int(child))


def _peak_rss_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Do what the spec says and print what it took."""
    spec: Spec = json.loads(sys.argv[1])
    import torch

    torch.set_num_threads(spec["threads"])
    work = overlapped(spec) if spec["system"] == "overlap" else {"scan": scan(spec)}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(spec["rounds"]):
        for name, run in work.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(json.dumps(took))


def scan(spec: Spec) -> Callable[[], object]:
    """Return the scan of the spec's title by its system, which has warmed up on another."""
    from padam.audio.media import stream_audio
    from padam.detection.scan import ScanConfig, scan_title

    title, warm_up = spec["title"], spec["warm_up"]
    if spec["system"] == "decoding":
        return lambda: sum(b.shape[1] for b in stream_audio(title, BLOCK_S, sample_rate=16_000))
    system = scorer(spec)
    config = ScanConfig(threshold=NEVER, block_s=BLOCK_S)
    scan_title(warm_up, system, config)
    return lambda: scan_title(title, system, config)


def overlapped(spec: Spec) -> dict[str, Callable[[], object]]:
    """Return a whole scan, and the scoring alone of what was decoded before."""
    from padam.audio.media import stream_audio

    whole = scan(spec | {"system": "padam"})
    system = scorer(spec | {"system": "padam"})
    blocks = list(stream_audio(spec["title"], BLOCK_S, sample_rate=system.sample_rate))
    system.score(blocks[:1])
    return {"scan": whole, "scoring": lambda: system.score(blocks)}


def scorer(spec: Spec) -> Any:
    """Return the scorer of the spec's system."""
    system = spec["system"]
    if system.startswith("padam"):
        from padam.detection.padam_model import PadamModel

        return PadamModel.load(spec["model"]).scorer()
    if system == "dnsmos":
        from padam.detection.scorers.dnsmos import DnsmosScorer

        return DnsmosScorer()
    if system == "nisqa":
        from padam.detection.scorers.nisqa import NisqaScorer

        return NisqaScorer(spec["nisqa"])
    if system == "essentia":
        from padam.audio.media import probe
        from padam.detection.scorers.essentia_detectors import EssentiaScorer

        return EssentiaScorer(probe(spec["title"]).sample_rate)
    from padam.detection.scorers.srmr import SrmrScorer

    return SrmrScorer(fast=system == "srmr")


if __name__ == "__main__":
    main()
