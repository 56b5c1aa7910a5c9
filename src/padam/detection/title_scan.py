"""One title of a batch: scanned and reported, or found finished, or told why it was not."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import torch

import padam
from padam.audio.media import MediaError
from padam.audio.storage import Location, StorageError, identity, locate, read_bytes
from padam.detection.batch import BatchError, Outcome, ScanTask
from padam.detection.padam_model import DESCRIPTION, PadamModel, PadamModelError
from padam.detection.reports.folder import finished_document, write_formats, write_reports
from padam.detection.reports.json_report import SCHEMA_VERSION, Document
from padam.detection.reports.options import ReportOptions
from padam.detection.scan import ScanConfig, chosen_point, scan_title

logger = logging.getLogger(__name__)


def use_threads(count: int) -> None:
    """Let torch compute with so many threads in this process."""
    torch.set_num_threads(count)


class TitleScan:
    """The model, loaded once, and what is done with each title.

    Raises BatchError where the model cannot be used, or lacks the operating point that is wanted.
    """

    def __init__(self, task: ScanTask) -> None:
        self._task = task
        try:
            self._config = ScanConfig.model_validate(dict(task.config))
            self._options = ReportOptions.model_validate(dict(task.options))
            self._scorer = PadamModel.load(task.model).scorer()
            chosen_point(self._scorer, self._config)
            self._model = hashlib.sha256(read_bytes(locate(task.model, DESCRIPTION))).hexdigest()
        except (PadamModelError, StorageError, OSError, ValueError) as error:
            raise BatchError(str(error)) from error

    def __call__(
        self, name: str, place: Location, progress: Callable[[float, float], None] | None = None
    ) -> Outcome:
        """Scan a title and write its reports; every error is an outcome with its reason."""
        folder = self._task.out / name
        try:
            fingerprint = self._fingerprint(place)
            if not self._task.again:
                finished = finished_document(folder, fingerprint)
                if finished is not None:
                    # other formats than then may be wanted now
                    self._write(write_formats, folder, finished, place)
                    return Outcome(name, finished["verdict"], document=finished, reused=True)
            document = scan_title(place, self._scorer, self._config, progress, fingerprint)
            self._write(write_reports, folder, document, place)
        except MediaError as error:
            return Outcome(name, "unreadable", error.reason)
        except OSError as error:
            return Outcome(name, "failed", f"the report cannot be written: {error}")
        except Exception as error:
            logger.exception("%s: the scan broke off", place)
            return Outcome(name, "failed", f"{type(error).__name__}: {error}")
        return Outcome(name, document["verdict"], document=document)

    def _write(
        self, write: Callable[..., None], folder: Path, document: Document, place: Location
    ) -> None:
        write(folder, document, self._task.formats, self._options, place)

    def _fingerprint(self, place: Location) -> str:
        """Digest of all that the document depends on."""
        work = [padam.__version__, SCHEMA_VERSION, str(place), identity(place), self._model]
        text = json.dumps([*work, self._config.model_dump(mode="json")])
        return hashlib.sha256(text.encode()).hexdigest()
