"""Segments of titles as rows to train on: what is known of each from the titles' labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.defects.registry import DEFECT_NAMES
from padam.detection.title_embeddings import TitleEmbeddings

SEGMENT_COLUMNS = [
    *("clip_id", "side", "source", "split", "channel", "start_s", "end_s"),
    *("overlap_s", "complete", *DEFECT_NAMES, "defective"),
]
TIMES = "times"
EVIDENCE = "native_evidence"


class SegmentRules(BaseModel):
    """Which segments are rows to train on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of a label and a segment; with less, the segment is neither clean nor worth learning from
    min_overlap_s: float = Field(default=0.5, ge=0, le=10)


def segment_arrays(title: str, embedded: TitleEmbeddings) -> dict[str, npt.NDArray[Any]]:
    """Return a title's arrays by names that no other title has.

    `<title>.<segment>` is an embedding (C, 75, 384), that name with `.native_evidence` the evidence
    (C, K), and `<title>.times` the segments' times (S, 2) in seconds.
    """
    arrays: dict[str, npt.NDArray[Any]] = {f"{title}.{TIMES}": embedded.times}
    for number, (embedding, evidence) in enumerate(
        zip(embedded.embeddings, embedded.native_evidence, strict=True)
    ):
        name = f"{title}.{side_of(number)}"
        arrays |= {name: embedding, f"{name}.{EVIDENCE}": evidence}
    return arrays


def side_of(segment: int) -> str:
    """Return the name of a title's segment, which stands where a clip has its side."""
    return f"{segment:05d}"


def label_segments(
    titles: pd.DataFrame,
    labels: pd.DataFrame,
    arrays: Mapping[str, npt.NDArray[Any]],
    rules: SegmentRules,
) -> pd.DataFrame:
    """Return a row per segment of titles (title, split) of one channel, with its defects.

    A title stands for `clip_id` and `source`, the segment for `side`; a defect counts where its
    labels (title, start_s, end_s, defect) overlap the segment by `min_overlap_s` and more.
    `complete` is false for rows to leave out: where a label overlaps by less, and where the
    embedding is not finite, as of silence.
    """
    rows: list[dict[str, Any]] = []
    by_title = {str(title): found for title, found in labels.groupby("title")}
    for title, split in titles[["title", "split"]].astype(str).itertuples(index=False):
        found = by_title.get(title)
        for number, (start_s, end_s) in enumerate(arrays[f"{title}.{TIMES}"]):
            overlap_s = _overlaps(found, float(start_s), float(end_s))
            side = side_of(number)
            heard = bool(np.isfinite(arrays[f"{title}.{side}"]).all())
            holds = {name: int(overlap_s[name] >= rules.min_overlap_s) for name in overlap_s}
            ambiguous = any(overlap_s[name] > 0 and not holds[name] for name in overlap_s)
            rows.append(
                {
                    "clip_id": title,
                    "side": side,
                    "source": title,
                    "split": split,
                    "channel": 0,
                    "start_s": start_s,
                    "end_s": end_s,
                    "overlap_s": max(overlap_s.values(), default=0.0),
                    "complete": heard and not ambiguous,
                    **dict.fromkeys(DEFECT_NAMES, 0),
                    **holds,
                    "defective": int(any(holds.values())),
                }
            )
    return pd.DataFrame(rows, columns=SEGMENT_COLUMNS)


def _overlaps(labels: pd.DataFrame | None, start_s: float, end_s: float) -> dict[str, float]:
    """Seconds of the span that each defect's labels overlap, of those that do."""
    if labels is None:
        return {}
    lasting = labels["end_s"].clip(upper=end_s) - labels["start_s"].clip(lower=start_s)
    summed = lasting.clip(lower=0).groupby(labels["defect"]).sum()
    return {str(name): float(value) for name, value in summed.items() if value > 0}
