import numpy as np
import pandas as pd
import pytest
from scipy import stats

from padam.quality.ratings import (
    Ratings,
    ScreeningConfig,
    limits_of_study,
    mean_opinion_scores,
    read_ratings,
    screen_listeners,
)
from tests.quality.simulated_study import Listeners, clip_ids, ratings_table

CLIPS = clip_ids(616)


def table(*rows: tuple[object, ...], columns: str = "clip listener score") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def simulated(seed: int, clips: int = 616, listeners: int = 12) -> tuple[np.ndarray, Listeners]:
    rng = np.random.default_rng(seed)
    people = Listeners.draw(rng, listeners)
    return people.rate(rng.standard_normal(clips), rng), people


def as_ratings(scores: np.ndarray) -> Ratings:
    return read_ratings(ratings_table(scores), CLIPS)


def test_rows_are_read_whatever_the_columns_beside() -> None:
    rows = table(
        (" 000001", "a", "4", "7", "1.2"),
        ("000002", "a ", "2.5", "8", "3"),
        columns="clip listener score trial seconds",
    )
    found = read_ratings(rows, CLIPS)
    assert found.clips.to_dict(orient="list") == {
        "clip_id": ["000001", "000002"],
        "listener": ["a", "a"],
        "score": [4.0, 2.5],
    }
    assert found.hidden_references.empty
    assert set(found.dropped.values()) == {0}


def test_what_is_no_rating_of_a_known_clip_is_dropped_and_counted() -> None:
    rows = table(
        ("000001", "a", "4", "clip"),
        ("000001", "a", "5", "hidden_reference"),  # the reference of the clip above
        ("000002", "a", "1", "training"),
        ("000003", "a", "", "clip"),
        ("", "", "", ""),  # a blank line of the file
        ("999999", "a", "3", "clip"),
        columns="clip listener score kind",
    )
    found = read_ratings(rows, CLIPS)
    assert found.clips["clip_id"].tolist() == ["000001"]
    assert found.hidden_references["score"].tolist() == [5.0]
    assert found.dropped == {"training": 1, "unanswered": 1, "unknown_clip": 1}


