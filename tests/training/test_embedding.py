import copy

import numpy as np
import pytest
import torch

from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.quality_head import QualityHead
from padam.training.embedding import (
    SAMPLE_RATE,
    checked_precision,
    embed_audio,
    represent,
    resolve_precision,
)


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]).eval()
    encoder.log_mel.fit_statistics(torch.from_numpy(noise(1, 32_000)))
    return encoder


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(-1) / lengths


def test_ten_seconds_give_75_embeddings_of_384_per_channel(encoder):
    embeddings = embed_audio(encoder, noise(2, 10 * SAMPLE_RATE))
    assert embeddings.shape == (2, 75, 384)
    assert embeddings.dtype == np.float16


@pytest.mark.parametrize(("samples", "steps"), [(1, 3), (6_400, 3), (6_401, 6), (15_000, 9)])
def test_audio_is_filled_up_to_whole_windows(encoder, samples, steps):
    audio = noise(1, samples)
    embeddings = embed_audio(encoder, audio, "float32")
    padded = np.pad(audio, [(0, 0), (0, steps // 3 * 6_400 - samples)])
    assert embeddings.shape == (1, steps, 384)
    np.testing.assert_array_equal(embeddings, embed_audio(encoder, padded, "float32"))


def test_silence_gives_finite_and_constant_embeddings(encoder):
    embeddings = embed_audio(encoder, np.zeros((1, 32_000), np.float32))
    assert np.isfinite(embeddings).all()
    windows = embeddings.reshape(5, 3, 384)
    np.testing.assert_allclose(windows, windows[:1].repeat(5, 0), atol=2e-2)


def test_channels_and_pieces_are_independent(encoder):
    audio = noise(2, 200 * 6_400)  # more windows than one pass takes
    whole = embed_audio(encoder, audio, "float32")
    alone = embed_audio(encoder, audio[1:, 64_000:128_000], "float32")
    np.testing.assert_allclose(whole[1:, 30:60], alone, atol=2e-3)
    swapped = embed_audio(encoder, audio[::-1].copy(), "float32")
    np.testing.assert_allclose(swapped[0], whole[1], atol=2e-3)


def test_bfloat16_points_the_same_way_and_follows_new_weights(encoder):
    audio = noise(1, 64_000)
    full = embed_audio(encoder, audio, "float32")
    assert cosine(embed_audio(encoder, audio, "bfloat16"), full).min() > 0.999
    other = AudioEncoder(encoder.config)
    embed_audio(other, audio, "bfloat16")
    other.load_state_dict(encoder.state_dict())
    assert cosine(embed_audio(other, audio, "bfloat16"), full).min() > 0.999


@pytest.mark.parametrize("shape", [(6_400,), (1, 0), (0, 6_400)])
def test_other_shapes_are_refused(encoder, shape):
    with pytest.raises(ValueError, match="expected \\(channels, samples\\)"):
        embed_audio(encoder, np.zeros(shape, np.float32))


def test_nan_is_refused(encoder):
    audio = noise(1, 6_400)
    audio[0, 5] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        embed_audio(encoder, audio)


def test_precision_is_named():
    cpu = torch.device("cpu")
    assert resolve_precision("float32", cpu) == torch.float32
    assert resolve_precision("auto", cpu) in (torch.float32, torch.bfloat16)
    with pytest.raises(ValueError, match="int8"):
        resolve_precision("int8", cpu)  # type: ignore[arg-type]


def test_representations_keep_leading_axes_and_do_not_depend_on_batching():
    torch.manual_seed(0)
    head = QualityHead()
    embeddings = np.random.default_rng(0).standard_normal((3, 100, 4, 384)).astype(np.float16)
    r = represent(head, embeddings)
    assert r.shape == (3, 100, 512)
    assert r.dtype == np.float32
    np.testing.assert_allclose(r[2, 99], represent(head, embeddings[2, 99]), atol=1e-5)
    assert represent(head, embeddings[:0]).shape == (0, 100, 512)


def test_bfloat16_is_taken_only_where_it_gives_what_float32_does(encoder, monkeypatch, caplog):
    monkeypatch.setattr("padam.training.embedding._cpu_has_bfloat16", lambda: True)
    assert checked_precision(encoder) == "bfloat16"
    assert checked_precision(encoder, "float32") == "float32"
    # weights of which bfloat16 keeps too little: attention to the largest of many near-equal scores
    sharp = copy.deepcopy(encoder)
    with torch.no_grad():
        for block in sharp.blocks:
            block.query_key_value.weight *= 60
    assert checked_precision(sharp) == "float32"
    assert "bfloat16 changes this encoder's embeddings" in caplog.text


def test_machine_without_bfloat16_computes_in_float32(encoder, monkeypatch):
    monkeypatch.setattr("padam.training.embedding._cpu_has_bfloat16", lambda: False)
    assert checked_precision(encoder) == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("training", [False, True])
def test_embedding_leaves_the_encoder_as_it_was(encoder, precision, training):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train(training)
    embed_audio(encoder, noise(1, 6_400), precision, torch.device("cpu"))
    assert encoder.training is training
    encoder.eval()
    after = encoder.state_dict()
    assert all(after[name].dtype == value.dtype for name, value in before.items())
    assert all(torch.equal(after[name], value) for name, value in before.items())
