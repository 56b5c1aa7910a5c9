"""A page with what belongs to it: a folder that a browser opens."""

from typing import TypeVar

from padam.audio.storage import Location, locate
from padam.datasets.versioned_folder import VersionedFolderDataset

INDEX = "index.html"

T = TypeVar("T")


class PageFolderDataset(VersionedFolderDataset[T, Location]):
    """A folder with ``index.html``; loads as the path or URL of that page."""

    def load(self) -> Location:
        """Return the page of the requested version, the latest where none was named."""
        return self.read_folder(self.load_location())

    def read_folder(self, folder: Location) -> Location:
        """Return the page."""
        return locate(folder, INDEX)
