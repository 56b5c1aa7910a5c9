"""A listening test: a folder that is given to listeners."""

from pathlib import Path

from padam.audio.storage import Location, locate
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.quality.listening_page import INDEX, write_kit
from padam.quality.listening_test import ListeningTest


class ListeningTestDataset(VersionedFolderDataset[ListeningTest, Location]):
    """Page and audio of a ``ListeningTest``, not its key; loads as the path or URL of the page."""

    def write_folder(self, folder: Path, data: ListeningTest) -> None:
        """Write the page; its audio is read here."""
        write_kit(folder, data)

    def load(self) -> Location:
        """Return the page of the requested version, the latest where none was named."""
        return self.read_folder(self.load_location())

    def read_folder(self, folder: Location) -> Location:
        """Return the page."""
        return locate(folder, INDEX)
