"""A fitted classifier as numbers: it scores without scikit-learn, and its file names no type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

if TYPE_CHECKING:
    from padam.models.binary_classifier import BinaryClassifier

Floats = npt.NDArray[np.float64]

DESCRIPTION_FILE = "decision.json"
ARRAYS_FILE = "decision.safetensors"
POINTS = "points"
_NUMBERS = ("intercept", "sigma", "gamma")
# 256 rows against 16 000 support vectors are 33 MB.
_ROWS_AT_ONCE = 256


class FittedClassifier(Protocol):
    """What scoring and saving know of a classifier."""

    def score(self, r: npt.ArrayLike) -> Floats:
        """Return s (n,) in (0, 1), 1 = surely defective, for representations r (n, width)."""
        ...

    def decision_function(self, r: npt.ArrayLike) -> Floats:
        """Return d (n,), positive on the defective side, for representations r (n, width)."""
        ...

    def save(self, path: str | Path) -> None:
        """Write the folder ``path``."""
        ...


@dataclass(frozen=True, eq=False)
class DecisionFunction:
    """d and s of a fitted classifier (PADAM §4.3).

    With z = (r - mean)/scale, d = Σ weights·exp(-gamma·|z - points|²) + intercept over the points
    (n, width); without points d = weights·z + intercept. s = 1/(1 + exp(-d/σ)). `kind`,
    `parameters` and `training_rows` say what was fitted, and on how much.

    Raises ValueError for arrays that do not fit together, or hold what is not finite.
    """

    kind: str
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float
    sigma: float
    points: Floats | None = None
    gamma: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    training_rows: int = 0

    def __post_init__(self) -> None:
        width = self.mean.shape
        least = width if self.points is None else (*self.weights.shape, *width)
        last = self.weights if self.points is None else self.points
        if len(width) != 1 or self.scale.shape != width or last.shape != least:
            shapes = {name: array.shape for name, array in self._arrays().items()}
            raise ValueError(f"the arrays of the classifier do not fit together: {shapes}")
        if (self.points is None) != (self.gamma is None):
            raise ValueError("a classifier has points and gamma, or neither")
        numbers = [value for name in _NUMBERS if (value := getattr(self, name)) is not None]
        if not all(np.isfinite(each).all() for each in [*self._arrays().values(), *numbers]):
            raise ValueError("the classifier holds numbers that are not finite")
        if not (self.sigma > 0 and (self.scale > 0).all() and (self.gamma or 1) > 0):
            raise ValueError("sigma, gamma and scale of a classifier must be positive")

    @classmethod
    def of(cls, classifier: BinaryClassifier) -> Self:
        """Return the numbers of a fitted ν-SVM, a linear classifier, or one after a Nyström map.

        Support vectors, nearly all of its size, are rounded to single precision, which moves s by
        less than 1e-6. Raises TypeError for a classifier of another form.
        """
        scaler, *maps, estimator = (step for _, step in classifier.pipeline.steps)
        form: dict[str, Any]
        match [type(step).__name__ for step in (*maps, estimator)]:
            case ["NuSVC"]:
                vectors = estimator.support_vectors_.astype(np.float32).astype(np.float64)
                form = {POINTS: vectors, "gamma": float(estimator.gamma)}
                weights = estimator.dual_coef_[0]
            case ["Nystroem", "LinearSVC"]:
                form = {POINTS: maps[0].components_, "gamma": float(maps[0].gamma)}
                weights = maps[0].normalization_.T @ estimator.coef_[0]
            case ["LogisticRegression" | "LinearSVC"]:
                form, weights = {}, estimator.coef_[0]
            case other:
                raise TypeError(f"a classifier of {' and '.join(other)} cannot be put into a model")
        return cls(
            kind=classifier.kind,
            mean=scaler.mean_,
            scale=scaler.scale_,
            weights=weights,
            intercept=float(estimator.intercept_[0]),
            sigma=float(classifier.sigma or 0.0),
            parameters=classifier.parameters,
            training_rows=classifier.training_rows,
            **form,
        )

    def decision_function(self, r: npt.ArrayLike) -> Floats:
        """Return d (n,), positive on the defective side, for representations r (n, width).

        Raises ValueError for another width and for values that are not finite.
        """
        rows = np.asarray(r, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ValueError(
                f"Representations have shape {rows.shape}; expected (rows, {len(self.mean)}): were "
                "they made by another quality head?"
            )
        if not np.isfinite(rows).all():
            raise ValueError("Representations are not finite: leave these clips out.")
        starts = range(0, len(rows), _ROWS_AT_ONCE)
        parts = [self._decide(rows[start : start + _ROWS_AT_ONCE]) for start in starts]
        return np.concatenate([np.zeros(0), *parts])

    def score(self, r: npt.ArrayLike) -> Floats:
        """Return s (n,) in (0, 1), 1 = surely defective, for representations r (n, width)."""
        # tanh is the logistic function without its overflow.
        return 0.5 * (1.0 + np.tanh(0.5 * self.decision_function(r) / self.sigma))

    def save(self, path: str | Path) -> None:
        """Write the folder ``path``: arrays as safetensors, the rest as JSON."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, npt.NDArray[np.floating]] = {
            name: np.ascontiguousarray(array) for name, array in self._arrays().items()
        }
        if self.points is not None:
            single = self.points.astype(np.float32)
            if np.array_equal(single, self.points):  # nothing is lost
                arrays[POINTS] = np.ascontiguousarray(single)
        save_file(arrays, folder / ARRAYS_FILE)
        description = {
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "training_rows": self.training_rows,
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        text = json.dumps(description, indent=2, allow_nan=False) + "\n"
        (folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder written by `save`; ValueError where it is missing, damaged or no such."""
        folder = Path(path)
        try:
            description = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
            arrays: dict[str, Any] = load_file(folder / ARRAYS_FILE)
            if POINTS in arrays:
                arrays[POINTS] = arrays[POINTS].astype(np.float64)
            return cls(**description, **arrays)
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise ValueError(f"{folder.name}: unusable classifier ({error})") from error

    def _decide(self, rows: Floats) -> Floats:
        z = (rows - self.mean) / self.scale
        if self.points is not None and self.gamma is not None:
            distances = np.square(z).sum(axis=1)[:, None] + self._squared_points
            distances -= 2.0 * (z @ self.points.T)
            z = np.exp(-self.gamma * np.maximum(distances, 0.0))
        return np.asarray(z @ self.weights + self.intercept)

    @cached_property
    def _squared_points(self) -> Floats:
        """|points|² (n,), the same for every row; (0,) without points."""
        return np.zeros(0) if self.points is None else np.square(self.points).sum(axis=1)

    def _arrays(self) -> dict[str, Floats]:
        named = {"mean": self.mean, "scale": self.scale, "weights": self.weights}
        return named if self.points is None else {**named, POINTS: self.points}


def save_fitted(classifier: FittedClassifier, folder: Path) -> None:
    """Write the numbers of a classifier; TypeError for one of another form than `of` knows."""
    if not isinstance(classifier, DecisionFunction):
        classifier = DecisionFunction.of(cast("BinaryClassifier", classifier))
    classifier.save(folder)


def load_fitted(folder: Path) -> FittedClassifier:
    """Read what `save_fitted` wrote, or a classifier's own folder, as earlier models hold it.

    The latter is skops, of which trusted types only are loaded. Raises ValueError where it is
    missing, damaged, or of no known kind.
    """
    if (folder / DESCRIPTION_FILE).is_file():
        return DecisionFunction.load(folder)
    from padam.models.defect_classifier import ClassifierFileError, DefectClassifier, LinearProbe

    kinds = {each.kind: each for each in (DefectClassifier, LinearProbe)}
    try:
        kind = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))["kind"]
        return kinds[kind].load(folder)
    except (OSError, KeyError, TypeError, ValueError, ClassifierFileError) as error:
        raise ValueError(f"{folder.name}: unusable classifier ({error})") from error
