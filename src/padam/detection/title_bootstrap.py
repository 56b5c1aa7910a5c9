"""Bootstrap over titles: what a measure would be on other titles of the same kind.

Titles are drawn with replacement, the segments of a title together: they are no independent
observations. Every measure here is a function of how often each title was drawn, so that all rounds
are a few products of matrices, and the draws are the same for every system, which compares them in
pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

_MOST_AT_ONCE = 2**24  # numbers of a matrix of positives and rounds: 128 MB


@dataclass(frozen=True)
class TitleDraws:
    """How often each title was drawn, (rounds, titles); the first row is each title once."""

    counts: Array

    @classmethod
    def of(cls, titles: int, rounds: int, seed: int) -> TitleDraws:
        """Draw `titles` of as many titles, in each of the rounds."""
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(titles, np.full(titles, 1 / max(titles, 1)), size=rounds)
        return cls(np.vstack([np.ones(titles), drawn]).astype(np.float64))

    def totals(self, by_title: npt.NDArray[np.number]) -> Array:
        """Sums (..., 1 + rounds) of what each title holds, (..., titles)."""
        return np.asarray(by_title @ self.counts.T, dtype=np.float64)

    def among(self, titles: Flags) -> TitleDraws:
        """The same draws with the other titles taken out of them."""
        return TitleDraws(self.counts * titles)


def ratio(part: Array, whole: Array) -> Array:
    """Part of the whole; NaN where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def interval(values: Array) -> tuple[float, float]:
    """2.5 % and 97.5 % points of the rounds in which the measure exists; values (1 + rounds,)."""
    there = values[1:][~np.isnan(values[1:])]
    if not there.size:
        return float("nan"), float("nan")
    low, high = np.percentile(there, [2.5, 97.5])
    return float(low), float(high)


def two_sided_p(differences: Array) -> float:
    """p of no difference: twice the share of rounds on the far side of 0; (1 + rounds,)."""
    there = differences[1:][~np.isnan(differences[1:])]
    if not there.size:
        return float("nan")
    least = min((there <= 0).sum(), (there >= 0).sum())
    return float(min(1.0, 2 * (1 + least) / (1 + there.size)))


@dataclass(frozen=True)
class Ranking:
    """What average precision and AUC need of scores, counted by title.

    `title` (P,) is that of each positive. The matrices (P, titles) count, for each positive, the
    positives and the negatives of each title that rank as high or higher, and the negatives that
    rank lower, a tie for half. What could not be scored ranks below all else and is never found; an
    unscored negative is no evidence that a system tells it from a positive, so `below` leaves it
    out, and so does `scored_negatives` (titles,).
    """

    title: Index
    positives_above: Array
    negatives_above: Array
    below: Array
    positives: Array
    negatives: Array
    scored_negatives: Array

    @classmethod
    def of(
        cls, scores: Array, positive: Flags, negative: Flags, title: Index, titles: int
    ) -> Ranking:
        """Count for scores (n,), greater = more defective, of the titles 0 … `titles` - 1."""
        wanted = scores[positive]
        ranked = np.where(np.isnan(wanted), -np.inf, wanted)
        shape = (len(wanted), titles)
        above, others, below = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for number, rows in _rows_by_title(title, titles):
            of_title = scores[rows]
            hits = np.sort(_lowest(of_title[positive[rows]]))
            misses = np.sort(_lowest(of_title[negative[rows]]))
            scored = misses[misses > -np.inf]
            above[:, number] = len(hits) - np.searchsorted(hits, ranked, side="left")
            others[:, number] = len(misses) - np.searchsorted(misses, ranked, side="left")
            lower = np.searchsorted(scored, ranked, side="left")
            below[:, number] = (lower + np.searchsorted(scored, ranked, side="right")) / 2
        return cls(
            title[positive],
            above,
            others,
            below,
            np.bincount(title[positive], minlength=titles).astype(np.float64),
            np.bincount(title[negative], minlength=titles).astype(np.float64),
            np.bincount(title[negative & ~np.isnan(scores)], minlength=titles).astype(np.float64),
        )

    def only(self, chosen: Flags) -> Ranking:
        """The ranking of some of the positives, (P,), against the same negatives."""
        title = self.title[chosen]
        return Ranking(
            title,
            self.positives_above[chosen],
            self.negatives_above[chosen],
            self.below[chosen],
            np.bincount(title, minlength=len(self.positives)).astype(np.float64),
            self.negatives,
            self.scored_negatives,
        )

    def average_precision(self, draws: TitleDraws, negative_weight: float = 1.0) -> Array:
        """Area under the steps of precision over recall, (1 + rounds,); NaN without both classes.

        A negative counts `negative_weight` times, which restates the area at another prevalence.
        """
        counts = draws.counts
        both = (draws.totals(self.positives) > 0) & (draws.totals(self.negatives) > 0)
        area = np.full(len(counts), np.nan)
        step = max(1, _MOST_AT_ONCE // max(1, len(self.title)))
        for first in range(0, len(counts), step):
            some = counts[first : first + step].T
            true = self.positives_above @ some
            weights = some[self.title]
            alarms = true + negative_weight * (self.negatives_above @ some)
            # a positive whose title was not drawn weighs nothing, wherever it ranks
            precision = np.divide(true, alarms, out=np.zeros_like(true), where=alarms > 0)
            area[first : first + step] = ratio((weights * precision).sum(0), weights.sum(0))
        return np.where(both, area, np.nan)

    def auc(self, draws: TitleDraws) -> Array:
        """Share of pairs in which the positive ranks higher, (1 + rounds,); NaN without pairs."""
        titles, place = np.unique(self.title, return_inverse=True)
        pairs = np.zeros((len(titles), len(self.positives)))
        np.add.at(pairs, place, self.below)
        won = (draws.counts[:, titles] * (draws.counts @ pairs.T)).sum(axis=1)
        return ratio(won, draws.totals(self.positives) * draws.totals(self.scored_negatives))


def _lowest(scores: Array) -> Array:
    return np.where(np.isnan(scores), -np.inf, scores)


def _rows_by_title(title: Index, titles: int) -> list[tuple[int, Index]]:
    order = np.argsort(title, kind="stable")
    bounds = np.searchsorted(title[order], np.arange(titles + 1))
    parts = [order[a:b] for a, b in pairwise(bounds)]
    return [(number, rows) for number, rows in enumerate(parts) if len(rows)]
