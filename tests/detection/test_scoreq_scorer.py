"""SCOREQ as a scorer: the published interface, on a network whose answer is known."""

import hashlib

import numpy as np
import pytest

from padam.detection.scorers.base import Scorer
from padam.detection.scorers.scoreq import STRIDE, ScoreqScorer
from padam.quality.installed_weights import WeightsAbsentError, WeightsError
from tests.detection.onnx_file import mean_square_network

RATE = 16_000


@pytest.fixture
def network(tmp_path):
    """MOS = 4.5 - 2 · mean square of what it is given."""
    return mean_square_network(tmp_path / "scoreq.onnx", -2.0, 4.5)


def test_the_score_is_the_negated_mos_of_each_channel(network):
    scorer = ScoreqScorer(network)
    assert isinstance(scorer, Scorer)
    rng = np.random.default_rng(0)
    quiet, loud = (level * rng.standard_normal(20 * RATE) for level in (0.01, 0.2))
    rows = np.stack([quiet, loud]).astype(np.float32)
    table = scorer.score([rows])
    assert table["channel"].tolist() == [0, 1, 0, 1]
    expected = [2 * np.mean(row[s : s + 10 * RATE] ** 2) - 4.5
                for s in (0, 10 * RATE) for row in rows]  # fmt: skip
    assert table["score"].to_numpy() == pytest.approx(expected, abs=1e-5)
    assert table["score"][1] > table["score"][0]


@pytest.mark.parametrize("samples", [STRIDE * 100, STRIDE * 100 + 1, STRIDE * 101 - 1])
def test_a_signal_is_filled_up_to_the_stride_with_zeros(network, samples):
    signal = np.full(samples, 0.5, dtype=np.float32)
    filled = -(-samples // STRIDE) * STRIDE
    expected = 4.5 - 2 * 0.25 * samples / filled
    assert ScoreqScorer(network).rate(signal) == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_judged_is_nan(network):
    noise = 0.1 * np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    broken = noise.copy()
    broken[5] = np.nan
    table = ScoreqScorer(network).score([np.stack([noise, 0 * noise, broken, 30 * noise])])
    assert table["score"].isna().tolist() == [False, True, True, False]
    assert ScoreqScorer(network).score([noise[None, : RATE // 5]]).empty


def test_the_version_is_the_digest_of_the_weights(network, tmp_path):
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    assert ScoreqScorer(network, sha256=digest).version == digest[:16]
    other = mean_square_network(tmp_path / "other.onnx", -1.0, 4.5)
    assert ScoreqScorer(other).version != digest[:16]
    with pytest.raises(WeightsError, match=f"sha256 is {digest}, expected"):
        ScoreqScorer(network, sha256="0" * 64)


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_other_files_are_refused_with_their_path(tmp_path, content):
    path = tmp_path / "scoreq.onnx"
    if content is not None:
        path.write_bytes(content)
    kind = WeightsAbsentError if content is None else WeightsError
    with pytest.raises(kind, match=r"scoreq\.onnx: .*padam weights fetch scoreq"):
        ScoreqScorer(path)
