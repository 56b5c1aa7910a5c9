"""Which clips a listening test holds."""

from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd
import pytest

from padam.quality.listening_test import (
    CLIP,
    HIDDEN_REFERENCE,
    TRAINING,
    PageConfig,
    SampleConfig,
    plan_listening_test,
    sample_clips,
)

STRATA = ("clean", "hum", "hiss", "drops", "several")
LABELS = {"clean": "", "several": "hum,clicks"}


def quality(clips: int = 400, strata: tuple[str, ...] = STRATA, seed: int = 1) -> pd.DataFrame:
    """Clips of which half are of validation; q̂ falls with the stratum, as it does in life."""
    rng = np.random.default_rng(seed)
    kinds = [strata[n % len(strata)] for n in range(clips)]
    return pd.DataFrame(
        {
            "clip_id": [f"{n:06d}-abc" for n in range(clips)],
            "split": ["train" if n // len(strata) % 2 else "validation" for n in range(clips)],
            "labels": [LABELS.get(kind, kind) for kind in kinds],
            "q_hat": rng.normal(size=clips) - [0.5 * strata.index(kind) for kind in kinds],
        }
    )


def nothing(clips: Collection[str]) -> Iterator[None]:
    """Stands for shards: planning a test must not read them."""
    raise AssertionError("audio is read")


def plan(table: pd.DataFrame, **sample: object):
    return plan_listening_test(table, nothing, SampleConfig(**sample), PageConfig())


def clips_of(test, kind: str) -> list[str]:
    return test.key.loc[test.key["kind"] == kind, "clip"].tolist()


def sampled(table: pd.DataFrame, seed: int = 0, **changes: object) -> pd.DataFrame:
    return sample_clips(table, SampleConfig(**changes), np.random.default_rng(seed))


@pytest.mark.parametrize("clips", [5, 24, 40, 73])
def test_strata_differ_by_one_clip_and_so_do_bins_within_them(clips: int) -> None:
    found = sampled(quality(), clips=clips, quality_bins=4)
    assert len(found) == found["clip_id"].nunique() == clips
    counts = found["stratum"].value_counts()
    assert set(counts.index) == set(STRATA)
    assert counts.max() - counts.min() <= 1
    table = pd.crosstab(found["stratum"], found["quality_bin"]).reindex(columns=range(4))
    available = sampled(quality(), clips=200, quality_bins=4)
    available = pd.crosstab(available["stratum"], available["quality_bin"])
    for stratum in STRATA:
        unexhausted = table.loc[stratum][table.loc[stratum] < available.loc[stratum]]
        assert (table.loc[stratum].max() - unexhausted <= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_few_clips_still_cover_the_quality(seed: int) -> None:
    found = sampled(quality(), seed, clips=16, quality_bins=4)
    counts = found["quality_bin"].value_counts()
    assert set(counts.index) == {0, 1, 2, 3}
    assert counts.max() - counts.min() <= 2


def test_bins_are_quantiles_of_what_could_be_drawn() -> None:
    found = sampled(quality(), clips=200, quality_bins=4)
    assert found["quality_bin"].value_counts().tolist() == [50] * 4
    edges = found.groupby("quality_bin")["q_hat"].agg(["min", "max"])
    assert (edges["max"].to_numpy()[:-1] <= edges["min"].to_numpy()[1:]).all()


def test_a_rare_defect_is_taken_whole_and_the_others_share_the_rest() -> None:
    table = quality(100)
    rare = table.index[(table["labels"] == "hiss") & (table["split"] == "validation")][2:]
    counts = sampled(table.drop(rare), clips=30)["stratum"].value_counts()
    assert counts.pop("hiss") == 2
    assert counts.tolist() == [7] * 4


def test_random_sampling_follows_the_shares_of_the_clips() -> None:
    table = quality(4000)
    table["labels"] = np.where(np.arange(4000) % 100 < 80, "hum", "")
    shares = [
        (sampled(table, seed, clips=100, sampling="random")["stratum"] == "hum").mean()
        for seed in range(50)
    ]
    # a binomial share of 0.8 over 5000 draws has a standard error of 0.0057
    assert np.mean(shares) == pytest.approx(0.8, abs=0.025)


def test_only_the_named_splits_are_rated_but_practice_may_come_from_any() -> None:
    table = quality(40)
    test = plan(table, clips=20, training_items=3)
    split = table.set_index("clip_id")["split"]
    assert set(split[clips_of(test, CLIP)]) == {"validation"}
    assert set(split[clips_of(test, TRAINING)]) == {"train"}
    both = plan(table, clips=36, splits=("train", "validation"), training_items=3)
    assert set(split[clips_of(both, CLIP)]) == {"train", "validation"}


def test_references_are_of_rated_clips_with_a_defect_and_have_the_share_asked_for() -> None:
    test = plan(quality(), clips=90, hidden_reference_share=0.1)
    references = clips_of(test, HIDDEN_REFERENCE)
    assert len(references) == len(set(references)) == 10
    assert set(references) <= set(clips_of(test, CLIP))
    labels = quality().set_index("clip_id")["labels"]
    assert (labels[references] != "").all()


def test_practice_spans_the_quality_and_is_not_rated() -> None:
    table = quality()
    test = plan(table, clips=30, training_items=5)
    practice = clips_of(test, TRAINING)
    assert not set(practice) & set(clips_of(test, CLIP))
    rest = table[~table["clip_id"].isin(clips_of(test, CLIP))]
    ranks = rest.set_index("clip_id")["q_hat"].rank(pct=True)[practice].sort_values()
    np.testing.assert_allclose(ranks, [0, 0.25, 0.5, 0.75, 1], atol=0.01)


def test_the_same_clips_and_seed_give_the_same_test_in_any_order_of_rows() -> None:
    table = quality()
    first, again = plan(table, seed=3), plan(table.sample(frac=1, random_state=7), seed=3)
    pd.testing.assert_frame_equal(first.key, again.key)
    assert first.test_id == again.test_id
    other = plan(table, seed=4)
    assert other.test_id != first.test_id
    assert set(clips_of(other, CLIP)) != set(clips_of(first, CLIP))
    paged = plan_listening_test(table, nothing, SampleConfig(seed=3), PageConfig(min_heard_share=0))
    assert paged.test_id != first.test_id


def test_names_of_items_tell_nothing() -> None:
    test = plan(quality(), clips=150, hidden_reference_share=0.3)
    assert test.key["item"].is_unique
    assert test.key["item"].str.fullmatch("[bcdfghjklmnpqrstvwxz]{7}").all()
    assert test.key["item"].is_monotonic_increasing
    # Were references named apart, their places among the sorted names would not be uniform.
    places = np.flatnonzero(test.key["kind"] == HIDDEN_REFERENCE) / len(test.key)
    assert places.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / len(places)))


