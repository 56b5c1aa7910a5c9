import math

import pytest
import torch

from padam.training.callbacks import (
    DataWait,
    DivergenceCheck,
    TrainingDivergedError,
    check_finite,
)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_loss_that_is_not_finite_stops_with_step_and_rate(value):
    with pytest.raises(TrainingDivergedError, match=r"step 12 \(learning rate 0\.001\)"):
        check_finite(torch.tensor(value), 12, 1e-3)


def test_finite_loss_passes():
    check_finite(torch.tensor(-3.5), 0, 1e-3)


class Losses:
    """Stands for a trainer that has just logged a loss."""

    def __init__(self) -> None:
        self.callback_metrics: dict[str, float] = {}
        self.global_step = 0


def feed(check: DivergenceCheck, losses: list[float]) -> None:
    trainer = Losses()
    for loss in losses:
        trainer.global_step += 1
        trainer.callback_metrics["train_loss"] = loss
        check.on_train_batch_end(trainer, None, None, None, 0)


def test_loss_that_runs_away_ends_the_training_and_a_single_peak_does_not():
    feed(DivergenceCheck(steps=5), [2.0] * 10 + [9.0] + [2.0] * 10)
    with pytest.raises(TrainingDivergedError, match=r"rose from 2 to .* by step 13: lower max_lr"):
        feed(DivergenceCheck(steps=5), [2.0] * 10 + [5.0, 6.0, 7.0, 8.0])


def test_loss_that_stands_where_all_embeddings_are_equal_ends_the_training():
    collapsed = math.log(16)
    feed(DivergenceCheck(collapsed, steps=5), [collapsed - 0.01] * 9 + [collapsed] * 4 + [2.0] * 9)
    with pytest.raises(TrainingDivergedError, match=r"last 5 steps is 2\.7726.*\(step 14\)"):
        feed(DivergenceCheck(collapsed, steps=5), [2.7] * 9 + [collapsed] * 5)


def test_divergence_is_judged_the_same_after_an_interruption():
    check, resumed = DivergenceCheck(steps=5), DivergenceCheck(steps=5)
    feed(check, [2.0] * 8)
    resumed.load_state_dict(check.state_dict())
    with pytest.raises(TrainingDivergedError, match="rose from 2 to"):
        feed(resumed, [8.0, 8.0, 8.0])


def test_waiting_for_data_is_measured_between_steps(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 3.5, 5.0, 9.0, 9.5, 10.0])
    monkeypatch.setattr("padam.training.callbacks.time.monotonic", lambda: next(clock))
    wait = DataWait()
    wait.on_train_epoch_start(None, None)  # 0.0
    wait.on_train_batch_start(None, None, None, 0)  # 1.0: waited 1.0, for workers to start
    wait.on_train_batch_end(None, None, None, None, 0)  # 3.0
    wait.on_train_batch_start(None, None, None, 1)  # 3.5: waited 0.5
    wait.on_train_batch_end(None, None, None, None, 1)  # 5.0
    # validation lies between
    wait.on_train_epoch_start(None, None)  # 9.0
    wait.on_train_batch_start(None, None, None, 2)  # 9.5: waited 0.5
    wait.on_train_batch_end(None, None, None, None, 2)  # 10.0
    assert wait.share == pytest.approx(2.0 / 6.0)
    resumed = DataWait()
    resumed.load_state_dict(wait.state_dict())
    assert resumed.share == wait.share


def test_a_training_that_waits_too_long_is_told_so(caplog):
    wait = DataWait()
    wait.load_state_dict({"waited_s": 1.0, "passed_s": 100.0})
    wait.report()
    assert caplog.text == ""
    wait.load_state_dict({"waited_s": 50.0, "passed_s": 100.0})
    wait.report()
    assert "waited for its data 50 % of the time: raise loader_workers" in caplog.text
