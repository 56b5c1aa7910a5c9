"""Learning curve of stage 3: the same classifier on growing parts of its training sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.models.binary_classifier import Floats
from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.refit import RefitConfig, refit_classifier
from padam.models.search import SvmSearchConfig

Labels = npt.NDArray[np.int64]
Sources = npt.NDArray[np.str_]

ALL: Final = 1


class LearningCurveConfig(BaseModel):
    """Which parts of the training sources are fitted, and how the curve is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    halvings: int = Field(4, ge=1, le=12)
    draws: int = Field(5, ge=1, le=100)
    bootstrap_rounds: int = Field(1000, ge=10)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class Part:
    """One of ``of`` equal parts of the training sources, in one draw; ``of`` 1 is all of them."""

    of: int
    draw: int
    kept: npt.NDArray[np.bool_]
    """Which training rows (n,) are of its sources."""

    @property
    def name(self) -> str:
        """Its name, as ``1_of_4.draw_0``."""
        return f"{part_name(self.of)}.draw_{self.draw}"


def part_name(of: int) -> str:
    """Return how a part is called: ``1_of_4``, or ``all``."""
    return "all" if of == ALL else f"1_of_{of}"


def parts_of(sources: Sources, config: LearningCurveConfig) -> Iterator[Part]:
    """Yield all sources, then halves, quarters and so on, drawn ``config.draws`` times.

    ``sources`` (n,) says of which source, or title, each training row is: a part has all rows of a
    source or none. In a draw each part lies within the next larger one. Raises ValueError where
    there are fewer sources than the smallest part is a fraction of them.
    """
    names, source = np.unique(sources, return_inverse=True)
    smallest = 2**config.halvings
    if len(names) < smallest:
        raise ValueError(
            f"learning_curve.curve.halvings is {config.halvings}, which asks for {smallest} "
            f"training sources; there are {len(names)}: lower it."
        )
    orders = [
        np.random.default_rng([config.seed, draw]).permutation(len(names))
        for draw in range(config.draws)
    ]
    for halving in range(config.halvings + 1):
        of = 2**halving
        for draw, order in enumerate(orders[:1] if of == ALL else orders):
            chosen = np.zeros(len(names), dtype=np.bool_)
            chosen[order[: round(len(names) / of)]] = True
            yield Part(of, draw, chosen[source])


@dataclass(frozen=True)
class CurveFit:
    """What every part is fitted with: ν, γ and the like as trained, the rest as configured."""

    classifier: DefectClassifier | NystroemClassifier
    """As trained: of it come ν, γ, the weight of r and the balance of the classes."""
    search: SvmSearchConfig
    refit: RefitConfig

    def settings(self) -> dict[str, Any]:
        """Return the settings as plain values: equal ones give equal fits."""
        search, refit = self._search(), self.refit
        return {
            **self._best(),
            "evidence_columns": self.classifier.evidence_columns,
            **search.model_dump(include={"balanced", "engine", "r_weight", "seed"}),
            **refit.model_dump(),
        }

    def fit(self, rows: Floats, labels: Labels) -> DefectClassifier | NystroemClassifier:
        """Fit as stage 3 does on rows (n, width) and labels (n,); ValueError where it would."""
        evidence = self.classifier.evidence_columns
        return refit_classifier(rows, labels, self._best(), self._search(), self.refit, evidence)

    def _best(self) -> dict[str, float]:
        return {"nu": self.classifier.nu, "gamma": self.classifier.gamma}

    def _search(self) -> SvmSearchConfig:
        trained: dict[str, Any] = {"balanced": self.classifier.balanced}
        if self.classifier.evidence_columns:
            trained["r_weight"] = self.classifier.r_weight
        return self.search.model_copy(update=trained)


def fit_part(
    part: Part, fit: CurveFit, rows: Floats, labels: Labels, sources: Sources, judged: Floats
) -> pd.DataFrame:
    """Return the score of each of ``judged`` (m, width), of a classifier fitted on a part.

    ``rows`` (n, width), ``labels`` (n,) and ``sources`` (n,) are those of all training rows. A
    part that cannot be fitted, as of one class only, has scores NaN and the ``reason``.
    """
    labels_kept = labels[part.kept]
    kind, reason, score = "", "", np.full(len(judged), np.nan)
    try:
        fitted = fit.fit(rows[part.kept], labels_kept)
    except ValueError as error:
        reason = str(error)
    else:
        kind, score = fitted.kind, fitted.score(judged)
    return pd.DataFrame(
        {
            "of": part.of,
            "draw": part.draw,
            "sources": len(np.unique(sources[part.kept])),
            "rows": len(labels_kept),
            "defective_rows": int(labels_kept.sum()),
            "kind": kind,
            "reason": reason,
            "score": score,
        }
    )
