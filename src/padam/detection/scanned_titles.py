"""Scores of many scanned titles, and thresholds for the volume that people can review."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio.storage import Location, read_bytes
from padam.detection.temporal_filter import filter_segments
from padam.detection.verdicts import document_id

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class ScannedTitle:
    """What a detections document says of one title's scored segments, the worst channel of each.

    scores (segments,), times (segments, 2) in seconds, flagged: how many the scan flagged.
    """

    document_id: str
    scores: npt.NDArray[np.float64]
    times: npt.NDArray[np.float64]
    flagged: int
    x_s: float
    y_s: float

    def kept(self, threshold: float) -> npt.NDArray[np.bool_]:
        """Segments that a scan with this threshold, and this title's filter, would flag."""
        above = self.scores >= threshold
        # most titles have nothing above, and are spared the filter
        return filter_segments(above, self.times, self.x_s, self.y_s) if above.any() else above


@dataclass(frozen=True)
class ScannedTitles:
    """Titles of one model; `repeated` documents told of a scan that another one tells of."""

    titles: tuple[ScannedTitle, ...]
    model: str = ""
    repeated: int = 0


def read_scanned_titles(files: Iterable[Location]) -> ScannedTitles:
    """Read detections documents one after the other and keep their scores.

    Of several documents of one scan one counts. Raises ValueError that names every file that is no
    detections document, and where they come of more than one model, whose scores do not compare.
    """
    titles: dict[str, ScannedTitle] = {}
    models: dict[str, Location] = {}
    faults: list[str] = []
    read = 0
    for file in files:
        try:
            document = json.loads(read_bytes(file))
            title = _title(document)
            scored_by = document["model"]
            models.setdefault(f"{scored_by['scorer']} {scored_by['version']}", file)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(f"{file}: is no detections document ({type(error).__name__}: {error})")
            continue
        titles[title.document_id] = title
        read += 1
    if len(models) > 1:
        shown = "; ".join(f"{model}: {file} and so on" for model, file in models.items())
        faults.append(f"scores of {len(models)} models do not compare, give one's: {shown}")
    if faults:
        raise ValueError("\n".join(["the scanned titles cannot be used:", *faults]))
    return ScannedTitles(tuple(titles.values()), next(iter(models), ""), read - len(titles))


def thresholds_for_volumes(scanned: ScannedTitles, volumes: Sequence[float]) -> pd.DataFrame:
    """For each wanted share of segments to review, the lowest threshold that does not exceed it.

    Each title's own temporal filter is in force. Columns volume, threshold, segments_share,
    titles_share (with anything to review), review_hours, hours. Where even the highest score is
    too much, the threshold is NaN and nothing is to be reviewed. Empty without titles.
    """
    columns = ["volume", "threshold", "segments_share", "titles_share", "review_hours", "hours"]
    scores = [title.scores for title in scanned.titles]
    if not sum(map(len, scores)):
        return pd.DataFrame(columns=columns)
    candidates = np.unique(np.concatenate(scores))
    rows = []
    for volume in sorted(volumes):
        # a higher threshold never flags more, so halving finds the first that is low enough
        low, high = 0, len(candidates)
        while low < high:
            middle = (low + high) // 2
            if _reviewed(scanned, candidates[middle])["segments_share"] > volume:
                low = middle + 1
            else:
                high = middle
        threshold = candidates[low] if low < len(candidates) else np.nan
        rows.append({"volume": volume, "threshold": threshold} | _reviewed(scanned, threshold))
    return pd.DataFrame(rows, columns=columns)


def _reviewed(scanned: ScannedTitles, threshold: float) -> dict[str, float]:
    kept = [title.kept(threshold) for title in scanned.titles]
    lasting = [title.times[:, 1] - title.times[:, 0] for title in scanned.titles]
    reviewed_s = sum(float(s[k].sum()) for s, k in zip(lasting, kept, strict=True))
    return {
        "segments_share": sum(int(k.sum()) for k in kept) / sum(map(len, kept)),
        "titles_share": sum(bool(k.any()) for k in kept) / len(kept),
        "review_hours": reviewed_s / _SECONDS_PER_HOUR,
        "hours": sum(float(s.sum()) for s in lasting) / _SECONDS_PER_HOUR,
    }


def _title(document: dict[str, Any]) -> ScannedTitle:
    worst = [
        (max(judged), part["start_s"], part["end_s"])
        for part in document["segments"]
        if (judged := [score for score in part["channel_scores"] if score is not None])
    ]
    rows = np.array(worst, dtype=np.float64).reshape(-1, 3)
    return ScannedTitle(
        document_id=document_id(document),
        scores=rows[:, 0],
        times=rows[:, 1:],
        flagged=sum(1 for part in document["segments"] if part["flagged"]),
        x_s=float(document["model"]["filter"]["x_s"]),
        y_s=float(document["model"]["filter"]["y_s"]),
    )
