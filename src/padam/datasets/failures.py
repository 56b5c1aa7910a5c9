"""Failures of an evaluation to listen to: a folder that a browser opens."""

from pathlib import Path

from padam.datasets.page_folder import PageFolderDataset
from padam.detection.evaluation_failures import Failures, write_failures


class FailuresDataset(PageFolderDataset[Failures]):
    """Page, table and excerpts of ``Failures``; loads as the path or URL of the page."""

    def write_folder(self, folder: Path, data: Failures) -> None:
        """Write the page; the sound that it plays is read here."""
        write_failures(folder, data)
