import math
import signal
import weakref

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
from padam.training.fitting import forget
from padam.training.head_module import QualityHeadModule, QualityHeadTraining
from padam.training.head_validation import validation_metrics
from padam.training.pairs import EmbeddingRows, PairBatches, PairedEmbeddings
from padam.training.quality_head import train_quality_head
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


VALIDATION_LOSSES = (3.0, 1.0, 2.0, 2.5, 0.5, 0.4)


@pytest.fixture
def known_losses(monkeypatch):
    """Validation losses as listed, one at every second step."""
    log_dict = QualityHeadModule.log_dict

    def logged(self, metrics, **options):
        if "validation_loss" in metrics:
            known = VALIDATION_LOSSES[self.trainer.global_step // 2 - 1]
            metrics = {**metrics, "validation_loss": known}
        log_dict(self, metrics, **options)

    monkeypatch.setattr(QualityHeadModule, "log_dict", logged)


class _Weights(pl.Callback):
    """Keeps the head's weights of every step."""

    def __init__(self) -> None:
        self.at: dict[int, dict[str, torch.Tensor]] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module, *args: object) -> None:
        self.at[trainer.global_step] = {
            name: tensor.clone() for name, tensor in pl_module.head.state_dict().items()
        }


def stopping(checks: int | None) -> QualityHeadTraining:
    return TINY.model_copy(update={"steps": 12, "early_stopping_checks": checks})


def test_early_stopping_ends_after_its_checks_and_returns_the_best(known_losses, tmp_path):
    weights = _Weights()
    head, history, summary = train_quality_head(
        **toy_pairs(), config=stopping(2), checkpoint_dir=tmp_path, callbacks=[weights]
    )
    assert summary["steps"] == history["step"].max() == 8  # losses 3, 1, 2, 2.5: the second is best
    assert summary["best_step"] == 4
    assert summary["validation_loss"] == 1.0
    found = head.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.at[4].items())
    again, _, summary_again = train_quality_head(
        **toy_pairs(), config=stopping(2), checkpoint_dir=tmp_path
    )
    assert same_weights(again, head)
    assert summary_again == summary
    forget(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("checks", "steps", "best"), [(3, 12, 12), (None, 12, None)])
def test_patience_outlasts_a_rise(known_losses, tmp_path, checks, steps, best):
    _, _, summary = train_quality_head(
        **toy_pairs(), config=stopping(checks), checkpoint_dir=tmp_path
    )
    assert summary["steps"] == steps
    assert summary.get("best_step") == best


@pytest.mark.parametrize("break_at", [3, 7, None])
def test_resumed_early_stopping_equals_an_undisturbed_one(known_losses, tmp_path, break_at):
    pairs = toy_pairs()
    whole, history, summary = train_quality_head(
        **pairs, config=stopping(2), checkpoint_dir=tmp_path / "whole"
    )
    broken = {**pairs, "config": stopping(2), "checkpoint_dir": tmp_path / "broken"}
    with pytest.raises(InterruptionError):
        train_quality_head(**broken, callbacks=[_Break(InterruptionError, break_at)])
    resumed, resumed_history, resumed_summary = train_quality_head(**broken)
    assert same_weights(whole, resumed)
    assert resumed_history.equals(history)
    assert resumed_summary == pytest.approx(summary, nan_ok=True)


def test_early_stopping_without_validation_is_refused(tmp_path):
    pairs = toy_pairs(16) | {"splits": ["train"] * 16}
    with pytest.raises(ValueError, match="early_stopping_checks needs validation pairs"):
        train_quality_head(**pairs, config=stopping(1), checkpoint_dir=tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "adamw", "max_lr": 0.01},
        {"mask": "label"},
        {"head": HEAD.model_copy(update={"pooling": "attentive"})},
        {"head": HEAD.model_copy(update={"pooling": "max", "temporal_predictor": False})},
    ],
)
def test_every_option_learns_the_task_and_resumes(tmp_path, change):
    config = LONG.model_copy(update={"steps": 40, "validate_every": 20, **change})
    pairs = toy_pairs(128)
    whole, _, summary = train_quality_head(
        **pairs, config=config, checkpoint_dir=tmp_path / "whole"
    )
    assert summary["loss_last"] < summary["loss_first"] - 0.1
    broken = {**pairs, "config": config, "checkpoint_dir": tmp_path / "broken"}
    with pytest.raises(InterruptionError):
        train_quality_head(**broken, callbacks=[InterruptAt(25)])
    assert same_weights(whole, train_quality_head(**broken)[0])


def test_class_balance_is_told_by_split(tmp_path):
    pairs = toy_pairs(64)
    pairs["labels"][:12] = 0
    _, _, summary = train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path)
    assert summary["train_share_defective"] == pytest.approx(36 / 48)
    assert summary["validation_share_defective"] == 1.0
    assert summary["train_share_hum"] == pytest.approx(pairs["labels"][:48, 0].sum() / 48)


def test_embeddings_that_stay_on_disk_train_the_same_head(tmp_path):
    pairs = toy_pairs()
    arrays, rows = {}, {}
    for side in ("reference", "degraded"):
        for i, embedding in enumerate(pairs[side]):
            arrays[f"{i}.{side}"] = np.stack([embedding + 1, embedding])
        rows[side] = EmbeddingRows(arrays, [(f"{i}.{side}", 1) for i in range(64)])
    head, history, _ = train_quality_head(**pairs, config=TINY, checkpoint_dir=tmp_path)
    same, same_history, _ = train_quality_head(**pairs | rows, config=TINY, checkpoint_dir=tmp_path)
    assert same_weights(head, same)
    assert same_history.equals(history)


