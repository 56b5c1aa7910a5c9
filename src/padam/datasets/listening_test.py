"""A listening test: a folder that is given to listeners."""

from pathlib import Path

from padam.datasets.page_folder import PageFolderDataset
from padam.quality.listening_page import write_kit
from padam.quality.listening_test import ListeningTest


class ListeningTestDataset(PageFolderDataset[ListeningTest]):
    """Page and audio of a ``ListeningTest``, not its key; loads as the path or URL of the page."""

    def write_folder(self, folder: Path, data: ListeningTest) -> None:
        """Write the page; its audio is read here."""
        write_kit(folder, data)
