"""PADAM as a scorer, and its ablations, which share the embeddings (PADAM Table 3).

| system | features | decision |
|---|---|---|
| `feature_extractor` | mean over time of the embeddings | linear probe |
| `quality_head` | representation r | linear probe |
| `native_evidence` | native-rate evidence, where the model uses it | linear probe |
| `padam` | representation r, joined with that evidence where the model uses it | ν-SVM |
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.special import expit

from padam.audio import Audio
from padam.detection.heard_segments import HeardSegment, heard_segments
from padam.detection.localisation import Localisation
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import (
    EVIDENCE_PREFIX,
    PROBABILITY_PREFIX,
    SEGMENT_COLUMNS,
    ScoreTable,
    segment_rows,
)
from padam.detection.segments import SEGMENT_S, SILENCE
from padam.detection.title_embeddings import TitleEmbeddings
from padam.training.embedding import (
    SAMPLE_RATE,
    Precision,
    checked_precision,
    embed_audio,
    represent,
    represent_windows,
)

Embeddings = npt.NDArray[np.floating]
Evidence = npt.NDArray[np.float32]
Columns = dict[str, npt.NDArray[np.floating]]

FEATURE_EXTRACTOR = "feature_extractor"
QUALITY_HEAD = "quality_head"
NATIVE_EVIDENCE = "native_evidence"
NAMING = "names_"
"""Begins the names of the probes that tell a defect from others (extension): `names_<defect>`."""


def mean_embedding(embeddings: Embeddings) -> npt.NDArray[np.float32]:
    """Features of the `feature_extractor` ablation: (…, T, 384) → (…, 384)."""
    return np.asarray(embeddings, dtype=np.float32).mean(axis=-2)


def only_where(judged: npt.NDArray[np.bool_], columns: Columns) -> Columns:
    """Columns with NaN in the rows that could not be judged."""
    return {name: np.where(judged, values, np.nan) for name, values in columns.items()}


class PadamScorer:
    """The whole of PADAM: s in [0, 1] per segment and channel, and each defect's probability.

    The evidence e_<n> is that of the model's event localiser, in segments that reach the threshold
    (`at_threshold`, else the model's own) and in those beside them. Without a localiser it is s of
    the representation of each 0.4 s, as if the segment held nothing else, and native-rate evidence
    is the segment's. Blocks come at `sample_rate`: any rate will do, and a model that uses
    native-rate evidence or has a localiser wants the source's own (`at_rate`).
    """

    name = "padam"
    segment_s = SEGMENT_S

    def __init__(
        self, model: PadamModel, *, batch_segments: int = 6, sample_rate: int = SAMPLE_RATE
    ) -> None:
        self.model = model
        self.sample_rate = sample_rate
        self.run_id = model.run_id
        self.version = model.run_id or (model.sha256 or "untrained")[:12]
        self.operating_point = model.operating_point
        self.review_points = model.operating_points
        self.model_name = model.name
        self.model_sha256 = model.sha256
        self.localiser = model.localiser
        self._threshold = model.threshold
        self._batch_segments = batch_segments

    @functools.cached_property
    def precision(self) -> Precision:
        """The precision of the embeddings: bfloat16 where it gives what float32 does."""
        return checked_precision(self.model.encoder)

    def at_rate(self, sample_rate: int) -> Self:
        """Return this scorer for a source of that rate: for its own rate if it hears more there."""
        hears_more = self.model.evidence_width or self.localiser
        if not hears_more or sample_rate == self.sample_rate:
            return self
        other = copy.copy(self)
        other.sample_rate = sample_rate
        other.precision = self.precision  # measured once
        return other

    def at_threshold(self, threshold: float) -> Self:
        """Return this scorer where segments count as flagged from another score on."""
        other = copy.copy(self)
        other._threshold = threshold
        return other

    @property
    def localises(self) -> bool:
        """Whether the evidence is that of an event localiser."""
        return self.localiser is not None

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score, p_<defect> …, e_<n> …; see `Scorer.score`."""
        localisation = self.localiser and Localisation(
            self.localiser, self._threshold, self.sample_rate
        )
        segments = heard_segments(
            blocks,
            self.sample_rate,
            self.segment_s,
            with_evidence=bool(self.model.evidence_width),
            with_native=localisation is not None,
        )
        table = ScoreTable()
        while batch := list(itertools.islice(segments, self._batch_segments)):
            rows = self._score_batch(batch)
            table.append(rows)
            if localisation:
                scores = rows["score"].to_numpy(dtype=np.float64).reshape(len(batch), -1)
                for segment, values in zip(batch, scores, strict=True):
                    localisation.add(segment.native, values)
        return localisation.finish(table.frame()) if localisation else table.frame()

    def score_embeddings(self, title: TitleEmbeddings) -> pd.DataFrame:
        """Return what `score` gives for the audio that was embedded."""
        table = ScoreTable()
        segments = self._batch_segments
        for first in range(0, len(title.times), segments):
            times = title.times[first : first + segments]
            part = title.embeddings[first : first + segments]
            evidence = title.native_evidence[first : first + segments]
            channels = part.shape[1]
            rows = part.reshape(-1, *part.shape[2:])
            finite = np.asarray(np.isfinite(rows).all(axis=(1, 2)))
            columns = self._columns(
                np.where(finite[:, None, None], rows, 0), evidence.reshape(len(rows), -1)
            )
            table.append(segment_rows(times, channels, only_where(finite, columns)))
        return table.frame()

    def _score_batch(self, batch: Sequence[HeardSegment]) -> pd.DataFrame:
        """Rows of some segments; NaN for one that no model can judge: not finite, or silent."""
        rows = np.concatenate([segment.audio for segment in batch])
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        usable = rows if finite.all() else np.where(finite[:, None], rows, 0)
        judged = np.abs(usable).max(axis=1, initial=0) > SILENCE
        embeddings = embed_audio(self.model.encoder, usable, self.precision)
        columns = self._segment_columns if self.localiser else self._columns
        times = np.array([(segment.start_s, segment.end_s) for segment in batch])
        evidence = np.concatenate([segment.native_evidence for segment in batch])
        found = only_where(judged, columns(embeddings, evidence))
        return segment_rows(times, len(batch[0].audio), found)

    def _segment_columns(self, embeddings: Embeddings, evidence: Evidence) -> Columns:
        """Columns of whole segments, with which those of their windows are not yet."""
        representation = represent(self.model.quality_head, embeddings)
        score = self.model.decide(representation, evidence)
        return {"score": score, **self._probabilities(representation, evidence)}

    def _columns(self, embeddings: Embeddings, evidence: Evidence) -> Columns:
        representation, windows = represent_windows(self.model.quality_head, embeddings)
        columns: Columns = {"score": self.model.decide(representation, evidence)}
        local = self.model.decide(
            windows.reshape(-1, windows.shape[-1]), np.repeat(evidence, windows.shape[1], axis=0)
        )
        for index, scores in enumerate(local.reshape(windows.shape[:-1]).T):
            columns[f"{EVIDENCE_PREFIX}{index}"] = scores
        return {**columns, **self._probabilities(representation, evidence)}

    def _probabilities(
        self, representation: npt.NDArray[np.float32], evidence: Evidence
    ) -> Columns:
        found = self._named(representation, evidence)
        return {
            f"{PROBABILITY_PREFIX}{label}": found[:, index]
            for index, label in enumerate(self.model.label_names)
        }

    def _named(
        self, representation: npt.NDArray[np.float32], evidence: Evidence
    ) -> npt.NDArray[np.floating]:
        """Return the probability (n, labels) of each defect.

        By the probes on r with native-rate evidence where the model has them, else by the quality
        head, as in the paper.
        """
        names = [f"{NAMING}{label}" for label in self.model.label_names]
        if all(name in self.model.probes for name in names):
            rows = np.concatenate([representation, evidence], axis=1)
            logits = [self.model.probes[name].decision_function(rows) for name in names]
            return np.asarray(expit(np.stack(logits, axis=1)))
        with torch.inference_mode():
            found = self.model.quality_head.classify(torch.from_numpy(representation))
            return np.asarray(torch.sigmoid(found).numpy())


class PadamAblations(PadamScorer):
    """PADAM and its ablations in one pass; rows carry the system in column `scorer`."""

    name = "padam_ablations"

    def __init__(
        self, model: PadamModel, *, batch_segments: int = 6, sample_rate: int = SAMPLE_RATE
    ) -> None:
        super().__init__(model, batch_segments=batch_segments, sample_rate=sample_rate)
        self.localiser = None  # systems are compared by the scores of segments
        self.probes = [FEATURE_EXTRACTOR, QUALITY_HEAD]
        if model.evidence_width:
            self.probes.append(NATIVE_EVIDENCE)
        missing = set(self.probes) - set(model.probes)
        if missing:
            raise ValueError(
                f"the model has no linear probe for {sorted(missing)}; run the pipeline "
                "`defect_classifier` again, which fits them"
            )

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Long table with columns scorer, start_s, end_s, channel, score."""
        return self._long(super().score(blocks))

    def score_embeddings(self, title: TitleEmbeddings) -> pd.DataFrame:
        """Long table, as `score` gives it for the audio that was embedded."""
        return self._long(super().score_embeddings(title))

    def _long(self, wide: pd.DataFrame) -> pd.DataFrame:
        systems = [*self.probes, PadamScorer.name]
        parts = [
            wide[SEGMENT_COLUMNS[:3]].assign(
                scorer=system, score=wide[system].to_numpy(dtype=np.float64)
            )
            for system in systems
            if not wide.empty
        ]
        columns = ["scorer", *SEGMENT_COLUMNS]
        return (
            pd.concat(parts, ignore_index=True)[columns]
            if parts
            else pd.DataFrame([], columns=columns)
        )

    def _columns(self, embeddings: Embeddings, evidence: Evidence) -> Columns:
        representation = represent(self.model.quality_head, embeddings)
        features = {
            FEATURE_EXTRACTOR: mean_embedding(embeddings),
            QUALITY_HEAD: representation,
            NATIVE_EVIDENCE: evidence,
        }
        columns: Columns = {
            name: self.model.probes[name].score(features[name]) for name in self.probes
        }
        return {**columns, PadamScorer.name: self.model.decide(representation, evidence)}
