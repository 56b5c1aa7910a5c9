"""NISQA as a scorer: published values, no other weights than the published ones, bad input."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from padam.detection.scorers.base import Scorer
from padam.detection.scorers.nisqa import NisqaScorer
from padam.quality.installed_weights import WeightsError

RATE = 48_000
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights():
    default = REPOSITORY.parent / "shared" / "weights" / "nisqa.tar"
    path = Path(os.environ.get("PADAM_NISQA", default))
    if not path.is_file():
        pytest.skip(f"{path} is absent; set PADAM_NISQA to the published nisqa.tar")
    return path


@pytest.fixture(scope="module")
def scorer(weights):
    with pytest.MonkeyPatch.context() as patch:
        # Were anything fetched, it would fail here.
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
        return NisqaScorer(weights)


@pytest.mark.parametrize(
    ("name", "mos"),
    [("visqol_CA01_01.wav", 4.7210), ("visqol_transcoded_CA01_01.wav", 2.5066)],
)
def test_the_values_of_the_published_weights(conformance, scorer, name, mos):
    speech, rate = conformance(name)
    assert rate == RATE
    rated = scorer.rate(speech[0])
    assert rated["mos"] == pytest.approx(mos, abs=1e-3)
    assert list(rated) == ["mos", "noisiness", "discontinuity", "coloration", "loudness"]


def test_the_copy_under_another_name_is_as_good(weights, scorer, tmp_path):
    copy = tmp_path / "weights.bin"
    copy.write_bytes(weights.read_bytes())
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) / 10
    assert NisqaScorer(copy).rate(noise) == scorer.rate(noise)


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_other_weights_are_refused_with_their_path(tmp_path, content):
    path = tmp_path / "nisqa.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"nisqa\.tar: .*gabrielmittag/NISQA"):
        NisqaScorer(path)


def test_channels_are_judged_apart_and_what_cannot_be_is_nan(scorer):
    assert isinstance(scorer, Scorer)
    rng = np.random.default_rng(0)
    time = np.arange(10 * RATE) / RATE
    voice = 0.1 * np.sign(np.sin(2 * np.pi * 130 * time)) * np.sin(2 * np.pi * 3 * time) ** 2
    noisy = voice + 0.3 * rng.standard_normal(time.size)
    broken = voice.copy()
    broken[7] = np.inf
    rows = np.stack([voice, noisy, broken, np.zeros_like(voice)]).astype(np.float32)
    table = scorer.score([rows])
    assert table["score"].isna().tolist() == [False, False, True, True]
    assert table["coloration"].isna().tolist() == [False, False, True, True]
    assert table["score"][1] > table["score"][0]
    assert table["noisiness"][1] < table["noisiness"][0]
    assert table["score"][0] == pytest.approx(-scorer.rate(np.clip(rows[0], -1, 1))["mos"])


def test_a_fifth_of_a_second_has_no_segment_and_two_seconds_have_one(scorer):
    noise = np.random.default_rng(0).standard_normal((1, 2 * RATE)).astype(np.float32) / 10
    assert scorer.score([noise[:, : RATE // 5]]).empty
    table = scorer.score([noise])
    assert table["end_s"].tolist() == [2.0]
    assert np.isfinite(table["score"]).all()
