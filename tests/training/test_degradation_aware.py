import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from padam.defects.registry import DEFECT_NAMES
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.training.audio_visual import AudioVisualConfig
from padam.training.batches import Share
from padam.training.degradation_aware import pooled, train_degradation_aware
from padam.training.degradation_batches import CLEAN, TRAIN, VALIDATION, draw_batch
from padam.training.degradation_validation import held_out_metrics
from padam.training.degradations import Degradation, draw_degradation
from padam.training.launch import LaunchConfig, launch_audio_visual
from padam.training.sounds import SoundPool, read_pool
from tests.training.conftest import InterruptAt, InterruptionError, Steps, same_weights

RATE = 16_000
TINY = AudioVisualConfig(
    objective="degradation_aware",
    audio_encoder="tiny",
    steps=6,
    validate_every=2,
    batch_size=8,
    clip_s=0.8,
    validation_clips=8,
    cache_gb=0.01,
    accelerator="cpu",
    degradations={
        "workflow": {
            "sample_rate": RATE,
            "defects": ["hiss", "clicks", "drops"],
            "source_encode_probability": 0.0,
            "transcode_probability": 0.0,
        }
    },
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    paths = []
    for number in range(4):
        rng = np.random.default_rng(number)
        time = np.arange(6 * RATE) / RATE
        tones = sum(np.sin(2 * np.pi * f * time) for f in rng.uniform(100, 3000, 6))
        paths.append(folder / f"source_{number}.wav")
        soundfile.write(paths[-1], 0.1 * tones, RATE)
    return paths


@pytest.fixture(scope="module")
def pool(sources: list[Path]) -> SoundPool:
    return read_pool(sources, RATE, 0.8, 0.01, np.random.default_rng(0), split="train")


def changed(**degradations: object) -> AudioVisualConfig:
    plain = TINY.model_dump()
    plain["degradations"] |= degradations
    return AudioVisualConfig.model_validate(plain)


def test_pooling_takes_the_degraded_windows_or_all_of_a_clean_row():
    windows = torch.arange(6.0).reshape(2, 3, 1)
    truth = torch.zeros(2, 3, 7, dtype=torch.bool)
    truth[0, 1:, 3] = True
    assert pooled(windows, truth).flatten().tolist() == [1.5, 4.0]


def test_a_degradation_lies_over_two_contents_and_a_content_under_two_degradations(pool):
    for step in range(3):
        batch = draw_batch(pool, TINY, TRAIN, step)
        assert batch["audio"].shape == (8, round(0.8 * RATE))
        assert batch["truth"].shape == (8, 2, 7)
        numbers, contents = batch["degradation"].numpy(), batch["content"].numpy()
        assert contents.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        for number in set(numbers.tolist()) - {CLEAN}:
            over = contents[numbers == number].tolist()
            # 1 where it cannot be heard over one of the two
            assert len(over) == len(set(over)) <= 2
        clean = ~batch["truth"].flatten(1).any(1).numpy()
        assert (clean == (numbers == CLEAN)).all()


def test_the_same_degradation_has_one_kind_strength_and_place_over_other_content(pool):
    config = changed(workflow=TINY.degradations.workflow.model_dump() | {"defects": ["clicks"]})
    times = {}
    for step in range(6):
        batch = draw_batch(pool, config, TRAIN, step)
        for row, number in enumerate(batch["degradation"].tolist()):
            if number != CLEAN:
                times.setdefault((step, number), []).append(batch["truth"][row])
    twice = [found for found in times.values() if len(found) == 2]
    assert len(twice) >= 6
    assert all(torch.equal(*found) for found in twice)


def test_versions_of_a_content_differ_by_the_defects_alone(pool):
    config = changed(
        workflow=TINY.degradations.workflow.model_dump()
        | {"defects": ["drops"], "placement": {"whole_probability": 0, "min_duration_s": 0.1}}
    )
    compared = 0
    for step in range(8):
        batch = draw_batch(pool, config, TRAIN, step)
        windows = batch["audio"].unflatten(1, (2, -1))
        clean = ~batch["truth"].any(2)
        for first in range(0, 8, 2):
            both = clean[first] & clean[first + 1]
            # a drop that is too faint to be heard is no defect, and leaves little
            difference = (windows[first] - windows[first + 1])[both]
            compared += int(both.sum())
            assert difference.abs().max() < 0.02 if both.any() else True
    assert compared >= 8


def test_batches_are_drawn_by_step_and_use_alone(pool):
    first = draw_batch(pool, TINY, TRAIN, 3)
    again = draw_batch(pool, TINY, TRAIN, 3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in (
        draw_batch(pool, TINY, TRAIN, 4),
        draw_batch(pool, TINY, VALIDATION, 3),
    ):
        assert not torch.equal(first["audio"], other["audio"])


def test_processes_draw_the_parts_of_one_batch(pool):
    whole = draw_batch(pool, TINY, TRAIN, 2)
    parts = [draw_batch(pool, TINY, TRAIN, 2, mine=slice(a, a + 2)) for a in (0, 2)]
    for name in set(whole) - {"step"}:
        assert torch.equal(whole[name], torch.cat([part[name] for part in parts]))


def test_it_learns_which_window_is_degraded(sources, tmp_path):
    loud = {"hiss": {"snr_db": [-3.0, 0.0], "beta": [-0.5, 0.5], "highpass": [1e-5, 1e-4]}}
    only_hiss = TINY.degradations.workflow.model_dump() | {"defects": ["hiss"], "ranges": loud}
    config = changed(workflow=only_hiss).model_copy(
        update={"steps": 50, "validate_every": 50, "max_lr": 2e-3, "validation_clips": 64}
    )
    trained = train_degradation_aware(sources[:3], sources[3:], config, tmp_path)
    summary = trained.summary
    assert summary["loss_last"] < 0.8 * summary["loss_first"]
    assert summary["validation_auc_hiss"] > 0.85
    assert summary["validation_auc_clips"] > 0.7
    assert "validation_auc_hum" not in summary  # never drawn
    assert summary["validation_clips"] == 64
    assert trained.encoder.log_mel.mean != 0
    assert not trained.encoder.training


def test_resumed_training_equals_an_undisturbed_one(sources, tmp_path):
    whole = train_degradation_aware(sources[:3], sources[3:], TINY, tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(InterruptionError):
        train_degradation_aware(sources[:3], sources[3:], TINY, broken, callbacks=[InterruptAt(5)])
    seen: list[int] = []
    resumed = train_degradation_aware(
        sources[:3], sources[3:], TINY, broken, callbacks=[Steps(seen)]
    )
    assert seen == [5, 6]
    assert same_weights(whole.encoder, resumed.encoder)
    assert resumed.history.equals(whole.history)


def test_the_objective_chooses_the_training(sources, tmp_path):
    trained = launch_audio_visual(sources[:3], [], TINY, tmp_path, LaunchConfig())
    assert "train_labels_loss" in set(trained.history["metric"])
    assert trained.retrievals == ()
    assert trained.films["split"].tolist() == ["train"] * 3


def test_it_goes_on_from_weights_of_an_audio_encoder_with_their_statistics(sources, tmp_path):
    given = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"])
    given.log_mel.mean.fill_(-7.0)
    save_file(given.state_dict(), tmp_path / "weights.safetensors")
    start = {"initial_checkpoint": tmp_path / "weights.safetensors", "max_lr": 1e-9, "steps": 1}
    config = AudioVisualConfig.model_validate(TINY.model_dump() | start)
    trained = train_degradation_aware(sources[:1], [], config, tmp_path)
    assert trained.encoder.log_mel.mean == -7
    assert torch.allclose(trained.encoder.positions, given.positions, atol=1e-6)
    small = AudioVisualConfig.model_validate(config.model_dump() | {"audio_encoder": "small"})
    with pytest.raises(ValueError, match="another size than 4 layers of 192"):
        train_degradation_aware(sources[:1], [], small, tmp_path)


def test_metrics_of_perfect_and_of_collapsed_embeddings():
    truth = torch.zeros(8, 2, 7, dtype=torch.bool)
    truth[2:, 1, 0] = True
    degradation = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    logits = torch.where(truth, 5.0, -5.0)
    logits = torch.cat([logits, torch.where(truth.any(2, keepdim=True), -5.0, 5.0)], dim=2)
    found = held_out_metrics([(torch.eye(4)[degradation], logits, truth, degradation)], TINY)
    assert found["same_degradation_r1"] == found["auc_hum"] == found["auc_clips"] == 1
    assert set(found) == {
        *("loss", "contrast_loss", "labels_loss", "same_degradation_r1"),
        *("auc_hum", "auc_mean", "auc_clips"),
    }
    flat = held_out_metrics([(torch.ones(8, 4), 0 * logits, truth, degradation)], TINY)
    assert flat["auc_hum"] == 0.5
    assert flat["contrast_loss"] == pytest.approx(math.log(7), rel=1e-4)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"batch_size": 7}, "even number"),
        ({"batch_size": 2}, "even number of 4"),
        ({"clip_s": 0.4}, "two at least"),
        ({"degradations": {"contrast_weight": 0, "labels_weight": 0}}, "nothing is learned"),
        ({"degradations": {"contrast_weight": -1}}, "greater than or equal to 0"),
        ({"degradations": {"workflow": {"defects": ["wow"]}}}, "unknown defects"),
        ({"degradations": {"workflow": {"sample_rate": 8000}}}, "greater than or equal to 16000"),
        ({"degradations": {"programme": {"effects": []}}}, "at least 1"),
        ({"degradations": {"programme": {"pause_s": [2.0, 1.0]}}}, "not ordered"),
    ],
)
def test_parameters_out_of_range_are_refused(bad, reason):
    with pytest.raises(ValidationError, match=reason):
        AudioVisualConfig(**({"objective": "degradation_aware"} | bad))


