"""Random search of the ν-SVM's log ν and log γ, resumable and seeded (PADAM §4.3)."""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sklearn.metrics import f1_score

from padam.models.binary_classifier import (
    Floats,
    check_labels,
    check_representations,
    training_weights,
)
from padam.models.defect_classifier import DefectClassifier, feasible_nu

Labels = npt.NDArray[np.int64]

FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)


class SvmSearchConfig(BaseModel):
    """Ranges and length of the search; the paper states neither."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(20, ge=1, le=100_000)
    nu_min: float = Field(0.05, gt=0, le=1)
    nu_max: float = Field(0.9, gt=0, le=1)
    gamma_min: float = Field(1e-5, gt=0)
    gamma_max: float = Field(1e-1, gt=0)
    balanced: bool = True
    max_rows: int | None = Field(4000, ge=10)  # a fit costs the square of its rows or more
    trial_timeout_s: float | None = Field(None, gt=0)  # None runs the fits in this process
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        for name in ("nu", "gamma"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low >= high:
                raise ValueError(f"{name}_min {low} must be below {name}_max {high}")
        return self


class SvmSearchResult(NamedTuple):
    """The finished trials and the parameters of the best one."""

    trials: pd.DataFrame
    """number, state, nu, gamma, f1 (validation), seconds, reason (of a pruned trial)."""
    best_params: dict[str, float]
    """``nu`` and ``gamma`` of the trial with the highest F1."""


def search_classifier(
    r_train: npt.ArrayLike,
    y_train: npt.ArrayLike,
    r_val: npt.ArrayLike,
    y_val: npt.ArrayLike,
    config: SvmSearchConfig | None = None,
    *,
    storage: optuna.storages.BaseStorage | str | None = None,
    study_name: str = "defect_classifier",
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> SvmSearchResult:
    """Search ν and γ for the best F1 (1 = defective) on validation clips of other sources.

    Trials already finished in ``storage`` under ``study_name`` count; only the missing ones run,
    and trial k draws the same point whether or not the search was interrupted. One process at a
    time may work on a study. A ν that the labels do not allow, a fit that libsvm refuses and a
    fit over ``trial_timeout_s`` are pruned, with the reason in the table. ``on_trial`` is called
    after each trial run here.

    Raises ValueError for bad representations or labels, for a study made from other data or
    settings, and where no trial succeeded.
    """
    config = config or SvmSearchConfig()
    train, train_labels = _check(r_train, y_train)
    val, val_labels = _check(r_val, y_val, width=train.shape[1])
    study = _open_study(
        storage, study_name, _fingerprint(config, train, train_labels, val, val_labels)
    )
    train, train_labels = _subset(train, train_labels, config)
    bound = feasible_nu(train_labels, training_weights(train_labels, balanced=config.balanced))
    with _fitter(config.trial_timeout_s) as fit_f1:
        while (index := len(_finished(study))) < config.trials:
            point = _draw(study, config, index)
            params = point.params
            if params["nu"] > bound:
                _prune(study, point, f"nu above the feasible {bound:.4g}")
            else:
                try:
                    study.tell(
                        point, fit_f1(params, config.balanced, train, train_labels, val, val_labels)
                    )
                except FutureTimeoutError:
                    _prune(study, point, f"fit took more than {config.trial_timeout_s} s")
                except (ValueError, BrokenProcessPool) as error:
                    _prune(study, point, str(error))
            if on_trial is not None:
                on_trial(study.get_trials(deepcopy=False)[point.number])
    return _result(study)


def fit_f1(
    params: dict[str, float],
    balanced: bool,
    train: Floats,
    train_labels: Labels,
    val: Floats,
    val_labels: Labels,
) -> float:
    """Fit one classifier and return its F1 on validation."""
    classifier = DefectClassifier(**params, balanced=balanced).fit(train, train_labels)
    return float(f1_score(val_labels, classifier.predict(val), zero_division=0.0))


@contextmanager
def _fitter(timeout_s: float | None) -> Iterator[Callable[..., float]]:
    """Yield `fit_f1`, or its twin in a child process that is abandoned after ``timeout_s``."""
    if timeout_s is None:
        yield fit_f1
        return
    pools: list[ProcessPoolExecutor] = []

    def in_child(*arguments: Any) -> float:
        if not pools:
            pools.append(ProcessPoolExecutor(max_workers=1))
            # Starting the child and importing the libraries is no part of the fit's time.
            pools[0].submit(_ready).result()
        future = pools[0].submit(fit_f1, *arguments)
        # The time starts where the child has it: loky cannot drop what it has not handed over.
        while not (future.running() or future.done()):
            time.sleep(0.001)
        try:
            return float(future.result(timeout=timeout_s))
        except (FutureTimeoutError, BrokenProcessPool):
            # libsvm cannot be interrupted: only the end of its process ends the fit.
            pools.pop().shutdown(wait=True, kill_workers=True)
            raise

    try:
        yield in_child
    finally:
        for pool in pools:
            pool.shutdown(wait=True, kill_workers=True)


def _ready() -> None:
    """Do nothing: what a new child runs first."""


def _draw(study: optuna.Study, config: SvmSearchConfig, index: int) -> optuna.Trial:
    """Ask for the ``index``-th point; a sampler per point makes a resumed search go on alike."""
    seed = int(np.random.SeedSequence([config.seed, index]).generate_state(1)[0])
    study.sampler = optuna.samplers.RandomSampler(seed=seed)
    return study.ask(
        {
            "nu": FloatDistribution(config.nu_min, config.nu_max, log=True),
            "gamma": FloatDistribution(config.gamma_min, config.gamma_max, log=True),
        }
    )


def _prune(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    trial.set_user_attr("reason", reason)
    study.tell(trial, state=TrialState.PRUNED)


def _open_study(
    storage: optuna.storages.BaseStorage | str | None, name: str, fingerprint: str
) -> optuna.Study:
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )
    if study.user_attrs.get("fingerprint", fingerprint) != fingerprint:
        raise ValueError(
            f"Study {name!r} was made from other representations, labels or search ranges. "
            "Choose another study name, or remove the study to start anew."
        )
    study.set_user_attr("fingerprint", fingerprint)
    for trial in study.trials:
        if trial.state == TrialState.RUNNING:  # left by a run that was killed
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _fingerprint(config: SvmSearchConfig, *arrays: npt.NDArray[Any]) -> str:
    """Digest what trials must share to be compared; their number and time limit may change."""
    shared = config.model_dump_json(exclude={"trials", "trial_timeout_s"})
    digest = hashlib.sha256(shared.encode())
    for array in arrays:
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _subset(rows: Floats, labels: Labels, config: SvmSearchConfig) -> tuple[Floats, Labels]:
    """Draw at most ``max_rows`` training rows, in the proportion of their labels."""
    if config.max_rows is None or len(rows) <= config.max_rows:
        return rows, labels
    rng = np.random.default_rng(config.seed)
    kept = np.concatenate(
        [
            rng.permutation(members)[: max(1, round(config.max_rows * len(members) / len(rows)))]
            for members in (np.flatnonzero(labels == label) for label in (0, 1))
        ]
    )
    kept.sort()
    return rows[kept], labels[kept]


def _check(r: npt.ArrayLike, y: npt.ArrayLike, width: int | None = None) -> tuple[Floats, Labels]:
    rows = check_representations(r, width)
    return rows, check_labels(y, len(rows))


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=FINISHED)


def _result(study: optuna.Study) -> SvmSearchResult:
    finished = _finished(study)
    table = pd.DataFrame(
        {
            "number": [trial.number for trial in finished],
            "state": [trial.state.name.lower() for trial in finished],
            "nu": [trial.params["nu"] for trial in finished],
            "gamma": [trial.params["gamma"] for trial in finished],
            "f1": [np.nan if trial.value is None else trial.value for trial in finished],
            "seconds": [
                trial.duration.total_seconds() if trial.duration else np.nan for trial in finished
            ],
            "reason": [trial.user_attrs.get("reason") for trial in finished],
        }
    )
    if table["f1"].isna().all():
        raise ValueError(
            f"None of the {len(table)} trials succeeded; the last one: {table['reason'].iloc[-1]}. "
            "Lower nu_max, raise trial_timeout_s, or check the representations."
        )
    best = study.best_trial.params
    return SvmSearchResult(table, {"nu": best["nu"], "gamma": best["gamma"]})
