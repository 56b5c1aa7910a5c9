"""The benchmark of scans: its title, its clock, its arithmetic."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from padam.audio.levels import rms_db
from padam.audio.media import probe, read_audio


@pytest.fixture
def benchmark(project, monkeypatch):
    monkeypatch.syspath_prepend(project / "benchmarks")
    return importlib.import_module


def test_a_title_is_as_long_as_asked_and_sounds_everywhere(benchmark, tmp_path):
    path = benchmark("sample_titles").write_title(tmp_path / "title.m4a", 150.0)
    info = probe(path)
    assert info.duration_s == pytest.approx(150.0, abs=0.05)
    assert (info.channels, info.sample_rate, info.audio_codec) == (2, 48_000, "aac")
    audio = read_audio(path, sample_rate=16_000)
    assert audio.shape[1] / 16_000 == pytest.approx(150.0, abs=0.1)
    assert min(rms_db(part) for part in np.array_split(audio, 30, axis=1)) > -60


def test_a_command_is_watched_with_its_children(benchmark):
    scan_process = benchmark("scan_process")
    child = "x = bytearray(120_000_000); import time; time.sleep(0.5)"
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
        "sum(range(3_000_000))\n"
        "print('done')"
    )
    spent = scan_process.watch([sys.executable, "-c", parent])
    assert spent.output == "done\n"
    assert 120 < spent.peak_rss_mb < 400
    assert spent.wall_s > 0.5
    assert spent.cpu_s > 0
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    assert scan_process.watch(failing, accepted=(0, 3)).output == ""
    with pytest.raises(subprocess.CalledProcessError):
        scan_process.watch(failing)


def test_ratios_are_of_cpu_seconds_and_above_1_where_ours_is_cheaper(benchmark):
    took = {"padam": (1.0, 2.0), "padam_laptop": (0.5, 0.5), "dnsmos": (8.0, 5.0)}
    peaks = dict.fromkeys(took, 500.0)
    rows = benchmark("detection").contest_rows(took, peaks, 120.0, rounds=3)
    values = {row["measure"]: row["value"] for row in rows}
    assert values["ratio_over_dnsmos"] == 2.5
    assert values["ratio_over_dnsmos_wall"] == 8
    assert values["ratio_over_dnsmos_laptop"] == 10
    assert values["x_realtime_padam"] == 120
    assert values["x_realtime_cpu_dnsmos"] == 24
    assert values["peak_rss_mb_dnsmos"] == 500
    assert not [name for name in values if name.startswith("ratio_over_padam")]


@pytest.mark.parametrize(
    ("seconds", "words"), [(7200, "2 h"), (1200, "20 min"), (60, "1 min"), (20, "20 s")]
)
def test_lengths_in_words(benchmark, seconds, words):
    assert benchmark("detection").length(seconds) == words
