"""CNN6 and its front end against PANNs' own numbers and an independent computation."""

import librosa
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from padam.models.cnn6 import (
    HOP_SAMPLES,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    Cnn6,
    Cnn6Config,
    Cnn6LogMel,
    mel_filterbank,
)


@pytest.fixture(scope="module")
def sound():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    rng = np.random.default_rng(0)
    tones = sum(np.sin(2 * np.pi * hertz * time) for hertz in (60, 440, 9000)) / 10
    return (tones + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def parameters(model):
    return sum(each.numel() for each in model.parameters())


def test_as_many_parameters_as_the_paper_of_panns_counts():
    """PANNs' table of models has 4 837 455 for CNN6; the last layer here has 5 outputs, not 527."""
    convolutions = 25 * (1 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    normalisations = 2 * (64 + 64 + 128 + 256 + 512)
    hidden = 512 * 512 + 512
    assert convolutions + normalisations + hidden + 527 * 513 == 4_837_455
    assert parameters(Cnn6(Cnn6Config(classes=527))) == 4_837_455
    assert parameters(Cnn6()) == convolutions + normalisations + hidden + 5 * 513 == 4_569_669


def test_the_filters_are_those_that_librosa_has_for_the_same_constants():
    expected = librosa.filters.mel(sr=32_000, n_fft=1024, n_mels=64, fmin=50, fmax=14_000)
    assert (SAMPLE_RATE, WINDOW_SAMPLES, HOP_SAMPLES) == (32_000, 1024, 320)
    assert np.allclose(mel_filterbank(), expected.T, atol=1e-7)


def test_the_log_mel_is_librosas(sound):
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=sound, sr=32_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50, fmax=14_000,
            pad_mode="reflect",
        ),
        ref=1.0, amin=1e-10, top_db=None,
    ).T  # fmt: skip
    found = Cnn6LogMel()(torch.from_numpy(sound)[None])[0].numpy()
    assert found.shape == (101, 64) == expected.shape
    assert np.abs(found - expected).max() < 0.02


def test_a_sine_has_the_power_of_its_window_and_silence_the_floor():
    silence = Cnn6LogMel()(torch.zeros(1, SAMPLE_RATE))
    assert torch.allclose(silence, torch.full_like(silence, -100.0))
    # 1 kHz is bin 32: a sine of amplitude 1 has there half the window's sum, 256, squared
    wave = torch.sin(2 * torch.pi * 1000 * torch.arange(SAMPLE_RATE) / SAMPLE_RATE)
    power = 256.0**2 * (mel_filterbank()[32] + (mel_filterbank()[31] + mel_filterbank()[33]) / 4)
    expected = 10 * np.log10(np.maximum(power, 1e-10))
    found = Cnn6LogMel()(wave[None])[0, 50].numpy()
    strong = expected > -30
    assert strong.any()
    assert found[strong] == pytest.approx(expected[strong], abs=0.01)


def by_hand(model, log_mel):
    """The forward pass in NumPy, a chunk and a layer at a time."""
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}

    def normalised(x, name):
        scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + 1e-5)
        return x * scale + state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale

    x = normalised(log_mel.astype(float), "bn0")[..., None]  # time, mel, channel
    for block in range(1, 5):
        weight = state[f"conv_block{block}.conv1.weight"]
        padded = np.pad(x, ((2, 2), (2, 2), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(0, 1))
        x = np.einsum("tfckl,ockl->tfo", windows, weight, optimize=True)
        x = np.maximum(normalised(x, f"conv_block{block}.bn1"), 0)
        times, bands = (size // 2 * 2 for size in x.shape[:2])
        x = x[:times, :bands].reshape(times // 2, 2, bands // 2, 2, -1).mean(axis=(1, 3))
    x = x.mean(axis=1)
    x = x.max(axis=0) + x.mean(axis=0)
    x = np.maximum(x @ state["fc1.weight"].T + state["fc1.bias"], 0)
    logits = x @ state["classifier.weight"].T + state["classifier.bias"]
    return np.exp(logits) / np.exp(logits).sum()


def test_the_forward_pass_is_the_one_computed_by_hand(sound):
    torch.manual_seed(0)
    model = Cnn6()
    log_mel = Cnn6LogMel()(torch.from_numpy(sound)[None])
    # statistics other than 0 and 1, as training leaves them
    with torch.inference_mode():
        model.train()(log_mel[None][:, :, :32].repeat(2, 1, 1, 1))
        model.eval()
        found = model.probabilities(log_mel[:, None, :32])[0].numpy()
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert found == pytest.approx(by_hand(model, log_mel[0, :32].numpy()), abs=1e-5)


@pytest.mark.parametrize("frames", [16, 101, 201])
def test_chunks_of_any_length_give_five_probabilities(frames):
    model = Cnn6().eval()
    with torch.inference_mode():
        found = model.probabilities(torch.randn(3, 1, frames, 64))
    assert found.shape == (3, 5)
    assert torch.allclose(found.sum(dim=1), torch.ones(3))


def test_configurations_without_sense_are_refused():
    for wrong in ({"classes": 1}, {"dropout": 1.0}, {"start": "imagenet"}):
        with pytest.raises(ValidationError):
            Cnn6Config(**wrong)
