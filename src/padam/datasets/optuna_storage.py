"""The database in which a random search survives."""

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from optuna.storages import RDBStorage

from padam.datasets.work_folder import on_this_machine


class OptunaStorageDataset(AbstractDataset[NoReturn, RDBStorage]):
    """Loads as Optuna's relational storage: an SQLite file, or the database at ``url``."""

    def __init__(
        self,
        *,
        filepath: str | None = None,
        url: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if (filepath is None) == (url is None):
            raise DatasetError("Give either the filepath of an SQLite file or a database url.")
        self._filepath = filepath
        self._url = url
        self.metadata = metadata

    def load(self) -> RDBStorage:
        """Return the storage, made if need be."""
        if self._filepath is None:
            return RDBStorage(str(self._url))
        path = on_this_machine(self._filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        return RDBStorage(f"sqlite:///{path.resolve()}")

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: trials are written by the search itself."""
        raise DatasetError("The search writes its trials itself.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "url": self._url}
