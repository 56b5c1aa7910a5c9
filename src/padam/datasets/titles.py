"""Titles with ground truth in an open layout that real archives can be put in, too.

`titles.csv` (title, split, file, duration_s), `labels.csv` (title, start_s, end_s, defect; a title
without a row is clean) and the audio files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from padam.audio.media import write_flac
from padam.datasets.shard_jobs import fingerprint
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.titles import Title

TITLES, LABELS = "titles.csv", "labels.csv"


@dataclass(frozen=True)
class TitleFolder:
    """Titles on disk: one row each in ``titles``, known defects in ``labels``."""

    root: Path
    titles: pd.DataFrame
    labels: pd.DataFrame

    def path(self, file: str) -> Path:
        """Where the audio of a title lies."""
        return self.root / file

    def fingerprint(self) -> str:
        """Hash of the audio and the labels."""
        contents = (self.path(file).read_bytes() for file in self.titles["file"])
        return fingerprint(self.labels.to_json(), *contents)


class TitlesDataset(VersionedFolderDataset[Sequence[Title], TitleFolder]):
    """Saves assembled titles; loads as a ``TitleFolder``."""

    def write_folder(self, folder: Path, data: Sequence[Title]) -> None:
        """Write audio, titles and labels."""
        rows = []
        for title in data:
            file = f"{title.title_id}.flac"
            write_flac(folder / file, title.audio, title.sample_rate)
            duration_s = title.audio.shape[1] / title.sample_rate
            rows.append((title.title_id, title.split, file, duration_s))
        table = pd.DataFrame(rows, columns=["title", "split", "file", "duration_s"])
        table.to_csv(folder / TITLES, index=False)
        labels = [title.labels.assign(title=title.title_id) for title in data]
        known = pd.concat(labels, ignore_index=True)[LABEL_COLUMNS]
        known.to_csv(folder / LABELS, index=False)

    def read_folder(self, folder: Path) -> TitleFolder:
        """Return titles and labels; audio stays on disk."""
        return TitleFolder(folder, pd.read_csv(folder / TITLES), pd.read_csv(folder / LABELS))
