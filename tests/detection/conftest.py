"""A tiny PADAM model, a stand-in scorer, and media of known content."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from padam.audio.media import write_flac
from padam.defects.registry import DEFECT_NAMES
from padam.detection.operating_point import OperatingPoint
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import score_in_batches
from padam.detection.temporal_filter import TemporalFilter
from padam.models.audio_encoder import AudioEncoder, AudioEncoderConfig
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.event_localiser import EventLocaliser, EventLocaliserConfig
from padam.models.native_evidence import EVIDENCE_NAMES, EVIDENCE_VERSION
from padam.models.native_evidence.windows import WINDOW_NAMES
from padam.models.quality_head import QualityHead, QualityHeadConfig

RATE = 16_000


class LoudnessScorer:
    """Stands for any scorer: the score is the segment's peak; NaN for digital silence."""

    name = "loudness"
    version = "1"
    sample_rate = RATE
    segment_s = 10.0
    run_id = None

    def __init__(self, operating_point: OperatingPoint | None = None) -> None:
        self.operating_point = operating_point

    def score(self, blocks: Iterable[np.ndarray]) -> pd.DataFrame:
        def peaks(rows):
            values = np.abs(rows).max(axis=1).astype(np.float64)
            return {"score": np.where(values > 0, values, np.nan)}

        return score_in_batches(blocks, self.sample_rate, peaks, batch_segments=4)


@pytest.fixture(scope="session")
def tiny_model() -> PadamModel:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2

    def features(width):
        return (rng.standard_normal((60, width)) + y[:, None]).astype(np.float32)

    return PadamModel(
        encoder=AudioEncoder(AudioEncoderConfig(depth=1, heads=1, width=16)).eval(),
        quality_head=QualityHead(QualityHeadConfig(hidden_width=24)).eval(),
        classifier=DefectClassifier(nu=0.3, gamma=0.05).fit(features(24), y),
        threshold=0.6,
        label_names=DEFECT_NAMES,
        filter=TemporalFilter(x_s=10, y_s=20),
        probes={
            "feature_extractor": LinearProbe().fit(features(384), y),
            "quality_head": LinearProbe().fit(features(24), y),
        },
        versions={"torch": "2.13.0"},
        run_id="0123abcd",
        normaliser={"pesq": [2.5, 0.7]},
    )


@pytest.fixture(scope="session")
def evidence_model(tiny_model: PadamModel) -> PadamModel:
    """The tiny model with a classifier that takes native-rate evidence beside r."""
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    width = len(EVIDENCE_NAMES)
    rows = (rng.standard_normal((60, 24 + width)) + y[:, None]).astype(np.float32)
    return replace(
        tiny_model,
        classifier=DefectClassifier(nu=0.3, gamma=0.01).fit(rows, y),
        probes={**tiny_model.probes, "native_evidence": LinearProbe().fit(rows[:, 24:], y)},
        native_evidence=EVIDENCE_VERSION,
    )


@pytest.fixture(scope="session")
def localising_model(evidence_model: PadamModel) -> PadamModel:
    """The model with an event localiser, which hears nothing but how loud a window is."""
    localiser = EventLocaliser(EventLocaliserConfig(width=2)).eval().requires_grad_(False)
    for parameter in localiser.parameters():
        parameter.zero_()
    localiser.mean[-1], localiser.scale[-1] = -10.0, 5.0  # peak in dB
    localiser.first.weight[0, len(WINDOW_NAMES) - 1] = 1.0
    localiser.last[1].weight[0, 0], localiser.last[1].bias[0] = 10.0, -1.0
    return replace(evidence_model, localiser=localiser)


@pytest.fixture(scope="session")
def loud_title(tmp_path_factory):
    """35 s of stereo: quiet, but loud on the right from 12 to 18 s."""
    audio = np.full((2, 35 * RATE), 0.1, dtype=np.float32)
    audio *= np.sin(2 * np.pi * 440 * np.arange(35 * RATE) / RATE).astype(np.float32)
    audio[1, 12 * RATE : 18 * RATE] *= 8
    path = tmp_path_factory.mktemp("media") / "loud.flac"
    write_flac(path, audio, RATE)
    return path
