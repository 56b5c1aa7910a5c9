import math

import numpy as np
import pytest
import pytorch_lightning as pl
import soundfile
import torch
from pydantic import ValidationError

from padam.models.ast_checkpoint import load_ast_checkpoint
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.training.audio_visual import AudioVisualConfig
from padam.training.callbacks import TrainingDivergedError
from padam.training.fitting import forget
from padam.training.stage_1 import train_audio_visual
from tests.models.test_ast_checkpoint import authors_state
from tests.training.conftest import TINY_STAGE_1 as TINY
from tests.training.conftest import InterruptAt, InterruptionError, Steps, same_weights


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
    trained = train_audio_visual(films[:2], films[2:], config, tmp_path)
    encoder, history, summary = trained.encoder, trained.history, trained.summary
    assert summary["loss_last"] < summary["loss_first"] - 0.2
    assert summary["validation_loss"] < math.log(20) - 0.15  # below what chance gives
    assert summary["validation_video_to_audio_r5"] > 5 / 20
    assert list(history.columns) == ["step", "metric", "value"]
    assert history.loc[history["metric"] == "train_loss", "step"].tolist() == list(range(1, 51))
    assert not encoder.training
    assert encoder.log_mel.mean != 0  # statistics were fitted before the first step


def test_resumed_training_equals_an_undisturbed_one(films, tmp_path):
    whole = train_audio_visual(films[:2], films[2:], TINY, tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(InterruptionError):
        train_audio_visual(films[:2], films[2:], TINY, broken, callbacks=[InterruptAt(5)])
    assert (broken / "last.ckpt").is_file()
    seen = []
    resumed = train_audio_visual(films[:2], films[2:], TINY, broken, callbacks=[Steps(seen)])
    assert seen == [5, 6]  # the checkpoint of step 4 was used
    assert same_weights(whole.encoder, resumed.encoder)
    assert resumed.history.equals(whole.history)


def test_a_finished_training_is_not_done_again_until_it_is_forgotten(films, tmp_path):
    first = train_audio_visual(films[:2], films[2:], TINY, tmp_path)
    seen = []
    again = train_audio_visual(films[:2], films[2:], TINY, tmp_path, callbacks=[Steps(seen)])
    assert seen == []
    assert same_weights(first.encoder, again.encoder)
    assert again.history.equals(first.history)
    assert again.summary == first.summary
    assert [r.rank for r in again.retrievals] == [r.rank for r in first.retrievals]
    forget(tmp_path)
    train_audio_visual(films[:2], films[2:], TINY, tmp_path, callbacks=[Steps(seen)])
    assert seen == [1, 2, 3, 4, 5, 6]


def test_settings_of_reading_do_not_begin_a_training_anew(films, tmp_path):
    with pytest.raises(InterruptionError):
        train_audio_visual(films[:2], films[2:], TINY, tmp_path, callbacks=[InterruptAt(5)])
    seen = []
    config = TINY.model_copy(update={"loader_workers": 1, "cache_gb": 0.0})
    train_audio_visual(films[:2], films[2:], config, tmp_path, callbacks=[Steps(seen)])
    assert seen == [5, 6]


def test_embeddings_that_collapse_end_the_training(films, tmp_path):
    config = TINY.model_copy(update={"steps": 200, "validate_every": 200, "max_lr": 1.0})
    with pytest.raises(TrainingDivergedError, match="as where all embeddings are equal"):
        train_audio_visual(films[:2], [], config, tmp_path)


def test_checkpoint_of_another_configuration_is_not_used(films, tmp_path):
    with pytest.raises(InterruptionError):
        train_audio_visual(films[:2], films[2:], TINY, tmp_path, callbacks=[InterruptAt(3)])
    seen = []
    other = TINY.model_copy(update={"seed": 1})
    train_audio_visual(films[:2], films[2:], other, tmp_path, callbacks=[Steps(seen)])
    assert seen == [1, 2, 3, 4, 5, 6]
    assert (tmp_path / "last-of-another-run.ckpt").is_file()


@pytest.mark.parametrize("kept", [0, 26, 5000, 400_000])
def test_truncated_checkpoint_is_reported_and_not_used(films, tmp_path, caplog, kept):
    whole = tmp_path / "whole.ckpt"
    torch.save({"weights": torch.zeros(200_000)}, whole)
    (tmp_path / "last.ckpt").write_bytes(whole.read_bytes()[:kept])
    train_audio_visual(films[:1], [], TINY, tmp_path)
    assert "last.ckpt cannot be read" in caplog.text


def test_seed_decides_the_weights_and_leaves_the_callers_randomness(films, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = train_audio_visual(films[:1], [], TINY, tmp_path)
    assert torch.equal(torch.rand(3), expected)
    second = train_audio_visual(films[:1], [], TINY, tmp_path)
    other = train_audio_visual(films[:1], [], TINY.model_copy(update={"seed": 3}), tmp_path)
    assert same_weights(first.encoder, second.encoder)
    assert not same_weights(first.encoder, other.encoder)
    assert not any(name.startswith("validation_audio") for name in first.summary)
    assert first.retrievals == ()


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
    trained = train_audio_visual([films[0], missing], [], TINY, tmp_path)
    assert list(trained.summary["rejected_films"]) == [str(missing)]
    assert np.isclose(trained.summary["film_minutes"], 8 / 60)
    assert trained.films["used_s"].tolist() == [8.0, 0.0]


def test_held_out_retrievals_are_those_of_the_last_weights(films, tmp_path):
    trained = train_audio_visual(films[:2], films[2:], TINY, tmp_path)
    assert len(trained.retrievals) == 6
    r1 = np.mean([each.rank == 1 for each in trained.retrievals])
    # six clips are held out and all of them are shown
    assert np.isclose(r1, trained.summary["validation_audio_to_video_r1"])
    for each in trained.retrievals:
        assert list(each.similarities) == sorted(each.similarities, reverse=True)
        own = [answer.name == each.query.name for answer in each.answers]
        assert own.index(True) + 1 == each.rank if each.rank <= 4 else not any(own)
        assert each.query.picture.shape == (48, 80, 3)


def test_reading_ahead_changes_nothing(films, tmp_path):
    plain = train_audio_visual(films[:2], films[2:], TINY, tmp_path)
    ahead = TINY.model_copy(update={"loader_workers": 2, "cache_gb": 0.0})
    other = train_audio_visual(films[:2], films[2:], ahead, tmp_path)
    assert other.films["in_memory"].sum() == 0
    assert same_weights(plain.encoder, other.encoder)
    assert other.history.equals(plain.history)
    assert 0 <= other.summary["data_wait_share"] < 1


def test_encoding_few_clips_at_a_time_changes_nothing_but_memory(films, tmp_path):
    config = TINY.model_copy(update={"steps": 2})
    plain = train_audio_visual(films[:2], [], config, tmp_path)
    few = config.model_copy(update={"recompute_clips": 3})
    other = train_audio_visual(films[:2], [], few, tmp_path)
    np.testing.assert_allclose(other.history["value"], plain.history["value"], rtol=1e-5)


def test_sound_alone_learns_that_halves_belong_together(films, tmp_path):
    config = TINY.model_copy(
        update={
            "objective": "audio_only",
            "clip_s": 0.8,
            "steps": 40,
            "validate_every": 40,
            "batch_size": 8,
            "max_lr": 1e-3,
            "validation_clips": 10,
        }
    )
    mute = films[0].parent / "mute.wav"
    soundfile.write(mute, np.random.default_rng(0).normal(0, 0.1, (16_000 * 8, 1)), 16_000)
    trained = train_audio_visual([films[0], mute], films[2:], config, tmp_path)
    assert trained.summary["rejected_films"] == {}
    assert trained.summary["loss_last"] < trained.summary["loss_first"]
    assert "validation_first_to_second_r1" in trained.summary
    assert trained.retrievals[0].query.picture is None


def test_sound_alone_needs_two_windows():
    with pytest.raises(ValidationError, match="audio_only needs two"):
        AudioVisualConfig(objective="audio_only", clip_s=0.4)


def test_training_starts_from_given_weights(films, tmp_path):
    given = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"])
    state = authors_state(width=96, seed=4)
    torch.save({f"module.v.{name}": value for name, value in state.items()}, tmp_path / "ast.pth")
    load_ast_checkpoint(given, tmp_path / "ast.pth")
    start = {"initial_checkpoint": tmp_path / "ast.pth", "max_lr": 1e-9, "steps": 1}
    config = TINY.model_validate(TINY.model_dump() | start)
    trained = train_audio_visual(films[:1], [], config, tmp_path).encoder
    for name in ("positions", "patches.weight", "blocks.1.mlp.2.weight"):
        torch.testing.assert_close(trained.state_dict()[name], given.state_dict()[name])
    with pytest.raises(ValidationError, match="does not point to a file"):
        AudioVisualConfig(initial_checkpoint=tmp_path / "gone.pth")
    with pytest.raises(ValueError, match="holds 2 layers of 96"):
        train_audio_visual(
            films[:1], [], config.model_copy(update={"audio_encoder": "small"}), tmp_path
        )


def test_a_picture_that_is_gone_at_the_end_costs_the_figure_only(films, tmp_path):
    held_out = tmp_path / "held_out.mkv"
    held_out.write_bytes(films[2].read_bytes())

    class Remove(pl.Callback):
        def on_train_end(self, *_: object) -> None:
            held_out.unlink()

    config = TINY.model_copy(update={"cache_gb": 0.0})
    trained = train_audio_visual(films[:2], [held_out], config, tmp_path, callbacks=[Remove()])
    assert [each.query.picture for each in trained.retrievals] == [None] * 6
    assert "validation_audio_to_video_r1" in trained.summary


def test_a_clip_that_cannot_be_read_gives_way_to_another(films, tmp_path, caplog):
    # the second film is cut in its middle after it was opened
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(films[1].read_bytes())
    config = TINY.model_copy(update={"cache_gb": 0.0, "steps": 4, "validate_every": 4})

    class Cut(pl.Callback):
        def on_train_start(self, *_: object) -> None:
            broken.write_bytes(films[1].read_bytes()[:20_000])

    trained = train_audio_visual([films[0], broken], [], config, tmp_path, callbacks=[Cut()])
    rows = trained.history[trained.history["metric"] == "train_clips_replaced"]
    assert rows["value"].max() > 0
    assert "another clip takes its place" in caplog.text
    assert np.isfinite(trained.summary["loss_last"])


def test_held_out_clips_that_cannot_be_read_are_left_out(films, tmp_path, caplog):
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(films[1].read_bytes())
    config = TINY.model_copy(update={"cache_gb": 0.0, "steps": 2, "batch_size": 12})

    class Cut(pl.Callback):
        def on_validation_start(self, *_: object) -> None:
            broken.write_bytes(films[1].read_bytes()[: len(films[1].read_bytes()) // 2])

    trained = train_audio_visual([films[0]], [films[2], broken], config, tmp_path, [Cut()])
    assert 3 <= trained.summary["validation_clips"] < 6
    assert "the clip is left out" in caplog.text
    shown = {each.query.name.split()[0] for each in trained.retrievals}
    assert films[2].stem in shown
    assert len(trained.retrievals) == trained.summary["validation_clips"]
