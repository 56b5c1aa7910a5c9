"""A gallery of synthesised clips: a folder that a browser opens."""

from pathlib import Path

from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.defects.gallery import INDEX, Gallery, write_gallery


class GalleryDataset(VersionedFolderDataset[Gallery, Path]):
    """Page, pictures and audio of a ``Gallery``; loads as the path of its page."""

    def write_folder(self, folder: Path, data: Gallery) -> None:
        """Write the page; the audio that it shows is read here."""
        write_gallery(folder, data)

    def read_folder(self, folder: Path) -> Path:
        """Return the page."""
        return folder / INDEX
