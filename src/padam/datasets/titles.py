"""Titles with ground truth in an open layout that real archives can be put in, too.

`titles.csv` (title, split, file, duration_s), `labels.csv` (title, start_s, end_s, defect; a title
without a row is clean), the audio files, and beside each the JSON of what it was made of.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from padam.audio.media import write_flac
from padam.audio.storage import Location, locate, read_bytes
from padam.datasets.shard_jobs import ShardJobs, fingerprint, fingerprint_files
from padam.datasets.shards import ShardFolderDataset
from padam.detection.matching import LABEL_COLUMNS

TITLES, LABELS = "titles.csv", "labels.csv"
TITLE_COLUMNS = ["title", "split", "file", "duration_s"]


@dataclass(frozen=True)
class TitleFolder:
    """Titles on any storage: one row each in ``titles``, known defects in ``labels``."""

    root: Location
    titles: pd.DataFrame
    labels: pd.DataFrame

    def path(self, file: str) -> Location:
        """Where the audio of a title lies."""
        return locate(self.root, file)

    def fingerprint(self) -> str:
        """Hash of the audio and the labels."""
        audio = fingerprint_files(self.path(file) for file in self.titles["file"])
        return fingerprint(self.labels.to_json(), audio)


class TitlesDataset(ShardFolderDataset):
    """Assembles titles as shards, one a title; loads as a ``TitleFolder``."""

    suffix = ".flac"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write one title: its audio, and its description beside it."""
        description = {
            "title": content.title_id,
            "split": content.split,
            "file": path.name,
            "duration_s": content.duration_s,
            "labels": content.labels.to_dict(orient="records"),
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
            pd.DataFrame(labels, columns=LABEL_COLUMNS).to_csv(scratch / LABELS, index=False)

    def read_folder(self, folder: Location) -> TitleFolder:
        """Return titles and labels; audio stays where it is."""
        tables = (io.BytesIO(read_bytes(locate(folder, name))) for name in (TITLES, LABELS))
        return TitleFolder(folder, *map(pd.read_csv, tables))
