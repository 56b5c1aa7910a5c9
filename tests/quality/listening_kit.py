"""A small listening test of short clips, each a tone of its own pitch."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from padam.audio import Audio
from padam.quality.listening_test import (
    ListeningTest,
    PageConfig,
    SampleConfig,
    plan_listening_test,
)

RATE = 16_000
SECONDS = 0.5
LABELS = ("", "hum", "hiss", "hum,clicks")


@dataclass(frozen=True)
class Pair:
    clip_id: str
    reference: Audio
    degraded: Audio
    sample_rate: int = RATE


def make_pairs(clips: int = 12, seconds: float = SECONDS) -> dict[str, Pair]:
    """References at a pitch of their own and 0.1 in amplitude; what is degraded is half as loud."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    pairs = {}
    for number in range(clips):
        tone = (0.1 * np.sin(2 * np.pi * (200 + 50 * number) * time_s)).astype(np.float32)
        reference = np.stack([tone, tone])
        clip_id = f"{number:06d}-c0ffee"
        pairs[clip_id] = Pair(clip_id, reference, reference / 2)
    return pairs


def quality_of(pairs: Collection[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": list(pairs),
            "split": "validation",
            "labels": [LABELS[number % len(LABELS)] for number in range(len(pairs))],
            "q_hat": np.linspace(-1, 1, len(pairs)),
        }
    )


def small_test(pairs: dict[str, Pair] | None = None, clips: int = 5, **page: Any) -> ListeningTest:
    """A test of `clips` clips, one hidden reference in six items and two for practice."""
    pairs = pairs or make_pairs()

    def read(wanted: Collection[str]) -> Iterator[Pair]:
        yield from (pair for clip_id, pair in pairs.items() if clip_id in wanted)

    sample = SampleConfig(clips=clips, hidden_reference_share=1 / 6, training_items=2, seed=1)
    return plan_listening_test(quality_of(pairs), read, sample, PageConfig(**page))
