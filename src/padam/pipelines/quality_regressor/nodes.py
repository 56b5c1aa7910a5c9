"""The ν-SVR that predicts q̂ from representations."""

from typing import Any

import numpy as np
import pandas as pd

from padam.defects.clip_ids import check_same_clips
from padam.models.quality_regressor import QualityRegressor, QualityRegressorConfig


def fit_regressor(
    representations: pd.DataFrame, fused: pd.DataFrame, config: QualityRegressorConfig
) -> tuple[QualityRegressor, dict[str, Any]]:
    """Fit on the training clips; the summary tells how it does on the validation clips.

    A clip without q̂ is left out and counted.
    """
    check_same_clips(
        {"clip_representations": representations["clip_id"], "fused_quality": fused["clip_id"]}
    )
    degraded = representations[representations["side"] == "degraded"]
    clips = degraded.merge(fused[["clip_id", "q_hat"]], on="clip_id", validate="m:1")
    scored = clips[clips["q_hat"].notna()]
    train, validation = (scored[scored["split"] == name] for name in ("train", "validation"))
    regressor = QualityRegressor(config).fit(rows_of(train), train["q_hat"])
    summary = {
        "method": regressor.method,
        "training_rows": regressor.training_rows,
        "validation_rows": len(validation),
        "clips_without_q_hat": len(clips) - len(scored),
        **regressor.evaluate(rows_of(validation), validation["q_hat"]),
    }
    return regressor, summary


def rows_of(clips: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return representations (n, width)."""
    if clips.empty:
        raise ValueError(
            "A split has no clip with a q̂: run `metric_fusion` on more clips, or raise the share "
            "of the split in params:synthesis.split."
        )
    return np.stack(clips["representation"].tolist())