def test_no_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one source"):
        train_degradation_aware([], [], TINY, tmp_path)


def test_both_versions_of_a_content_stay_on_one_process(sources, tmp_path):
    with pytest.raises(ValueError, match="make it a multiple of 6"):
        train_degradation_aware(sources, [], TINY, tmp_path, share=Share(0, 3, 3))


def test_a_degradation_names_its_defects_in_the_order_of_application():
    workflow = TINY.degradations.workflow.model_copy(update={"defects": DEFECT_NAMES})
    drawn = [draw_degradation((5, number), workflow) for number in range(400)]
    sizes = np.bincount([len(each.names) for each in drawn], minlength=3) / 400
    assert sizes == pytest.approx([0.25, 0.60, 0.15], abs=0.07)
    for each in drawn:
        assert list(each.names) == sorted(each.names, key=DEFECT_NAMES.index)
    assert Degradation(("hum", "packet_loss"), (0,)).loses_packets
    assert not Degradation(("hum",), (0,)).loses_packets


@pytest.mark.slow
def test_two_processes_train_as_one_does(sources, tmp_path):
    two = launch_audio_visual(
        sources[:3], sources[3:], TINY, tmp_path / "two", LaunchConfig(processes=2)
    )
    one = launch_audio_visual(sources[:3], sources[3:], TINY, tmp_path / "one")
    assert two.history[["step", "metric"]].equals(one.history[["step", "metric"]])
    np.testing.assert_allclose(two.history["value"], one.history["value"], rtol=5e-3, atol=5e-3)
    for (name, ours), theirs in zip(
        two.encoder.state_dict().items(), one.encoder.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-2, msg=name)
