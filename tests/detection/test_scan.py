"""Scan: from file to document, on good and bad files."""

import numpy as np
import pytest
from pydantic import ValidationError

from padam.audio.media import MediaError, write_flac
from padam.detection.operating_point import OperatingPoint
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.temporal_filter import TemporalFilter

from .conftest import RATE, LoudnessScorer

SCORER = LoudnessScorer(OperatingPoint(0.5, TemporalFilter()))


def test_the_loud_stretch_is_the_event(loud_title):
    document = scan_title(loud_title, SCORER)
    assert document["verdict"] == "defective"
    (event,) = document["events"]
    assert (event["start_s"], event["end_s"], event["channels"]) == (10, 20, [1])
    assert event["start_timecode"] == "00:00:10.000"
    assert event["peak_score"] == pytest.approx(0.8, abs=0.02)
    assert [s["flagged"] for s in document["segments"]] == [False, True, False, False]
    assert document["segments"][3]["end_s"] == pytest.approx(35)
    assert document["title"]["channels"] == 2
    assert document["warnings"] == []


def test_the_configuration_outranks_the_models_own_decision(loud_title):
    assert scan_title(loud_title, SCORER, ScanConfig(threshold=0.9))["verdict"] == "clean"
    assert scan_title(loud_title, SCORER, ScanConfig(x_s=20, y_s=30))["verdict"] == "clean"
    assert scan_title(loud_title, SCORER, ScanConfig(x_s=10, y_s=30))["verdict"] == "defective"


def test_small_blocks_give_the_same_document(loud_title):
    whole = scan_title(loud_title, SCORER)
    assert scan_title(loud_title, SCORER, ScanConfig(block_s=1.7)) == whole


def test_progress_runs_to_the_end(loud_title):
    seen = []
    scan_title(loud_title, SCORER, ScanConfig(block_s=10), lambda *at: seen.append(at))
    done = [at[0] for at in seen]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(35, abs=0.01)
    assert [at[1] for at in seen] == pytest.approx([35] * len(seen), abs=0.01)


def test_a_scorer_without_threshold_asks_for_one(loud_title):
    with pytest.raises(ValueError, match="loudness brings no threshold"):
        scan_title(loud_title, LoudnessScorer())


def test_silence_that_cannot_be_scored_is_not_called_clean(tmp_path):
    path = tmp_path / "silence.flac"
    write_flac(path, np.zeros((2, 12 * RATE), np.float32), RATE)
    document = scan_title(path, SCORER)
    assert document["verdict"] == "undetermined"
    assert document["segments"][0]["channel_scores"] == [None, None]
    assert "2 of 2 segments could not be scored" in document["warnings"]


def test_a_title_under_one_second_is_undetermined(tmp_path):
    path = tmp_path / "blip.flac"
    write_flac(path, np.full((1, RATE // 2), 0.9, np.float32), RATE)
    document = scan_title(path, SCORER)
    assert document["verdict"] == "undetermined"
    assert document["segments"] == []
    assert "shorter than 1 s" in document["warnings"][0]
    assert document["title"]["scored_channels"] == 1


def test_a_model_without_threshold_does_not_call_titles_clean(loud_title):
    scorer = LoudnessScorer(OperatingPoint(float("nan"), TemporalFilter()))
    document = scan_title(loud_title, scorer)
    assert document["verdict"] == "undetermined"
    assert document["model"]["threshold"] is None


def test_surround_is_mixed_down_unless_asked(tmp_path):
    path = tmp_path / "surround.flac"
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (6, 11 * RATE)).astype(np.float32)
    write_flac(path, audio, RATE)
    mixed = scan_title(path, SCORER)
    assert len(mixed["segments"][0]["channel_scores"]) == 2
    assert mixed["title"]["channels"] == 6
    assert any("mixed down" in warning for warning in mixed["warnings"])
    every = scan_title(path, SCORER, ScanConfig(surround="every_channel"))
    assert len(every["segments"][0]["channel_scores"]) == 6


@pytest.mark.parametrize("content", [b"", b"this is no media file\n" * 50, None])
def test_a_bad_file_is_named_with_its_reason(tmp_path, content):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"bad\.mp4"):
        scan_title(path, SCORER)


def test_half_a_filter_or_an_impossible_one_is_refused():
    with pytest.raises(ValidationError, match="both x_s and y_s"):
        ScanConfig(x_s=10)
    with pytest.raises(ValidationError, match="cannot hold"):
        ScanConfig(x_s=10, y_s=5)
    with pytest.raises(ValidationError):
        ScanConfig(block_s=0)
