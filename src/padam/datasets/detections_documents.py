"""Detections documents of many titles: what `padam scan` or the `detection` pipeline left."""

from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from padam.audio.media_folder import names_below_path, names_below_url
from padam.audio.storage import Location, as_location, identity, is_file, is_url, locate
from padam.detection.reports.folder import DOCUMENT


class DetectionsDocumentsDataset(AbstractDataset[NoReturn, tuple[Location, ...]]):
    """Lists the ``detections.json`` at ``filepath``: one file, a folder tree, or the URL of either.

    Only names are read here. A place that is not there holds none.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_location(filepath)
        self.metadata = metadata

    def load(self) -> tuple[Location, ...]:
        """Return the documents, sorted by name."""
        place = self._filepath
        if is_file(place):
            return (place,)
        names = names_below_url(place) if is_url(place) else names_below_path(Path(place))
        found = sorted(name for name in names or () if PurePosixPath(name).name == DOCUMENT)
        return tuple(locate(place, name) for name in found)

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: these files come from elsewhere."""
        raise DatasetError(f"The documents in '{self._filepath}' are read only.")

    def _exists(self) -> bool:
        return identity(self._filepath) != "missing"

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
