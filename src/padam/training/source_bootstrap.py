"""Intervals that know that clips of one source are alike: sources are resampled, not clips."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from padam.training.head_validation import compared_rows

Floats = npt.NDArray[np.floating]

INTERVAL: Final = (2.5, 97.5)
ROUNDING: Final = 1e-12  # a variance below it is that of equal values


class Estimate(NamedTuple):
    """A value with its 95 % interval; NaN for what cannot be estimated."""

    value: float
    low: float
    high: float


class SourceBootstrap:
    """Percentile intervals by resampling S sources with replacement, in the same way each time.

    `sources` (n,) says of which source each clip is. A statistic over pairs of clips is a sum over
    pairs of sources, so a round costs S², whatever the number of clips.
    """

    def __init__(self, sources: npt.NDArray[np.int64], rounds: int, seed: int) -> None:
        names, self._source = np.unique(sources, return_inverse=True)
        self.count = len(names)
        rng = np.random.default_rng(seed)
        shares = np.full(self.count, 1 / self.count)
        self._times = rng.multinomial(self.count, shares, size=rounds).astype(np.float64)

    def auc(self, score: Floats, positive: npt.NDArray[np.bool_]) -> Estimate:
        """Return the area under the ROC curve of scores (n,); NaN with one class only.

        Scores that are NaN belong to clips that take no part.
        """
        wins = np.zeros((self.count, self.count))
        taking_part = np.isfinite(score)
        up, down = np.flatnonzero(taking_part & positive), np.flatnonzero(taking_part & ~positive)
        for source in range(self.count):
            beaten = np.sort(score[down[self._source[down] == source]])
            below, up_to = (np.searchsorted(beaten, score[up], side) for side in ("left", "right"))
            won = (below + up_to) / 2
            wins[:, source] = np.bincount(self._source[up], won, minlength=self.count)
        ups, downs = (np.bincount(self._source[rows], minlength=self.count) for rows in (up, down))
        with np.errstate(invalid="ignore"):
            value = wins.sum() / np.float64(len(up) * len(down))
            rounds = self._over_pairs(wins) / ((self._times @ ups) * (self._times @ downs))
        return self._estimate(float(value), rounds)

    def recalls(
        self, label: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], classes: int
    ) -> tuple[Estimate, list[Estimate]]:
        """Return balanced accuracy and the recall of each class, NaN for one without a row.

        `label` (n,) is the class of each row and `right` (n,) whether it was recognised. Balanced
        accuracy is the mean over the classes that have rows; a round in which one of them has none
        takes no part.
        """
        hits, total = np.zeros((2, self.count, classes))
        np.add.at(hits, (self._source[right], label[right]), 1)
        np.add.at(total, (self._source, label), 1)
        with np.errstate(invalid="ignore"):
            value = hits.sum(axis=0) / total.sum(axis=0)
            rounds = (self._times @ hits) / (self._times @ total)
        there = np.isfinite(value)
        balanced = self._estimate(float(value[there].mean()), rounds[:, there].mean(axis=1))
        return balanced, [
            self._estimate(float(each), of_class)
            for each, of_class in zip(value, rounds.T, strict=True)
        ]

    def similarity_correlation(self, z: Floats, q_rank: npt.NDArray[np.float32]) -> Estimate:
        """Return the correlation of the cosine similarity of z (n, D) and −|Δq|.

        It is taken over all pairs of the `compared_rows`; NaN where either is constant. A clip
        drawn twice makes no pair with itself.
        """
        rows = compared_rows(q_rank)
        rows = rows[np.argsort(self._source[rows], kind="stable")]
        present, starts = np.unique(self._source[rows], return_index=True)
        unit = z[rows] / np.linalg.norm(z[rows], axis=1, keepdims=True)
        q = q_rank[rows].astype(np.float64)
        sums = np.zeros((6, self.count, self.count))
        for source, mine in zip(present, np.split(np.arange(len(rows)), starts[1:]), strict=True):
            x = (unit[mine] @ unit.T).astype(np.float64)
            y = -np.abs(q[mine, None] - q[None, :])
            others = mine[:, None] != np.arange(len(rows))
            moments = (np.ones_like(x), x, y, x * x, y * y, x * y)
            by_clip = np.stack([(moment * others).sum(axis=0) for moment in moments])
            sums[:, source, present] = np.add.reduceat(by_clip, starts, axis=1)
        value = _correlation(sums.sum(axis=(1, 2)))
        return self._estimate(
            float(value), _correlation(np.stack([self._over_pairs(each) for each in sums]))
        )

    def _over_pairs(self, sums: Floats) -> npt.NDArray[np.float64]:
        """Sum over pairs of the sources drawn in each round."""
        result: npt.NDArray[np.float64] = ((self._times @ sums) * self._times).sum(axis=1)
        return result

    def _estimate(self, value: float, rounds: npt.NDArray[np.float64]) -> Estimate:
        known = rounds[np.isfinite(rounds)]
        if self.count < 2 or not len(known) or not np.isfinite(value):
            return Estimate(value, np.nan, np.nan)
        low, high = np.percentile(known, INTERVAL)
        return Estimate(value, float(low), float(high))


def _correlation(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Pearson's correlation from Σ1, Σx, Σy, Σx², Σy² and Σxy along the first axis."""
    with np.errstate(invalid="ignore", divide="ignore"):
        count, *moments = sums
        x, y, xx, yy, xy = (moment / count for moment in moments)
        spread_x, spread_y = (xx - x * x).clip(0), (yy - y * y).clip(0)
        flat = (spread_x < ROUNDING) | (spread_y < ROUNDING)
        correlation: npt.NDArray[np.float64] = np.where(
            flat, np.nan, (xy - x * y) / np.sqrt(spread_x * spread_y)
        )
    return correlation
