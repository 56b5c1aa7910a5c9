import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from padam.quality.base import MetricScore
from padam.quality.cdpam import resolve_precision
from padam.quality.scoring import NotAPairError, PairScorer, ScoringConfig

RATE = 48000
Audio = np.ndarray


def stereo(speech: Audio, noise_left: float, noise_right: float) -> tuple[Audio, Audio]:
    noise = np.random.default_rng(1).standard_normal((2, speech.size))
    reference = np.stack([speech, speech[::-1]])
    levels = np.array([[noise_left], [noise_right]])
    return reference, np.clip(reference + levels * noise, -1, 1).astype(np.float32)


def pesq_scorer(**options: object) -> PairScorer:
    return PairScorer(ScoringConfig(metrics=("pesq",), **options))


class ErrorMetric:
    """A metric that answers the RMS of the error, so that what it was given can be read back."""

    name = "pesq"
    sample_rate = 48000
    higher_is_better = True
    needs_reference = True

    def score(self, reference: Audio, degraded: Audio) -> MetricScore:
        return MetricScore(float(np.sqrt(np.mean((reference - degraded) ** 2))))


def with_error_metric(**options: object) -> PairScorer:
    scorer = pesq_scorer(**options)
    scorer.__dict__["metrics"] = (ErrorMetric(),)
    return scorer


def test_all_four_answer_on_a_plain_pair(speech: Audio) -> None:
    reference, degraded = stereo(speech, 0.01, 0.0)
    row = PairScorer().score(reference, degraded, RATE)
    for name in ("cdpam", "dnsmos", "pesq", "visqol"):
        assert np.isfinite(row[name]), row
        assert row[f"{name}_reason"] is None
    assert set(row) == {f"{n}{s}" for n in PairScorer().config.metrics for s in ("", "_reason")}


@pytest.mark.parametrize("damaged", [0, 1])
def test_the_damaged_channel_decides(speech: Audio, damaged: int) -> None:
    levels = [0.0, 0.0]
    levels[damaged] = 0.05
    reference, degraded = stereo(speech, *levels)
    most, worst, mean = (
        pesq_scorer(channel_policy=policy).score(reference, degraded, RATE)["pesq"]
        for policy in ("most_damaged", "worst", "mean")
    )
    assert most == pytest.approx(worst)
    assert worst < mean


def test_channel_swap_changes_nothing(speech: Audio) -> None:
    reference, degraded = stereo(speech, 0.05, 0.01)
    scorer = pesq_scorer()
    assert scorer.score(reference, degraded, RATE) == scorer.score(
        reference[::-1], degraded[::-1], RATE
    )


def test_a_gain_is_matched_away(speech: Audio) -> None:
    reference, degraded = speech[None], (0.25 * speech)[None]
    matched, unmatched = (
        with_error_metric(level_match=match).score(reference, degraded, RATE)["pesq"]
        for match in (True, False)
    )
    assert matched == pytest.approx(0, abs=1e-6)
    assert unmatched > 0.01


def test_level_matching_stays_within_full_scale(speech: Audio) -> None:
    # a quiet copy with a click would be raised far over 1
    reference = (speech / np.abs(speech).max())[None]
    degraded = 0.1 * reference
    degraded[0, 1000] = 1.0
    row = pesq_scorer().score(reference, degraded.astype(np.float32), RATE)
    assert row["pesq_reason"] is None


def test_worst_takes_the_highest_distance_and_the_lowest_score(speech: Audio) -> None:
    reference, degraded = stereo(speech, 0.05, 0.01)
    scorer = with_error_metric(channel_policy="worst", level_match=False)
    lowest = scorer.score(reference, degraded, RATE)["pesq"]
    scorer.metrics[0].higher_is_better = False
    highest = scorer.score(reference, degraded, RATE)["pesq"]
    assert lowest == pytest.approx(0.01, rel=0.1)
    assert highest == pytest.approx(0.05, rel=0.1)


def test_a_silent_channel_does_not_hide_the_other(speech: Audio) -> None:
    reference, degraded = stereo(speech, 0.01, 0.0)
    degraded[1] = reference[1] = 0
    for policy in ("most_damaged", "worst", "mean"):
        row = pesq_scorer(channel_policy=policy).score(reference, degraded, RATE)
        assert np.isfinite(row["pesq"])
        assert row["pesq_reason"] is None


