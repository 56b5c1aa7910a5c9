"""Batches: one title's fault is one title's loss, and what is finished stays."""

import multiprocessing
import os
import signal

import numpy as np
import pytest

from padam.audio.media import write_flac
from padam.detection import batch
from padam.detection.batch import BatchError, Outcome, ScanTask, run_batch
from padam.detection.reports.folder import HTML
from padam.detection.reports.formats import FORMATS
from padam.detection.watch import stable_titles

from .conftest import RATE


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "padam_model"
    tiny_model.save(folder)
    return folder


@pytest.fixture(scope="module")
def titles(tmp_path_factory):
    """Two good titles and one that is no media file between them."""
    folder = tmp_path_factory.mktemp("titles")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 12 * RATE)).astype(np.float32)
    for name in ("a.flac", "c.flac"):
        write_flac(folder / name, noise, RATE)
    (folder / "b.mp4").write_bytes(b"no media file")
    return {path.name: path for path in sorted(folder.iterdir())}


def scanning():
    """The processes of a batch; other tests may have left workers of another kind."""
    return [p for p in multiprocessing.active_children() if p.name.startswith("SpawnProcess")]


def by_name(outcomes):
    return {outcome.name: outcome for outcome in outcomes}


def test_a_bad_file_is_told_and_the_others_are_scanned(titles, model, tmp_path):
    seen = []
    task = ScanTask(model, tmp_path)
    found = by_name(run_batch(titles, task, jobs=2, progress=lambda *at: seen.append(at)))
    assert found["b.mp4"].status == "unreadable"
    assert "not a readable media file" in found["b.mp4"].reason
    assert {found[name].status for name in ("a.flac", "c.flac")} <= {"clean", "defective"}
    assert {name for name, _, _ in seen} == {"a.flac", "c.flac"}
    assert {at for _, at, _ in seen} == {12.0}
    # in one process, the same
    alone = by_name(run_batch(titles, ScanTask(model, tmp_path / "alone"), jobs=0))
    assert [alone[name].document for name in titles] == [found[name].document for name in titles]


def test_what_is_finished_and_unchanged_is_not_scanned_again(titles, model, tmp_path):
    task = ScanTask(model, tmp_path)
    scan = {"jobs": 0}
    first = by_name(run_batch(titles, task, **scan))
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    second = by_name(run_batch(titles, task, **scan))
    assert [second[name].reused for name in titles] == [True, False, True]
    assert second["a.flac"].document == first["a.flac"].document
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    stricter = ScanTask(model, tmp_path, {"threshold": 0.01})
    assert not by_name(run_batch(titles, stricter, **scan))["a.flac"].reused
    assert by_name(run_batch(titles, stricter, **scan))["a.flac"].reused
    os.utime(titles["a.flac"], ns=(1, 1))
    third = by_name(run_batch(titles, stricter, **scan))
    assert [third[name].reused for name in ("a.flac", "c.flac")] == [False, True]
    (tmp_path / "c.flac" / "detections.json").write_text('{"fingerprint": ')
    assert not by_name(run_batch(titles, stricter, **scan))["c.flac"].reused
    again = ScanTask(model, tmp_path, {"threshold": 0.01}, again=True)
    assert not by_name(run_batch(titles, again, **scan))["a.flac"].reused


def test_report_files_are_written_also_for_what_is_finished(titles, model, tmp_path):
    title = {"a.flac": titles["a.flac"]}
    formats = (*FORMATS, HTML)
    list(run_batch(title, ScanTask(model, tmp_path, formats=("csv",)), jobs=0))
    names = {path.name for path in (tmp_path / "a.flac").iterdir()}
    assert names == {"detections.json", "timeline.png", "events.csv"}
    (outcome,) = run_batch(title, ScanTask(model, tmp_path, formats=formats), jobs=0)
    assert outcome.reused
    names = {path.name for path in (tmp_path / "a.flac").iterdir()}
    files = {f.file_name for f in FORMATS.values()}
    assert names == {"detections.json", "timeline.png", "report.html", *files}


def test_a_process_that_hangs_or_dies_costs_its_title_only(titles, model, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 300 * RATE)).astype(np.float32)
    write_flac(tmp_path / "long.flac", noise, RATE)
    damaged = dict.fromkeys(("hangs", "dies"), tmp_path / "long.flac")
    strikes = {"hangs": signal.SIGSTOP, "dies": signal.SIGKILL}

    def strike(name, *_):
        if sent := strikes.pop(name, None):
            (process,) = scanning()
            os.kill(process.pid, sent)

    task = ScanTask(model, tmp_path / "out", {"block_s": 1.0})
    damaged["a.flac"] = titles["a.flac"]
    hung, died, scanned = run_batch(damaged, task, jobs=1, stall_s=3, progress=strike)
    assert hung == Outcome("hangs", "failed", "no progress for 3 s")
    assert died == Outcome("dies", "failed", "the process that scanned it died (SIGKILL)")
    assert (scanned.name, scanned.status) in [("a.flac", "clean"), ("a.flac", "defective")]
    assert not strikes
    assert scanning() == []


@pytest.mark.parametrize("told", [False, True])
def test_a_process_whose_watcher_is_gone_ends_quietly(titles, model, tmp_path, told):
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    task = ScanTask(model, tmp_path)
    process = context.Process(target=batch._work, args=(far, task), daemon=True)
    process.start()
    far.close()
    assert near.poll(60)
    if told:
        assert near.recv() == ("ready", None)
        near.send(("a.flac", titles["a.flac"]))
    near.close()
    process.join(60)
    assert process.exitcode == 0
    assert not (tmp_path / "a.flac" / "detections.json").exists()


def test_a_model_that_is_none_ends_the_batch(titles, tmp_path):
    (tmp_path / "empty").mkdir()
    for jobs in (0, 1):
        with pytest.raises(BatchError, match="empty"):
            list(run_batch(titles, ScanTask(tmp_path / "empty", tmp_path), jobs=jobs))
    assert scanning() == []


def test_a_report_that_cannot_be_written_is_told(titles, model, tmp_path):
    (tmp_path / "a.flac").write_text("a file where the folder should be")
    (outcome,) = run_batch({"a.flac": titles["a.flac"]}, ScanTask(model, tmp_path), jobs=0)
    assert outcome.status == "failed"
    assert outcome.reason.startswith("the report cannot be written")


def test_nonsense_is_refused(titles, model, tmp_path):
    with pytest.raises(ValueError, match="jobs -1"):
        next(run_batch(titles, ScanTask(model, tmp_path), jobs=-1))


def test_a_file_is_told_of_once_it_is_stable_and_again_when_it_changes(tmp_path):
    now = [0.0]
    grown = tmp_path / "grows.wav"

    def listing():
        return {path.name: path for path in sorted(tmp_path.iterdir())}

    def sleep(seconds):
        now[0] += seconds
        if now[0] == 20:
            (tmp_path / "new.wav").write_bytes(b"new")
        if now[0] <= 30:
            with grown.open("ab") as file:
                file.write(b"more")
        if now[0] == 100:
            grown.write_bytes(b"another")

    rounds = stable_titles(listing, 25, 10, clock=lambda: now[0], sleep=sleep)
    told = []
    for ready in rounds:
        told += [(now[0], name) for name in ready]
        if now[0] >= 140:
            break
    assert told == [(50, "new.wav"), (60, "grows.wav"), (130, "grows.wav")]
