"""Titles to pieces: measured, planned, read in parts, and refused with a reason."""

import struct
import tracemalloc
import wave

import numpy as np
import pandas as pd
import pytest
import soundfile
from pydantic import ValidationError

from padam.audio.container import UnreachableError
from padam.defects.audio_artifacts import titles
from padam.defects.audio_artifacts.config import SAMPLE_RATE
from padam.defects.audio_artifacts.titles import (
    PieceRejectedError,
    TitlePlanConfig,
    measure_level,
    plan_pieces,
    read_piece,
    with_strata,
)
from tests.archive import sound

KEEP = TitlePlanConfig(peak_db=None)


def index(*sources):
    rows = [{"source": s, "split": "train", "kind": "music", "channels": 2} for s in sources]
    return pd.DataFrame(rows)


def levels(seconds, peak=0.5, source="a.wav", reason=None):
    samples = round(seconds * SAMPLE_RATE)
    row = {"source": source, "channels": 2, "samples": samples, "peak": peak, "reason": reason}
    return pd.DataFrame([row])


@pytest.fixture
def file(tmp_path):
    audio = 0.5 * sound(5.5, seed=1)
    soundfile.write(tmp_path / "a.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
    return tmp_path, audio


def test_a_level_is_that_of_the_samples_as_they_will_be_read(file):
    root, audio = file
    found = measure_level(root, "a.wav", 2)
    assert found["samples"] == audio.shape[1]
    assert found["peak"] == pytest.approx(np.abs(audio).max(), rel=1e-6)
    assert found["reason"] is None
    mono = measure_level(root, "a.wav", 1)
    assert mono["peak"] == pytest.approx(np.abs(audio.mean(axis=0)).max(), rel=1e-5)


def test_what_cannot_be_read_or_is_silent_has_a_reason(tmp_path):
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "silent.wav", np.zeros((SAMPLE_RATE, 2)), SAMPLE_RATE)
    reasons = {
        name: measure_level(tmp_path, f"{name}.wav", 2)["reason"]
        for name in ("text", "empty", "silent", "gone")
    }
    assert "not a readable media file" in reasons.pop("text")
    assert reasons == {"empty": "file is empty", "silent": "silent", "gone": "file not found"}


def test_pieces_are_whole_chunks_that_cover_the_title():
    plan = plan_pieces(index("a.wav"), levels(150.7), KEEP)
    assert plan["start"].tolist() == [0, 60 * SAMPLE_RATE, 120 * SAMPLE_RATE]
    assert plan["length"].tolist() == [60 * SAMPLE_RATE, 60 * SAMPLE_RATE, 30 * SAMPLE_RATE]
    assert set(plan["gain"]) == {1.0}
    assert set(plan["peak"]) == {16_384}


def test_of_a_long_title_so_much_is_taken_from_all_over_it():
    config = TitlePlanConfig(peak_db=None, piece_s=20, max_title_s=100, seed=1)
    starts = plan_pieces(index("a.wav"), levels(7200), config)["start"] / SAMPLE_RATE
    assert len(starts) == 5
    assert starts.is_monotonic_increasing
    assert starts.max() - starts.min() > 1800
    again = plan_pieces(index("a.wav"), levels(7200), config)["start"] / SAMPLE_RATE
    assert again.tolist() == starts.tolist()


def test_how_much_is_taken_may_depend_on_the_split_and_more_holds_what_less_does():
    def starts(split, most):
        config = TitlePlanConfig(piece_s=20, max_title_s=most, seed=1)
        return set(plan_pieces(index("a.wav").assign(split=split), levels(600), config)["start"])

    by_split = {"train": 100.0, "test": 20.0}
    assert [len(starts(split, by_split)) for split in ("train", "validation", "test")] == [5, 30, 1]
    assert starts("test", by_split) == starts("test", 20.0) < starts("train", by_split)
    with pytest.raises(ValidationError):
        TitlePlanConfig(max_title_s={"all": 20.0})
    with pytest.raises(ValidationError):
        TitlePlanConfig(max_title_s={"train": 0.0})


