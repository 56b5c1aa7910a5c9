"""Reports of scanned titles: a folder per title, the same that `padam scan` writes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.detection.reports.folder import DOCUMENT, write_reports

Documents = dict[str, dict[str, Any]]


class ReportsDataset(VersionedFolderDataset[Mapping[str, dict[str, Any]], Documents]):
    """Detections documents by title; loads as ``dict`` of title to document."""

    def write_folder(self, folder: Path, data: Mapping[str, dict[str, Any]]) -> None:
        """Write the reports of every title."""
        for title, document in data.items():
            write_reports(folder / title, document)

    def read_folder(self, folder: Path) -> Documents:
        """Return the documents."""
        return {
            path.parent.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.rglob(DOCUMENT))
        }
