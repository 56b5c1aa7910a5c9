"""Plans: balanced, of sources of their own split, the same again from the same seed."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from padam.defects.creative import EFFECT_NAMES
from padam.defects.registry import DEFECT_NAMES
from padam.detection.benchmark.config import DIGITAL_SILENCE, BenchmarkConfig
from padam.detection.benchmark.plan import BenchmarkPlan, plan_benchmark
from tests.detection.benchmark.conftest import short

Sources = tuple[Path, pd.DataFrame]
MANY = {"validation": {"defective": 14, "clean": 10}, "test": {"defective": 21, "clean": 40}}


@pytest.fixture(scope="module")
def plans(sources: Sources) -> list[BenchmarkPlan]:
    recordings = pd.DataFrame({"source": ["r"], "name": ["rain"], "split": ["test"]})
    return plan_benchmark(sources[1], recordings, short(splits=MANY))


def test_each_defect_is_on_equally_many_titles(plans: list[BenchmarkPlan]) -> None:
    for split, each in (("validation", 2), ("test", 3)):
        kinds = Counter(plan.defect for plan in plans if plan.split == split)
        assert kinds.pop(None) == MANY[split]["clean"]
        assert kinds == dict.fromkeys(DEFECT_NAMES, each)
    assert all(bool(plan.defect_durations_s) == (plan.defect is not None) for plan in plans)


def test_every_source_is_of_the_titles_own_split(plans: list[BenchmarkPlan]) -> None:
    for plan in plans:
        used = [passage.excerpt for passage in plan.passages]
        layers = [layer for passage in plan.passages for layer in passage.layers]
        assert all(plan.split in part.source for part in [*used, *layers])
        assert all(a.source != b.source for a, b in pairwise(used))
        assert all(0 <= part.start_s <= 14 - part.duration_s + 1e-9 for part in used)


def test_neither_content_nor_look_alike_tells_the_class(plans: list[BenchmarkPlan]) -> None:
    test = [plan for plan in plans if plan.split == "test"]
    for flag, count in ((True, 21), (False, 40)):
        titles = [plan for plan in test if (plan.defect is not None) == flag]
        contents = Counter(plan.content for plan in titles)
        for name, share in {"music": 0.3, "dialogue": 0.2, "effects": 0.1, "mix": 0.4}.items():
            assert abs(contents[name] - share * count) < 1
        names = Counter(plan.look_alike for plan in titles)
        assert names.pop("") == count - round(0.4 * count)
        assert set(names) == {*EFFECT_NAMES, DIGITAL_SILENCE, "rain"}
        assert max(names.values()) - min(names.values()) <= 1


def test_a_look_alike_is_in_the_title_that_is_named_after_it(plans: list[BenchmarkPlan]) -> None:
    for plan in plans:
        effects = {passage.effect for passage in plan.passages} - {None}
        assert effects == ({plan.look_alike} if plan.look_alike in EFFECT_NAMES else set())
        silent = {p.transition.kind == DIGITAL_SILENCE for p in plan.passages}
        assert silent == {plan.look_alike == DIGITAL_SILENCE}
        assert (plan.recordings != ()) == (plan.look_alike == "rain")
        assert len(plan.passages) >= 2


def test_the_same_seed_gives_the_same_plans_and_a_split_does_not_hang_on_another(
    sources: Sources, plans: list[BenchmarkPlan]
) -> None:
    recordings = pd.DataFrame({"source": ["r"], "name": ["rain"], "split": ["test"]})
    shuffled = sources[1].sample(frac=1, random_state=3)
    only_test = short(splits={"test": MANY["test"]})
    again = plan_benchmark(shuffled, recordings, only_test)
    assert again == [plan for plan in plans if plan.split == "test"]
    other = plan_benchmark(sources[1], recordings, only_test.model_copy(update={"seed": 1}))
    assert other != again


def test_kinds_that_are_not_there_leave_their_share_to_the_others(
    sources: Sources, no_look_alikes: pd.DataFrame
) -> None:
    index = sources[1]
    config = short(splits={"test": {"defective": 2, "clean": 8}})
    music = plan_benchmark(index[index["kind"] == "music"], no_look_alikes, config)
    assert {plan.content for plan in music} == {"music"}
    films = index[index["kind"] == "music"].assign(kind="film")
    mixed = plan_benchmark(films, no_look_alikes, config)
    assert {plan.content for plan in mixed} == {"mix"}
    assert all(passage.layers == () for plan in mixed for passage in plan.passages)


def test_bad_input_is_named(sources: Sources, no_look_alikes: pd.DataFrame) -> None:
    index = sources[1]
    with pytest.raises(ValueError, match="no sources for the validation titles: the index has 0"):
        plan_benchmark(index[index["split"] == "train"], no_look_alikes, short())
    with pytest.raises(ValidationError, match=r"unknown defects \['wow'\]"):
        BenchmarkConfig(defects=("wow",))
    with pytest.raises(ValidationError, match="would fill half of a title"):
        BenchmarkConfig(duration_s=(10, 20), defect_s=(8, 15))
    with pytest.raises(ValidationError, match="no title is asked for"):
        BenchmarkConfig.model_validate({"splits": {"test": {"defective": 0, "clean": 0}}})
    with pytest.raises(ValidationError, match="contents: weights"):
        BenchmarkConfig(contents={"music": 0.0})
    with pytest.raises(ValidationError, match="titles of train are no titles for this"):
        BenchmarkConfig.model_validate({"splits": {"train": {"defective": 1, "clean": 1}}})