def test_the_level_is_brought_into_the_range_and_quiet_titles_are_raised_little():
    plans = [
        plan_pieces(index(name), levels(10, 1.0, name), TitlePlanConfig())
        for name in map("{}.wav".format, range(30))
    ]
    peaks_db = [20 * np.log10(plan["peak"].iloc[0] / 32_768) for plan in plans]
    assert -6.01 < min(peaks_db) < -5
    assert -2 < max(peaks_db) < -0.99
    quiet = plan_pieces(index("a.wav"), levels(10, 0.001), TitlePlanConfig(max_gain_db=20))
    assert quiet["gain"].iloc[0] == pytest.approx(10.0)


def test_titles_with_a_reason_or_shorter_than_a_chunk_are_left_out():
    both = pd.concat([levels(10), levels(10, source="b.wav", reason="file not found")])
    assert set(plan_pieces(index("a.wav", "b.wav"), both, KEEP)["source"]) == {"a.wav"}
    with pytest.raises(ValueError, match="None of 1 titles holds a chunk of 1 s"):
        plan_pieces(index("a.wav"), levels(0.9), KEEP)


def piece(start_s=0.0, length_s=2.0, **changes):
    row = {"source": "a.wav", "channels": 2, "gain": 1.0}
    where = {"start": round(start_s * SAMPLE_RATE), "length": round(length_s * SAMPLE_RATE)}
    return {**row, **where, **changes}


def test_a_piece_is_the_files_samples_in_16_bits_with_its_gain(file):
    root, audio = file
    exact = 32_768 * audio[:, SAMPLE_RATE : 3 * SAMPLE_RATE + 100].astype(float)
    for gain in (1.0, 1.5):
        read = read_piece(root, piece(1.0, gain=gain), 100)
        assert read.dtype == np.int16
        assert np.abs(read - gain * exact).max() <= 0.5 + 1e-2
    assert read_piece(root, piece(4.5, 1.0), 10**6).shape == (2, SAMPLE_RATE)


def test_a_file_that_is_gone_or_has_become_shorter_is_refused(file):
    root, _ = file
    with pytest.raises(PieceRejectedError, match=r"ends 0.50 s before the piece"):
        read_piece(root, piece(4.0), 0)
    with pytest.raises(PieceRejectedError, match="file not found"):
        read_piece(root, piece(source="b.wav"), 0)


def test_a_storage_that_fails_is_no_fault_of_the_title(file, monkeypatch):
    root, _ = file

    def fails(*_, **__):
        raise UnreachableError("s3://x", "cannot be reached")

    monkeypatch.setattr(titles, "read_audio", fails)
    monkeypatch.setattr(titles, "stream_audio", fails)
    with pytest.raises(UnreachableError):
        read_piece(root, piece(), 0)
    with pytest.raises(UnreachableError):
        measure_level(root, "a.wav", 2)


def test_strata_are_folders_below_the_root():
    found = pd.DataFrame({"source": ["drama/en/a.mkv", "drama/b.mkv", "c.mkv", "s3://d/e.mkv"]})
    assert with_strata(found, 1)["kind"].tolist() == ["drama", "drama", "other", "other"]
    assert with_strata(found, 2)["kind"].tolist() == ["drama/en", "drama", "other", "other"]


def test_a_piece_at_the_end_of_two_hours_is_read_without_what_is_before(tmp_path):
    rate, hours_s = 8000, 7200
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.setnframes(hours_s * rate)
        file.writeframes(b"")
    # a hole in the file takes no disk and reads as silence
    tone = np.rint(10_000 * np.sin(2 * np.pi * 440 * np.arange(5 * rate) / rate)).astype("<i2")
    with path.open("r+b") as file:
        header = file.seek(0, 2)
        file.seek(header + 2 * (hours_s * rate - len(tone)))
        file.write(tone.tobytes())
        file.seek(4)
        file.write(struct.pack("<I", header - 8 + 2 * hours_s * rate))
        file.seek(header - 4)
        file.write(struct.pack("<I", 2 * hours_s * rate))
    tracemalloc.start()
    read = read_piece(tmp_path, piece(7190, 10, source="long.wav", channels=1), 10**6)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read.shape == (1, 10 * SAMPLE_RATE)
    assert not read[0, : 4 * SAMPLE_RATE].any()
    sounding = read[0, 6 * SAMPLE_RATE : 7 * SAMPLE_RATE].astype(float)
    assert np.abs(np.fft.rfft(sounding)).argmax() == 440
    assert sounding.std() == pytest.approx(10_000 / np.sqrt(2), rel=0.01)
    assert most < 30e6, "two hours are 1.4 GB"
