import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from padam.defects.registry import DEFECT_NAMES
from padam.models.quality_head import QualityHead, QualityHeadConfig
from padam.training import head_validation
from padam.training.embedding import represent
from padam.training.head_figures import plot_representations, plot_roc, plot_similarity
from padam.training.head_validation import (
    HeadOutputs,
    head_outputs,
    similarity_correlation,
    validation_metrics,
)
from padam.training.pairs import PairedEmbeddings

CONFIG = QualityHeadConfig(
    embedding_width=8, hidden_width=16, projection_width=4, predictor_width=4
)


@pytest.fixture(scope="module")
def head() -> QualityHead:
    torch.manual_seed(0)
    return QualityHead(CONFIG)


@pytest.fixture(scope="module")
def pairs() -> PairedEmbeddings:
    rng = np.random.default_rng(0)
    reference, degraded = rng.standard_normal((2, 300, 5, 8), dtype=np.float32)
    labels = np.zeros((300, 7))
    labels[np.arange(240), rng.integers(0, 6, 240)] = 1
    labels[:20, 0] = 1
    q_rank = rng.random(300)
    q_rank[7] = np.nan
    sources, splits = [i // 3 for i in range(300)], ["validation"] * 300
    return PairedEmbeddings.validated(reference, degraded, q_rank, labels, sources, splits)


@pytest.fixture(scope="module")
def outputs(head: QualityHead, pairs: PairedEmbeddings) -> HeadOutputs:
    return head_outputs(head, pairs, np.arange(3, 300))


def test_outputs_are_of_all_references_and_then_all_degraded_clips(head, pairs, outputs):
    both = np.concatenate([pairs.reference[3:], pairs.degraded[3:]])
    np.testing.assert_allclose(outputs.r, represent(head, both), atol=1e-6)
    assert outputs.z.shape == (594, 4)
    np.testing.assert_allclose(np.linalg.norm(outputs.z, axis=1), 1, atol=1e-5)
    assert not outputs.defective[:297].any()
    np.testing.assert_array_equal(outputs.labels[297:], pairs.labels[3:])
    assert set(outputs.q_rank[:297]) == {1.0}
    np.testing.assert_array_equal(outputs.sources[:297], outputs.sources[297:])


def test_correlation_equals_that_over_pairs_in_loops():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((9, 3)).astype(np.float32)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    q = rng.random(9).astype(np.float32)
    q[4] = np.nan
    kept = [i for i in range(9) if i != 4]
    cells = [(z[i] @ z[j], -abs(q[i] - q[j])) for i in kept for j in kept if i < j]
    expected = np.corrcoef(np.array(cells).T)[0, 1]
    assert similarity_correlation(z, q) == pytest.approx(expected, abs=1e-5)


def test_correlation_of_many_clips_is_taken_over_a_part_of_them(monkeypatch, outputs):
    whole = similarity_correlation(outputs.z, outputs.q_rank)
    monkeypatch.setattr(head_validation, "COMPARED_ROWS", 500)
    part = similarity_correlation(outputs.z, outputs.q_rank)
    assert part != whole
    assert part == pytest.approx(whole, abs=0.1)
    assert part == similarity_correlation(outputs.z, outputs.q_rank)


def test_roc_curves_tell_the_areas_of_the_metrics(outputs):
    figure = plot_roc(outputs)
    labels = [line.get_label() for line in figure.axes[0].lines]
    metrics = validation_metrics(outputs.z, outputs.logits, outputs.labels, outputs.q_rank)
    assert labels[0] == f"hum: AUC {metrics['auc_hum']:.2f}"
    assert labels[6] == "clicks: no such clip"
    assert labels[7] == f"any defect: AUC {metrics['auc_defective']:.2f}"
    x, y = figure.axes[0].lines[0].get_data()
    expected = roc_auc_score(outputs.labels[:, 0], outputs.logits[:, 0])
    assert np.trapezoid(y, x) == pytest.approx(expected)


def test_representations_are_coloured_by_quality_and_by_defect(outputs):
    by_quality, by_defect = plot_representations(outputs).axes[:2]
    shown = by_quality.collections[0].get_array()
    np.testing.assert_array_equal(shown, outputs.q_rank[np.isfinite(outputs.q_rank)])
    texts = [text.get_text() for text in by_defect.get_legend().get_texts()]
    count = (outputs.labels.sum(axis=1) == 0).sum()
    assert texts[0] == f"clean {count}"
    assert texts[-1].startswith("several")
    assert {text.rsplit(" ", 1)[0] for text in texts[1:-1]} < {
        name.replace("_", " ") for name in DEFECT_NAMES
    }
    total = sum(int(text.rsplit(" ", 1)[1]) for text in texts)
    assert total == len(outputs.r)


def test_similarity_falls_where_z_follows_quality():
    q = np.linspace(0, 1, 60, dtype=np.float32)
    z = np.stack([np.cos(q), np.sin(q)], axis=1)
    figure = plot_similarity(HeadOutputs(z, z, z, np.zeros((60, 7)), q, np.arange(60)))
    axes = figure.axes[0]
    means = axes.lines[0].get_ydata()
    assert (np.diff(means) < 0).all()
    correlation = similarity_correlation(z, q)
    assert correlation > 0.9
    assert f"{correlation:.2f}" in axes.get_title()


@pytest.mark.parametrize("plot", [plot_representations, plot_roc, plot_similarity])
def test_without_held_out_clips_the_figure_says_so(head, pairs, plot, tmp_path):
    empty = head_outputs(head, pairs, np.arange(0))
    figure = plot(empty)
    figure.savefig(tmp_path / "empty.png")
    assert [text.get_text() for text in figure.texts] == ["no held-out clips to compare"]
