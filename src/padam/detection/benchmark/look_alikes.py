"""Recordings that resemble defects: which files of the media they are, and which may be used."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pandas as pd

from padam.audio.media_folder import MediaFolder
from padam.defects.source_inspection import inspect_source
from padam.detection.benchmark.config import LookAlikeRanges

COLUMNS = ["source", "name", "split", "duration_s", "accepted", "reason"]
FOLDER_NAME = "by_folder"
"""Stands for the name of the folder that a file lies in."""


def inspect_look_alikes(
    media: MediaFolder, sources: pd.DataFrame, ranges: LookAlikeRanges
) -> pd.DataFrame:
    """One row per file that `ranges.recordings` names, with the reason where it may not be used.

    `sources` is the source index (source, split): what is of another split there, as of train, is
    refused, as is what `ranges.rules` would refuse as a source. A pattern that no file matches is a
    row, too. Raises ValueError for a file with two names or splits.
    """
    split_of = dict(zip(sources["source"], sources["split"], strict=True))
    rows: dict[str, dict[str, object]] = {}
    for split, by_name in ranges.recordings.items():
        for name, patterns in by_name.items():
            for pattern in patterns:
                matched = [file for file in media.files if fnmatch(file, pattern)]
                if not matched:
                    rows[pattern] = _row(pattern, name, split, 0.0, "no file matches this pattern")
                for file in matched:
                    called = PurePosixPath(file).parent.name if name == FOLDER_NAME else name
                    known = rows.get(file)
                    if known is None:
                        rows[file] = _inspected(media, file, called, split, split_of, ranges)
                    elif (known["name"], known["split"]) != (called, split):
                        raise ValueError(
                            f"look-alike '{file}' is {known['name']} of {known['split']} and "
                            f"{called} of {split}: give each file once"
                        )
    return pd.DataFrame(list(rows.values()), columns=COLUMNS)


def _inspected(
    media: MediaFolder,
    file: str,
    name: str,
    split: str,
    split_of: Mapping[str, str],
    ranges: LookAlikeRanges,
) -> dict[str, object]:
    if split_of.get(file, split) != split:
        return _row(file, name, split, 0.0, f"it is a source of {split_of[file]}")
    found = inspect_source(media.root, file, ranges.rules)
    return _row(file, name, split, found["duration_s"], found["reason"])


def _row(
    source: str, name: str, split: str, duration_s: float, reason: str | None
) -> dict[str, object]:
    return dict(
        zip(COLUMNS, (source, name, split, duration_s, reason is None, reason), strict=True)
    )
