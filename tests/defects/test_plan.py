import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from padam.defects.clip_ids import clip_rng
from padam.defects.plan import PlanConfig, plan_clips, split_sources
from padam.defects.workflow import WorkflowConfig, draw_clip
from tests.defects.conftest import RATE, music

FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}


def sources(per_kind=10, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "source": f"{kind}/{i}.flac",
            "kind": kind,
            "duration_s": float(rng.uniform(30, 120)),
            "accepted": True,
        }
        for kind in ("music", "dialogue", "effects")
        for i in range(per_kind)
    ]
    rows.append({"source": "music/bad.flac", "kind": "music", "duration_s": 99, "accepted": False})
    return pd.DataFrame(rows)


def test_a_source_lies_in_one_split_and_rejected_ones_in_none():
    index = split_sources(sources(), FRACTIONS, seed=1)
    assert index["source"].is_unique
    assert "music/bad.flac" not in set(index["source"])
    assert set(index["split"]) == set(FRACTIONS)


def test_fractions_hold_overall_and_in_each_kind():
    index = split_sources(sources(20), FRACTIONS, seed=1)
    share = index.groupby("split")["duration_s"].sum() / index["duration_s"].sum()
    for name, fraction in FRACTIONS.items():
        assert share[name] == pytest.approx(fraction, abs=0.05)
    assert set(index.groupby("kind")["split"].nunique()) == {3}


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    index = sources()
    first = split_sources(index, FRACTIONS, seed=1)
    shuffled = split_sources(index.sample(frac=1, random_state=0), FRACTIONS, seed=1)
    pd.testing.assert_frame_equal(first, shuffled)
    assert not first["split"].equals(split_sources(index, FRACTIONS, seed=2)["split"])


def test_few_sources_still_fill_every_split():
    for seed in range(10):
        index = split_sources(sources(1), FRACTIONS, seed)
        assert set(index["split"]) == set(FRACTIONS)


def test_too_few_sources_are_named():
    with pytest.raises(ValueError, match="1 accepted sources cannot fill"):
        split_sources(sources(1).head(1), FRACTIONS, 0)


def test_folders_go_whole_to_their_split_and_the_fractions_are_of_the_rest():
    folders = {"test": ["music"], "train": ["effects/"], "validation": ["effects/1.flac"]}
    with pytest.raises(ValueError, match=r"accepted in 'effects/1.flac'"):
        split_sources(sources(20), FRACTIONS, 1, folders)
    series = sources(20)
    series["source"] = series["source"].str.replace("effects/1", "effects/inner/1")
    folders["validation"] = ["effects/inner"]
    index = split_sources(series, FRACTIONS, 1, folders)
    split = index.set_index("source")["split"]
    assert set(split[split.index.str.startswith("music/")]) == {"test"}
    assert set(split[split.index.str.startswith("effects/inner/")]) == {"validation"}
    outer = split.index.str.startswith("effects/") & ~split.index.str.contains("inner")
    assert set(split[outer]) == {"train"}
    rest = index[index["kind"] == "dialogue"]
    share = rest.groupby("split")["duration_s"].sum() / rest["duration_s"].sum()
    for name, fraction in FRACTIONS.items():
        assert share[name] == pytest.approx(fraction, abs=0.05)


def test_a_split_may_have_nothing_but_its_folders():
    fractions = {"train": 0.8, "validation": 0.2, "test": 0.0}
    index = split_sources(sources(), fractions, 1, {"test": ["dialogue"]})
    assert set(index.groupby("kind")["split"].unique()["dialogue"]) == {"test"}
    assert set(index.loc[index["kind"] != "dialogue", "split"]) == {"train", "validation"}


def test_a_folder_that_two_splits_claim_is_refused():
    with pytest.raises(ValueError, match="'music' is claimed by train and by test"):
        split_sources(sources(), FRACTIONS, 1, {"train": ["music/"], "test": ["music"]})


def test_fractions_that_are_none_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        split_sources(sources(), {"train": 0.6, "validation": 0.2}, 0)


