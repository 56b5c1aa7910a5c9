"""A gallery of synthesised clips: a folder that a browser opens."""

from pathlib import Path

from padam.datasets.page_folder import PageFolderDataset
from padam.defects.gallery import Gallery
from padam.defects.gallery_page import write_gallery


class GalleryDataset(PageFolderDataset[Gallery]):
    """Page, pictures and audio of a ``Gallery``; loads as the path or URL of its page."""

    def write_folder(self, folder: Path, data: Gallery) -> None:
        """Write the page; the audio that it shows is read here."""
        write_gallery(folder, data)
