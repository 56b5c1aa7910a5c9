"""Algorithm 1 of AA: clean and defective intervals take turns over the whole of a title."""

import numpy as np

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig

Span = tuple[int, int]
"""First sample and the one after the last."""


def draw_intervals(rng: np.random.Generator, samples: int, config: SimulationConfig) -> list[Span]:
    """Return the defective intervals of a title of `samples`, in order.

    Whether the first interval is defective is drawn; each lasts at least `min_interval_s`, but for
    the last, which the title's end cuts. The paper prints `max` for that cut, with which the first
    interval would be the whole title.
    """
    defective = bool(rng.integers(2))
    spans: list[Span] = []
    start = 0
    while start < samples:
        duration_s = config.min_interval_s + rng.gamma(config.gamma_shape, config.gamma_scale_s)
        end = min(start + round(duration_s * SAMPLE_RATE), samples)
        if defective:
            spans.append((start, end))
        start, defective = end, not defective
    return spans
