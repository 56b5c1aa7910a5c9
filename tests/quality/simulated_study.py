"""Listening studies whose truth is known: quality, metrics that see it, people who rate it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]

# LCC of the metrics with listeners in Table 1 of the paper
PAPER_LCC = {"cdpam": 0.514, "dnsmos": 0.320, "pesq": 0.416, "visqol": 0.483}
DISTANCES = ("cdpam",)


@dataclass(frozen=True)
class Listeners:
    """People who hear the same quality, each with a bias and a noise of their own, on ACR."""

    bias: Array
    noise: float = 0.7
    spread: float = 0.9

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int = 12) -> "Listeners":
        return cls(bias=rng.normal(0, 0.3, count))

    def rate(self, quality: Array, rng: np.random.Generator) -> Array:
        """Scores 1-5, (clips, listeners), of clips of standard normal quality."""
        heard = 3 + self.spread * quality[:, None] + self.bias
        heard = heard + rng.normal(0, self.noise, heard.shape)
        return np.clip(np.round(heard), 1, 5)


def clip_ids(count: int) -> list[str]:
    return [f"{number:06d}" for number in range(count)]


def metric_scores(
    quality: Array, correlations: dict[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Raw metric scores by clip id: each correlates with quality as given, errors independent.

    CDPAM is a distance, on scales like the real ones.
    """
    columns = {}
    for name, r in correlations.items():
        z = r * quality + np.sqrt(1 - r**2) * rng.standard_normal(len(quality))
        columns[name] = 0.3 - 0.1 * z if name in DISTANCES else 3 + 0.5 * z
    return pd.DataFrame(columns, index=pd.Index(clip_ids(len(quality)), name="clip_id"))


def ratings_table(scores: Array) -> pd.DataFrame:
    """The CSV of a study: clip, listener, score; NaN is a trial that did not take place."""
    names = [f"listener {number:02d}" for number in range(scores.shape[1])]
    table = pd.DataFrame(scores, index=clip_ids(len(scores)), columns=names).rename_axis("clip")
    return table.reset_index().melt("clip", var_name="listener", value_name="score").dropna()