GOOD = ("000001", "a", "4")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (table(GOOD, ("000002", "a", "6")), r"study.csv: score is outside 1-5: row 3 \(000002, a"),
        (table(GOOD, ("000002", "a", "0.9")), "outside 1-5: row 3"),
        (table(GOOD, ("000002", "a", "inf")), "outside 1-5: row 3"),
        (table(GOOD, ("000002", "a", "good")), "score is no number: row 3"),
        (table(GOOD, ("000002", "a", "4,5")), "score is no number: row 3"),
        (table(GOOD, ("", "", ""), ("000002", "a", "nan")), "score is no number: row 4"),
        (table(GOOD, ("000002", "b", "1"), ("000001", "a", "4")), "row 2 .*row 4"),
        (table(GOOD, ("000001", "a", "5")), "rated a clip twice; keep one row each"),
        (table(GOOD, ("000002", " ", "5")), "no clip or no listener: row 3"),
        (table(("", "a", "5")), "no clip or no listener: row 2"),
        (table(), "study.csv holds no rating"),
        (table(("", "", "")), "study.csv holds no rating"),
        (table(("999999", "a", "5")), "none of the 616 clips .* rates 999999.*--load-versions"),
        (table(("000001", "4"), columns="clip score"), "no column listener.*clip, score"),
        (table(("000001;a;4",), columns="clip;listener;score"), "A comma separates columns"),
        (table((*GOOD, "anchor"), columns="clip listener score kind"), "kind is none of clip, hid"),
        (table((*GOOD, "training"), columns="clip listener score kind"), "rates no clip"),
    ],
)
def test_what_cannot_be_a_study_is_an_error_that_names_it(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ratings(rows, CLIPS, "study.csv")


def test_many_bad_rows_are_counted_and_five_are_shown() -> None:
    rows = table(*((clip, "a", "9") for clip in CLIPS[:40]))
    with pytest.raises(ValueError, match="and 35 more") as error:
        read_ratings(rows, CLIPS)
    assert str(error.value).count("row ") == 5


@pytest.mark.parametrize("seed", range(4))
def test_good_listeners_are_kept(seed: int) -> None:
    scores, _ = simulated(seed)
    screened = screen_listeners(as_ratings(scores))
    assert screened["kept"].all()
    assert screened["ratings"].eq(616).all()
    assert (screened["reason"] == "").all()


@pytest.mark.parametrize("config", [ScreeningConfig(), ScreeningConfig(bt500=False)])
@pytest.mark.parametrize("seed", range(3))
def test_a_random_and_an_inverted_listener_go_and_the_others_stay(
    seed: int, config: ScreeningConfig
) -> None:
    scores, _ = simulated(seed)
    scores[:, 3] = np.random.default_rng(seed).integers(1, 6, len(scores))
    scores[:, 8] = 6 - scores[:, 8]
    screened = screen_listeners(as_ratings(scores), config).set_index("listener")
    gone = screened.index[~screened["kept"]].tolist()
    assert gone == ["listener 03", "listener 08"]
    assert screened.loc["listener 08", "correlation"] < -0.5
    assert abs(screened.loc["listener 03", "correlation"]) < 0.15
    assert screened.loc[gone, "reason"].str.len().min() > 0


def test_either_test_finds_them_alone() -> None:
    scores, _ = simulated(1)
    scores[:, 3] = np.random.default_rng(1).integers(1, 6, len(scores))
    alone = screen_listeners(as_ratings(scores), ScreeningConfig(min_correlation=-1))
    assert alone.loc[3, "reason"].endswith("(BT.500)")
    assert alone["kept"].sum() == 11
    other = screen_listeners(as_ratings(scores), ScreeningConfig(bt500=False))
    assert "with the mean of the others, below 0.5" in other.loc[3, "reason"]


def test_the_correlation_is_with_the_mean_of_the_others() -> None:
    scores, _ = simulated(5, clips=60, listeners=4)
    screened = screen_listeners(as_ratings(scores), ScreeningConfig(min_correlation=-1))
    expected = [
        stats.pearsonr(scores[:, j], np.delete(scores, j, axis=1).mean(axis=1)).statistic
        for j in range(4)
    ]
    assert screened["correlation"].to_numpy() == pytest.approx(np.array(expected))


def test_who_always_answers_the_same_goes_along_with_nobody() -> None:
    scores, _ = simulated(2)
    scores[:, 0] = 3
    screened = screen_listeners(as_ratings(scores), ScreeningConfig(bt500=False))
    assert screened["correlation"][0] == 0.0
    assert not screened["kept"][0]
    assert screened["kept"][1:].all()


def test_bt500_by_hand() -> None:
    # seven agree on every clip, the eighth lies 2 above or below: β₂ = 6.14 is not normal, and √20
    # standard deviations are beyond the reach of one among eight
    scores = np.full((60, 8), 3.0)
    scores[:, 7] += np.where(np.arange(60) % 2, 2, -2)
    assert stats.kurtosis(scores[0], fisher=False) == pytest.approx((1 - 21 / 64) / (7 / 64))
    screened = screen_listeners(as_ratings(scores), ScreeningConfig(min_correlation=-1))
    assert screened["outlier_share"].tolist() == [0.0] * 8
    # six more spread as 2, 2, 2, 4, 4, 4 bring β₂ below 4, and 2 above is over two deviations
    scores = np.concatenate([scores, np.tile([2.0, 2, 2, 4, 4, 4], (60, 1))], axis=1)
    assert stats.kurtosis(scores[0], fisher=False) < 4
    screened = screen_listeners(as_ratings(scores), ScreeningConfig(min_correlation=-1))
    assert screened["outlier_share"].tolist() == [float(number == 7) for number in range(14)]
    assert screened["outlier_imbalance"][7] == 0.0
    assert screened["kept"].tolist() == [number != 7 for number in range(14)]
    # far off on one side only is a bias, which BT.500 lets pass
    scores[:, 7] = 5.0
    screened = screen_listeners(as_ratings(scores), ScreeningConfig(min_correlation=-1))
    assert screened["outlier_share"][7] == 1.0
    assert screened["kept"].all()
    # under 50 clips it does not judge
    few = as_ratings(scores[:49])
    screened = screen_listeners(few, ScreeningConfig(min_correlation=-1))
    assert screened["outlier_share"].isna().all()
    assert "BT.500" in limits_of_study(screened, mean_opinion_scores(few, screened))[0]


def test_a_listener_who_does_not_know_the_reference_goes() -> None:
    scores, _ = simulated(6, listeners=3)
    rows = ratings_table(scores).assign(kind="clip")
    hidden = [
        (clip, f"listener {listener:02d}", 3 if listener == 1 and number < 2 else 5)
        for listener in range(3)
        for number, clip in enumerate(CLIPS[:10])
    ]
    hidden_rows = table(*hidden).assign(kind="hidden_reference")
    ratings = read_ratings(pd.concat([rows, hidden_rows]), CLIPS)
    screened = screen_listeners(ratings)
    assert screened["hidden_references"].tolist() == [10, 10, 10]
    assert screened["hidden_references_low"].tolist() == [0.0, 0.2, 0.0]
    assert screened["kept"].tolist() == [True, False, True]
    assert screened["reason"][1] == "20% of 10 hidden references rated below 4"
    lenient = ScreeningConfig(hidden_reference_share=0.2)
    assert screen_listeners(ratings, lenient)["kept"].all()
    # a hidden reference is nobody's rating of the clip
    assert mean_opinion_scores(ratings, screened)["ratings"].eq(2).all()


def test_one_slip_of_few_hidden_references_condemns_nobody() -> None:
    scores, _ = simulated(6, listeners=3)
    rows = ratings_table(scores).assign(kind="clip")
    low = {("listener 01", 0), ("listener 02", 0), ("listener 02", 1)}
    hidden = [
        (clip, f"listener {listener:02d}", 3 if (f"listener {listener:02d}", number) in low else 5)
        for listener in range(3)
        for number, clip in enumerate(CLIPS[:2])
    ]
    ratings = read_ratings(pd.concat([rows, table(*hidden).assign(kind="hidden_reference")]), CLIPS)
    screened = screen_listeners(ratings)
    assert screened["kept"].tolist() == [True, True, False]
    limits = limits_of_study(screened, mean_opinion_scores(ratings, screened))
    assert "2 of 3 listeners left: no further screening by correlation" in limits


def test_listeners_may_rate_parts_of_the_clips() -> None:
    scores, _ = simulated(7)
    scores[np.random.default_rng(7).random(scores.shape) < 0.6] = np.nan
    scores[:, 11] = np.nan
    scores[:4, 11] = 1.0
    screened = screen_listeners(as_ratings(scores))
    assert screened["kept"].all()
    assert np.isnan(screened["correlation"][11]), "4 clips are too few to judge"
    assert screened["correlation"][:11].min() > 0.5


def test_one_listener_gives_means_without_intervals_and_the_study_says_so() -> None:
    ratings = read_ratings(table(("000001", "a", 4), ("000002", "a", 2)), CLIPS)
    screened = screen_listeners(ratings)
    assert screened["kept"].tolist() == [True]
    opinions = mean_opinion_scores(ratings, screened)
    assert opinions["mos"].tolist() == [4.0, 2.0]
    assert opinions[["mos_low", "mos_high", "std"]].isna().all(axis=None)
    assert limits_of_study(screened, opinions) == [
        "one listener: no screening and no confidence intervals"
    ]


def test_of_two_listeners_nobody_is_off() -> None:
    scores, _ = simulated(8, listeners=2)
    scores[:, 1] = 6 - scores[:, 0]
    scores[:5, 1] = np.nan
    ratings = as_ratings(scores)
    screened = screen_listeners(ratings)
    assert screened["kept"].all()
    limits = limits_of_study(screened, mean_opinion_scores(ratings, screened))
    assert limits[0] == "two listeners: not screened by correlation"
    assert limits[-1] == "5 clips have one rating each: no confidence intervals there"


def test_a_study_without_any_good_listener_is_an_error() -> None:
    scores, _ = simulated(9, clips=20, listeners=2)
    rows = ratings_table(scores).assign(kind="clip")
    low = rows.assign(kind="hidden_reference", score=1)
    ratings = read_ratings(pd.concat([rows, low]), CLIPS)
    with pytest.raises(ValueError, match=r"none of the 2 listeners: listener 00: 100% of 20"):
        screen_listeners(ratings)


def test_an_ordinary_study_lacks_hidden_references_only() -> None:
    scores, _ = simulated(3)
    ratings = as_ratings(scores)
    screened = screen_listeners(ratings)
    assert limits_of_study(screened, mean_opinion_scores(ratings, screened)) == [
        "no hidden references: BS.1534's test does not apply"
    ]


def test_mos_and_its_interval_are_those_of_scipy() -> None:
    scores, _ = simulated(4, clips=30)
    ratings = as_ratings(scores)
    everyone = screen_listeners(ratings, ScreeningConfig(min_correlation=-1))
    opinions = mean_opinion_scores(ratings, everyone)
    for row, given in zip(opinions.itertuples(), scores, strict=True):
        low, high = stats.ttest_1samp(given, 0.0).confidence_interval(0.95)
        assert (row.mos, row.mos_low, row.mos_high) == pytest.approx((given.mean(), low, high))
        assert row.ratings == 12


def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    truth, clips = 3.1, 4000
    scores = np.clip(rng.normal(truth, 0.4, (clips, 5)), 1, 5)
    rows = ratings_table(scores)
    ratings = read_ratings(rows, clip_ids(clips))
    everyone = pd.DataFrame({"listener": rows["listener"].unique(), "kept": True})
    opinions = mean_opinion_scores(ratings, everyone)
    covered = ((opinions["mos_low"] <= truth) & (truth <= opinions["mos_high"])).mean()
    assert covered == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors
