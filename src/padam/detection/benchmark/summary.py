"""What the benchmark's titles hold, counted from their tables as anyone can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from padam.defects.registry import DEFECT_NAMES
from padam.detection.benchmark.config import BenchmarkConfig
from padam.detection.benchmark.prevalence import prevalence


def summarise_titles(
    titles: pd.DataFrame, labels: pd.DataFrame, config: BenchmarkConfig
) -> dict[str, Any]:
    """Counts, hours and prevalence by split; see `check_titles` for the tables."""
    return {
        "target_segment_prevalence": config.segment_prevalence,
        "splits": {
            str(split): _summarise_split(rows, labels[labels["title"].isin(set(rows["title"]))])
            for split, rows in titles.groupby("split")
        },
    }


def _summarise_split(titles: pd.DataFrame, labels: pd.DataFrame) -> dict[str, Any]:
    segments_hit, segments = prevalence(titles, labels)
    defective = titles["title"].isin(set(labels["title"]))
    lasting_s = (labels["end_s"] - labels["start_s"]).to_numpy(dtype=np.float64)
    kinds = labels.groupby("defect")["title"].nunique()
    return {
        "defective_titles": int(defective.sum()),
        "clean_titles": int((~defective).sum()),
        "hours": float(titles["duration_s"].sum() / 3600),
        "segments": segments,
        "defective_segments": segments_hit,
        "segment_prevalence": segments_hit / segments if segments else None,
        "intervals": len(labels),
        "interval_s": [float(q) for q in np.quantile(lasting_s, [0, 0.5, 1])]
        if len(labels)
        else [],
        "titles_by_defect": {name: int(kinds.get(name, 0)) for name in DEFECT_NAMES},
        "titles_by_content": _counts(titles["content"]),
        "titles_by_look_alike": _counts(titles["look_alike"]),
        "clean_titles_by_look_alike": _counts(titles.loc[~defective, "look_alike"]),
    }


def _counts(values: pd.Series[str]) -> dict[str, int]:
    counts = values.replace("", "none").value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items()}
