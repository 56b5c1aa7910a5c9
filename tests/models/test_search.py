import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVC

from padam.models import search
from padam.models.defect_classifier import DefectClassifier
from padam.models.row_subset import stratified_rows
from padam.models.search import SvmSearchConfig, search_classifier
from padam.models.search_data import grouped_folds
from tests.models.conftest import Rows, ring_and_core

POINT = ["state", "nu", "gamma", "score"]


@pytest.fixture
def data(separable: Rows, held_out: Rows) -> tuple[np.ndarray, ...]:
    return (*separable, *held_out)


def same_points(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(a[POINT], b[POINT])


def test_finds_parameters_that_separate(data: tuple[np.ndarray, ...]) -> None:
    config = SvmSearchConfig(trials=12, seed=3)
    trials, best = search_classifier(*data, config)
    assert len(trials) == 12
    assert trials["nu"].between(0.05, 0.9).all()
    assert trials["gamma"].between(1e-7, 1e-1).all()
    assert trials["score"].max() > 0.95
    assert set(best) == {"nu", "gamma"}
    row = trials.loc[trials["score"].idxmax()]
    assert (best["nu"], best["gamma"]) == (row["nu"], row["gamma"])
    assert (DefectClassifier(**best).fit(*data[:2]).predict(data[2]) == data[3]).mean() > 0.95


def test_points_are_drawn_evenly_in_the_logarithm() -> None:
    config = SvmSearchConfig()
    study = optuna.create_study()
    points = [search._draw(study, config, index).params for index in range(200)]
    for name in ("nu", "gamma"):
        low, high = getattr(config, f"{name}_min"), getattr(config, f"{name}_max")
        place = [np.log(p[name] / low) / np.log(high / low) for p in points]
        assert np.mean(place) == pytest.approx(0.5, abs=0.07)
        assert np.std(place) == pytest.approx(12**-0.5, abs=0.04)


def test_same_seed_same_search(data: tuple[np.ndarray, ...]) -> None:
    first, again = (search_classifier(*data, SvmSearchConfig(trials=3, seed=1)) for _ in range(2))
    other = search_classifier(*data, SvmSearchConfig(trials=3, seed=2))
    same_points(first.trials, again.trials)
    assert not np.allclose(first.trials["nu"], other.trials["nu"])


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_interrupted_search_goes_on_where_it_stopped(
    kind: str, data: tuple[np.ndarray, ...], tmp_path: Path
) -> None:
    undisturbed = search_classifier(*data, SvmSearchConfig(trials=5))
    storage = (
        optuna.storages.InMemoryStorage()
        if kind == "memory"
        else f"sqlite:///{tmp_path / 'optuna.db'}"
    )

    def stop_at_second(trial: FrozenTrial) -> None:
        if trial.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_classifier(
            *data, SvmSearchConfig(trials=5), storage=storage, on_trial=stop_at_second
        )
    # A trial that a killed run left behind must not shift the points that follow.
    optuna.load_study(study_name="defect_classifier", storage=storage).ask()
    run: list[FrozenTrial] = []
    resumed = search_classifier(
        *data, SvmSearchConfig(trials=5), storage=storage, on_trial=run.append
    )
    assert len(run) == 3
    same_points(resumed.trials, undisturbed.trials)
    assert resumed.best_params == undisturbed.best_params
    search_classifier(*data, SvmSearchConfig(trials=5), storage=storage, on_trial=run.append)
    assert len(run) == 3


def test_longer_search_keeps_its_first_trials(data: tuple[np.ndarray, ...]) -> None:
    storage = optuna.storages.InMemoryStorage()
    short = search_classifier(*data, SvmSearchConfig(trials=2), storage=storage)
    longer = search_classifier(*data, SvmSearchConfig(trials=4), storage=storage)
    same_points(longer.trials.iloc[:2], short.trials)


def test_callback_sees_every_finished_trial(data: tuple[np.ndarray, ...]) -> None:
    seen: list[FrozenTrial] = []
    trials, _ = search_classifier(*data, SvmSearchConfig(trials=3), on_trial=seen.append)
    assert [trial.value for trial in seen] == trials["score"].tolist()
    assert all(trial.state == TrialState.COMPLETE for trial in seen)


def test_infeasible_nu_is_pruned_before_the_fit(held_out: Rows) -> None:
    rows, y = ring_and_core(seed=0)
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:6]]
    config = SvmSearchConfig(trials=12, balanced=False)
    trials, best = search_classifier(rows[few], y[few], *held_out, config)
    bound = 2 * 6 / 66
    assert ((trials["nu"] > bound) == (trials["state"] == "pruned")).all()
    assert trials.loc[trials["state"] == "pruned", "reason"].str.contains("feasible").all()
    assert best["nu"] <= bound


