"""The report of one title as a folder: the document, the timeline, and files for other programs."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from padam.audio.storage import Location, written_whole
from padam.detection.reports.formats import FORMATS
from padam.detection.reports.json_report import Document, write_document
from padam.detection.reports.options import DEFAULTS, ReportOptions

DOCUMENT = "detections.json"
TIMELINE = "timeline.png"
HTML, PAGE = "html", "report.html"


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
    media: Location | None = None,
) -> None:
    """Write `detections.json`, `timeline.png` and files of the given formats.

    `media` is the title itself, of which `html` holds excerpts. The document comes last, since it
    says that all is there, and one of an earlier scan goes first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DOCUMENT, PAGE):
        (folder / name).unlink(missing_ok=True)
    write_formats(folder, document, formats, options, media)
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
    folder: Path,
    document: Document,
    formats: Iterable[str],
    options: ReportOptions = DEFAULTS,
    media: Location | None = None,
) -> None:
    """Write the files of the given formats, each whole or not at all; a page that is there stays.

    Raises KeyError for an unknown format.
    """
    for name in formats:
        if name == HTML:
            if not (folder / PAGE).exists():
                _write(folder / PAGE, _page(document, media))
        else:
            form = FORMATS[name]
            _write(folder / form.file_name, form.text(document, options))


def _page(document: Document, media: Location | None) -> str:
    # like the timeline's, its pictures are of matplotlib
    from padam.detection.reports.excerpts import excerpts_of
    from padam.detection.reports.html_report import html_report

    if media is None:
        return html_report(document, lambda _: "This report was written without the title at hand.")
    return html_report(document, excerpts_of(media, document))


def _write(file: Path, text: str) -> None:
    with written_whole(file) as partial:
        partial.write_text(text, encoding="utf-8")
