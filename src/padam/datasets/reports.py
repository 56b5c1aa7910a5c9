"""Reports of scanned titles: a folder per title, the same that `padam scan` writes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.io import DatasetError

from padam.audio.media_folder import find_media
from padam.audio.storage import Location, as_location
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.detection.reports.folder import DOCUMENT, HTML, write_reports
from padam.detection.reports.formats import FORMATS

Documents = dict[str, dict[str, Any]]


class ReportsDataset(VersionedFolderDataset[Mapping[str, dict[str, Any]], Documents]):
    """Detections documents by title; loads as ``dict`` of title to document.

    ``formats`` are the names of further report files (`padam.detection.reports.formats`), or
    `html`, which has the sound of the events where ``titles`` tells what was scanned, as the
    `MediaFolderDataset` of the titles has it.
    """

    def __init__(
        self,
        *,
        filepath: str,
        formats: Sequence[str] = (),
        titles: str | None = None,
        **options: Any,
    ) -> None:
        if unknown := set(formats) - {HTML, *FORMATS}:
            raise DatasetError(
                f"No such report formats: {', '.join(sorted(unknown))}. "
                f"There are {HTML}, {', '.join(FORMATS)}."
            )
        self._formats = tuple(formats)
        self._titles = titles
        super().__init__(filepath=filepath, **options)

    def write_folder(self, folder: Path, data: Mapping[str, dict[str, Any]]) -> None:
        """Write the reports of every title."""
        places: dict[str, Location] = {}
        if self._titles is not None:
            media = find_media(as_location(self._titles))
            places = {media.name(file): media.path(file) for file in media.files}
        for title, document in data.items():
            write_reports(folder / title, document, self._formats, media=places.get(title))

    def read_folder(self, folder: Path) -> Documents:
        """Return the documents."""
        return {
            path.parent.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.rglob(DOCUMENT))
        }