def test_no_feasible_point_at_all_says_what_to_change(held_out: Rows) -> None:
    rows, y = ring_and_core(seed=0)
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:1]]
    config = SvmSearchConfig(trials=2, balanced=False, nu_min=0.3)
    with pytest.raises(ValueError, match=r"None of the 2 trials succeeded.*nu_max"):
        search_classifier(rows[few], y[few], *held_out, config)


def test_fits_in_a_child_process_agree_with_fits_in_this_one(
    data: tuple[np.ndarray, ...],
) -> None:
    here = search_classifier(*data, SvmSearchConfig(trials=3))
    child = search_classifier(*data, SvmSearchConfig(trials=3, trial_timeout_s=500))
    same_points(child.trials, here.trials)


def test_fit_that_hangs_is_abandoned_and_the_search_goes_on(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = optuna.storages.InMemoryStorage()
    with monkeypatch.context() as patch:
        patch.setattr(search, "fit_score", lambda *_: time.sleep(3600))
        with pytest.raises(ValueError, match=r"took more than 0\.1 s.*raise trial_timeout_s"):
            search_classifier(
                *data, SvmSearchConfig(trials=1, trial_timeout_s=0.1), storage=storage
            )
    patient = SvmSearchConfig(trials=2, trial_timeout_s=500)
    trials, _ = search_classifier(*data, patient, storage=storage)
    assert trials["state"].tolist() == ["pruned", "complete"]


def test_dying_child_prunes_its_trial(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "fit_score", lambda *_: os._exit(1))
    with pytest.raises(ValueError, match="None of the 1 trials succeeded"):
        search_classifier(*data, SvmSearchConfig(trials=1, trial_timeout_s=500))


KILLED = """
import pathlib, sys, time
import optuna
from padam.models import search
from tests.models.conftest import ring_and_core

config = search.SvmSearchConfig(trials=6, workers=2)
fit_score = search.fit_score
nu_of_third = search._draw(optuna.create_study(), config, 2).params["nu"]

def third_hangs(params, *rest):
    while params["nu"] == nu_of_third:
        pathlib.Path(sign_of_life).touch()
        time.sleep(0.2)
    return fit_score(params, *rest)

if __name__ == "__main__":
    sign_of_life = sys.argv[2]
    search.fit_score = third_hangs
    search.search_classifier(
        *ring_and_core(seed=0), *ring_and_core(seed=1), config, storage=sys.argv[1],
        on_trial=lambda trial: print("told", flush=True),
    )
"""


def test_killed_search_of_two_workers_is_resumed_by_two(
    data: tuple[np.ndarray, ...], project: Path, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    script, sign_of_life = tmp_path / "killed.py", tmp_path / "alive"
    script.write_text(KILLED, encoding="utf-8")
    paths = os.pathsep.join([str(project), str(project / "src")])
    with subprocess.Popen(
        [sys.executable, str(script), storage, str(sign_of_life)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    ) as killed:
        assert killed.stdout is not None
        told = [killed.stdout.readline() for _ in range(4)]
        killed.kill()
    assert told == [b"told\n"] * 4
    study = optuna.load_study(study_name="defect_classifier", storage=storage)
    state_of = {trial.user_attrs["index"]: trial.state for trial in study.trials}
    assert state_of[2] == TrialState.RUNNING
    finished = list(state_of.values()).count(TrialState.COMPLETE)

    run: list[FrozenTrial] = []
    config = SvmSearchConfig(trials=6, workers=2)
    resumed = search_classifier(*data, config, storage=storage, on_trial=run.append)
    undisturbed = search_classifier(*data, SvmSearchConfig(trials=6))
    same_points(resumed.trials, undisturbed.trials)
    assert resumed.best_params == undisturbed.best_params
    assert len(run) == 6 - finished <= 2
    assert TrialState.RUNNING not in {trial.state for trial in study.get_trials()}
    while time.time() - sign_of_life.stat().st_mtime < 2.0:  # pytest's timeout ends this
        time.sleep(0.2)


def fails_first(marker: Path) -> float:
    """Take its process down the first time."""
    if not marker.exists():
        marker.touch()
        os._exit(1)
    return 0.7


def test_point_of_a_lost_worker_is_fitted_again(
    data: tuple[np.ndarray, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "fit_score", lambda *_: fails_first(tmp_path / "marker"))
    trials, _ = search_classifier(*data, SvmSearchConfig(trials=1, trial_timeout_s=500))
    assert trials["state"].tolist() == ["complete"]
    assert trials["score"].tolist() == [0.7]


def test_stopped_search_does_not_wait_for_fits_that_hang(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    nu_of_first = search._draw(optuna.create_study(), SvmSearchConfig(), 0).params["nu"]

    def first_is_quick(params: dict[str, float], *_: object) -> float:
        if params["nu"] != nu_of_first:
            time.sleep(3600)
        return 0.5

    def stop(trial: FrozenTrial) -> None:
        raise KeyboardInterrupt

    storage = optuna.storages.InMemoryStorage()
    config = SvmSearchConfig(trials=2, workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(search, "fit_score", first_is_quick)
        with pytest.raises(KeyboardInterrupt):
            search_classifier(*data, config, storage=storage, on_trial=stop)
    states = optuna.load_study(study_name="defect_classifier", storage=storage).get_trials()
    assert [trial.state for trial in states].count(TrialState.COMPLETE) == 1
    resumed = search_classifier(*data, SvmSearchConfig(trials=2), storage=storage)
    assert resumed.trials["number"].tolist() == [0, 1]


@pytest.mark.parametrize(("scored_by", "scoring"), [("f1", "f1"), ("auc", "roc_auc")])
def test_score_over_folds_is_that_of_sklearns_own_cross_validation(
    separable: Rows, scored_by: Literal["f1", "auc"], scoring: str
) -> None:
    rows, y = separable
    sources = np.repeat(np.arange(12), 10)
    config = SvmSearchConfig(
        trials=1,
        folds=3,
        scored_by=scored_by,
        balanced=False,
        nu_max=0.3,
        gamma_min=1e-2,  # our tolerance of such narrow kernels is scikit-learn's own
        gamma_max=1.0,
        engine="sklearn",
    )
    trials, best = search_classifier(rows, y, np.zeros((2, 6)), [0, 1], config, groups=sources)
    expected = cross_val_score(
        make_pipeline(StandardScaler(), NuSVC(**best)),
        rows,
        y,
        groups=sources,
        cv=StratifiedGroupKFold(3, shuffle=True, random_state=0),
        scoring=scoring,
    )
    assert trials["score"].tolist() == pytest.approx([expected.mean()])


def test_folds_share_no_source_and_keep_the_proportion_of_labels() -> None:
    rows, y = ring_and_core(seed=0)
    sources = np.repeat([f"s{n}" for n in range(24)], 5)
    data = grouped_folds(rows, y, sources, folds=4, seed=0)
    assert sorted(np.concatenate([scoring for _, scoring in data.splits])) == list(range(120))
    for train, scoring in data.splits:
        assert not set(sources[train]) & set(sources[scoring])
        assert y[scoring].mean() == pytest.approx(0.5, abs=0.05)


def test_folds_that_sources_do_not_allow_are_refused(data: tuple[np.ndarray, ...]) -> None:
    for groups, message in (
        (None, "set folds to 1"),
        (np.arange(7), "source of each of 120 clips, got 7"),
        (np.repeat(np.arange(3), 40), "folds need as many sources, there are 3"),
        (data[1], "folds need as many sources, there are 2"),
        (np.where(data[1] == 1, 0, np.arange(120)), "Fold 1 of 4|Fold 2 of 4"),
    ):
        with pytest.raises(ValueError, match=message):
            search_classifier(*data, SvmSearchConfig(trials=1, folds=4), groups=groups)


def test_edges_are_the_outer_twentieths_of_the_logarithmic_ranges() -> None:
    config = SvmSearchConfig(nu_min=0.01, nu_max=1.0, gamma_min=1e-4, gamma_max=1.0)
    assert config.edges_near({"nu": 0.1, "gamma": 1e-2}) == []
    assert config.edges_near({"nu": 0.01 * 100**0.049, "gamma": 1e-4**0.049}) == [
        "nu_min",
        "gamma_max",
    ]
    assert config.edges_near({"nu": 0.01 * 100**0.051, "gamma": 1e-4**0.051}) == []


def test_subset_keeps_the_proportion_of_labels() -> None:
    y = np.r_[np.zeros(90), np.ones(10)].astype(np.int64)
    for max_rows in (10, 50, 99):
        kept = stratified_rows(y, max_rows, seed=0)
        assert len(set(kept)) == pytest.approx(max_rows, abs=1)
        assert y[kept].sum() == round(max_rows / 10)
    for everything in (None, 100, 1000):
        np.testing.assert_array_equal(stratified_rows(y, everything, seed=0), np.arange(100))


def test_study_of_other_data_or_ranges_is_refused(data: tuple[np.ndarray, ...]) -> None:
    storage = optuna.storages.InMemoryStorage()
    search_classifier(*data, SvmSearchConfig(trials=1), storage=storage)
    with pytest.raises(ValueError, match="Choose another study name"):
        search_classifier(data[0] + 1, *data[1:], SvmSearchConfig(trials=2), storage=storage)
    with pytest.raises(ValueError, match="Choose another study name"):
        search_classifier(*data, SvmSearchConfig(trials=2, nu_max=0.5), storage=storage)
    search_classifier(
        data[0] + 1, *data[1:], SvmSearchConfig(trials=1), storage=storage, study_name="other"
    )


def test_study_that_another_program_made_is_refused(data: tuple[np.ndarray, ...]) -> None:
    storage = optuna.storages.InMemoryStorage()
    foreign = optuna.create_study(study_name="defect_classifier", storage=storage)
    foreign.add_trial(optuna.trial.create_trial(value=0.99))
    with pytest.raises(ValueError, match="Choose another study name"):
        search_classifier(*data, SvmSearchConfig(trials=1), storage=storage)


def test_bad_data_is_refused_before_a_study_exists(data: tuple[np.ndarray, ...]) -> None:
    storage = optuna.storages.InMemoryStorage()
    r_train, y_train, r_val, y_val = data
    broken = r_val.copy()
    broken[0] = np.nan
    for arguments, message in (
        ((r_train, y_train, broken, y_val), "not finite"),
        ((r_train, y_train, r_val[:, :3], y_val), "expected \\(rows, 6\\)"),
        ((r_train, np.ones(120), r_val, y_val), "defective clips only"),
    ):
        with pytest.raises(ValueError, match=message):
            search_classifier(*arguments, SvmSearchConfig(trials=1), storage=storage)
    assert optuna.get_all_study_names(storage) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"trials": 0},
        {"nu_max": 1.2},
        {"nu_min": 0.5, "nu_max": 0.4},
        {"trial_timeout_s": 0},
        {"workers": 0},
        {"folds": 0},
        {"engine": "cuda"},
    ],
)
def test_bad_config_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SvmSearchConfig(**bad)
