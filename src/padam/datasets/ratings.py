"""Ratings as Kedro sees them: a CSV file of the user's, which may be absent."""

import io
from dataclasses import dataclass
from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from padam.audio.storage import Location, as_location, is_file, read_bytes


@dataclass(frozen=True)
class RatingsFile:
    """The table of a ratings file, everything as text, and where it lies."""

    path: Location
    table: pd.DataFrame


class RatingsFileDataset(AbstractDataset[NoReturn, RatingsFile]):
    """Reads the CSV file at ``filepath``, a path or URL; what it holds is checked by who uses it.

    Without a ``filepath`` the catalog holds, and loading says how to give one.
    """

    def __init__(
        self, *, filepath: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = as_location(filepath) if filepath else None
        self.metadata = metadata

    def load(self) -> RatingsFile:
        """Return the table; raises ``DatasetError`` where there is none."""
        if self._filepath is None:
            raise DatasetError(
                "No ratings were given, so there is no agreement to measure and no table. Give a "
                "CSV file with the columns clip, listener, score: `--params ratings=PATH`."
            )
        if not is_file(self._filepath):
            raise DatasetError(
                f"There is no ratings file '{self._filepath}'. Give a CSV file with the columns "
                "clip, listener, score: `--params ratings=PATH`."
            )
        try:
            # blank lines are kept, so that the table's rows are the file's
            table = pd.read_csv(
                io.BytesIO(read_bytes(self._filepath)),
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
            )
        except ValueError as error:
            raise DatasetError(
                f"Ratings file '{self._filepath}' cannot be read as CSV: {error}"
            ) from error
        return RatingsFile(self._filepath, table)

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: listeners' ratings are never written."""
        raise DatasetError("Ratings are read only.")

    def _exists(self) -> bool:
        return self._filepath is not None and is_file(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath) if self._filepath else None}
