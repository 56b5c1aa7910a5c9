"""The table of the ablations: areas and correlations with intervals, on the same clips."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.defects.registry import DEFECT_NAMES
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.training.pairs import PairedEmbeddings
from padam.training.source_bootstrap import Estimate, SourceBootstrap

LINEAR_PROBE, NU_SVM = LinearProbe.kind, DefectClassifier.kind

Arrays = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class Ablations(NamedTuple):
    """What `run_ablations` finds."""

    table: pd.DataFrame
    """A row and classifier a line; areas under the ROC curve and correlation with intervals."""
    scores: pd.DataFrame
    """An evaluated clip a line: pair, side, source, labels and each classifier's score."""


class EvaluatedClips(NamedTuple):
    """The clips that are judged, as the heads see them: the same for every row."""

    pair: Labels
    labels: Rows
    q_rank: Rows
    source: Labels


def evaluated_clips(pairs: PairedEmbeddings, split: str) -> EvaluatedClips:
    """Return both sides of a split's pairs, all references first."""
    rows = pairs.rows(split)
    both = pairs.truth(rows)
    return EvaluatedClips(
        pair=np.tile(rows, 2),
        labels=both["labels"].numpy(),
        q_rank=both["q_rank"].numpy(),
        source=np.tile(pairs.sources[rows], 2),
    )


def judge(
    found: Mapping[str, Arrays],
    evaluated: EvaluatedClips,
    bootstrap: SourceBootstrap,
    split: str,
) -> Ablations:
    """Return the table of areas and correlations, and the scores that it is made of."""
    defective = evaluated.labels.max(axis=1) > 0
    scores = pd.DataFrame(
        {
            "pair": evaluated.pair,
            "side": np.repeat(["reference", "degraded"], len(defective) // 2),
            "source": evaluated.source,
            **{name: evaluated.labels[:, i] > 0 for i, name in enumerate(DEFECT_NAMES)},
        }
    )
    table = []
    for row, arrays in found.items():
        similarity = bootstrap.similarity_correlation(arrays["z"], evaluated.q_rank)
        for classifier in (LINEAR_PROBE, NU_SVM):
            if classifier not in arrays:
                continue
            score = arrays[classifier]
            scores[f"{row}.{classifier}"] = score
            line: dict[str, Any] = {"row": row, "classifier": classifier}
            line |= _columns("auc_defective", bootstrap.auc(score, defective))
            for name in DEFECT_NAMES:
                has = scores[name].to_numpy()
                # against clean clips alone: another defect is no false alarm of a decision on any
                judged = np.where(has | ~defective, score, np.nan)
                line |= _columns(f"auc_{name}", bootstrap.auc(judged, has))
            line |= _columns("similarity_correlation", similarity)
            tuned = arrays if classifier == NU_SVM else {}
            line |= {name: float(tuned.get(name, np.nan)) for name in ("nu", "gamma")}
            line |= {"split": split, "clips": len(score)}
            table.append({**line, "sources": bootstrap.count})
    return Ablations(pd.DataFrame(table), scores)


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
