"""Clips from the worst q̂ to the best: a folder that a browser opens."""

from pathlib import Path

from padam.datasets.page_folder import PageFolderDataset
from padam.quality.examples import QualityExamples, write_examples


class QualityExamplesDataset(PageFolderDataset[QualityExamples]):
    """Page and audio of ``QualityExamples``; loads as the path or URL of its page."""

    def write_folder(self, folder: Path, data: QualityExamples) -> None:
        """Write the page; the audio that it plays is read here."""
        write_examples(folder, data)
