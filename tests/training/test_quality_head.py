import math
import signal

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pydantic import ValidationError

from padam.defects.registry import DEFECT_NAMES
from padam.models.quality_head import QualityHead, QualityHeadConfig
from padam.training.callbacks import TrainingDivergedError
from padam.training.embedding import represent
from padam.training.head_validation import validation_metrics
from padam.training.quality_head import QualityHeadModule, QualityHeadTraining, train_quality_head
from tests.training.conftest import InterruptAt, InterruptionError, Steps, same_weights

HEAD = QualityHeadConfig(
    embedding_width=16, hidden_width=32, projection_width=8, predictor_width=8, dropout=0.1
)
TINY = QualityHeadTraining(head=HEAD, steps=6, validate_every=2, batch_size=16, max_lr=0.05)
LONG = TINY.model_copy(
    update={"steps": 200, "validate_every": 100, "batch_size": 32, "max_lr": 0.3}
)


def toy_pairs(count: int = 64) -> dict:
    """Each defect adds its own direction to the content; the louder it is, the worse the rank."""
    rng = np.random.default_rng(5)
    content = rng.standard_normal((count, 1, 16)) * 0.3
    reference = content + 0.1 * rng.standard_normal((count, 6, 16))
    kind = rng.integers(0, 3, count)
    strength = rng.uniform(1.0, 3.0, count)
    degraded = content + 0.1 * rng.standard_normal((count, 6, 16))
    degraded[np.arange(count), :, kind] += strength[:, None]
    labels = np.zeros((count, len(DEFECT_NAMES)), np.float32)
    labels[np.arange(count), kind] = 1
    order = strength.argsort().argsort()
    return {
        "reference": reference.astype(np.float16),
        "degraded": degraded.astype(np.float16),
        "q_rank": (1 - (order + 1) / count).astype(np.float32),
        "labels": labels,
        "sources": [f"source_{i // 4}" for i in range(count)],
        "splits": ["validation" if i >= count * 3 // 4 else "train" for i in range(count)],
    }


def change(history: pd.DataFrame, part: str) -> float:
    values = history.loc[history["metric"] == f"train_{part}", "value"]
    return float(values[-20:].mean() - values[:20].mean())


def test_loss_falls_and_defects_are_told_apart_on_a_learnable_task(tmp_path):
    pairs = toy_pairs(128)
    head, history, summary = train_quality_head(**pairs, config=LONG, checkpoint_dir=tmp_path)
    assert summary["loss_last"] < summary["loss_first"] - 0.5
    assert change(history, "l_d") < -0.05
    assert change(history, "l_c") > 0.3
    assert summary["validation_auc_defective"] > 0.75
    assert summary["validation_auc_clicks"] is None  # no such clip: absent, not 0.5
    assert not head.training
    assert represent(head, pairs["degraded"]).shape == (128, 32)


def test_quality_loss_orders_similarity_by_quality(tmp_path):
    config = LONG.model_copy(update={"content_weight": 0.0, "defect_weight": 0.0})
    _, history, summary = train_quality_head(
        **toy_pairs(128), config=config, checkpoint_dir=tmp_path
    )
    assert change(history, "l_q") > 0.02
    assert summary["validation_similarity_correlation"] > 0.5


def test_resumed_training_equals_an_undisturbed_one(tmp_path):
    pairs = toy_pairs()
    whole, history, _ = train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path / "whole")
    broken = {**pairs, "config": TINY, "checkpoint_dir": tmp_path / "broken"}
    with pytest.raises(InterruptionError):
        train_quality_head(**broken, callbacks=[InterruptAt(5)])
    seen: list[int] = []
    resumed, resumed_history, _ = train_quality_head(**broken, callbacks=[Steps(seen)])
    assert seen == [5, 6]
    assert same_weights(whole, resumed)
    assert resumed_history.equals(history)


class _Break(pl.Callback):
    """Raises at one step, or when all steps are done."""

    def __init__(self, error: type[BaseException], step: int | None) -> None:
        self._error, self._step = error, step

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        if trainer.global_step == self._step:
            raise self._error

    def on_train_end(self, trainer: pl.Trainer, *args: object) -> None:
        if self._step is None:
            raise self._error


def test_run_killed_after_its_last_step_gives_the_same_model(tmp_path):
    pairs = toy_pairs()
    whole, history, _ = train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path / "a")
    broken = {**pairs, "config": TINY, "checkpoint_dir": tmp_path / "b"}
    with pytest.raises(InterruptionError):
        train_quality_head(**broken, callbacks=[_Break(InterruptionError, None)])
    seen: list[int] = []
    resumed, resumed_history, _ = train_quality_head(**broken, callbacks=[Steps(seen)])
    assert seen == []
    assert same_weights(whole, resumed)
    assert resumed_history.equals(history)


