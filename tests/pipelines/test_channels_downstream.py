"""Clips of any channel count and rate in one shard: scored, embedded, and read by channel."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from padam.audio.resampling import resample
from padam.defects.shards import ClipPair, write_shard
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.pipelines.feature_extractor.nodes import embed_shard
from padam.pipelines.metric_fusion.nodes import score_shard
from padam.pipelines.quality_head.nodes import SIDES, chosen_channels
from padam.quality.scoring import PairScorer, ScoringConfig
from padam.training.embedding import SAMPLE_RATE, embed_audio
from tests.defects.conftest import music

FORMATS = ((1, 8000), (2, 44100), (6, 48000), (8, 96000), (8, 192000))


@pytest.fixture(scope="module")
def clips() -> list[ClipPair]:
    """Pairs of 1.2 s, each with a noise on its last channel only."""
    pairs = []
    for number, (channels, rate) in enumerate(FORMATS):
        reference = music(1.2, channels, rate, seed=number)
        degraded = reference.copy()
        noise = np.random.default_rng(number).standard_normal(degraded.shape[1])
        degraded[-1] += (0.02 * noise).astype(np.float32)
        name = f"{number:06d}-0123abcd"
        pairs.append(ClipPair(name, reference, degraded, rate, {"clip_id": name}))
    return pairs


@pytest.fixture(scope="module")
def shard(clips: list[ClipPair], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clips-000000.tar"
    write_shard(path, clips)
    return path


def test_the_damaged_channel_is_scored_whatever_the_layout(clips, shard) -> None:
    config = ScoringConfig(metrics=("pesq",), level_match=False)
    rows = score_shard(shard, PairScorer(config))
    assert [row["clip_id"] for row in rows] == [clip.clip_id for clip in clips]
    for row, clip in zip(rows, clips, strict=True):
        last = PairScorer(config).score(clip.reference[-1:], clip.degraded[-1:], clip.sample_rate)[
            "pesq"
        ]
        assert row["pesq"] == pytest.approx(last, abs=0.02)
        assert row["pesq"] < 4.5


def test_embeddings_are_read_by_channel(clips, shard) -> None:
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]).eval()
    embeddings = embed_shard(encoder, shard, "reference", "auto", torch.device("cpu"))
    for clip in clips:
        for side in SIDES:
            assert embeddings[f"{clip.clip_id}.{side}"].shape == (len(clip.reference), 9, 384)
    table = pd.DataFrame(
        {
            "clip_id": [clip.clip_id for clip in clips],
            "channel": [len(clip.reference) - 1 for clip in clips],
        }
    )
    chosen = chosen_channels(embeddings, table, "degraded")[np.arange(len(clips))]
    assert chosen.shape == (len(clips), 9, 384)
    for found, clip in zip(chosen, clips, strict=True):
        alone = resample(clip.degraded[-1:], clip.sample_rate, SAMPLE_RATE)
        assert np.allclose(found, embed_audio(encoder, alone)[0], atol=0.02)
        first = resample(clip.degraded[:1], clip.sample_rate, SAMPLE_RATE)
        if len(clip.reference) > 1:
            assert not np.allclose(found, embed_audio(encoder, first)[0], atol=0.02)
