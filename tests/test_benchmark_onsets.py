"""The benchmark of onsets knows the truth, and judges by it."""

import importlib

import numpy as np
import pandas as pd
import pytest

from padam.audio.media import write_flac
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.operating_point import OperatingPoint
from padam.detection.scan import ScanConfig
from padam.detection.scorers.base import EVIDENCE_PREFIX, score_in_batches
from padam.detection.temporal_filter import TemporalFilter
from padam.detection.titles import TitlesConfig, plan_titles

RATE = 48_000
CONFIG = TitlesConfig(
    titles=1,
    defective_share=1,
    second_defect_probability=0,
    duration_s=(21.0, 24.0),
    excerpt_s=(6.0, 9.0),
    defect_s=(2.0, 6.0),
)


class ClickScorer:
    """Stands for a model: evidence of 0.4 s is sure where neighbouring samples jump."""

    name = "jumps"
    version = "1"
    sample_rate = 16_000
    segment_s = 10.0
    run_id = None
    operating_point = OperatingPoint(0.5, TemporalFilter())

    def score(self, blocks):
        def jumps(rows):
            steps = np.pad(np.abs(np.diff(rows, n=2, axis=1)), ((0, 0), (0, 2)))
            evidence = steps.reshape(len(rows), 25, -1).max(axis=2) > 0.2
            columns = {f"{EVIDENCE_PREFIX}{n}": 0.1 + 0.8 * evidence[:, n] for n in range(25)}
            return {"score": 0.1 + 0.8 * evidence.any(axis=1), **columns}

        return score_in_batches(blocks, self.sample_rate, jumps)


@pytest.fixture
def onsets(project, monkeypatch):
    monkeypatch.syspath_prepend(project / "benchmarks")
    return importlib.import_module("onsets")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Two sources of low tones, 11 s each, which hold no jump."""
    root = tmp_path_factory.mktemp("media")
    time = np.arange(11 * RATE) / RATE
    for number, pitch in enumerate((110, 170)):
        tones = np.stack([np.sin(2 * np.pi * h * pitch * time) / h for h in (1, 2)])
        tones *= 0.3 * (1 + 0.5 * np.sin(2 * np.pi * 0.4 * time))
        write_flac(root / f"{number}.flac", tones.astype(np.float32), RATE)
    return root


def test_a_defect_is_inserted_at_a_known_time(onsets, media):
    sources = onsets.usable_sources(media)
    assert sources["source"].tolist() == ["0.flac", "1.flac"]
    workflow = WorkflowConfig()
    for defect in ("packet_loss", "clicks"):
        plan = plan_titles(sources, CONFIG.model_copy(update={"defects": (defect,)}))[0]
        audio, onset_s, end_s = onsets.insert(media, plan, CONFIG, workflow)
        assert 0 <= onset_s < end_s <= plan.duration_s + 1e-6
        assert end_s - onset_s <= 6.0
    again, *times = onsets.insert(media, plan, CONFIG, workflow)
    np.testing.assert_array_equal(audio, again)
    assert times == [onset_s, end_s]


def test_the_onset_is_where_the_error_becomes_audible(onsets):
    rng = np.random.default_rng(0)
    intact = rng.uniform(-0.1, 0.1, (2, 3 * RATE)).astype(np.float32)
    damaged = intact.copy()
    damaged[:, RATE:] *= 1.001  # 60 dB below the signal
    damaged[1, round(1.73 * RATE) :] = 0
    onset_s = onsets.first_audible_s(intact, damaged, RATE, 0.5, -30.0)
    assert 1.71 <= onset_s <= 1.73
    with pytest.raises(ValueError, match="differs nowhere"):
        onsets.first_audible_s(intact, intact, RATE, 0.5, -30.0)


def test_a_scorer_that_hears_clicks_is_right_to_a_window(onsets, media):
    sources = onsets.usable_sources(media)
    outcomes = onsets.insert_and_scan(
        media, sources, ClickScorer(), CONFIG, ScanConfig(), ("clicks",)
    )
    (outcome,) = outcomes
    assert (outcome.found, outcome.false_events) == (True, 0)
    assert outcome.error_s <= 0.4


def document(events, evidence):
    return {
        "title": {"duration_s": 1800.0},
        "model": {"threshold": 0.5},
        "events": [{"start_s": start, "end_s": end} for start, end in events],
        "segments": [
            {
                "start_s": 10.0 * n,
                "end_s": 10.0 * n + 10,
                "flagged": values is not None,
                "channel_scores": [0.9, 0.4],
                "evidence": None if values is None else [values, [0.9] * 25],
            }
            for n, values in enumerate(evidence)
        ],
    }


def test_errors_are_those_of_the_first_event_that_overlaps(onsets):
    late = [0.1] * 5 + [0.6] + [0.1] * 19
    found = onsets.judge(document([(1.0, 2.0), (9.2, 15.0)], [late, late]), "hum", 9.0, 14.0)
    assert (found.found, found.false_events) == (True, 1)
    assert found.error_s == pytest.approx(0.2)
    missed = onsets.judge(document([(1.0, 2.0)], [late, None]), "hum", 9.0, 14.0)
    assert (missed.found, missed.false_events) == (False, 1)
    # the first window of the second segment, whose other channel is no detection
    assert onsets.first_above_s(document([], [None, late]), {"start_s": 9.2, "end_s": 15.0}) == 12.0


def test_the_summary_counts_what_was_found_and_what_was_not(onsets):
    outcomes = [
        onsets.Outcome("hum", error_s, 2 * error_s, 1, 900.0) for error_s in (0.1, 0.3, np.nan)
    ] + [onsets.Outcome("drops", np.nan, np.nan, 0, 900.0)]
    rows = {row["measure"]: row["value"] for row in onsets.summary(outcomes)}
    assert rows["onset_found_share_hum"] == pytest.approx(2 / 3, abs=1e-4)
    assert rows["onset_error_median_s_hum"] == pytest.approx(0.2)
    assert rows["onset_error_p90_s_hum"] == pytest.approx(0.28)
    assert rows["onset_error_median_s_first_window_hum"] == pytest.approx(0.4)
    assert rows["onset_found_share"] == 0.5
    assert rows["onset_found_share_drops"] == 0
    assert "onset_error_median_s_drops" not in rows
    assert rows["onset_false_events_per_hour"] == 3


def test_media_without_a_usable_file_is_refused_by_the_plan(onsets, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    sources = onsets.usable_sources(tmp_path)
    assert isinstance(sources, pd.DataFrame)
    with pytest.raises(ValueError, match="no sources"):
        plan_titles(sources, CONFIG)