def test_ctrl_c_comes_through_and_keeps_the_checkpoint(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_quality_head(
            **toy_pairs(),
            config=TINY,
            checkpoint_dir=tmp_path,
            callbacks=[_Break(KeyboardInterrupt, 3)],
        )
    assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "last.ckpt").is_file()


def test_other_data_start_afresh(tmp_path):
    pairs = toy_pairs()
    with pytest.raises(InterruptionError):
        train_quality_head(
            **pairs, config=TINY, checkpoint_dir=tmp_path, callbacks=[InterruptAt(3)]
        )
    pairs["degraded"] = pairs["degraded"] * np.float16(2)
    seen: list[int] = []
    train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path, callbacks=[Steps(seen)])
    assert seen == [1, 2, 3, 4, 5, 6]


def test_loss_is_half_l_d_minus_l_q_minus_l_c():
    module = QualityHeadModule(TINY).eval()
    batch = _batch()
    loss, parts, r = module.losses(batch)
    assert loss.item() == pytest.approx(
        float(0.5 * parts["l_d"] - parts["l_q"] - parts["l_c"]), abs=1e-6
    )
    assert r.shape == (6, 32)
    # The mean of log-likelihoods over k ≠ i is at most 0, and log(1/(N−1)) for equal rows.
    assert parts["l_q"] < 0
    assert parts["l_c"] < 0


def test_loss_does_not_depend_on_the_order_of_the_batch():
    module = QualityHeadModule(TINY).eval()
    batch = _batch()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = {name: column[order] for name, column in batch.items()}
    loss, other = module.losses(batch)[0].item(), module.losses(shuffled)[0].item()
    assert loss == pytest.approx(other, rel=1e-5)


def test_clean_and_degraded_attract_only_with_source_identity():
    batch = _batch()
    parts = {}
    torch.manual_seed(0)
    state = QualityHead(HEAD).state_dict()
    for identity in ("source", "clip"):
        module = QualityHeadModule(TINY.model_copy(update={"identity": identity})).eval()
        module.head.load_state_dict(state)
        parts[identity] = module.losses(batch)[1]["l_c"]
    assert parts["source"] != parts["clip"]


def test_unscored_clips_and_missing_validation_are_allowed(tmp_path):
    pairs = toy_pairs(16)
    pairs["q_rank"][:3] = np.nan
    pairs["splits"] = ["train"] * 16
    _, history, summary = train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path)
    assert np.isfinite(summary["loss_last"])
    assert not history["metric"].str.startswith("validation").any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"q_rank": np.full(64, 1.5)}, r"q_rank must lie in \[0, 1\]"),
        ({"sources": ["one"] * 64}, "Source one is in more than one split"),
        ({"labels": np.full((64, 7), 0.5)}, "of 0 and 1"),
        ({"labels": np.zeros((64, 3))}, r"\(64, 7\)"),
        ({"sources": ["one"]}, "lengths"),
        ({"degraded": np.full((64, 6, 16), np.nan)}, "64 degraded embeddings are not finite"),
        ({"degraded": np.zeros((64, 5, 16))}, "of one shape"),
        ({"splits": ["test"] * 64}, "at least 2 training pairs, not 0"),
    ],
)
def test_bad_pairs_are_refused_with_the_reason(tmp_path, change, reason):
    with pytest.raises(ValueError, match=reason):
        train_quality_head(**(toy_pairs() | change), config=TINY, checkpoint_dir=tmp_path)


def test_diverged_training_stops_with_a_remedy(tmp_path):
    config = TINY.model_copy(update={"max_lr": 1e30, "steps": 30, "gradient_clip": 1e30})
    with pytest.raises(TrainingDivergedError, match=r"at step \d+ .*lower max_lr"):
        train_quality_head(**toy_pairs(), config=config, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("bad", [{"batch_size": 33}, {"mask": "fuzzy"}, {"head": {"labels": 5}}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        QualityHeadTraining(**bad)


def test_auc_of_one_class_is_absent_and_a_perfect_order_is_one():
    labels = np.zeros((4, 7), np.float32)
    labels[2:, 0] = 1
    logits = np.tile(np.arange(4, dtype=np.float32)[:, None], (1, 7))
    q_rank = np.array([0.0, 0.1, 0.9, np.nan], np.float32)
    z = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    metrics = validation_metrics(z, logits, labels, q_rank)
    assert metrics["auc_hum"] == metrics["auc_defective"] == 1.0
    assert math.isnan(metrics["auc_hiss"])
    assert metrics["similarity_correlation"] > 0.99


def _batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "embeddings": torch.randn(6, 5, 16, generator=generator),
        "q_rank": torch.tensor([1.0, 1.0, 1.0, 0.2, 0.5, 0.9]),
        "labels": torch.tensor([[0.0] * 7] * 3 + [[1.0] + [0.0] * 6] * 3),
        "source": torch.tensor([0, 1, 2, 0, 1, 2]),
        "clip": torch.arange(6),
    }
