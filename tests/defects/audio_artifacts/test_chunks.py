"""Chunks of a piece: six versions, the paper's proportions, and a severity that is measured."""

from collections import Counter

import numpy as np
import pytest

from padam.defects.audio_artifacts.chunks import chunks_of, clean_chunk_id, title_tracks
from padam.defects.audio_artifacts.config import METHODS, SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.titles import TitlePlanConfig
from tests.archive import sound

CONFIG = SimulationConfig()
SECONDS = 60


def piece(seconds=SECONDS, start_s=0, source="music/a.flac", peak=25_000, **changes):
    return {
        "source": source, "split": "train", "kind": "music", "seed": 1, "peak": peak,
        "samples": seconds * SAMPLE_RATE, "start": start_s * SAMPLE_RATE,
        "length": (seconds - start_s) * SAMPLE_RATE, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def audio():
    loud = sound(SECONDS, seed=8)
    return np.rint(25_000 * loud / np.abs(loud).max()).astype(np.int16)


def made(audio, where, plan=TitlePlanConfig(), config=CONFIG):  # noqa: B008
    tracks, reasons = title_tracks(where, config)
    assert reasons == {}
    return list(chunks_of(audio, where, tracks, plan, config))


def test_every_clean_chunk_is_there_and_every_other_differs_from_its_own(audio):
    chunks = made(audio, piece())
    clean = {
        (chunk.row["start_s"], chunk.row["channel"]): chunk.samples
        for chunk in chunks
        if chunk.row["label"] == 0
    }
    assert len(clean) == 2 * SECONDS
    others = [chunk for chunk in chunks if chunk.row["label"] > 0]
    assert {chunk.row["method"] for chunk in others} == set(METHODS)
    for chunk in others:
        row = chunk.row
        assert not np.array_equal(chunk.samples, clean[row["start_s"], row["channel"]])
    assert len({chunk.row["chunk_id"] for chunk in chunks}) == len(chunks)


def test_both_channels_are_hit_in_the_same_intervals(audio):
    hummed = [chunk.row for chunk in made(audio, piece()) if chunk.row["method"] == "hum"]
    left, right = (
        {row["start_s"] for row in hummed if row["channel"] == channel} for channel in (0, 1)
    )
    assert left == right != set()


def test_a_piece_in_the_middle_gives_the_same_chunks(audio):
    whole = {chunk.row["chunk_id"]: chunk for chunk in made(audio, piece())}
    second = made(audio[:, 30 * SAMPLE_RATE :], piece(start_s=30))
    assert len(second) > 60
    for chunk in second:
        assert np.array_equal(chunk.samples, whole[chunk.row["chunk_id"]].samples)
        assert chunk.row == pytest.approx(whole[chunk.row["chunk_id"]].row, nan_ok=True)


def test_the_classes_come_in_the_proportions_of_table_1():
    """Of table 1: hum and hiss 0.54 of the clean chunks, clicks 0.33, here within 0.05.

    Distortion is 0.39 there and depends on the material: this sound is always loud, so every chunk
    of a defective interval is clipped, as it is hit by hum.
    """
    seconds = 12
    loud = np.rint(25_000 * sound(seconds, seed=9)[:1] / 0.6).astype(np.int16)
    counts = Counter()
    for number in range(120):
        where = piece(seconds=600, source=f"music/{number}.flac")
        where |= {"start": 200 * SAMPLE_RATE, "length": seconds * SAMPLE_RATE}
        counts += Counter(chunk.row["label"] for chunk in made(loud, where))
    _, hum, hiss, distortion, click = (counts[label] / counts[0] for label in range(5))
    assert (hum, hiss, click) == pytest.approx((0.541, 0.541, 0.330), abs=0.05)
    assert distortion == pytest.approx(0.541, abs=0.05)


def test_severity_is_what_was_added_or_clipped(audio):
    config = SimulationConfig(draw_per="title")
    where = piece()
    tracks, _ = title_tracks(where, config)
    chunks = made(audio, where, config=config)
    by_id = {chunk.row["chunk_id"]: chunk for chunk in chunks}
    hum, _, distortion, *_ = tracks
    for track in (hum, distortion):
        inside = [
            chunk
            for chunk in chunks
            if chunk.row["method"] == track.method
            and any(
                low <= chunk.row["start_s"] * SAMPLE_RATE
                and (chunk.row["start_s"] + 1) * SAMPLE_RATE <= high
                for low, high in track.intervals
            )
        ]
        assert inside
        for chunk in inside:
            row = chunk.row
            clean = by_id[clean_chunk_id(row["chunk_id"])].samples.astype(float)
            if track is hum:
                noise = track.params[0].amplitude ** 2 / 2
                expected = 10 * np.log10(noise / np.mean(clean**2))
                assert row["severity"] == pytest.approx(expected, abs=0.02)
            else:
                expected = np.mean(np.abs(clean) > track.params[0].level)
                assert row["severity"] == pytest.approx(expected)
    steps = [chunk.row["severity"] for chunk in chunks if "reductive" in chunk.row["method"]]
    assert min(steps) >= 0.1
    assert np.isnan([chunk.row["severity"] for chunk in chunks if chunk.row["label"] == 0]).all()


def test_a_title_without_room_loses_hum_and_hiss_only():
    tracks, reasons = title_tracks(piece(peak=32_768), CONFIG)
    assert set(reasons) == {"hum", "hiss"}
    assert [track.method for track in tracks] == list(METHODS[2:])


def test_chunks_of_two_seconds(audio):
    chunks = made(audio, piece(), TitlePlanConfig(chunk_s=2.0))
    assert {len(chunk.samples) for chunk in chunks} == {2 * SAMPLE_RATE}
    assert sum(chunk.row["label"] == 0 for chunk in chunks) == SECONDS
