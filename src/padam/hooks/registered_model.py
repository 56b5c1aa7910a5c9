"""The PADAM model in MLflow: how it is logged, and what MLflow says of its requests and answers."""

import base64
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import DataType
from mlflow.types.schema import Array, ColSpec, Map, Object, Property, Schema

import padam
from padam.audio.media import write_flac
from padam.detection.reports.json_report import schema
from padam.shipped import MODEL

SERVED_MODEL = Path(__file__).with_name("served_model.py")
NAME = "padam"
# What a scan imports, besides the package itself, whose code is kept with the model.
PACKAGES = [
    *("av", "fsspec", "mlflow", "numpy", "pandas", "pydantic", "safetensors", "soundfile"),
    *("soxr", "torch"),
]

_TYPES = {
    "string": DataType.string,
    "number": DataType.double,
    "integer": DataType.long,
    "boolean": DataType.boolean,
}


def log_padam_model(folder: Path) -> None:
    """Log and register a PADAM model folder as a pyfunc model that scans media."""
    with pyfunc_model(folder) as kept:
        mlflow.pyfunc.log_model(name=NAME, registered_model_name=NAME, **kept)


@contextmanager
def pyfunc_model(folder: Path) -> Iterator[dict[str, Any]]:
    """Give what MLflow keeps of a PADAM model folder, to be saved before the context ends.

    The model itself, the package's code, the versions of what that imports, signature and example.
    """
    with TemporaryDirectory() as scratch:
        code = Path(scratch) / "padam"
        # the weights that come with the package are of no use to another model
        without = shutil.ignore_patterns("__pycache__", MODEL)
        shutil.copytree(Path(padam.__file__).parent, code, ignore=without)
        yield {
            "python_model": str(SERVED_MODEL),
            "artifacts": {"padam_model": str(folder)},
            "code_paths": [str(code)],
            "signature": signature(),
            "input_example": input_example(),
            "pip_requirements": requirements(),
        }


def requirements() -> list[str]:
    """Return the installed versions of what a scan imports, as a package index names them."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in PACKAGES]


def input_example() -> pd.DataFrame:
    """Return a request with 1.2 s of a tone as a FLAC file in base64."""
    seconds = np.arange(round(1.2 * 16_000)) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)[None]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tone.flac"
        write_flac(file, tone, 16_000, subtype="PCM_16")
        return pd.DataFrame({"audio": [base64.b64encode(file.read_bytes()).decode()]})


def signature() -> ModelSignature:
    """Return the columns of a request, and the fields of an answer as its JSON Schema has them."""
    fields = schema()["properties"].items()
    inputs = [ColSpec(DataType.string, name, required=False) for name in ("audio", "path")]
    outputs = [ColSpec(_type_of(field), name) for name, field in fields]
    return ModelSignature(inputs=Schema([*inputs]), outputs=Schema([*outputs]))


def _type_of(field: Mapping[str, Any]) -> DataType | Array | Map | Object:
    """Return MLflow's type of a field in a JSON Schema."""
    if "properties" in field:
        return Object(
            [
                Property(name, _type_of(each), required=not _may_be_null(each))
                for name, each in field["properties"].items()
            ]
        )
    if "additionalProperties" in field:
        return Map(_type_of(field["additionalProperties"]))
    if "items" in field:
        return Array(_type_of(field["items"]))
    kind = field.get("type", "string")
    return _TYPES[kind if isinstance(kind, str) else next(each for each in kind if each != "null")]


def _may_be_null(field: Mapping[str, Any]) -> bool:
    return "null" in field.get("type", [])
