"""Intervals that know that clips of one source are alike: sources are resampled, not clips."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from padam.training.head_validation import compared_rows

Floats = npt.NDArray[np.floating]

INTERVAL: Final = (2.5, 97.5)
ROUNDING: Final = 1e-12  # a variance below it is that of equal values
HELD_VALUES: Final = 2**22  # weights of rows in rounds that are held at a time, 32 MiB


class Estimate(NamedTuple):
    """A value with its 95 % interval; NaN for what cannot be estimated."""

    value: float
    low: float
    high: float


class Resampled(NamedTuple):
    """A value, and what it is in each round (rounds,); NaN for what cannot be estimated."""

    value: float
    rounds: npt.NDArray[np.float64]


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
        return self.estimate(*self.resampled_auc(score, positive))

    def resampled_auc(self, score: Floats, positive: npt.NDArray[np.bool_]) -> Resampled:
        """Return what `auc` is made of: differences of areas are to be taken round by round."""
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
        return Resampled(float(value), rounds)

    def resampled_average_precision(
        self, score: Floats, positive: npt.NDArray[np.bool_]
    ) -> Resampled:
        """Return the average precision of scores (n,), that of scikit-learn, in all rounds.

        It is the mean of the precision over steps of recall, each as wide as what equal scores
        gain; NaN without a positive clip. Scores that are NaN belong to clips that take no part.
        """
        rows = np.flatnonzero(np.isfinite(score))
        rows = rows[np.argsort(-score[rows], kind="stable")]
        ends = np.flatnonzero(np.diff(score[rows], append=-np.inf))
        source, up = self._source[rows], positive[rows]
        block = max(1, HELD_VALUES // max(1, len(rows)))
        once = np.ones((1, self.count))
        value, *rounds = (
            _average_precision(times[:, source], up, ends)
            for times in (once, *np.split(self._times, np.arange(block, len(self._times), block)))
        )
        return Resampled(float(value[0]), np.concatenate(rounds))

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
        balanced = self.estimate(float(value[there].mean()), rounds[:, there].mean(axis=1))
        return balanced, [
            self.estimate(float(each), of_class)
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
        return self.estimate(
            float(value), _correlation(np.stack([self._over_pairs(each) for each in sums]))
        )

    def _over_pairs(self, sums: Floats) -> npt.NDArray[np.float64]:
        """Sum over pairs of the sources drawn in each round."""
        result: npt.NDArray[np.float64] = ((self._times @ sums) * self._times).sum(axis=1)
        return result

    def estimate(self, value: float, rounds: npt.NDArray[np.float64]) -> Estimate:
        """Return a value with the percentile interval of its rounds; those of NaN take no part."""
        known = rounds[np.isfinite(rounds)]
        if self.count < 2 or not len(known) or not np.isfinite(value):
            return Estimate(value, np.nan, np.nan)
        low, high = np.percentile(known, INTERVAL)
        return Estimate(value, float(low), float(high))


def _average_precision(
    weights: npt.NDArray[np.float64],
    positive: npt.NDArray[np.bool_],
    ends: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return the average precision (rounds,) of rows (n,) in falling order of their scores.

    `weights` (rounds, n) says how often a row was drawn; `ends` are the last rows of equal scores.
    """
    found = np.cumsum(weights * positive, axis=1)[:, ends]
    called = np.cumsum(weights, axis=1)[:, ends]
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(found / called)  # 0/0 where none of the first rows was drawn
        gained = np.diff(found, prepend=0.0, axis=1)
        area: npt.NDArray[np.float64] = (gained * precision).sum(axis=1) / gained.sum(axis=1)
    return area


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
