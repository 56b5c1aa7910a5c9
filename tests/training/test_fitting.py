import pandas as pd
import pytest
import torch

from padam.training import fitting
from padam.training.fitting import (
    FitConfig,
    fingerprint,
    first_and_last,
    last_values,
    trainer_precision,
)


def test_fingerprint_tells_configurations_and_data_apart():
    base = fingerprint(FitConfig(), ["film.mkv", 12])
    assert base == fingerprint(FitConfig(), ["film.mkv", 12])
    assert base != fingerprint(FitConfig(seed=1), ["film.mkv", 12])
    assert base != fingerprint(FitConfig(), ["film.mkv", 13])


def test_first_and_last_are_means_of_a_twentieth():
    history = pd.DataFrame(
        {"step": range(40), "metric": "train_loss", "value": [float(i) for i in range(40)]}
    )
    assert first_and_last(history, "train_loss") == pytest.approx((0.5, 38.5))
    assert first_and_last(history[:3], "train_loss") == (0.0, 2.0)


def test_last_values_are_by_metric():
    rows = [(1, "validation_loss", 3.0), (2, "validation_loss", 2.0), (2, "train_loss", 9.0)]
    history = pd.DataFrame(rows, columns=["step", "metric", "value"])
    assert last_values(history, "validation_") == {"validation_loss": 2.0}


@pytest.mark.parametrize(
    ("fast", "expected"), [(torch.bfloat16, "bf16-mixed"), (torch.float32, "32-true")]
)
def test_automatic_precision_is_that_of_the_hardware(monkeypatch, fast, expected):
    asked = []

    def resolve(precision, device):
        asked.append((precision, device.type))
        return fast

    monkeypatch.setattr(fitting, "resolve_precision", resolve)
    assert trainer_precision(FitConfig(precision="auto", accelerator="cpu")) == expected
    assert trainer_precision(FitConfig(precision="16-mixed")) == "16-mixed"
    assert asked == [("auto", "cpu")]
