"""Clips from the worst q̂ to the best can be heard."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from pydantic import ValidationError

from padam.defects.shards import ClipPair
from padam.quality.examples import ExamplesConfig, choose_examples, write_examples

RATE = 16_000
MEDIAN = ExamplesConfig(quantiles=(0.0, 0.5, 1.0), clips_per_quantile=1)


def tables(q_hat: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [f"c{number}" for number in range(len(q_hat))]
    quality = pd.DataFrame(
        {"clip_id": names, "labels": "packet_loss,hum", "q_hat": q_hat, "q_rank": 0.5}
    )
    scores = pd.DataFrame(
        {
            "clip_id": names[::-1],
            "pesq": np.nan,
            "pesq_reason": "PESQ: <no> speech",
            "cdpam": 0.25,
            "cdpam_reason": None,
        }
    )
    return quality, scores


def pair(name: str) -> ClipPair:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, RATE)).astype(np.float32)
    return ClipPair(name, audio, -audio, RATE, {})


def read(names: Collection[str]) -> Iterator[ClipPair]:
    return (pair(name) for name in names)


def test_clips_lie_at_the_quantiles_worst_first() -> None:
    examples = choose_examples(*tables([3.0, -1.0, 1.0, 2.0, -2.0]), read, MEDIAN)
    assert examples.clips["clip_id"].tolist() == ["c4", "c2", "c0"]
    assert examples.clips["quantile"].tolist() == [0.0, 0.5, 1.0]
    assert (examples.scored, examples.unscored) == (5, 0)


@pytest.mark.parametrize("clips", [1, 2, 3, 8, 14, 20, 96])
def test_however_few_clips_they_ascend_from_the_worst_to_the_best(clips: int) -> None:
    q_hat = list(np.random.default_rng(clips).normal(size=clips))
    shown = choose_examples(*tables(q_hat), read, ExamplesConfig()).clips
    assert shown["clip_id"].is_unique
    assert shown["q_hat"].is_monotonic_increasing
    assert shown["quantile"].is_monotonic_increasing
    assert (shown["q_hat"].iloc[0], shown["quantile"].iloc[0]) == (min(q_hat), 0.0)
    if clips > 1:
        assert (shown["q_hat"].iloc[-1], shown["quantile"].iloc[-1]) == (max(q_hat), 1.0)


def test_the_best_of_the_upper_half_does_not_reach_down() -> None:
    upper = ExamplesConfig(quantiles=(0.5, 0.75, 1.0), clips_per_quantile=2)
    shown = choose_examples(*tables([0.0, 4, 5, 6, 10]), read, upper).clips
    assert shown["quantile"].tolist() == [0.5, 0.5, 0.75, 1.0]
    assert shown["q_hat"].tolist() == [4, 5, 6, 10]


def test_clips_without_a_score_are_counted_not_shown() -> None:
    examples = choose_examples(*tables([np.nan, 1.0, np.nan]), read, MEDIAN)
    assert examples.clips["clip_id"].tolist() == ["c1"]
    assert (examples.scored, examples.unscored) == (1, 2)


def test_the_page_plays_both_sides_and_says_what_each_metric_says(tmp_path: Path) -> None:
    page = write_examples(tmp_path, choose_examples(*tables([1.0, -1.5, 0.0]), read, MEDIAN))
    text = page.read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 6
    for source in sources:
        audio, rate = soundfile.read(tmp_path / source)
        assert audio.shape == (RATE, 2)
        assert rate == RATE
    assert text.index("q̂ -1.50") < text.index("q̂ +0.00") < text.index("q̂ +1.00")
    assert "packet loss, hum" in text
    assert "PESQ: &lt;no&gt; speech" in text
    assert "0.250" in text


def test_a_metric_without_a_reason_says_which_end_is_good(tmp_path: Path) -> None:
    quality, scores = tables([1.0, -1.5])
    scores["pesq"] = [np.nan, 4.2]
    scores["pesq_reason"] = ["no utterance", None]
    scores.to_parquet(tmp_path / "scores.parquet")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    page = write_examples(tmp_path, choose_examples(quality, scores, read, MEDIAN))
    text = page.read_text(encoding="utf-8")
    assert text.count("higher is better</td>") == 1
    assert text.count("lower is better</td>") == 2
    assert "no utterance" in text
    assert ">nan<" not in text


def test_a_page_without_a_score_says_so(tmp_path: Path) -> None:
    page = write_examples(tmp_path, choose_examples(*tables([np.nan]), read, MEDIAN))
    text = page.read_text(encoding="utf-8")
    assert "there is nothing to hear" in text
    assert "1 clip has no q̂" in text


def test_a_clip_that_is_nowhere_is_named(tmp_path: Path) -> None:
    examples = choose_examples(*tables([1.0]), lambda names: iter(()), MEDIAN)
    with pytest.raises(ValueError, match="c0 have scores but lie in none of the shards"):
        write_examples(tmp_path, examples)


@pytest.mark.parametrize("quantiles", [(), (0.5, 0.5), (0.5, 0.1), (-0.1,), (0.0, 1.1)])
def test_quantiles_are_ascending_shares(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        ExamplesConfig(quantiles=quantiles)
