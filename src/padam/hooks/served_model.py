"""PADAM as MLflow serves it: a table of media in, a detections document for each of its rows out.

MLflow keeps a copy of this file with the model; docs/model.md says how to ask it.
"""

import base64
import binascii
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from padam.audio.media import MediaError
from padam.audio.storage import as_location, is_url
from padam.detection.padam_model import PadamModel
from padam.detection.scan import scan_title

MEDIA_ROOT = "PADAM_MEDIA_ROOT"


class ServedPadam(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """Scans what each row holds: a media file as base64 in ``audio``, or its place in ``path``.

    ``path`` is a path or a URL that the server itself can read; where the variable
    PADAM_MEDIA_ROOT names a folder or the start of a URL, only what lies below.
    """

    def load_context(self, context: Any) -> None:
        """Load the model folder that was logged."""
        self.model = PadamModel.load(Path(context.artifacts["padam_model"]))
        self.scorer = self.model.scorer()
        self.media_root = os.environ.get(MEDIA_ROOT)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return a detections document (detections.schema.json) per row.

        Raises MlflowException, which a server answers with status 400, for a row that holds no
        media that can be scanned; the message names the row and the reason.
        """
        rows = model_input.to_dict(orient="records")
        if not rows:
            raise _refused("the request holds no row with a column audio or path")
        return [self._scan(number, row) for number, row in enumerate(rows, start=1)]

    def _scan(self, number: int, row: dict[Any, Any]) -> dict[str, Any]:
        given = {
            name: row[name] for name in ("audio", "path") if pd.notna(row.get(name)) and row[name]
        }
        if len(given) != 1 or not all(isinstance(value, str) for value in given.values()):
            raise _refused(
                f"row {number} must hold one text: a media file as base64 in audio, or its path or "
                f"URL in path; it holds {', '.join(given) or 'neither'}"
            )
        try:
            if "path" in given:
                return scan_title(self._allowed(given["path"]), self.scorer)
            with NamedTemporaryFile(prefix="row-") as file:
                file.write(base64.b64decode("".join(given["audio"].split()), validate=True))
                file.flush()
                document = scan_title(file.name, self.scorer)
        except binascii.Error as error:
            raise _refused(f"row {number}: audio is not base64 ({error})") from error
        except MediaError as error:
            name = error.path if "path" in given else "audio"
            raise _refused(f"row {number}: {name}: {error.reason}") from error
        document["title"]["file"] = f"row {number}"
        return document

    def _allowed(self, path: str) -> str:
        place, root = as_location(path), self.media_root
        if root and is_url(root):
            below = str(place).startswith(f"{root.rstrip('/')}/") and ".." not in path
        else:
            below = not root or (
                not is_url(place) and Path(place).resolve().is_relative_to(Path(root).resolve())
            )
        if not below:
            raise MediaError(path, "this server may not read there")
        return str(place)


def _refused(reason: str) -> MlflowException:
    return MlflowException(reason, error_code=INVALID_PARAMETER_VALUE)


mlflow.models.set_model(ServedPadam())
