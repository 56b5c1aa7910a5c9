import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from padam.quality import fusion, registry
from padam.quality.fusion import FusionWeights, Normaliser, RankMap, fuse

METRICS = ["cdpam", "dnsmos", "pesq", "visqol"]


@pytest.fixture
def scores(rng: np.random.Generator) -> pd.DataFrame:
    """200 clips whose metrics all follow one quality, CDPAM as a distance."""
    quality = rng.standard_normal(200)
    noise = 0.3 * rng.standard_normal((200, 4))
    return pd.DataFrame(
        {
            "cdpam": 0.3 - 0.1 * (quality + noise[:, 0]),
            "dnsmos": 2.5 + 0.4 * (quality + noise[:, 1]),
            "pesq": 2.0 + 0.7 * (quality + noise[:, 2]),
            "visqol": 3.5 + 0.5 * (quality + noise[:, 3]),
        }
    )


def test_the_formula_by_hand() -> None:
    train = pd.DataFrame(
        {"cdpam": [0.0, 1.0], "dnsmos": [1.0, 3.0], "pesq": [1.0, 5.0], "visqol": [2.0, 3.0]}
    )
    normaliser = Normaliser.fit(train)
    assert normaliser.mean == {"cdpam": -0.5, "dnsmos": 2.0, "pesq": 3.0, "visqol": 2.5}
    assert normaliser.std == {"cdpam": 0.5, "dnsmos": 1.0, "pesq": 2.0, "visqol": 0.5}
    clip = pd.DataFrame({"cdpam": [0.25], "dnsmos": [2.5], "pesq": [2.0], "visqol": [3.5]})
    expected = 0.40 * 0.5 + 0.23 * 0.5 + 0.19 * -0.5 + 0.18 * 2.0
    assert fuse(clip, normaliser)["q_hat"][0] == pytest.approx(expected)


def test_training_scores_have_mean_zero_and_agree_with_quality(scores: pd.DataFrame) -> None:
    fused = fuse(scores, Normaliser.fit(scores))
    assert fused["q_hat"].mean() == pytest.approx(0, abs=1e-9)
    assert fused["q_hat"].corr(scores["pesq"]) > 0.9
    # the sign: less distance is more quality
    assert fused["q_hat"].corr(scores["cdpam"]) < -0.9
    assert (fused["metrics_answered"] == 4).all()


def test_a_missing_metric_hands_its_weight_to_the_rest(scores: pd.DataFrame) -> None:
    normaliser = Normaliser.fit(scores)
    holed = scores.copy()
    holed.loc[0, "cdpam"] = np.nan
    z = normaliser.standardise(scores).loc[0]
    expected = (0.23 * z["dnsmos"] + 0.19 * z["pesq"] + 0.18 * z["visqol"]) / 0.60
    fused = fuse(holed, normaliser)
    assert fused["q_hat"][0] == pytest.approx(expected)
    assert fused["metrics_answered"][0] == 3
    assert fused["q_hat"][1:].equals(fuse(scores, normaliser)["q_hat"][1:])


def test_no_metric_gives_nan_and_a_reason(scores: pd.DataFrame) -> None:
    normaliser = Normaliser.fit(scores)
    holed = scores.copy()
    holed.loc[3, METRICS] = np.nan
    fused = fuse(holed, normaliser)
    assert np.isnan(fused["q_hat"][3])
    assert fused["q_hat_reason"][3] == "no metric answered"
    assert fused["q_hat"].drop(3).notna().all()
    assert fused["q_hat_reason"].drop(3).isna().all()


def test_weight_zero_takes_a_metric_out(scores: pd.DataFrame) -> None:
    normaliser = Normaliser.fit(scores)
    only_pesq = FusionWeights(cdpam=0, dnsmos=0, visqol=0, pesq=0.5)
    fused = fuse(scores, normaliser, only_pesq)
    assert np.allclose(fused["q_hat"], 0.5 * normaliser.standardise(scores)["pesq"])


def test_a_metric_that_never_answers_or_never_varies_is_left_out(scores: pd.DataFrame) -> None:
    scores["pesq"] = np.nan
    scores["visqol"] = 4.7
    normaliser = Normaliser.fit(scores)
    assert set(normaliser.mean) == {"cdpam", "dnsmos"}
    assert set(normaliser.left_out) == {"pesq", "visqol"}
    assert fuse(scores, normaliser)["q_hat"].notna().all()


def test_nothing_to_fuse_is_an_error() -> None:
    with pytest.raises(ValueError, match="no metric to fuse among 1 training clips"):
        Normaliser.fit(pd.DataFrame([dict.fromkeys(METRICS, 1.0)]))


def test_the_normaliser_survives_json_and_keeps_its_numbers(scores: pd.DataFrame) -> None:
    normaliser = Normaliser.fit(scores)
    assert Normaliser.model_validate_json(normaliser.model_dump_json()) == normaliser


@pytest.mark.parametrize("weights", [{"pesq": -0.1}, dict.fromkeys(METRICS, 0.0), {"stoi": 0.5}])
def test_bad_weights_stop_at_once(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FusionWeights(**weights)


def test_the_papers_weights() -> None:
    assert FusionWeights().by_metric() == {
        "cdpam": 0.40,
        "dnsmos": 0.23,
        "pesq": 0.19,
        "visqol": 0.18,
    }


def test_ranks_of_the_training_set_are_uniform(rng: np.random.Generator) -> None:
    q_hat = rng.standard_normal(5000)
    ranks = RankMap.fit(q_hat).apply(q_hat)
    assert ranks.min() == 0
    assert ranks.max() == 1
    assert np.allclose(np.sort(ranks), np.linspace(0, 1, 5000), atol=2e-3)


def test_ranks_beyond_the_training_range_are_clamped_and_nan_stays() -> None:
    ranks = RankMap.fit([0.0, 1.0, 2.0, np.nan]).apply([-5.0, 1.0, 9.0, np.nan])
    assert ranks[:3].tolist() == [0.0, 0.5, 1.0]
    assert np.isnan(ranks[3])


def test_equal_values_share_the_middle_of_their_ranks() -> None:
    assert RankMap.fit([1.0, 2.0, 2.0, 2.0, 3.0]).apply([2.0]).tolist() == [0.5]
    assert RankMap.fit([2.0, 2.0]).apply([2.0]).tolist() == [0.5]


def test_the_rank_map_survives_json() -> None:
    ranks = RankMap.fit([0.1, 0.2, 0.4])
    assert RankMap.model_validate_json(ranks.model_dump_json()) == ranks


def test_one_clip_has_no_rank() -> None:
    with pytest.raises(ValueError, match="at least 2 training clips"):
        RankMap.fit([1.0, np.nan])


def test_a_metric_of_a_later_day_counts_once_it_has_a_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Loudness:
        name, higher_is_better = "loudness", True

    monkeypatch.setitem(registry.METRICS, "loudness", Loudness)
    monkeypatch.setattr(fusion, "METRIC_NAMES", (*registry.METRIC_NAMES, "loudness"))
    scores = pd.DataFrame({"pesq": [1.0, 2.0, 3.0], "loudness": [3.0, 1.0, 2.0]})
    normaliser = Normaliser.fit(scores)
    assert FusionWeights().by_metric()["loudness"] == 0
    assert fuse(scores, normaliser)["q_hat"].argmax() == 2
    both = FusionWeights(pesq=0.1, cdpam=0, dnsmos=0, visqol=0, loudness=0.9)
    assert fuse(scores, normaliser, both)["q_hat"].argmax() == 0
    with pytest.raises(ValidationError):
        FusionWeights(loudness=-1)
