import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from padam.quality import cdpam
from padam.quality.cdpam import (
    Cdpam,
    CdpamNetwork,
    published_state,
    resolve_precision,
)
from tests.quality.conftest import speech_like

RATE = Cdpam.sample_rate


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    reference = speech_like(rng, 0.5, RATE)
    noise = 0.01 * rng.standard_normal(reference.size)
    return reference, (reference + noise).astype(np.float32)


def test_encoder_equals_the_published_layers(pair: tuple[np.ndarray, np.ndarray]) -> None:
    state = published_state()
    signals = torch.round(torch.from_numpy(np.stack(pair))[:, :6001] * 32768)
    features = signals[:, None]
    for layer in range(16):
        convolution, norm = f"base_encoder.encoder.{layer}", f"base_encoder.ebatch.{layer}"
        features = functional.conv1d(
            features, state[f"{convolution}.weight"], state[f"{convolution}.bias"], padding=7
        )
        features = functional.batch_norm(
            features,
            state[f"{norm}.running_mean"],
            state[f"{norm}.running_var"],
            state[f"{norm}.weight"],
            state[f"{norm}.bias"],
        )
        features = functional.leaky_relu(features, 0.1)
        if layer % 4 == 3:
            features = features[:, :, ::2]
    published = features.mean(dim=2)[:, :512]
    found = CdpamNetwork(state, torch.float32).encode(signals)
    assert torch.allclose(found, published, rtol=1e-4, atol=1e-5 * float(published.abs().max()))


def test_the_package_is_not_imported() -> None:
    assert "cdpam" not in sys.modules


def test_same_signals_have_no_distance(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert Cdpam(precision="float32").score(pair[0], pair[0]).value == pytest.approx(0, abs=1e-6)


def test_distance_grows_with_noise() -> None:
    rng = np.random.default_rng(4)
    reference = speech_like(rng, 0.5, RATE)
    noise = rng.standard_normal(reference.size)
    metric = Cdpam(precision="float32")
    distances = [
        metric.score(reference, (reference + level * noise).astype(np.float32)).value
        for level in (0.001, 0.01, 0.1)
    ]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_bfloat16_is_close_to_float32(pair: tuple[np.ndarray, np.ndarray]) -> None:
    scores = [Cdpam(precision=p).score(*pair).value for p in ("float32", "bfloat16")]
    assert scores[1] == pytest.approx(scores[0], abs=0.01)


def test_auto_falls_back_to_float32_without_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdpam, "_has_fast_bfloat16", lambda: False)
    assert resolve_precision("auto") is torch.float32
    monkeypatch.setattr(cdpam, "_has_fast_bfloat16", lambda: True)
    assert resolve_precision("auto") is torch.bfloat16


def test_support_check_survives_a_torch_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, check, raising=False)
    assert resolve_precision("auto") is torch.float32


def test_crop_scores_exactly_that_window() -> None:
    rng = np.random.default_rng(5)
    reference = speech_like(rng, 1.5, RATE)
    degraded = reference.copy()
    start, stop = RATE // 2, RATE // 2 + RATE // 2
    degraded[start:stop] += (0.05 * rng.standard_normal(stop - start)).astype(np.float32)
    cropped = Cdpam(crop_s=0.5, precision="float32").score(reference, degraded)
    alone = Cdpam(precision="float32").score(reference[start:stop], degraded[start:stop])
    assert cropped.value == pytest.approx(alone.value, rel=0.02)


def test_different_lengths_are_no_pair() -> None:
    signal = speech_like(np.random.default_rng(6), 1.0, RATE)
    score = Cdpam().score(signal, signal[:-100])
    assert np.isnan(score.value)
    assert "differ in length" in (score.reason or "")
