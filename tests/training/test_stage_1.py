import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from padam.training.audio_visual import AudioVisualConfig, train_audio_visual
from tests.training.conftest import InterruptAt, InterruptionError, Steps, same_weights

TINY = AudioVisualConfig(
    audio_encoder="tiny",
    video_encoder="tiny",
    steps=6,
    validate_every=2,
    batch_size=4,
    clip_s=0.4,
    validation_clips=6,
)


def test_loss_falls_where_the_picture_tells_the_sound(films, tmp_path):
    config = TINY.model_copy(
        update={
            "steps": 50,
            "validate_every": 50,
            "batch_size": 8,
            "max_lr": 1e-3,
            "flip_probability": 0.0,
            "validation_clips": 20,
        }
    )
    encoder, history, summary = train_audio_visual(films[:2], films[2:], config, tmp_path)
    assert summary["loss_last"] < summary["loss_first"] - 0.2
    assert summary["validation_loss"] < math.log(20) - 0.15  # below what chance gives
    assert summary["validation_video_to_audio_r5"] > 5 / 20
    assert list(history.columns) == ["step", "metric", "value"]
    assert history.loc[history["metric"] == "train_loss", "step"].tolist() == list(range(1, 51))
    assert not encoder.training
    assert encoder.log_mel.mean != 0  # statistics were fitted before the first step


def test_resumed_training_equals_an_undisturbed_one(films, tmp_path):
    whole, history, _ = train_audio_visual(films[:2], films[2:], TINY, tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(InterruptionError):
        train_audio_visual(films[:2], films[2:], TINY, broken, callbacks=[InterruptAt(5)])
    assert (broken / "last.ckpt").is_file()
    seen = []
    resumed, resumed_history, _ = train_audio_visual(
        films[:2], films[2:], TINY, broken, callbacks=[Steps(seen)]
    )
    assert seen == [5, 6]  # the checkpoint of step 4 was used
    assert same_weights(whole, resumed)
    assert resumed_history.equals(history)
    assert not (broken / "last.ckpt").exists()


def test_checkpoint_of_another_configuration_is_not_used(films, tmp_path):
    with pytest.raises(InterruptionError):
        train_audio_visual(films[:2], films[2:], TINY, tmp_path, callbacks=[InterruptAt(3)])
    seen = []
    other = TINY.model_copy(update={"seed": 1})
    train_audio_visual(films[:2], films[2:], other, tmp_path, callbacks=[Steps(seen)])
    assert seen == [1, 2, 3, 4, 5, 6]


def test_truncated_checkpoint_is_reported_and_not_used(films, tmp_path, caplog):
    (tmp_path / "last.ckpt").write_bytes(b"PK\x03\x04 half a checkpoint")
    train_audio_visual(films[:1], [], TINY, tmp_path)
    assert "last.ckpt cannot be read" in caplog.text


def test_seed_decides_the_weights_and_leaves_the_callers_randomness(films, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, _, summary = train_audio_visual(films[:1], [], TINY, tmp_path)
    assert torch.equal(torch.rand(3), expected)
    second, _, _ = train_audio_visual(films[:1], [], TINY, tmp_path)
    other, _, _ = train_audio_visual(films[:1], [], TINY.model_copy(update={"seed": 3}), tmp_path)
    assert same_weights(first, second)
    assert not same_weights(first, other)
    assert not any(name.startswith("validation_audio") for name in summary)


def test_too_little_film_for_a_batch_stops_before_training(films, tmp_path):
    config = TINY.model_copy(update={"clip_s": 2.0, "batch_size": 16})
    with pytest.raises(ValueError, match=r"batch_size 16 .* \(3\): lower batch_size"):
        train_audio_visual(films[:1], [], config, tmp_path)


def test_no_film_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one film"):
        train_audio_visual([], [], TINY, tmp_path)


@pytest.mark.parametrize(
    "bad", [{"clip_s": 1.0}, {"audio_encoder": "huge"}, {"steps": 0}, {"unknown": 1}]
)
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        AudioVisualConfig(**bad)


def test_unusable_films_are_counted_in_the_summary(films, tmp_path):
    missing = tmp_path / "gone.mkv"
    _, _, summary = train_audio_visual([films[0], missing], [], TINY, tmp_path)
    assert list(summary["rejected_films"]) == [str(missing)]
    assert np.isclose(summary["film_minutes"], 8 / 60)