class _Counted(dict):
    """Embeddings that count how many of them are alive."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.reads, self.alive, self.most = 0, 0, 0

    def __getitem__(self, name):
        array = super().__getitem__(name).copy()
        self.reads += 1
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(array, self._gone)
        return array

    def _gone(self):
        self.alive -= 1


def test_a_large_set_is_never_held_whole():
    arrays = _Counted({f"{i}": np.zeros((1, 2, 4), np.float16) for i in range(1000)})
    rows = EmbeddingRows(arrays, [(f"{i}", 0) for i in range(1000)])
    labels = np.zeros((1000, 7))
    pairs = PairedEmbeddings.validated(
        rows, rows, np.ones(1000), labels, range(1000), ["train"] * 1000
    )
    batches = PairBatches(pairs, pairs.rows("train"), 24)
    assert sum(len(batch["clip"]) for batch in batches) == 2000
    assert arrays.reads >= 4000
    assert arrays.most <= 2


def test_embeddings_of_other_lengths_name_the_clip(tmp_path):
    arrays = {"a": np.zeros((1, 6, 16)), "b": np.zeros((1, 5, 16))}
    rows = EmbeddingRows(arrays, [("a", 0), ("b", 0)])
    changed = {name: value[:2] for name, value in toy_pairs().items()}
    with pytest.raises(ValueError, match=r"embedding b has shape \(5, 16\), the first one \(6, 16"):
        train_quality_head(
            **changed | {"reference": rows, "degraded": rows}, config=TINY, checkpoint_dir=tmp_path
        )


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


def test_half_precision_is_the_grus_alone():
    module, batch = QualityHeadModule(TINY).eval(), _batch()
    exact, exact_parts, exact_r = module.losses(batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss, parts, r = module.losses(batch)
    assert loss.dtype == r.dtype == torch.float32
    assert not torch.equal(r, exact_r)
    torch.testing.assert_close(r, exact_r, atol=0.02, rtol=0.02)
    for name, part in parts.items():
        assert part.item() == pytest.approx(exact_parts[name].item(), rel=0.01), name
    assert loss.item() == pytest.approx(exact.item(), rel=0.01)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_loss_does_not_depend_on_the_order_of_the_batch():
    module = QualityHeadModule(TINY).eval()
    batch = _batch()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = {name: column[order] for name, column in batch.items()}
    loss, other = module.losses(batch)[0].item(), module.losses(shuffled)[0].item()
    assert loss == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("mask", ["soft", "hard", "label"])
@pytest.mark.parametrize("variant", ["all_pairs", "printed"])
def test_a_batch_of_a_single_clip_has_no_pairs_and_finite_gradients(mask, variant):
    config = TINY.model_copy(update={"mask": mask, "variant": variant, "identity": "clip"})
    module = QualityHeadModule(config).eval()
    loss, parts, _ = module.losses({name: column[:1] for name, column in _batch().items()})
    assert parts["l_q"] == pytest.approx(0.0, abs=1e-6)
    assert parts["l_c"].isfinite()
    loss.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("predictor", [True, False])
def test_content_loss_is_eq_1_over_the_views_of_eq_2(predictor):
    head = HEAD.model_copy(update={"temporal_predictor": predictor})
    module = QualityHeadModule(TINY.model_copy(update={"head": head})).eval()
    batch = _batch()
    with torch.no_grad():
        hidden = module.head(batch["embeddings"])
        views = [hidden[:, :-1].mean(dim=1), hidden[:, -2]]
        if predictor:
            views.append(module.head.predict(hidden[:, -1]))
        # clip by clip, view by view: the order must not matter
        z = torch.stack([module.head.project(view) for view in views], dim=1).flatten(0, 1).numpy()
    source = np.repeat(batch["source"].numpy(), len(views))
    similar = np.exp(z @ z.T / TINY.temperature)
    np.fill_diagonal(similar, 0)
    rows = []
    for i in range(len(z)):
        same = [j for j in range(len(z)) if j != i and source[j] == source[i]]
        rows.append(np.mean([np.log(similar[i, j] / similar[i].sum()) for j in same]))
    assert float(module.losses(batch)[1]["l_c"]) == pytest.approx(np.mean(rows), rel=1e-4)


def test_label_mask_does_not_look_at_quality():
    batch = _batch()
    torch.manual_seed(0)
    module = QualityHeadModule(TINY.model_copy(update={"mask": "label"})).eval()
    other = {**batch, "q_rank": torch.full((6,), torch.nan)}
    assert module.losses(batch)[1]["l_q"] == module.losses(other)[1]["l_q"] < 0


def test_threshold_of_the_hard_mask_is_the_configurations():
    torch.manual_seed(0)
    module = QualityHeadModule(TINY.model_copy(update={"mask": "hard"})).eval()
    found = {}
    for threshold in (0.25, 1.0):
        update = {"mask": "hard", "hard_mask_threshold": threshold}
        module.config = TINY.model_copy(update=update)
        found[threshold] = module.losses(_batch())[1]["l_q"]
    assert found[0.25] != found[1.0]


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
