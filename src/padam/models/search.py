"""Random search of the ν-SVM's log ν and log γ, resumable and seeded (PADAM §4.3)."""

import hashlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.models.binary_classifier import Floats, check_labels, check_representations
from padam.models.nu_svc import Engine
from padam.models.row_subset import stratified_rows
from padam.models.search_data import (
    Labels,
    ScoredBy,
    SearchData,
    check_sources,
    fit_score,
    grouped_folds,
    held_out,
)
from padam.models.trial_worker import LostWorkerError, TrialWorker

FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
LENGTH: Final = frozenset({"trials", "trial_timeout_s", "workers"})
"""Settings that may change without making trials of another search."""
EDGE_SHARE: Final = 0.05
"""A best point nearer to an end of its logarithmic range lies on its edge."""
INDEX: Final = "index"


class SvmSearchConfig(BaseModel):
    """Ranges and length of the search; the paper states neither."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(20, ge=1, le=100_000)
    workers: int = Field(1, ge=1, le=256)
    nu_min: float = Field(0.05, gt=0, le=1)
    nu_max: float = Field(0.9, gt=0, le=1)
    gamma_min: float = Field(1e-7, gt=0)
    gamma_max: float = Field(1e-1, gt=0)
    balanced: bool = True
    folds: int = Field(1, ge=1)  # 1 scores on the validation clips
    # ours: auc, which asks for the order of clips only; the threshold is tuned afterwards anyway
    scored_by: ScoredBy = "f1"
    max_rows: int | None = Field(4000, ge=10)  # a fit costs the square of its rows or more
    trial_timeout_s: float | None = Field(None, gt=0)
    engine: Engine = "auto"
    # ours: how much r counts beside native-rate evidence, of which it has three times the values
    r_weight: float = Field(1.0, gt=0, le=100)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        for name in ("nu", "gamma"):
            low, high = self.range_of(name)
            if low >= high:
                raise ValueError(f"{name}_min {low} must be below {name}_max {high}")
        return self

    def range_of(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of ``nu`` or ``gamma``."""
        return getattr(self, f"{name}_min"), getattr(self, f"{name}_max")

    def edges_near(self, params: Mapping[str, float]) -> list[str]:
        """Return the ends, as ``gamma_max``, within 5 % of whose logarithmic range a point lies."""
        found = []
        for name in ("nu", "gamma"):
            low, high = self.range_of(name)
            place = math.log(params[name] / low) / math.log(high / low)
            if place <= EDGE_SHARE:
                found.append(f"{name}_min")
            elif place >= 1.0 - EDGE_SHARE:
                found.append(f"{name}_max")
        return found


class SvmSearchResult(NamedTuple):
    """The finished trials and the parameters of the best one."""

    trials: pd.DataFrame
    """number, state, nu, gamma, score (F1 or AUC), seconds, reason (of a pruned trial)."""
    best_params: dict[str, float]
    """``nu`` and ``gamma`` of the trial with the highest score, the first of equal ones."""


