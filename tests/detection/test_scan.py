"""Scan: from file to document, on good and bad files."""

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from padam.audio.media import MediaError, write_flac
from padam.detection.operating_point import OperatingPoint
from padam.detection.review_volume import ReviewPoint
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.scorers.base import EVIDENCE_PREFIX, score_in_batches
from padam.detection.temporal_filter import TemporalFilter
from tests.audio.signals import write_media

from .conftest import RATE, LoudnessScorer

SCORER = LoudnessScorer(OperatingPoint(0.5, TemporalFilter()))


def test_the_loud_stretch_is_the_event(loud_title):
    document = scan_title(loud_title, SCORER)
    assert document["verdict"] == "defective"
    (event,) = document["events"]
    assert (event["start_s"], event["end_s"], event["channels"]) == (10, 20, [1])
    assert event["start_timecode"] == "00:00:10.000"
    assert event["peak_score"] == pytest.approx(0.8, abs=0.02)
    assert (event["id"], event["start_sample"], event["end_sample"]) == (1, 10 * RATE, 20 * RATE)
    assert (event["severity"], document["severity"]) == ("issue", "issue")
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


class PointsScorer(LoudnessScorer):
    """The stand-in with operating points by review volume."""

    model_name = "loud-1"
    model_sha256 = "0" * 64
    review_points = {  # noqa: RUF012
        "strict": ReviewPoint(review_volume=0.001, threshold=0.9, segments=1000),
        "balanced": ReviewPoint(review_volume=0.005, segments=9, reason="9 are too few"),
        "sensitive": ReviewPoint(review_volume=0.01, threshold=0.05, segments=1000),
    }


def test_an_operating_point_by_name_decides_and_is_recorded(loud_title):
    scorer = PointsScorer(OperatingPoint(0.5, TemporalFilter(x_s=30, y_s=40)))
    own = scan_title(loud_title, scorer)
    assert (own["verdict"], own["model"]["operating_point"]) == ("clean", None)
    strict = scan_title(loud_title, scorer, ScanConfig(operating_point="strict"))
    assert strict["verdict"] == "clean"
    sensitive = scan_title(loud_title, scorer, ScanConfig(operating_point="sensitive"))
    assert sensitive["verdict"] == "defective"
    found = sensitive["model"]
    assert (found["name"], found["sha256"]) == ("loud-1", "0" * 64)
    assert found["operating_point"] == "sensitive"
    assert (found["threshold"], found["filter"]) == (0.05, {"x_s": 0.0, "y_s": 0.0})


def test_a_filter_outranks_that_of_an_operating_point(loud_title):
    config = ScanConfig(operating_point="sensitive", x_s=100, y_s=120)
    document = scan_title(loud_title, PointsScorer(), config)
    assert document["verdict"] == "clean"
    assert document["model"]["filter"] == {"x_s": 100.0, "y_s": 120.0}
    assert document["model"]["threshold"] == 0.05


class Localising(LoudnessScorer):
    """The stand-in with an event localiser: evidence is the peak of each 0.4 s."""

    localises = True

    def at_threshold(self, threshold):
        return self

    def score(self, blocks):
        def peaks(rows):
            parts = np.abs(rows).reshape(len(rows), 25, -1).max(axis=2).astype(np.float64)
            evidence = {f"{EVIDENCE_PREFIX}{n}": parts[:, n] for n in range(25)}
            return {"score": parts.max(axis=1), **evidence}

        return score_in_batches(blocks, self.sample_rate, peaks)


def test_what_is_apart_by_more_than_the_gap_is_two_events(tmp_path):
    audio = np.full((1, 20 * RATE), 0.1, np.float32)
    for start_s, end_s in ((2, 4), (14, 16)):
        audio[:, start_s * RATE : end_s * RATE] = 0.9
    path = tmp_path / "two.flac"
    write_flac(path, audio, RATE)
    scorer = Localising(OperatingPoint(0.5, TemporalFilter()))

    def told(config=None):
        document = scan_title(path, scorer, config)
        times = [(event["start_s"], event["end_s"]) for event in document["events"]]
        return document["model"]["event_gap_s"], times

    assert told() == (4.0, [(2.0, 4.0), (14.0, 16.0)])
    assert told(ScanConfig(event_gap_s=11)) == (11.0, [(2.0, 16.0)])
    assert told(ScanConfig(event_gap_s=None)) == (None, [(2.0, 16.0)])
    with pytest.raises(ValidationError):
        ScanConfig(event_gap_s=-1)


