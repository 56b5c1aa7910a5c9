"""AA as a scorer: the worst chunk of a segment counts, by its class."""

import numpy as np
import pytest
import torch
from torch import nn

from padam.detection.scorers.audio_artifacts import AudioArtifactsScorer
from padam.detection.scorers.base import Scorer
from padam.models.cnn6 import Cnn6, Cnn6Config

RATE = 48_000


class Ear(nn.Module):
    """Stands for a trained network: hears a tone of 1 kHz as hum, one of 8 kHz as clicks."""

    def __init__(self):
        super().__init__()
        self.config = Cnn6Config()
        self.fc1 = nn.Linear(1, 1)
        self.seen = []

    def probabilities(self, log_mel):
        self.seen.append(tuple(log_mel.shape[1:]))
        power = log_mel.mean(dim=(1, 2))
        found = torch.full((len(power), 5), 0.01)
        found[:, 1] = torch.where(power[:, 17] > 0, 0.8, 0.02)
        found[:, 4] = torch.where(power[:, 54] > 0, 0.6, 0.03)
        found[:, 0] = 1 - found[:, 1:].sum(dim=1)
        return found


def title():
    """Faint noise of 30 s; 1 kHz from 13 to 15 s on the left, 8 kHz at 22 s on the right."""
    rng = np.random.default_rng(0)
    audio = 1e-4 * rng.standard_normal((2, 30 * RATE))
    for channel, hertz, start, end in ((0, 1000, 13, 15), (1, 8000, 22, 23)):
        time = np.arange((end - start) * RATE) / RATE
        audio[channel, start * RATE : end * RATE] += 0.5 * np.sin(2 * np.pi * hertz * time)
    return audio.astype(np.float32)


def test_a_segment_is_as_defective_as_its_worst_chunk():
    scorer = AudioArtifactsScorer(Ear())
    assert isinstance(scorer, Scorer)
    scores = scorer.score(np.array_split(title(), 7, axis=1)).set_index(["start_s", "channel"])
    columns = ["score", "p_hum", "p_hiss", "p_clipping", "p_clicks"]
    assert list(scores.columns) == ["end_s", *columns]
    clean = pytest.approx([0.07, 0.02, 0.01, 0.01, 0.03])
    assert scores.loc[(0.0, 0), columns].tolist() == clean
    assert scores.loc[(10.0, 1), columns].tolist() == clean
    assert scores.loc[(10.0, 0), columns].tolist() == pytest.approx([0.85, 0.8, 0.01, 0.01, 0.03])
    assert scores.loc[(20.0, 1), columns].tolist() == pytest.approx([0.64, 0.02, 0.01, 0.01, 0.6])


@pytest.mark.parametrize(("chunk_s", "frames"), [(1.0, 101), (2.0, 201)])
def test_chunks_of_one_and_of_two_seconds(chunk_s, frames):
    ear = Ear()
    AudioArtifactsScorer(ear, chunk_s=chunk_s).score([title()])
    assert set(ear.seen) == {(1, frames, 64)}
    ear.config = Cnn6Config(chunk_s=chunk_s)
    assert AudioArtifactsScorer(ear).chunk_s == chunk_s


@pytest.mark.parametrize("chunk_s", [3.0, 20.0, 0.0])
def test_a_segment_must_be_whole_chunks(chunk_s):
    with pytest.raises(ValueError, match="whole number of chunks"):
        AudioArtifactsScorer(Ear(), chunk_s=chunk_s)


def test_what_cannot_be_judged_is_nan_and_costs_no_other():
    audio = title()[:, : 10 * RATE]
    audio[1] = 0
    assert np.isnan(AudioArtifactsScorer(Ear()).score([audio])["score"]).tolist() == [False, True]
    audio[0, 5] = np.inf
    assert np.isnan(AudioArtifactsScorer(Ear()).score([audio])["score"]).all()


def test_nothing_gives_no_rows_and_a_short_end_is_mirrored():
    scorer = AudioArtifactsScorer(Ear())
    assert scorer.score([]).empty
    short = scorer.score([title()[:, : 14 * RATE]])
    assert short["end_s"].tolist() == [10.0, 10.0, 14.0, 14.0]
    assert short["p_hum"].iloc[2] == pytest.approx(0.8)


def test_a_network_scores_within_0_and_1():
    torch.manual_seed(0)
    scores = AudioArtifactsScorer(Cnn6().eval(), run_id="abc").score([title()[:, : 10 * RATE]])
    values = scores.drop(columns=["start_s", "end_s", "channel"]).to_numpy()
    assert ((values >= 0) & (values <= 1)).all()
    assert AudioArtifactsScorer(Cnn6(), run_id="abc").version == "abc"
