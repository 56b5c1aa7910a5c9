"""Shards of chunks: what the model hears of a chunk, and what could not be made."""

import numpy as np
import pytest
import soundfile

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.titles import TitlePlanConfig
from padam.training.artifact_chunks import chunk_log_mel, render_pieces
from tests.archive import sound

PLAN, SIMULATION = TitlePlanConfig(peak_db=None), SimulationConfig()


def piece(source, seconds=4, peak=20_000):
    length = seconds * SAMPLE_RATE
    return {
        "source": source, "split": "train", "kind": "music", "channels": 2,
        "samples": 600 * SAMPLE_RATE, "gain": 1.0, "peak": peak,
        "start": 0, "length": length, "seed": 3,
    }  # fmt: skip


def test_a_second_has_101_frames_and_a_tone_lies_in_its_band():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = np.stack([0.5 * np.sin(2 * np.pi * hertz * time) for hertz in (1000, 8000)])
    found = chunk_log_mel(tones.astype(np.float32)).astype(float)
    assert found.shape == (2, 101, 64)
    low, high = found.mean(axis=1).argmax(axis=1)
    # Slaney's mel of 1 and 8 kHz is 15 and 45.2; 64 bands lie 0.81 apart from 0.75 on
    assert low == round((15 - 0.75) / 0.81 - 1)
    assert high == round((45.24 - 0.75) / 0.81 - 1)
    assert found[0, 5:-5, low].std() < 0.1


def test_a_chunk_that_begins_loud_does_not_sound_like_a_click():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    loud = 0.9 * np.cos(2 * np.pi * 100 * time)
    log_mel = chunk_log_mel(loud.astype(np.float32)[None])[0].astype(float)
    clicked = loud.copy()
    clicked[:10] = 0
    heard = chunk_log_mel(clicked.astype(np.float32)[None])[0].astype(float)
    top = slice(50, 64)
    assert log_mel[0, top].mean() < heard[0, top].mean() - 20
    assert log_mel[0, top].mean() < log_mel[50, top].mean() + 10


def test_spectrograms_and_rows_belong_together(tmp_path):
    audio = sound(4, seed=2)
    soundfile.write(tmp_path / "a.wav", audio.T, SAMPLE_RATE, subtype="PCM_16")
    shard = render_pieces(tmp_path, [piece("a.wav")], PLAN, SIMULATION)
    assert shard.rejected == []
    assert list(shard.log_mel) == [row["chunk_id"] for row in shard.rows]
    assert all(each.shape == (101, 64) for each in shard.log_mel.values())
    second = audio[1:, 2 * SAMPLE_RATE : 3 * SAMPLE_RATE]
    stored = shard.log_mel["a.wav:2:1:no_defect"].astype(float)
    assert np.abs(stored - chunk_log_mel(second).astype(float)).max() < 1


def test_what_cannot_be_made_is_recorded_and_the_rest_is_there(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(4, seed=2).T, SAMPLE_RATE, subtype="PCM_16")
    soundfile.write(tmp_path / "short.wav", sound(2, seed=2).T, SAMPLE_RATE, subtype="PCM_16")
    pieces = [piece("gone.wav"), piece("short.wav"), piece("a.wav", peak=32_768)]
    shard = render_pieces(tmp_path, pieces, PLAN, SIMULATION)
    told = {(row["source"], row["version"]): row["reason"] for row in shard.rejected}
    assert told["gone.wav", "all"] == "file not found"
    assert told["short.wav", "all"] == "the file ends 2.00 s before the piece"
    assert told["a.wav", "hum"].startswith("a peak of 32768 leaves no amplitude")
    assert {row["source"] for row in shard.rows} == {"a.wav"}
    assert {row["method"] for row in shard.rows}.isdisjoint({"hum", "hiss"})


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_chunks_of_other_lengths(seconds):
    chunks = np.zeros((1, round(seconds * SAMPLE_RATE)), dtype=np.float32)
    assert chunk_log_mel(chunks).shape == (1, 1 + round(seconds * 100), 64)