def test_clips_never_overlap_and_stay_inside_their_source():
    index = split_sources(sources(), FRACTIONS, seed=0)
    durations = index.set_index("source")["duration_s"]
    plan = plan_clips(index, PlanConfig(clips=60, seed=3))
    assert len(plan) == 60
    assert plan["clip_id"].str.match(r"^\d{6}-[0-9a-f]{8}$").all()
    assert plan["clip_id"].str[:6].tolist() == [f"{i:06d}" for i in range(60)]
    for source, clips in plan.groupby("source"):
        starts = np.sort(clips["start_s"].to_numpy())
        assert (np.diff(starts) >= 10).all()
        assert starts[0] >= 0
        assert starts[-1] + 10 <= durations[source]


def test_a_source_can_be_filled_to_the_last_clip():
    index = pd.DataFrame(
        [{"source": "a", "kind": "music", "duration_s": 30.0005, "split": "train"}]
    )
    plan = plan_clips(index, PlanConfig(clips=3))
    assert plan["start_s"].tolist() == [0, 10, 20]


def test_plans_carry_the_split_of_their_source_and_leave_the_test_sources():
    index = split_sources(sources(), FRACTIONS, seed=0)
    plan = plan_clips(index, PlanConfig(clips=60))
    assert set(plan["split"]) == {"train", "validation"}
    expected = index.set_index("source")["split"]
    assert (plan["split"].to_numpy() == expected[plan["source"]].to_numpy()).all()
    assert list(plan.columns) == [
        "clip_id", "source", "split", "kind", "start_s", "duration_s", "seed", "layers",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_plan():
    index = split_sources(sources(), FRACTIONS, seed=0)
    first, again, other = (plan_clips(index, PlanConfig(clips=40, seed=s)) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["start_s"].equals(other["start_s"])


def test_versions_of_an_excerpt_differ_in_the_seed_alone():
    index = split_sources(sources(), FRACTIONS, seed=0)
    config = PlanConfig(clips=20, mix_probability=0.5, seed=4)
    once = plan_clips(index, config)
    plan = plan_clips(index, config.model_copy(update={"degradations_per_clip": 3}))
    assert len(plan) == 60
    assert plan["clip_id"].is_unique
    first = plan.iloc[::3].reset_index(drop=True)
    pd.testing.assert_frame_equal(first.drop(columns="clip_id"), once.drop(columns="clip_id"))
    assert first["clip_id"].str[7:].tolist() == once["clip_id"].str[7:].tolist()
    for _, versions in plan.groupby(["source", "start_s"]):
        assert len(versions) == 3
        assert versions["seed"].nunique() == 3
        assert versions.drop(columns=["clip_id", "seed"]).nunique().max() == 1


def test_versions_are_degraded_differently_and_alike_each_time():
    index = split_sources(sources(), FRACTIONS, seed=0)
    config = PlanConfig(clips=4, clip_duration_s=1.0, degradations_per_clip=2)
    plan = plan_clips(index, config)
    audio, workflow = music(1.0, 2), WorkflowConfig(clean_probability=0.0, single_probability=0.75)
    drawn = [
        draw_clip(clip_rng(row.seed, row.source, row.start_s), audio, RATE, workflow)
        for row in plan.itertuples()
    ]
    assert all(a != b for a, b in zip(drawn[::2], drawn[1::2], strict=True))
    pd.testing.assert_frame_equal(plan, plan_clips(index, config))


def test_test_sources_give_clips_where_asked_for():
    index = split_sources(sources(), FRACTIONS, seed=0)
    plan = plan_clips(index, PlanConfig(clips=90, splits=["train", "validation", "test"]))
    assert set(plan["split"]) == set(FRACTIONS)
    with pytest.raises(ValidationError):
        PlanConfig(splits=["training"])


def test_max_per_source_holds():
    index = split_sources(sources(), FRACTIONS, seed=0)
    plan = plan_clips(index, PlanConfig(clips=20, max_per_source=1))
    assert plan["source"].is_unique


def test_too_many_clips_name_what_is_possible():
    index = pd.DataFrame([{"source": "a", "kind": "music", "duration_s": 35.0, "split": "train"}])
    with pytest.raises(ValueError, match=r"4 clips .* allow 3"):
        plan_clips(index, PlanConfig(clips=4))
    with pytest.raises(ValueError, match="allow 0"):
        plan_clips(index, PlanConfig(clips=1, splits=("validation",)))


def test_no_clips_is_no_plan():
    with pytest.raises(ValidationError):
        PlanConfig(clips=0)