def search_classifier(
    r_train: npt.ArrayLike,
    y_train: npt.ArrayLike,
    r_val: npt.ArrayLike,
    y_val: npt.ArrayLike,
    config: SvmSearchConfig | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    evidence_columns: int = 0,
    storage: optuna.storages.BaseStorage | str | None = None,
    study_name: str = "defect_classifier",
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> SvmSearchResult:
    """Search ν and γ for the best F1, or AUC (1 = defective), on clips of other sources.

    With one fold these are the validation clips; with more, it is the mean over folds of the
    training clips, whose sources ``groups`` (n_train,) names, and validation is not looked at. The
    last ``evidence_columns`` of each row are native-rate evidence that was joined to it.

    Trial k has the same point whichever of the ``workers`` fits it, in whatever order, and
    whether or not the search was interrupted. Trials already finished in ``storage`` under
    ``study_name`` count; only the missing ones run. One search at a time may work on a study.
    More than one worker, or a ``trial_timeout_s``, fits in child processes; a point whose child is
    lost is fitted again once. A ν that the labels do not allow, a fit that libsvm refuses and one
    over ``trial_timeout_s`` are pruned, with the reason in the table. ``on_trial`` is called after
    each trial run here, by one worker at a time.

    Raises ValueError for bad representations, labels or groups, for a study made from other data
    or settings, and where no trial succeeded.
    """
    config = config or SvmSearchConfig()
    train, train_labels = _check(r_train, y_train)
    val, val_labels = _check(r_val, y_val, width=train.shape[1])
    kept = stratified_rows(train_labels, config.max_rows, config.seed)
    if config.folds == 1:
        data = held_out((train[kept], train_labels[kept]), (val, val_labels))
    else:
        sources = check_sources(groups, len(train))[kept]
        data = grouped_folds(train[kept], train_labels[kept], sources, config.folds, config.seed)
    study = _open_study(storage, study_name, _fingerprint(config, data, evidence_columns))
    _run_missing(study, config, data, evidence_columns, on_trial)
    return _result(study)


def _run_missing(
    study: optuna.Study,
    config: SvmSearchConfig,
    data: SearchData,
    evidence_columns: int,
    on_trial: Callable[[FrozenTrial], None] | None,
) -> None:
    """Fit the points that the study lacks. Only this process writes to the study."""
    bound = data.feasible_nu(balanced=config.balanced)
    missing = _missing(study, config.trials)
    lock, stopped = threading.Lock(), threading.Event()

    def fit_points(fit: Callable[..., float]) -> None:
        while not stopped.is_set():
            with lock:
                if (index := next(missing, None)) is None:
                    return
                point = _draw(study, config, index)
            outcome: float | str
            if point.params["nu"] > bound:
                outcome = f"nu above the feasible {bound:.4g}"
            else:
                outcome = _attempt(fit, point.params, config, data, evidence_columns)
            with lock:
                if stopped.is_set():
                    return  # its child was ended: the point is left for a later run
                _tell(study, point, outcome)
                if on_trial is not None:
                    on_trial(study.get_trials(deepcopy=False)[point.number])

    if config.workers == 1 and config.trial_timeout_s is None:
        fit_points(lambda function, *arguments: function(*arguments))
        return
    with ExitStack() as stack:
        workers = [
            stack.enter_context(TrialWorker(config.trial_timeout_s)) for _ in range(config.workers)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(config.workers))
        try:
            futures = [threads.submit(fit_points, worker) for worker in workers]
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
        finally:
            stopped.set()
            for worker in workers:
                worker.stop()


def _attempt(
    fit: Callable[..., float],
    params: Mapping[str, float],
    config: SvmSearchConfig,
    data: SearchData,
    evidence_columns: int,
) -> float | str:
    """Return the score of a point, or why there is none."""
    settings = {
        **params,
        "balanced": config.balanced,
        "engine": config.engine,
        "evidence_columns": evidence_columns,
        "r_weight": config.r_weight,
    }
    try:
        return fit(fit_score, settings, data, config.scored_by)
    except FutureTimeoutError:
        return f"fit took more than {config.trial_timeout_s} s"
    except (ValueError, LostWorkerError) as error:
        return str(error)


def _missing(study: optuna.Study, trials: int) -> Iterator[int]:
    finished = {trial.user_attrs[INDEX] for trial in _finished(study)}
    return iter([index for index in range(trials) if index not in finished])


def _draw(study: optuna.Study, config: SvmSearchConfig, index: int) -> optuna.Trial:
    """Ask for the ``index``-th point; a sampler per point makes it the same in every search."""
    seed = int(np.random.SeedSequence([config.seed, index]).generate_state(1)[0])
    study.sampler = optuna.samplers.RandomSampler(seed=seed)
    point = study.ask(
        {name: FloatDistribution(*config.range_of(name), log=True) for name in ("nu", "gamma")}
    )
    point.set_user_attr(INDEX, index)
    return point


def _tell(study: optuna.Study, point: optuna.Trial, outcome: float | str) -> None:
    if isinstance(outcome, str):
        point.set_user_attr("reason", outcome)
        study.tell(point, state=TrialState.PRUNED)
    else:
        study.tell(point, outcome)


def _open_study(
    storage: optuna.storages.BaseStorage | str | None, name: str, fingerprint: str
) -> optuna.Study:
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )
    trials = study.get_trials(deepcopy=False)
    if study.user_attrs.get("fingerprint", None if trials else fingerprint) != fingerprint:
        raise ValueError(
            f"Study {name!r} was made from other representations, labels or search settings. "
            "Choose another study name, or remove the study to start anew."
        )
    study.set_user_attr("fingerprint", fingerprint)
    for trial in trials:
        if trial.state == TrialState.RUNNING:  # left by a run that was killed
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _fingerprint(config: SvmSearchConfig, data: SearchData, evidence_columns: int) -> str:
    """Digest what trials must share to be compared."""
    digest = hashlib.sha256(config.model_dump_json(exclude=set(LENGTH)).encode())
    digest.update(str(evidence_columns).encode())
    for array in (data.rows, data.labels, *(side for split in data.splits for side in split)):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(r: npt.ArrayLike, y: npt.ArrayLike, width: int | None = None) -> tuple[Floats, Labels]:
    rows = check_representations(r, width)
    return rows, check_labels(y, len(rows))


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=FINISHED)


def _result(study: optuna.Study) -> SvmSearchResult:
    finished = sorted(_finished(study), key=lambda trial: trial.user_attrs[INDEX])
    table = pd.DataFrame(
        {
            "number": [trial.user_attrs[INDEX] for trial in finished],
            "state": [trial.state.name.lower() for trial in finished],
            "nu": [trial.params["nu"] for trial in finished],
            "gamma": [trial.params["gamma"] for trial in finished],
            "score": [np.nan if trial.value is None else trial.value for trial in finished],
            "seconds": [
                trial.duration.total_seconds() if trial.duration else np.nan for trial in finished
            ],
            "reason": [trial.user_attrs.get("reason") for trial in finished],
        }
    )
    if table["score"].isna().all():
        raise ValueError(
            f"None of the {len(table)} trials succeeded; the last one: {table['reason'].iloc[-1]}. "
            "Lower nu_max, raise trial_timeout_s, or check the representations."
        )
    best = table.nlargest(1, "score").iloc[0]
    return SvmSearchResult(table, {"nu": float(best["nu"]), "gamma": float(best["gamma"])})