@pytest.mark.parametrize(
    ("scorer", "name", "message"),
    [
        (PointsScorer(), "balanced", "'balanced': 9 are too few"),
        (PointsScorer(), "loose", "'loose'; it has strict, balanced, sensitive"),
        (SCORER, "strict", "'strict'; it has none"),
    ],
)
def test_an_operating_point_that_is_not_there_is_told(loud_title, scorer, name, message):
    with pytest.raises(ValueError, match=message):
        scan_title(loud_title, scorer, ScanConfig(operating_point=name))


def test_an_operating_point_and_a_threshold_clash():
    with pytest.raises(ValidationError, match="not both"):
        ScanConfig(threshold=0.5, operating_point="strict")


def test_silence_that_cannot_be_scored_is_not_called_clean(tmp_path):
    path = tmp_path / "silence.flac"
    write_flac(path, np.zeros((2, 12 * RATE), np.float32), RATE)
    document = scan_title(path, SCORER)
    assert document["verdict"] == "undetermined"
    assert document["segments"][0]["channel_scores"] == [None, None]
    assert document["warnings"] == [
        "2 of 2 segments could not be scored: silent, or not sound",
    ]


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


@pytest.fixture(scope="module")
def surround(tmp_path_factory):
    """11 s of 5.1, each channel louder than the one before."""
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (6, 11 * RATE)).astype(np.float32)
    path = tmp_path_factory.mktemp("surround") / "surround.flac"
    write_flac(path, noise * np.arange(1, 7, dtype=np.float32)[:, None], RATE)
    return path


def test_every_channel_but_the_lfe_is_scored(surround):
    document = scan_title(surround, SCORER)
    assert document["title"]["channels"] == 6
    assert document["title"]["channel_names"] == ["FL", "FR", "FC", "SL", "SR"]
    scores = document["segments"][0]["channel_scores"]
    assert scores == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.6], abs=0.01)
    assert document["warnings"] == ["not scored: channel LFE"]
    assert document["events"][0]["channels"] == [4]


def test_surround_is_mixed_down_or_picked_from_where_asked(surround):
    mixed = scan_title(surround, SCORER, ScanConfig(channels="downmix"))
    assert len(mixed["segments"][0]["channel_scores"]) == 2
    assert mixed["title"]["channel_names"] == ["Lo", "Ro"]
    assert "6 channels were mixed down to 2 before scoring" in mixed["warnings"]
    picked = scan_title(surround, SCORER, ScanConfig(channels=("LFE", "FC", "none")))
    assert picked["title"]["channel_names"] == ["LFE", "FC"]
    assert picked["segments"][0]["channel_scores"] == pytest.approx([0.4, 0.3], abs=0.01)
    with pytest.raises(MediaError, match="none of the channels TL in it: FL, FR, FC"):
        scan_title(surround, SCORER, ScanConfig(channels=("TL",)))


def test_what_the_decoder_put_up_with_is_told(tmp_path):
    audio = np.full((1, 12 * RATE), 0.1, np.float32)
    audio[0, 5000:5004] = np.nan
    soundfile.write(tmp_path / "nan.wav", audio.T, RATE, subtype="FLOAT")
    assert scan_title(tmp_path / "nan.wav", SCORER)["warnings"] == ["4 samples are NaN or infinite"]
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 12 * 48000)).astype(np.float32)
    gapped = write_media(tmp_path / "gap.mkv", noise, gaps_s=[(4.0, 2.5)])
    (warning,) = scan_title(gapped, SCORER)["warnings"]
    assert warning.startswith("1 gap in the sound, 2.5")
    assert "first at 00:00:04.0" in warning
    pictures = np.zeros((350, 48, 64, 3), np.uint8)
    late = write_media(tmp_path / "late.mkv", noise, frames=pictures, audio_start_s=1.5)
    document = scan_title(late, SCORER)
    assert document["title"]["audio_start_s"] == pytest.approx(1.5, abs=0.05)
    assert document["warnings"][0] == "the sound begins 1.50 s after the title"
    assert document["title"]["frame_rate"] == {"numerator": 25, "denominator": 1}


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