@pytest.mark.parametrize("policy", ["most_damaged", "worst", "mean"])
@pytest.mark.parametrize("left", [0.0, 1e-6])
def test_a_channel_that_died_is_no_good_score(speech: Audio, policy: str, left: float) -> None:
    reference, degraded = stereo(speech, 0.0, 0.0)
    degraded[0] *= left
    row = pesq_scorer(channel_policy=policy).score(reference, degraded, RATE)
    assert np.isnan(row["pesq"])
    assert "degraded: level" in row["pesq_reason"]


def test_noise_on_a_silent_reference_is_heard_without_it_only(speech: Audio) -> None:
    reference, degraded = stereo(speech, 0.1, 0.0)
    reference[0] = 0
    row = PairScorer(ScoringConfig(metrics=("pesq", "dnsmos"))).score(reference, degraded, RATE)
    assert np.isnan(row["pesq"])
    assert "reference: level" in row["pesq_reason"]
    assert np.isfinite(row["dnsmos"])


@pytest.mark.parametrize("policy", ["worst", "mean"])
def test_a_channel_that_a_metric_cannot_judge_may_be_the_worst(speech: Audio, policy: str) -> None:
    class Timid(ErrorMetric):
        def score(self, reference: Audio, degraded: Audio) -> MetricScore:
            found = super().score(reference, degraded)
            return MetricScore.missing("too bad") if found.value > 0.02 else found

    reference, degraded = stereo(speech, 0.05, 0.01)
    scorer = pesq_scorer(channel_policy=policy, level_match=False)
    scorer.__dict__["metrics"] = (Timid(),)
    row = scorer.score(reference, degraded, RATE)
    assert np.isnan(row["pesq"])
    assert row["pesq_reason"] == "too bad"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda audio: audio * np.nan, "NaN"),
        (lambda audio: audio * 0, "silent"),
        (lambda audio: audio * np.float32(1e-6), "silent"),
        (lambda audio: audio * 3, "over 1.0"),
    ],
)
def test_what_cannot_be_scored_is_nan_with_a_reason(speech: Audio, spoil, words: str) -> None:
    reference = np.stack([speech, speech])
    row = PairScorer().score(reference, spoil(reference), RATE)
    for name in ("cdpam", "dnsmos", "pesq", "visqol"):
        assert np.isnan(row[name])
        assert words in row[f"{name}_reason"]


def test_a_clip_that_is_too_short_gives_reasons(speech: Audio) -> None:
    short = speech[None, : RATE // 5]
    row = PairScorer().score(short, short, RATE)
    assert np.isnan(row["cdpam"])
    assert "shorter than 0.5 s" in row["cdpam_reason"]


@pytest.mark.parametrize("shape", [(1, 1000), (2, 999), (1000,), (0, 1000)])
def test_two_shapes_are_no_pair(shape: tuple[int, ...]) -> None:
    with pytest.raises(NotAPairError, match="same shape"):
        PairScorer().score(np.zeros((2, 1000), np.float32), np.zeros(shape, np.float32), RATE)


def test_auto_is_one_precision_for_all_workers() -> None:
    config = ScoringConfig(cdpam_precision="auto").on_this_machine()
    assert config.cdpam_precision == str(resolve_precision("auto")).removeprefix("torch.")
    assert ScoringConfig(**config.model_dump()) == config.on_this_machine()


def test_travels_to_a_worker_without_its_engines(speech: Audio) -> None:
    scorer = pesq_scorer()
    before = scorer.score(speech[None], speech[None], RATE)
    sent = pickle.dumps(scorer)
    assert len(sent) < 2000
    assert pickle.loads(sent).score(speech[None], speech[None], RATE) == before


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": ("stoi",)},
        {"metrics": ()},
        {"metrics": ("pesq", "pesq")},
        {"cdpam_crop_s": 0.1},
        {"visqol_crop_s": 0.5},
        {"channel_policy": "left"},
        {"cdpam_precision": "float16"},
        {"unknown": 1},
    ],
)
def test_a_bad_parameter_stops_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ScoringConfig(**options)
