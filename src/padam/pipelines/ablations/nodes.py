"""Ablations: the same clips and seeds, one part of stage 2 changed at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from padam.defects.clip_ids import check_same_clips, clips_of
from padam.pipelines.quality_head.nodes import SIDES, chosen_evidence, paired, scored_clips
from padam.training.ablation_variants import AblationsConfig
from padam.training.ablations import run_ablations
from padam.training.head_module import QualityHeadTraining
from padam.training.pairs import Floats


def compare_variants(
    embeddings: Mapping[str, Floats],
    native_evidence: Mapping[str, Floats],
    fused: pd.DataFrame,
    manifest: pd.DataFrame,
    results: Path,
    training: QualityHeadTraining,
    config: AblationsConfig,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the table of all rows, the score of every evaluated clip, and the table's numbers.

    All rows are trained on clip pairs alone, without segments of titles.
    """
    training = training.model_copy(update={"segments": 0})
    check_same_clips(
        {"clip_manifest": manifest["clip_id"], "native_evidence": clips_of(native_evidence)}
    )
    clips = scored_clips(embeddings, fused, manifest)
    evidence = np.stack([chosen_evidence(native_evidence, clips, side) for side in SIDES])
    pairs = paired(embeddings, clips)
    table, scores = run_ablations(pairs, training, config, results, evidence)
    named = clips.loc[scores.pop("pair"), ["clip_id", "source"]].reset_index(drop=True)
    return table, pd.concat([named, scores.drop(columns="source")], axis=1), summarise(table)


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Return the table as numbers by row and classifier; None for what could not be estimated."""
    common = ["split", "clips", "sources"]
    plain = table.astype(object).where(table.notna(), None)
    rows: dict[str, dict[str, Any]] = {}
    for line in plain.drop(columns=common).to_dict(orient="records"):
        rows.setdefault(line.pop("row"), {})[line.pop("classifier")] = line
    return {"rows": rows, **{name: plain[name].iloc[0] for name in common}}
