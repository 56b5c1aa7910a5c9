"""PADAM as MLflow serves it: a table of media paths in, a table of verdicts out."""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from padam.detection.padam_model import PadamModel
from padam.detection.scan import ScanConfig, scan_title


class ServedPadam(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """Scans the files named in the column ``path``."""

    def load_context(self, context: Any) -> None:
        """Load the model folder that was logged."""
        self.model = PadamModel.load(Path(context.artifacts["padam_model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return path, verdict, peak score in [0, 1] and the events as JSON, one row per path."""
        scorer = self.model.scorer()
        rows = []
        for path in model_input["path"]:
            document = scan_title(Path(path), scorer, ScanConfig())
            peaks = [event["peak_score"] for event in document["events"]]
            rows.append(
                {
                    "path": path,
                    "verdict": document["verdict"],
                    "peak_score": max(peaks, default=0.0),
                    "events": json.dumps(document["events"]),
                }
            )
        return pd.DataFrame(rows)


mlflow.models.set_model(ServedPadam())
