"""Media files as Kedro sees them."""

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from padam.audio.media_folder import MediaFolder, MediaFolderError, find_media
from padam.audio.storage import as_location, identity


class MediaFolderDataset(AbstractDataset[NoReturn, MediaFolder]):
    """Lists the media files at ``filepath``: a file, a folder tree, or a ``.txt`` list of files.

    ``filepath`` is a path or a URL that fsspec opens (``s3://bucket/folder``). A missing path, or
    one with no media file in it, is an error.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_location(filepath)
        self.metadata = metadata

    def load(self) -> MediaFolder:
        """Return the files found; raises ``DatasetError`` where there are none."""
        try:
            return find_media(self._filepath)
        except MediaFolderError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: source media are never written."""
        raise DatasetError("Source media are read only.")

    def _exists(self) -> bool:
        return identity(self._filepath) != "missing"

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
