"""A title in, its detections out."""

import logging
from typing import Any

from padam.audio.media import MediaError
from padam.audio.media_folder import MediaFolder
from padam.detection.padam_model import PadamModel
from padam.detection.scan import ScanConfig, scan_title

logger = logging.getLogger(__name__)


def detect(
    media: MediaFolder, model: PadamModel, config: ScanConfig
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scan every title; return the detections documents by file name, and a summary.

    A file that cannot be scanned is recorded with its reason; where none could be, that is an
    error.
    """
    scorer = model.scorer()
    documents: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for file in media.files:
        try:
            documents[media.name(file)] = scan_title(media.path(file), scorer, config)
        except MediaError as error:
            logger.warning("%s could not be scanned: %s", file, error.reason)
            unreadable[file] = error.reason
    if not documents:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in unreadable.items())
        raise ValueError(f"No title in '{media.root}' could be scanned. {reasons}")
    return documents, {"titles": summaries(documents), "unreadable": unreadable}


def summaries(documents: dict[str, Any]) -> dict[str, Any]:
    """Return verdict, number of events and highest score of each title."""
    return {
        title: {
            "verdict": document["verdict"],
            "events": len(document["events"]),
            "peak": max(
                (
                    score
                    for segment in document["segments"]
                    for score in segment["channel_scores"]
                    if score is not None
                ),
                default=None,
            ),
        }
        for title, document in documents.items()
    }
