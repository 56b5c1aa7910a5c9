"""CSV files of a folder tree: those that people hand in, or all versions of a table."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from padam.audio.media_folder import names_below_path, names_below_url
from padam.audio.storage import Location, as_location, identity, is_file, is_url, locate


class CsvFilesDataset(AbstractDataset[NoReturn, tuple[Location, ...]]):
    """Lists the ``.csv`` files at ``filepath``: a file or a folder tree, or the URL of either.

    Only names are read here. ``remedy`` says, where there is no file, what to do about it.
    """

    def __init__(
        self, *, filepath: str, remedy: str, metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = as_location(filepath)
        self._remedy = remedy
        self.metadata = metadata

    def load(self) -> tuple[Location, ...]:
        """Return the files, sorted by name; raises ``DatasetError`` where there are none."""
        place = self._filepath
        if is_file(place):
            return (place,)
        names = names_below_url(place) if is_url(place) else names_below_path(Path(place))
        files = sorted(name for name in names or () if name.lower().endswith(".csv"))
        if not files:
            raise DatasetError(f"There is no .csv file in '{place}'. {self._remedy}")
        return tuple(locate(place, name) for name in files)

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: these files come from elsewhere."""
        raise DatasetError(f"The files in '{self._filepath}' are read only.")

    def _exists(self) -> bool:
        return identity(self._filepath) != "missing"

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
