"""Evaluation against counts done by hand, and figures that show them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from padam.defects.audio_artifacts.config import CLASSES
from padam.models.cnn6 import Cnn6
from padam.training.artifact_evaluation import (
    PAPER_COUNTS,
    ArtifactEvaluation,
    class_table,
    classify,
    classify_chunks,
    confusion,
    recall_by_severity,
    summarise_chunks,
)
from padam.training.artifact_figures import plot_confusion, plot_recall_by_severity

METHOD = ("no_defect", "hum", "hiss", "distortion", "additive_click")


@pytest.fixture(scope="module")
def predictions():
    """Chunks of 12 titles, nine tenths of them right."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 5, 2000)
    predicted = np.where(rng.random(2000) < 0.9, label, rng.integers(0, 5, 2000))
    method = np.array(METHOD, dtype=object)[label]
    method[(label == 4) & (rng.random(2000) < 0.5)] = "reductive_click"
    return pd.DataFrame(
        {
            "source": [f"title_{n % 12}" for n in range(2000)],
            "label": label,
            "predicted": predicted,
            "method": method,
            "severity": np.where(label > 0, rng.random(2000), np.nan),
            "split": "test",
        }
    )


def test_the_summary_is_what_scikit_learn_counts(predictions):
    summary = summarise_chunks(predictions, ArtifactEvaluation(bootstrap_rounds=200))
    label, predicted = predictions["label"], predictions["predicted"]
    expected = balanced_accuracy_score(label, predicted)
    assert summary["balanced_accuracy"] == pytest.approx(expected)
    low, high = (summary[f"balanced_accuracy_{end}"] for end in ("low", "high"))
    assert low < expected < high < low + 0.05
    shares = confusion_matrix(label, predicted, normalize="true")
    assert confusion(predictions) == pytest.approx(shares)
    for number, name in enumerate(CLASSES):
        assert summary["recall"][name]["recall"] == pytest.approx(shares[number, number])
    worst = shares - np.diag(np.diag(shares))
    of, taken = np.unravel_index(worst.argmax(), worst.shape)
    first = next(iter(summary["confusions"].items()))
    assert first == (f"{CLASSES[of]} taken for {CLASSES[taken]}", pytest.approx(worst.max()))
    assert (summary["titles"], summary["paper_balanced_accuracy"]) == (12, 0.986)
    json.dumps(summary, allow_nan=False)


def test_intervals_are_over_titles_not_chunks(predictions):
    alike = predictions.assign(predicted=predictions["label"])
    bad = alike["source"].isin({"title_0", "title_1"})
    one_bad = alike.assign(predicted=np.where(bad, (alike["label"] + 1) % 5, alike["label"]))
    summary = summarise_chunks(one_bad, ArtifactEvaluation(bootstrap_rounds=400))
    assert summary["balanced_accuracy"] == pytest.approx(10 / 12, abs=0.02)
    # two of twelve titles, each drawn or not: the interval reaches all right and a third wrong
    assert summary["balanced_accuracy_high"] == pytest.approx(1.0, abs=0.02)
    assert summary["balanced_accuracy_low"] < 0.7
    single = summarise_chunks(alike.assign(source="one"), ArtifactEvaluation(bootstrap_rounds=10))
    assert single["balanced_accuracy"] == 1.0
    assert single["balanced_accuracy_low"] is None


def test_a_class_without_chunks_is_left_out(predictions):
    some = predictions[predictions["label"] != 3]
    summary = summarise_chunks(some, ArtifactEvaluation(bootstrap_rounds=20))
    assert summary["recall"]["distortion"]["recall"] is None
    recalls = [row["recall"] for row in summary["recall"].values() if row["recall"] is not None]
    assert summary["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_recall_over_severity_is_by_bins_that_are_equally_full(predictions):
    wrong_where_weak = predictions.assign(
        predicted=np.where(predictions["severity"] < 0.5, 0, predictions["label"])
    )
    table = recall_by_severity(wrong_where_weak, 4)
    assert set(table["method"]) == {*METHOD[1:], "reductive_click"}
    for _, rows in table.groupby("method"):
        assert rows["chunks"].max() - rows["chunks"].min() <= 1
        assert rows["severity_low"].is_monotonic_increasing
        assert rows["recall"].iloc[0] == 0
        assert rows["recall"].iloc[-1] == 1
    assert table["chunks"].sum() == (predictions["label"] > 0).sum()


def test_table_1_of_the_paper_stands_beside_our_counts(predictions):
    table = class_table(predictions).set_index(["split", "class"])
    assert [sum(counts) for counts in PAPER_COUNTS.values()] == [1_253_481, 411_141, 776_244]
    paper = [round(100 * table.loc[("train", name), "paper_share"]) for name in CLASSES]
    assert paper == [36, 19, 19, 14, 12]
    shares = table.loc["test", "share"]
    assert shares.sum() == pytest.approx(1)
    assert table.loc[("test", "hum"), "chunks"] == (predictions["label"] == 1).sum()
    assert table.loc["train", "share"].isna().all()


def test_chunks_are_classified_by_name_and_in_order():
    torch.manual_seed(0)
    model = Cnn6().eval()
    rng = np.random.default_rng(0)
    log_mel = {f"c{n}": rng.normal(-40, 20, (16, 64)).astype(np.float16) for n in range(5)}
    table = pd.DataFrame({"chunk_id": [f"c{n}" for n in range(5)], "split": ["test"] * 4 + ["x"]})
    found = classify_chunks(model, log_mel, table, "test")
    assert found["chunk_id"].tolist() == ["c0", "c1", "c2", "c3"]
    alone = classify(model, log_mel["c2"][None], "float32")[0]
    columns = [f"p_{name}" for name in CLASSES]
    assert found.loc[2, columns].to_numpy(float) == pytest.approx(alone, abs=0.05)
    assert found.loc[2, "predicted"] == found.loc[2, columns].to_numpy(float).argmax()
    with pytest.raises(ValueError, match="no chunks of the split 'validation'"):
        classify_chunks(model, log_mel, table, "validation")


def test_the_figures_show_every_share_and_method(predictions):
    figure = plot_confusion(confusion(predictions), "title")
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert {f"{share:.3f}" for share in confusion(predictions).ravel()} == shown
    panels = plot_recall_by_severity(recall_by_severity(predictions, 4)).axes
    assert len(panels) == 5
    assert all(len(axes.lines[0].get_xdata()) == 4 for axes in panels)
