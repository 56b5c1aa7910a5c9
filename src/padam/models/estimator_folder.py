"""A fitted scikit-learn pipeline as a folder: skops and JSON, no pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sklearn
from sklearn.pipeline import Pipeline

from padam.audio.storage import written_whole

_ESTIMATOR_FILE = "estimator.skops"
_DESCRIPTION_FILE = "classifier.json"


class ClassifierFileError(Exception):
    """A saved classifier or regressor is missing, altered, or of another kind."""


def write_estimator(path: str | Path, pipeline: Pipeline, description: Mapping[str, Any]) -> None:
    """Write the folder ``path``: the pipeline as skops, ``description`` with its digest as JSON."""
    # Imports every scikit-learn estimator and torch: too much for a search's children.
    import skops.io

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    estimator = skops.io.dumps(pipeline)
    document = {
        **description,
        "width": int(pipeline.n_features_in_),
        "sklearn": sklearn.__version__,
        "estimator_sha256": hashlib.sha256(estimator).hexdigest(),
    }
    _write(folder / _ESTIMATOR_FILE, estimator)
    _write(folder / _DESCRIPTION_FILE, (json.dumps(document, indent=2) + "\n").encode())


def read_description(path: str | Path) -> dict[str, Any]:
    """Return the JSON of a folder written by `write_estimator`.

    Raises ClassifierFileError where there is none, or one that says no kind.
    """
    folder = Path(path)
    try:
        description = json.loads((folder / _DESCRIPTION_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ClassifierFileError(f"{folder}: no readable classifier here ({error})") from error
    if not (isinstance(description, dict) and "kind" in description):
        raise ClassifierFileError(
            f"{folder / _DESCRIPTION_FILE}: says no kind of classifier; restore the file or train "
            "the classifier again"
        )
    return description


def read_estimator(path: str | Path, kind: str) -> tuple[dict[str, Any], Pipeline]:
    """Return the description and the pipeline of a folder written by `write_estimator`.

    Raises ClassifierFileError where it is missing, altered, or of another kind than ``kind``.
    """
    import skops.io

    folder = Path(path)
    description = read_description(folder)
    if description["kind"] != kind:
        raise ClassifierFileError(f"{folder}: holds a {description['kind']!r}, expected {kind!r}")
    try:
        estimator = (folder / _ESTIMATOR_FILE).read_bytes()
    except OSError as error:
        raise ClassifierFileError(f"{folder}: no readable classifier here ({error})") from error
    if hashlib.sha256(estimator).hexdigest() != description.get("estimator_sha256"):
        raise ClassifierFileError(
            f"{folder / _ESTIMATOR_FILE}: differs from the checksum stored beside it; restore the "
            "file or train the classifier again"
        )
    try:
        # No type beyond skops' own list of safe ones is trusted.
        return description, skops.io.loads(estimator, trusted=[])
    except (TypeError, ValueError) as error:
        raise ClassifierFileError(f"{folder}: unusable classifier ({error})") from error


def _write(path: Path, content: bytes) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(content)
