"""Scores of assembled titles: every scorer over every title, ready for the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from padam.audio import Audio
from padam.audio.resampling import resample
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.scorers.base import Scorer, worst_channel
from padam.detection.title_evaluation import SCORE_COLUMNS
from padam.detection.titles import Title


def score_titles(
    titles: Iterable[Title],
    scorers: Sequence[Scorer],
    on_title: Callable[[Title], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores (`SCORE_COLUMNS`, worst channel) and labels of all titles, one title at a time.

    `on_title` is called after each title, for progress.
    """
    scores: list[pd.DataFrame] = []
    labels: list[pd.DataFrame] = []
    for title in titles:
        for scorer in scorers:
            table = scorer.score(title_blocks(title, scorer.sample_rate))
            if "scorer" not in table.columns:
                table = table.assign(scorer=scorer.name)
            scores.append(worst_channel(table.assign(title=title.title_id, split=title.split)))
        labels.append(title.labels)
        if on_title is not None:
            on_title(title)
    return _concat(scores, SCORE_COLUMNS), _concat(labels, LABEL_COLUMNS)


def title_blocks(title: Title, sample_rate: int, block_s: float = 60.0) -> Iterator[Audio]:
    """The title's audio as consecutive blocks (2, n) at a scorer's rate."""
    audio = resample(title.audio, title.sample_rate, sample_rate)
    length = round(block_s * sample_rate)
    for start in range(0, audio.shape[1], length):
        yield audio[:, start : start + length]


def _concat(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    if not filled:
        return pd.DataFrame([], columns=columns)
    return pd.concat(filled, ignore_index=True)[columns]
