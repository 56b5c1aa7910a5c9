"""A gallery of synthesised clips: a folder that a browser opens."""

from pathlib import Path

from padam.audio.storage import Location, locate
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.defects.gallery import INDEX, Gallery, write_gallery


class GalleryDataset(VersionedFolderDataset[Gallery, Location]):
    """Page, pictures and audio of a ``Gallery``; loads as the path or URL of its page."""

    def write_folder(self, folder: Path, data: Gallery) -> None:
        """Write the page; the audio that it shows is read here."""
        write_gallery(folder, data)

    def load(self) -> Location:
        """Return the page of the requested version, the latest where none was named."""
        return self.read_folder(self.load_location())

    def read_folder(self, folder: Location) -> Location:
        """Return the page."""
        return locate(folder, INDEX)
