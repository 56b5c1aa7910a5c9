"""Embeddings of clip pairs, and the batches that hold both members of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from padam.defects.registry import DEFECT_NAMES
from padam.training.fitting import Batch

REFERENCE_Q_RANK = 1.0  # the clean member is the best there is


@dataclass(frozen=True)
class PairedEmbeddings:
    """N clip pairs: embeddings (N, T, 384), q_rank (N,), labels (N, 7), source clips and splits."""

    reference: npt.NDArray[np.floating[Any]]
    degraded: npt.NDArray[np.floating[Any]]
    q_rank: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    source_clips: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]

    @classmethod
    def validated(
        cls,
        reference: npt.NDArray[np.floating[Any]],
        degraded: npt.NDArray[np.floating[Any]],
        q_rank: npt.NDArray[np.floating[Any]],
        labels: npt.NDArray[np.floating[Any]],
        sources: Sequence[Any] | npt.NDArray[Any],
        splits: Sequence[Any] | npt.NDArray[Any],
        source_clips: Sequence[Any] | npt.NDArray[Any] | None,
    ) -> "PairedEmbeddings":
        """Check everything once; raise ValueError with the reason."""
        count = len(reference)
        q = np.asarray(q_rank, dtype=np.float32)
        label_rows = np.asarray(labels, dtype=np.float32)
        clips = np.arange(count) if source_clips is None else np.asarray(source_clips)
        lengths = [len(degraded), len(q), len(label_rows), len(sources), len(splits), len(clips)]
        if lengths != [count] * len(lengths):
            raise ValueError(f"{count} references, but the other columns have lengths {lengths}.")
        if reference.ndim != 3 or reference.shape != degraded.shape:
            raise ValueError(
                f"Embeddings must be two arrays (N, T, width) of one shape, not {reference.shape} "
                f"and {degraded.shape}."
            )
        if label_rows.shape != (count, len(DEFECT_NAMES)) or not np.isin(label_rows, (0, 1)).all():
            raise ValueError(f"Labels must be ({count}, {len(DEFECT_NAMES)}) of 0 and 1.")
        for name, array in (("reference", reference), ("degraded", degraded)):
            broken = ~np.isfinite(array).all(axis=(1, 2))
            if broken.any():
                raise ValueError(
                    f"{broken.sum()} {name} embeddings are not finite, the first in row "
                    f"{broken.argmax()}: embed those clips again."
                )
        if ((q < 0) | (q > 1)).any():
            raise ValueError(
                f"q_rank must lie in [0, 1], not [{np.nanmin(q):.3g}, {np.nanmax(q):.3g}]: map q̂ "
                "to its rank in the training set."
            )
        table = pd.DataFrame({"source": list(sources), "split": [str(s) for s in splits]})
        leaks = table.groupby("source")["split"].nunique()
        if (leaks > 1).any():
            raise ValueError(f"Source {leaks.index[leaks > 1][0]} is in more than one split.")
        identity = np.asarray(pd.factorize(clips)[0], dtype=np.int64)
        return cls(reference, degraded, q, label_rows, identity, table["split"].to_numpy(np.str_))

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Return the indices of a split's pairs."""
        return np.flatnonzero(self.splits == split)

    def batch(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return both members of the pairs: 2·B rows, the references first.

        `source` is the identity of the source clip, `clip` that of the row itself.
        """
        best = np.full(len(rows), REFERENCE_Q_RANK, dtype=np.float32)
        clean = np.zeros_like(self.labels[rows])
        columns = {
            "embeddings": np.concatenate([self.reference[rows], self.degraded[rows]]),
            "q_rank": np.concatenate([best, self.q_rank[rows]]),
            "labels": np.concatenate([clean, self.labels[rows]]),
            "source": np.tile(self.source_clips[rows], 2),
            "clip": np.arange(2 * len(rows)),
        }
        return {name: torch.from_numpy(column) for name, column in columns.items()}