def test_clips_without_a_quality_are_left_out() -> None:
    table = quality(40)
    lost = table.index[table["split"] == "validation"][:5]
    table.loc[lost, "q_hat"] = np.nan
    test = plan(table, clips=15, hidden_reference_share=0, training_items=4)
    assert not set(test.key["clip"]) & set(table.loc[lost, "clip_id"])
    with pytest.raises(ValueError, match="16 clips are to be rated, but 15 with a q̂"):
        plan(table, clips=16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": 21}, r"21 clips .* but 20 .* split validation.*listening_test\.sample\.clips"),
        ({"clips": 20, "splits": ("test",)}, "but 0 with a q̂ are there in split test"),
        ({"clips": 4, "training_items": 37}, r"37 training items .* but 36"),
        ({"clips": 20, "hidden_reference_share": 0.5}, r"20 references .* only 16 of the 20"),
    ],
)
def test_too_few_clips_are_an_error_that_names_the_parameter(changes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(quality(40), **changes)


def test_the_summary_counts_what_is_there() -> None:
    test = plan(quality(), clips=20, hidden_reference_share=0.2, training_items=3)
    summary = test.summary()
    assert summary["items"] == {CLIP: 20, HIDDEN_REFERENCE: 5, TRAINING: 3}
    assert summary["clips_by_stratum"] == dict.fromkeys(sorted(STRATA), 4)
    assert sum(summary["clips_by_quality_bin"].values()) == 20
