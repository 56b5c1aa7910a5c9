"""PadamModel: everything that a scan needs, as one folder without pickle."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from padam import __version__
from padam.audio.storage import Location, folder_here
from padam.detection.operating_point import OperatingPoint
from padam.detection.review_volume import ReviewPoint
from padam.detection.temporal_filter import NO_FILTER, TemporalFilter
from padam.models.audio_encoder import (
    EMBEDDING_WIDTH,
    TIME_PATCHES,
    AudioEncoder,
    AudioEncoderConfig,
)
from padam.models.decision_function import FittedClassifier, load_fitted, save_fitted
from padam.models.event_localiser import EventLocaliser, EventLocaliserConfig
from padam.models.native_evidence import EVIDENCE_NAMES, EVIDENCE_VERSION
from padam.models.native_evidence.windows import WINDOWS_VERSION
from padam.models.quality_head import QualityHead, QualityHeadConfig

if TYPE_CHECKING:
    from padam.detection.scorers.padam import PadamScorer

FORMAT = "1"
DESCRIPTION = "model.json"  # holds the digest of every other file
_REMEDY = "train one with `kedro run`, or name the folder of a trained model"


class PadamModelError(RuntimeError):
    """A folder that does not hold a whole PADAM model; the message names the folder and remedy."""

    def __init__(self, folder: str | Path, reason: str) -> None:
        super().__init__(f"{folder}: {reason}; {_REMEDY}")
        self.folder = str(folder)
        self.reason = reason


@dataclass(frozen=True)
class PadamModel:
    """The three stages with the decision that was tuned for them, and where they come from.

    `probes` are the linear probes of the ablations, by name of the system. `threshold` and `filter`
    are title-level, from validation; `normaliser` is that of the fused quality q̂.
    `native_evidence` is the version of the native-rate evidence that is joined to r before the
    classifier, None where it decides on r alone. `localiser` tells when in a flagged segment a
    defect is heard; None where the classifier's scores of each 0.4 s have to. `operating_points`
    are further decisions by name; `sha256` is the digest of the description that the model was
    loaded from, which holds those of all its files, and None for a model that was made or changed
    since.
    """

    encoder: AudioEncoder
    quality_head: QualityHead
    classifier: FittedClassifier
    threshold: float
    label_names: tuple[str, ...]
    filter: TemporalFilter = NO_FILTER
    probes: Mapping[str, FittedClassifier] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    normaliser: Mapping[str, Any] = field(default_factory=dict)
    native_evidence: str | None = None
    localiser: EventLocaliser | None = None
    name: str | None = None
    operating_points: Mapping[str, ReviewPoint] = field(default_factory=dict)
    sha256: str | None = field(default=None, init=False, compare=False)

    @property
    def operating_point(self) -> OperatingPoint:
        """Threshold and temporal filter."""
        return OperatingPoint(self.threshold, self.filter)

    @property
    def evidence_width(self) -> int:
        """Number of values of native-rate evidence that the classifier takes beside r."""
        return 0 if self.native_evidence is None else len(EVIDENCE_NAMES)

    def decide(
        self, representation: npt.NDArray[np.float32], evidence: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float64]:
        """Return s (n,) of r (n, width) and native-rate evidence (n, `evidence_width`)."""
        return self.classifier.score(np.concatenate([representation, evidence], axis=1))

    def scorer(self) -> PadamScorer:
        """The scorer that scans titles with this model."""
        # Imported here: the scorer itself stands on this module.
        from padam.detection.scorers.padam import PadamScorer

        return PadamScorer(self)

    def save(self, folder: str | Path) -> None:
        """Write the folder whole or not at all; a model that was there is replaced at the end."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.parent / f".{folder.name}.{os.getpid()}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            self._write(staging)
            _put_in_place(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        networks: dict[str, nn.Module] = {
            "encoder": self.encoder,
            "quality_head": self.quality_head,
        }
        if self.localiser:
            networks["event_localiser"] = self.localiser
        for name, network in networks.items():
            weights = {
                key: value.detach().cpu().contiguous()
                for key, value in network.state_dict().items()
            }
            save_file(weights, folder / f"{name}.safetensors")
        save_fitted(self.classifier, folder / "classifier")
        for name, probe in self.probes.items():
            save_fitted(probe, folder / f"probe_{name}")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        document = {
            "format": FORMAT,
            "name": self.name,
            "run_id": self.run_id,
            # NaN (no threshold could be tuned) is no JSON.
            "threshold": None if math.isnan(self.threshold) else self.threshold,
            "filter": self.filter.model_dump(),
            "operating_points": {
                name: point.model_dump() for name, point in self.operating_points.items()
            },
            "label_names": list(self.label_names),
            "probes": sorted(self.probes),
            "versions": dict(self.versions),
            "normaliser": dict(self.normaliser),
            "native_evidence": self.native_evidence,
            "event_localiser": self.localiser and self.localiser.config.model_dump(mode="json"),
            "encoder": self.encoder.config.model_dump(mode="json"),
            "quality_head": self.quality_head.config.model_dump(mode="json"),
            "files": {path.relative_to(folder).as_posix(): _sha256(path) for path in files},
        }
        (folder / DESCRIPTION).write_text(json.dumps(document, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Location) -> PadamModel:
        """Read a saved model, ready for inference, from a path or a URL that fsspec opens.

        Raises PadamModelError where the folder, or a file in it, is missing or damaged, and
        StorageError for a storage that does not answer.
        """
        try:
            with folder_here(folder) as here:
                return cls._read(here)
        except PadamModelError as error:
            raise PadamModelError(folder, error.reason) from error

    @classmethod
    def _read(cls, folder: Path) -> PadamModel:
        document = _read_document(folder)
        try:
            encoder = AudioEncoder(AudioEncoderConfig.model_validate(document["encoder"]))
            encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
            head = QualityHead(QualityHeadConfig.model_validate(document["quality_head"]))
            head.load_state_dict(load_file(folder / "quality_head.safetensors"))
            model = cls(
                encoder=_frozen(encoder),
                quality_head=_frozen(head),
                classifier=load_fitted(folder / "classifier"),
                threshold=_threshold(document["threshold"]),
                label_names=tuple(document["label_names"]),
                filter=TemporalFilter.model_validate(document["filter"]),
                probes={name: load_fitted(folder / f"probe_{name}") for name in document["probes"]},
                versions=document["versions"],
                run_id=document["run_id"],
                normaliser=document["normaliser"],
                # what follows is not in earlier models
                native_evidence=document.get("native_evidence"),
                name=document.get("name"),
                operating_points={
                    name: ReviewPoint.model_validate(point)
                    for name, point in document.get("operating_points", {}).items()
                },
                localiser=_read_localiser(folder, document.get("event_localiser")),
            )
            _check_parts(model)
            # a copy by `replace` is another model and has no digest
            object.__setattr__(model, "sha256", _sha256(folder / DESCRIPTION))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise PadamModelError(folder, f"the model cannot be read ({error})") from error
        return model


def _check_parts(model: PadamModel) -> None:
    """Raise ValueError where a stage does not take what the one before it gives."""
    if model.native_evidence not in (None, EVIDENCE_VERSION):
        raise ValueError(
            f"its native-rate evidence is of version {model.native_evidence}, and padam "
            f"{__version__} computes version {EVIDENCE_VERSION}: install the padam that it was "
            "trained with, or train it again"
        )
    measured = model.localiser.config.windows if model.localiser else WINDOWS_VERSION
    if measured != WINDOWS_VERSION:
        raise ValueError(
            f"its event localiser wants evidence of version {measured}, and padam {__version__} "
            f"computes version {WINDOWS_VERSION}: install the padam that it was trained with, or "
            "train it again"
        )
    with torch.inference_mode():
        representation = model.quality_head.represent(torch.zeros(1, TIME_PATCHES, EMBEDDING_WIDTH))
        probabilities = model.quality_head.classify(representation).shape[1]
    model.decide(representation.numpy(), np.zeros((1, model.evidence_width), dtype=np.float32))
    labels = model.label_names
    if len(set(labels)) != len(labels) or len(labels) != probabilities:
        raise ValueError(f"{probabilities} defects are told apart, but the names are {labels}")
    # A defect is a module of its name; to import them all takes longer than a first score.
    if unknown := [name for name in labels if find_spec(f"padam.defects.{name}") is None]:
        raise ValueError(
            f"defects {unknown} are not known to padam {__version__}, with which the model does "
            "not belong"
        )


def _read_localiser(folder: Path, config: dict[str, Any] | None) -> EventLocaliser | None:
    if config is None:
        return None
    localiser = EventLocaliser(EventLocaliserConfig.model_validate(config))
    localiser.load_state_dict(load_file(folder / "event_localiser.safetensors"))
    return cast("EventLocaliser", _frozen(localiser))


def _frozen(network: nn.Module) -> Any:
    return network.eval().requires_grad_(False)


def _threshold(stored: float | None) -> float:
    return float("nan") if stored is None else float(stored)


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not folder.is_dir():
        raise PadamModelError(folder, "there is no such folder, so no PADAM model")
    if not path.is_file():
        raise PadamModelError(folder, "no PADAM model is here (model.json is missing)")
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written_as, files = document["format"], document["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise PadamModelError(folder, f"model.json is damaged ({error})") from error
    if written_as != FORMAT:
        raise PadamModelError(folder, f"format {written_as} is not {FORMAT}, which this can read")
    for name, digest in files.items():
        if not (folder / name).is_file():
            raise PadamModelError(folder, f"{name} is missing")
        if _sha256(folder / name) != digest:
            raise PadamModelError(folder, f"{name} is truncated or was changed")
    return document


def _put_in_place(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    # A folder cannot be renamed over one that holds files: step aside, and back if that fails.
    earlier = folder.parent / f".{folder.name}.{os.getpid()}.earlier"
    folder.rename(earlier)
    try:
        staging.rename(folder)
    except OSError:
        earlier.rename(folder)
        raise
    shutil.rmtree(earlier)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
