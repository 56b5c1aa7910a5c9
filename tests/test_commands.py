"""The command `padam`: what it scans, what it prints, and its exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner

from padam import scan_inputs
from padam.audio.media import write_flac
from padam.commands import padam
from padam.detection.batch import Outcome
from padam.detection.reports.folder import HTML
from padam.detection.reports.formats import FORMATS
from padam.scan_command import FORMAT_NAMES, exit_status
from padam.scan_inputs import media_files
from tests.detection.conftest import RATE, tiny_model  # noqa: F401

SLOW_TO_IMPORT = ("kedro", "mlflow", "torch", "sklearn", "pandas", "matplotlib")


def test_the_process_that_watches_imports_nothing_that_scans() -> None:
    code = f"import sys, padam.commands; print([m for m in {SLOW_TO_IMPORT} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_the_formats_that_can_be_asked_for_are_those_there_are() -> None:
    assert (HTML, *FORMATS) == FORMAT_NAMES


def test_the_command_has_a_version_and_names_its_parts() -> None:
    command = [sys.executable, "-m", "padam"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("padam, version ")
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "scan" in shown.stdout


def test_titles_of_one_name_keep_reports_of_their_own(tmp_path: Path) -> None:
    for season in ("one", "two"):
        (tmp_path / season).mkdir()
        (tmp_path / season / "pilot.wav").write_bytes(b"x")
    files = [tmp_path / "one" / "pilot.wav", tmp_path / "two" / "pilot.wav"]
    assert list(media_files(files)) == ["pilot.wav", "pilot.wav-2"]
    assert list(media_files([tmp_path])) == ["one/pilot.wav", "two/pilot.wav"]


def test_titles_of_any_storage_keep_their_reports_below_the_folder(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/series/pilot.wav", b"x")
    (tmp_path / "pilot.wav").write_bytes(b"x")
    url, listing = "memory://series/pilot.wav", tmp_path / "all.txt"
    listing.write_text(f"pilot.wav\n{url}\n", encoding="utf-8")
    assert media_files([url]) == {"pilot.wav": url}
    local = str(tmp_path / "pilot.wav")
    assert media_files([str(listing)]) == {
        local.lstrip("/"): tmp_path / "pilot.wav",
        "memory/series/pilot.wav": url,
    }


def judged(severity, status="defective"):
    return Outcome("title", status, document={"severity": severity})


@pytest.mark.parametrize(
    ("outcomes", "fail_on", "status"),
    [
        ([], "fyi", 0),
        ([judged(None, "clean")], "fyi", 0),
        ([judged(None, "clean"), judged("fyi")], "fyi", 1),
        ([judged("issue"), judged("fyi")], "blocker", 0),
        ([judged("issue"), judged("blocker")], "blocker", 1),
        ([judged("blocker"), Outcome("b", "unreadable", "not media")], "fyi", 2),
        ([judged("blocker"), Outcome("b", "failed", "died")], "blocker", 2),
        ([judged(None, "undetermined")], "fyi", 2),
    ],
)
def test_the_exit_status_tells_the_worst(outcomes, fail_on, status) -> None:
    assert exit_status(outcomes, fail_on) == status


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("model") / "padam_model"
    tiny_model.save(folder)
    return folder


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> Path:
    """Ten titles of 90 s."""
    folder = tmp_path_factory.mktemp("ten")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 90 * RATE)).astype(np.float32)
    for number in range(10):
        write_flac(folder / f"{number}.flac", noise, RATE)
    return folder


def reports(out: Path) -> dict[str, bytes]:
    """Those that are there, and files: one of a test is none."""
    found = (path for path in out.glob("*/detections.json") if path.is_file())
    return {path.parent.name: path.read_bytes() for path in found}


def scan_command(ten: Path, out: Path, model: Path) -> list[str]:
    command = [sys.executable, "-m", "padam", "scan", str(ten), "--out", str(out)]
    return [*command, "--model", str(model), "--threshold", "1.0"]


@pytest.mark.slow
@pytest.mark.parametrize(("ended_by", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_batch_that_was_ended_goes_on_where_it_was(
    ten: Path, model: Path, tmp_path: Path, ended_by: signal.Signals, status: int
) -> None:
    out = tmp_path / "out"
    # to see whether the sixth title is finished, the scan waits for this to be written to
    gate = out / "5.flac" / "detections.json"
    gate.parent.mkdir(parents=True)
    os.mkfifo(gate)
    process = subprocess.Popen(scan_command(ten, out, model), stderr=subprocess.PIPE, text=True)
    opened = None
    while opened is None:
        assert process.poll() is None, process.stderr.read()
        with suppress(OSError):  # no one reads yet
            opened = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    process.send_signal(ended_by)
    process.wait(timeout=60)
    os.close(opened)  # a process that was left alone goes on, finds out, and ends
    errors = process.communicate(timeout=60)[1]  # until that one has ended too
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    gate.unlink()
    there = {path: path.stat().st_mtime_ns for path in out.glob("*/detections.json")}
    assert len(there) == 5
    answer = subprocess.run(scan_command(ten, out, model), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("finished before") == len(there)
    assert {path: path.stat().st_mtime_ns for path in there} == there
    whole = CliRunner().invoke(
        padam, [*scan_command(ten, tmp_path / "whole", model)[3:], "--jobs=0"]
    )
    assert whole.exit_code == 0
    assert reports(out) == reports(tmp_path / "whole")
    assert len(reports(out)) == 10


def test_a_watched_folder_is_scanned_until_interrupted(
    ten: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    looks = []

    def sleep(_: float) -> None:
        looks.append(sorted(reports(out)))
        if len(looks) == 4:
            raise KeyboardInterrupt
        (inbox / f"{len(looks)}.flac").write_bytes((ten / "0.flac").read_bytes())

    monkeypatch.setattr(scan_inputs.time, "sleep", sleep)
    arguments = ["scan", inbox, "--out", out, "--model", model, "--jobs", 0, "--json"]
    arguments += ["--watch", "--stable", 0]
    result = CliRunner().invoke(padam, [str(each) for each in arguments])
    assert result.exit_code == 130
    assert looks == [[], ["1.flac"], ["1.flac", "2.flac"], ["1.flac", "2.flac", "3.flac"]]
    printed = [json.loads(line)["titles"] for line in result.stdout.splitlines()]
    assert [title["title"]["file"] for titles in printed for title in titles] == [
        *("1.flac", "2.flac", "3.flac"),
    ]


def test_no_place_for_reports_is_said_before_any_scan(
    ten: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    result = CliRunner().invoke(padam, scan_command(ten, tmp_path / "out", model)[3:])
    assert result.exit_code == 2
    assert "out" in result.stderr


def test_a_filter_that_cannot_be_is_refused_and_one_that_can_decides(
    ten: Path, model: Path, tmp_path: Path
) -> None:
    command = ["scan", str(ten / "0.flac"), "--out", str(tmp_path), "--model", str(model)]
    for jobs in ("0", "1"):
        refused = CliRunner().invoke(padam, [*command, "--filter", "9", "5", "--jobs", jobs])
        assert refused.exit_code == 2
        assert "y_s=5.0 s cannot hold x_s=9.0 s" in refused.stderr
    command += ["--threshold", "0.0", "--jobs", "0", "--filter"]
    assert CliRunner().invoke(padam, [*command, "0", "0"]).exit_code == 1
    assert CliRunner().invoke(padam, [*command, "1000", "2000"]).exit_code == 0
