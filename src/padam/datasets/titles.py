"""Titles with ground truth in an open layout that real archives can be put in, too.

`titles.csv` (title, split, file, duration_s and, where known, content and look_alike),
`labels.csv` (title, start_s, end_s, defect and, where known, error_to_signal_db; a title without a
row is clean), the audio files, and beside each the JSON of what it was made of, where that is known
(docs/benchmark.md).
"""

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io.core import Version

from padam.audio.media import write_flac
from padam.audio.storage import Location, identity, locate, read_bytes
from padam.datasets.shard_jobs import ShardJobs
from padam.datasets.shards import ShardFolderDataset
from padam.detection.title_tables import (
    FULL_LABEL_COLUMNS,
    LABELS,
    TITLE_COLUMNS,
    TITLES,
    check_titles,
)

__all__ = ["TitleFolder", "TitlesDataset", "check_titles", "read_titles"]

logger = logging.getLogger(__name__)

_TEXT = dict.fromkeys(("title", "split", "file", "content", "look_alike", "defect"), str)


@dataclass(frozen=True)
class TitleFolder:
    """Titles on any storage: one row each in ``titles``, known defects in ``labels``.

    ``notes`` tell what was found in the tables and put right.
    """

    root: Location
    titles: pd.DataFrame
    labels: pd.DataFrame
    notes: tuple[str, ...] = ()

    def path(self, file: str) -> Location:
        """Where the audio of a title lies."""
        return locate(self.root, file)


class TitlesDataset(ShardFolderDataset):
    """Assembles titles as shards, one a title; loads as a ``TitleFolder``.

    A folder without titles is refused, unless it ``may_be_empty``.
    """

    suffix = ".flac"

    def __init__(
        self,
        *,
        filepath: str,
        may_be_empty: bool = False,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._may_be_empty = may_be_empty

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write one title: its audio, and its description beside it."""
        labels = content.labels.astype(object).where(content.labels.notna(), None)
        description = {
            "title": content.title_id,
            "split": content.split,
            "file": path.name,
            "duration_s": content.duration_s,
            "content": content.content,
            "look_alike": content.look_alike,
            "labels": labels.to_dict(orient="records"),
            "metadata": content.metadata,
        }
        path.with_suffix(".json").write_text(json.dumps(description, indent=1), encoding="utf-8")
        write_flac(path, content.audio, content.sample_rate)

    def write_folder(self, folder: Location, data: ShardJobs) -> None:
        """Write the titles that are missing, then the two tables."""
        super().write_folder(folder, data)
        described = [json.loads(read_bytes(path)) for path in self.files(folder, ".json")]
        titles = pd.DataFrame(described, columns=TITLE_COLUMNS)
        labels = [label for title in described for label in title["labels"]]
        with self._folders.delivery(folder) as scratch:
            titles.to_csv(scratch / TITLES, index=False)
            pd.DataFrame(labels, columns=FULL_LABEL_COLUMNS).to_csv(scratch / LABELS, index=False)

    def read_folder(self, folder: Location) -> TitleFolder:
        """Return titles and labels; audio stays where it is."""
        return read_titles(folder, may_be_empty=self._may_be_empty)


def read_titles(folder: Location, *, may_be_empty: bool = False) -> TitleFolder:
    """Return the titles and labels of a folder, checked (see `check_titles`).

    Raises ValueError where a table is missing, cannot be read, or says what cannot be.
    """
    titles, labels = _table(folder, TITLES), _table(folder, LABELS)
    if may_be_empty and titles.empty:
        return TitleFolder(folder, titles, labels)
    checked = check_titles(titles, labels, folder)
    for note in checked.notes:
        logger.warning("%s: %s", folder, note)
    return TitleFolder(folder, checked.titles, checked.labels, checked.notes)


def _table(folder: Location, name: str) -> pd.DataFrame:
    place = locate(folder, name)
    if identity(place) == "missing":
        hint = "; where all titles are clean it holds no more than its header"
        raise ValueError(f"{place} is missing{hint if name == LABELS else ''}")
    try:
        # names such as 007 or None are text
        return pd.read_csv(
            io.BytesIO(read_bytes(place)), dtype=_TEXT, na_values=[""], keep_default_na=False
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{place} cannot be read as a table: {error}") from error
