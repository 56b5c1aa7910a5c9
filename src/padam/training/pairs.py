"""Embeddings of clip pairs, and the batches that hold both members of each."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from padam.defects.registry import DEFECT_NAMES
from padam.training.fitting import Batch

REFERENCE_Q_RANK: Final = 1.0  # the clean member is the best there is
BLOCK_ROWS: Final = 256  # read at once where all are looked at

Floats = npt.NDArray[np.floating[Any]]


class EmbeddingRows:
    """Embeddings (N, T, width) of N clips, of one channel each, read when they are asked for."""

    def __init__(self, embeddings: Mapping[str, Floats], places: Sequence[tuple[str, int]]) -> None:
        self._embeddings = embeddings
        self._places = places
        first = self._read(0) if places else np.zeros((0, 0), dtype=np.float16)
        self.dtype = first.dtype
        self.shape = (len(places), *first.shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Return the rows (n, T, width) of these indices; ValueError for one of another shape."""
        found = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        for at, row in enumerate(rows):
            embedding = self._read(row)
            if embedding.shape != found.shape[1:]:
                raise ValueError(
                    f"The embedding {self._places[row][0]} has shape {embedding.shape}, the first "
                    f"one {found.shape[1:]}: clips must be equally long and of one audio encoder."
                )
            found[at] = embedding
        return found

    def _read(self, row: int) -> Floats:
        name, channel = self._places[row]
        return self._embeddings[name][channel]


def blocks(count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the indices of `count` rows, a block at a time."""
    for start in range(0, count, BLOCK_ROWS):
        yield np.arange(start, min(start + BLOCK_ROWS, count))


@dataclass(frozen=True)
class PairedEmbeddings:
    """N clip pairs: embeddings (N, T, 384), q_rank (N,), labels (N, 7), sources, splits.

    `source_clips` (N,) numbers the clean clips; `digest` names the content of all that is trained
    on.
    """

    reference: Floats | EmbeddingRows
    degraded: Floats | EmbeddingRows
    q_rank: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    source_clips: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]
    digest: str

    @classmethod
    def validated(
        cls,
        reference: Floats | EmbeddingRows,
        degraded: Floats | EmbeddingRows,
        q_rank: Floats,
        labels: Floats,
        sources: Sequence[Any] | npt.NDArray[Any],
        splits: Sequence[Any] | npt.NDArray[Any],
        source_clips: Sequence[Any] | npt.NDArray[Any] | None = None,
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
        digest = hashlib.sha256()
        for name, rows in (("reference", reference), ("degraded", degraded)):
            _check_finite(name, rows, digest)
        for column in (q, label_rows, identity):
            digest.update(np.ascontiguousarray(column).data)
        digest.update(repr(table["split"].tolist()).encode())
        return cls(
            reference,
            degraded,
            q,
            label_rows,
            identity,
            np.asarray(pd.factorize(table["source"])[0], dtype=np.int64),
            table["split"].to_numpy(np.str_),
            digest.hexdigest(),
        )

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Return the indices of a split's pairs."""
        return np.flatnonzero(self.splits == split)

    def batch(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return both members of the pairs: 2·B rows, the references first.

        `source` is the identity of the source clip, `clip` that of the row itself.
        """
        both = np.concatenate([self.reference[rows], self.degraded[rows]])
        return {"embeddings": torch.from_numpy(both), **self.truth(rows)}

    def truth(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return what a batch holds beside its embeddings."""
        best = np.full(len(rows), REFERENCE_Q_RANK, dtype=np.float32)
        clean = np.zeros_like(self.labels[rows])
        columns = {
            "q_rank": np.concatenate([best, self.q_rank[rows]]),
            "labels": np.concatenate([clean, self.labels[rows]]),
            "source": np.tile(self.source_clips[rows], 2),
            "clip": np.arange(2 * len(rows)),
        }
        return {name: torch.from_numpy(column) for name, column in columns.items()}


@dataclass(frozen=True)
class LabelledEmbeddings:
    """Segments with labels (N, 7) of 0 and 1 and neither a q̂ nor a clean member beside them."""

    embeddings: Floats | EmbeddingRows
    labels: npt.NDArray[np.float32]
    splits: npt.NDArray[np.str_]
    digest: str

    @classmethod
    def validated(
        cls,
        embeddings: Floats | EmbeddingRows,
        labels: Floats,
        splits: Sequence[Any] | npt.NDArray[Any],
    ) -> "LabelledEmbeddings":
        """Check everything once; raise ValueError with the reason."""
        rows = np.asarray(labels, dtype=np.float32)
        if not len(embeddings) == len(rows) == len(splits):
            raise ValueError(
                f"{len(embeddings)} segments, but {len(rows)} labels and {len(splits)} splits."
            )
        if rows.shape != (len(rows), len(DEFECT_NAMES)) or not np.isin(rows, (0, 1)).all():
            raise ValueError(f"Labels must be ({len(rows)}, {len(DEFECT_NAMES)}) of 0 and 1.")
        digest = hashlib.sha256()
        _check_finite("segment", embeddings, digest)
        digest.update(np.ascontiguousarray(rows).data)
        digest.update(repr([str(split) for split in splits]).encode())
        return cls(embeddings, rows, np.asarray(splits, dtype=np.str_), digest.hexdigest())

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Return the indices of a split's segments."""
        return np.flatnonzero(self.splits == split)

    def drawn(self, rng: np.random.Generator, rows: npt.NDArray[np.int64], count: int) -> Batch:
        """Return `count` of the segments `rows`, half of them defective where there are such."""
        defective = self.labels[rows].any(axis=1)
        classes = [rows[defective], rows[~defective]]
        sizes = [count // 2, count - count // 2] if all(map(len, classes)) else [count, count]
        chosen = np.concatenate(
            [
                rng.choice(of_class, size, replace=size > len(of_class))
                for of_class, size in zip(classes, sizes, strict=True)
                if len(of_class)
            ]
        )
        return self.batch(chosen)

    def batch(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return segments by names of their own, to stand beside pairs."""
        return {
            "segment_embeddings": torch.from_numpy(np.asarray(self.embeddings[rows])),
            "segment_labels": torch.from_numpy(self.labels[rows]),
        }


class PairBatches(Sequence[Batch]):
    """The pairs of some rows as batches of at most `pairs_at_once`, read when asked for."""

    def __init__(
        self, pairs: PairedEmbeddings, rows: npt.NDArray[np.int64], pairs_at_once: int
    ) -> None:
        self._pairs = pairs
        self._parts = np.array_split(rows, max(1, -(-len(rows) // pairs_at_once)))

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: Any) -> Any:
        return self._pairs.batch(self._parts[index])


def _check_finite(name: str, embeddings: Floats | EmbeddingRows, digest: "hashlib._Hash") -> None:
    """Raise ValueError for rows that are not finite; add all of them to the digest."""
    broken: list[int] = []
    for rows in blocks(len(embeddings)):
        block = np.ascontiguousarray(embeddings[rows])
        digest.update(block.data)
        broken += rows[~np.isfinite(block).all(axis=(1, 2))].tolist()
    if broken:
        raise ValueError(
            f"{len(broken)} {name} embeddings are not finite, the first in row {broken[0]}: embed "
            "those clips again."
        )
