"""The report of one title as a folder: the document, the timeline, and files for other programs."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from padam.audio.storage import written_whole
from padam.detection.reports.formats import FORMATS
from padam.detection.reports.json_report import Document, write_document
from padam.detection.reports.options import DEFAULTS, ReportOptions

DOCUMENT = "detections.json"
TIMELINE = "timeline.png"


def finished_document(folder: Path, fingerprint: str) -> Document | None:
    """Return the document of a finished report that has this fingerprint; None without one."""
    try:
        document: Document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        return document if document["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_reports(
    folder: Path,
    document: Document,
    formats: Iterable[str] = (),
    options: ReportOptions = DEFAULTS,
) -> None:
    """Write `detections.json`, `timeline.png` and files of the given formats.

    The document comes last, since it says that all is there, and one of an earlier scan goes first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).unlink(missing_ok=True)
    write_formats(folder, document, formats, options)
    segments = pd.DataFrame(document["segments"])
    if not segments.empty:
        segments["score"] = [
            max((score for score in scores if score is not None), default=float("nan"))
            for scores in segments["channel_scores"]
        ]
        # matplotlib takes half a second, which no scan has to wait for before it begins
        from padam.detection.reports.figure import score_timeline

        threshold = document["model"]["threshold"]
        figure = score_timeline(
            segments,
            float("nan") if threshold is None else threshold,
            title=f"{document['title']['file']}: {document['verdict']}",
        )
        with written_whole(folder / TIMELINE) as partial:
            figure.savefig(partial, format="png", dpi=110)
    write_document(document, folder / DOCUMENT)


def write_formats(
    folder: Path, document: Document, formats: Iterable[str], options: ReportOptions = DEFAULTS
) -> None:
    """Write the files of the given formats, each whole or not at all."""
    for form in (FORMATS[name] for name in formats):
        with written_whole(folder / form.file_name) as partial:
            partial.write_text(form.text(document, options), encoding="utf-8")
