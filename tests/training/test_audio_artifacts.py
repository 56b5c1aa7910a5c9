"""Training of CNN6: it learns, goes on exactly where it was, and says what is wrong."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from padam.defects.audio_artifacts.config import CLASSES
from padam.models.cnn6 import Cnn6, Cnn6Config, mel_filterbank
from padam.models.cnn6_checkpoint import AudioSetWeights
from padam.training.artifact_augmentation import AugmentationConfig
from padam.training.artifact_module import MONITORED, ArtifactModule, ArtifactTraining
from padam.training.audio_artifacts import draw_batch, train_audio_artifacts, training_chunks
from padam.training.callbacks import TrainingDivergedError
from padam.training.fitting import BEST_CHECKPOINT, LAST_CHECKPOINT
from tests.training.conftest import InterruptAt, InterruptionError, Steps, same_weights

FRAMES = 16
TINY = ArtifactTraining(
    steps=4, validate_every=2, batch_size=10, validation_share=1.0, precision="32-true"
)


def chunks(per_class=4, seed=0):
    """Spectrograms whose class is a band that stands out, of six titles."""
    rng = np.random.default_rng(seed)
    rows, log_mel = [], {}
    for number in range(per_class * 6):
        title = number % 6
        for label, name in enumerate(CLASSES):
            chunk_id = f"{title}:{number}:{name}"
            spectrogram = -40 + 3 * rng.standard_normal((FRAMES, 64))
            if label:
                spectrogram[:, 12 * label : 12 * label + 6] += 30
            log_mel[chunk_id] = spectrogram.astype(np.float16)
            split = ("train", "train", "train", "validation", "test", "test")[title]
            rows.append((chunk_id, f"title_{title}", split, label, name, float(number)))
    columns = ["chunk_id", "source", "split", "label", "method", "severity"]
    return log_mel, pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def data():
    return chunks()


def test_it_learns_what_tells_the_classes_apart_and_keeps_the_best(data, tmp_path):
    config = TINY.model_copy(update={"steps": 30, "validate_every": 15, "max_lr": 2e-3})
    model, history, summary = train_audio_artifacts(*data, config, tmp_path)
    curve = history[history["metric"] == MONITORED]
    assert summary[MONITORED] == curve["value"].max() > 0.85
    assert summary["best_step"] in set(curve.loc[curve["value"] == curve["value"].max(), "step"])
    assert summary["loss_last"] < summary["loss_first"]
    log_mel, table = data
    test = table[table["split"] == "test"]
    with torch.inference_mode():
        spectrograms = np.stack([log_mel[name] for name in test["chunk_id"]]).astype(np.float32)
        predicted = model.probabilities(torch.from_numpy(spectrograms)[:, None]).argmax(dim=1)
    assert np.mean(predicted.numpy() == test["label"]) > 0.85
    assert summary["train_chunks"] == dict.fromkeys(CLASSES, 12)
    assert (summary["start"], summary["audioset_sha256"]) == ("scratch", None)


def test_what_was_broken_off_goes_on_exactly(data, tmp_path):
    whole, curve, summary = train_audio_artifacts(*data, TINY, tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(InterruptionError):
        train_audio_artifacts(*data, TINY, broken, callbacks=[InterruptAt(3)])
    seen = []
    resumed, curve_again, summary_again = train_audio_artifacts(
        *data, TINY, broken, callbacks=[Steps(seen)]
    )
    assert seen == [3, 4]
    assert same_weights(whole, resumed)
    assert summary_again == summary
    pd.testing.assert_frame_equal(curve_again, curve)
    assert {path.name for path in broken.iterdir()} >= {BEST_CHECKPOINT, LAST_CHECKPOINT}


def test_a_batch_depends_on_its_step_alone_and_is_balanced_where_asked(data):
    log_mel, table = data
    train = table[table["split"] == "train"]
    counts = [12, 2, 2, 2, 2]
    uneven = training_chunks(
        pd.concat([train[train["label"] == n][:count] for n, count in enumerate(counts)])
    )
    shares = {}
    for balanced in (True, False):
        config = TINY.model_copy(update={"balanced": balanced, "batch_size": 1000})
        batch = draw_batch(log_mel, uneven, config, 7)
        assert batch["log_mel"].shape == (1000, 1, FRAMES, 64)
        again = draw_batch(log_mel, uneven, config, 7)
        assert torch.equal(batch["log_mel"], again["log_mel"])
        other = draw_batch(log_mel, uneven, config, 8)
        assert not torch.equal(batch["log_mel"], other["log_mel"])
        shares[balanced] = (batch["label"] == 0).float().mean().item()
    assert shares[True] == pytest.approx(0.2, abs=0.05)
    assert shares[False] == pytest.approx(12 / 20, abs=0.05)


def test_the_clean_chunks_of_a_paired_batch_are_those_that_others_were_made_of(data):
    log_mel, table = data
    by_class = training_chunks(table)
    of_chunk = {each.tobytes(): name for name, each in log_mel.items()}
    for paired in (True, False):
        config = TINY.model_copy(update={"paired": paired})
        odd = 0
        for step in range(20):
            batch = draw_batch(log_mel, by_class, config, step)
            names = [of_chunk[each[0].half().numpy().tobytes()] for each in batch["log_mel"]]
            places = {name.rpartition(":")[0] for name in names if "no_defect" not in name}
            clean = [name for name in names if "no_defect" in name]
            odd += sum(name.rpartition(":")[0] not in places for name in clean)
        assert (odd == 0) == paired


def test_titles_are_drawn_as_often_as_asked():
    rows = [(f"{n}:no_defect", f"title_{n // 90}", 0) for n in range(100)]
    rows += [(f"{label}:{label}", "title_0", label) for label in range(1, 5)]
    table = pd.DataFrame(rows, columns=["chunk_id", "source", "label"]).assign(split="train")
    source = table.set_index("chunk_id")["source"]
    # title_0 has 90 of the 100 clean chunks, title_1 ten
    for even, expected in ((0.0, 0.9), (0.5, 0.75), (1.0, 0.5)):
        chunks = training_chunks(table, even)[0]
        drawn = source[chunks.draw(np.random.default_rng(1), 4000)]
        assert (drawn == "title_0").mean() == pytest.approx(expected, abs=0.03)


def test_a_batch_is_augmented_and_mixed_where_asked(data):
    log_mel, table = data
    by_class = training_chunks(table)
    plain = draw_batch(log_mel, by_class, TINY, 3)
    louder = TINY.model_copy(update={"augmentation": AugmentationConfig(gain_db=9.0)})
    batch = draw_batch(log_mel, by_class, louder, 3)
    assert torch.equal(batch["label"], plain["label"])
    assert torch.equal(batch["log_mel"], draw_batch(log_mel, by_class, louder, 3)["log_mel"])
    added = (batch["log_mel"] - plain["log_mel"].float()).flatten(1)
    assert added.std(dim=1).max() < 1e-3
    assert added.mean(dim=1).abs().max() > 1
    mixed = TINY.model_copy(update={"augmentation": AugmentationConfig(mixup_alpha=1.0)})
    batch = draw_batch(log_mel, by_class, mixed, 3)
    assert batch["log_mel"].shape == plain["log_mel"].shape
    assert batch["label"].shape == (TINY.batch_size, len(CLASSES))
    assert torch.allclose(batch["label"].sum(dim=1), torch.ones(TINY.batch_size))


def test_all_extensions_together_train_and_go_on_exactly(data, tmp_path):
    config = TINY.model_copy(
        update={
            "augmentation": AugmentationConfig(
                gain_db=6.0, equaliser_db=3.0, time_masks=1, frequency_masks=1, mixup_alpha=0.5
            ),
            "even_titles": 0.5,
            "label_smoothing": 0.1,
            "weight_decay": 0.05,
        }
    )
    whole, curve, _ = train_audio_artifacts(*data, config, tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(InterruptionError):
        train_audio_artifacts(*data, config, broken, callbacks=[InterruptAt(3)])
    resumed, curve_again, _ = train_audio_artifacts(*data, config, broken)
    assert same_weights(whole, resumed)
    pd.testing.assert_frame_equal(curve_again, curve)


def test_the_optimiser_is_adam_and_weights_decay_where_asked():
    module = ArtifactModule(Cnn6(), ArtifactTraining(schedule="constant", max_lr=1e-4))
    parameter = module.model.classifier.bias
    with torch.no_grad():
        parameter.fill_(1.0)
    parameter.grad = torch.full_like(parameter, 0.3)
    module.configure_optimizers().step()
    # Adam's first step is the learning rate, against the gradient's sign; nothing decays
    assert torch.allclose(parameter, torch.full_like(parameter, 1 - 1e-4), atol=1e-7)
    decaying = ArtifactTraining(schedule="constant", max_lr=1e-4, weight_decay=0.1)
    module = ArtifactModule(Cnn6(), decaying)
    parameter = module.model.classifier.bias
    with torch.no_grad():
        parameter.fill_(1.0)
    parameter.grad = torch.full_like(parameter, 0.3)
    module.configure_optimizers().step()
    assert torch.allclose(parameter, torch.full_like(parameter, 1 - 1e-4 - 1e-5), atol=1e-7)


def test_labels_are_those_of_the_spectrograms(data):
    log_mel, table = data
    by_class = training_chunks(table)
    batch = draw_batch(log_mel, by_class, TINY, 3)
    bands = batch["log_mel"].float().mean(dim=(1, 2))
    loud = torch.stack([bands[:, 12 * n : 12 * n + 6].mean(dim=1) for n in range(1, 5)], dim=1)
    expected = torch.where(loud.amax(dim=1) > -20, loud.argmax(dim=1) + 1, 0)
    assert torch.equal(batch["label"], expected)


def test_it_starts_from_audioset_weights_and_says_so(data, tmp_path):
    torch.manual_seed(3)
    state = Cnn6(Cnn6Config(classes=527)).state_dict()
    state = {name.replace("classifier.", "fc_audioset."): value for name, value in state.items()}
    state["logmel_extractor.melW"] = torch.from_numpy(mel_filterbank())
    torch.save({"model": state}, tmp_path / "cnn6.pth")
    digest = hashlib.sha256((tmp_path / "cnn6.pth").read_bytes()).hexdigest()
    weights = AudioSetWeights(path=str(tmp_path / "cnn6.pth"), sha256=digest)
    config = TINY.model_copy(
        update={"audioset": weights, "steps": 1, "schedule": "constant", "max_lr": 1e-9}
    )
    model, _, summary = train_audio_artifacts(*data, config, tmp_path / "work")
    assert torch.allclose(model.fc1.weight, state["fc1.weight"], atol=1e-6)
    assert (summary["start"], model.config.start) == ("audioset", "audioset")
    assert summary["audioset_sha256"] == digest


def test_a_loss_that_is_not_finite_ends_it(data, tmp_path):
    log_mel, table = data
    broken = {name: np.full_like(each, np.nan) for name, each in log_mel.items()}
    with pytest.raises(TrainingDivergedError, match="The loss is nan at step 0"):
        train_audio_artifacts(broken, table, TINY, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["label"] != 3], "no training chunks of distortion"),
        (lambda t: t[t["split"] != "validation"], "There are no validation chunks"),
        (lambda t: t.assign(source="title_0"), r"Sources in several splits: \['title_0'\]"),
    ],
)
def test_data_that_cannot_be_trained_on(data, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        train_audio_artifacts(data[0], change(data[1]), TINY, tmp_path)
