"""What listeners hand in: the CSV files that the page of a listening test saves, read back."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from padam.audio.storage import Location, read_bytes
from padam.quality.listening_test import CLIP, HIDDEN_REFERENCE, KEY_COLUMNS, TRAINING

RATING_COLUMNS = ("clip", "listener", "score", "trial", "kind", "seconds", "session")
"""Columns of the ratings: `score` 1 to 5, `trial` the place in the listener's order from 1 on,
`seconds` from the first playback to the decision, `session` the visit in which it was made."""

_SHOWN = 3


class _Row(BaseModel):
    """A line as the page writes it; `rows` is how many lines the whole file has."""

    model_config = ConfigDict(extra="forbid")

    test: str = Field(min_length=1)
    listener: str = Field(min_length=1)
    trial: int = Field(ge=1)
    item: str = Field(min_length=1)
    score: int = Field(ge=1, le=5)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    session: int = Field(ge=1)
    rows: int = Field(ge=1)


def read_results(folder_or_files: Location | Iterable[Location], key: pd.DataFrame) -> pd.DataFrame:
    """Read the files of one test's listeners; returns `RATING_COLUMNS`, a row per rating.

    They are the `.csv` files of a folder of this machine, or files anywhere.
    `key` (`read_keys`) tells what the items are, and may hold those of several tests. The `clip` of
    a hidden reference is the one that it is the reference of. A listener may have rated a part.
    Raises ValueError that names every file that cannot be used, and why.
    """
    files = _listed(folder_or_files)
    tables: dict[Location, pd.DataFrame] = {}
    faults = []
    for file in files:
        try:
            tables[file] = _read_file(file, key)
        except ValueError as error:
            faults.append(f"{file}: {error}")
    faults += _conflicts(tables)
    if faults:
        raise ValueError("\n".join(["the listeners' files cannot be used:", *faults]))
    ratings = pd.concat(tables.values()).sort_values(["listener", "trial"], ignore_index=True)
    return ratings[list(RATING_COLUMNS)]


def read_keys(files: Iterable[Location]) -> pd.DataFrame:
    """Read the keys of listening tests; returns `KEY_COLUMNS`, a row per item of each test."""
    tables = [pd.read_csv(io.BytesIO(read_bytes(file)), dtype=str) for file in files]
    return pd.concat(tables)[list(KEY_COLUMNS)].drop_duplicates(ignore_index=True)


def summarise_results(ratings: pd.DataFrame) -> dict[str, Any]:
    """Count listeners, clips, ratings by kind, and the clips that each listener has rated."""
    counted = ratings[ratings["kind"] == CLIP]
    kinds = (CLIP, HIDDEN_REFERENCE, TRAINING)
    return {
        "listeners": int(ratings["listener"].nunique()),
        "clips": int(counted["clip"].nunique()),
        "ratings": {kind: int((ratings["kind"] == kind).sum()) for kind in kinds},
        "clips_by_listener": {
            str(listener): int((counted["listener"] == listener).sum())
            for listener in ratings["listener"].unique()
        },
    }


def _listed(folder_or_files: Location | Iterable[Location]) -> list[Location]:
    if not isinstance(folder_or_files, str | Path):
        files = list(folder_or_files)
    elif Path(folder_or_files).is_dir():
        files = sorted(Path(folder_or_files).glob("*.csv"))
    else:
        files = [folder_or_files]
    if not files:
        raise ValueError(
            f"no results: there is no .csv file in '{folder_or_files}'; put there what listeners "
            "saved at the end of the test"
        )
    return files


def _read_file(file: Location, key: pd.DataFrame) -> pd.DataFrame:
    """Ratings of one listener with all of `RATING_COLUMNS`, and `test`."""
    table = pd.DataFrame([row.model_dump() for row in _rows(file)])
    for column in ("test", "listener"):
        if table[column].nunique() > 1:
            several = ", ".join(table[column].unique()[:_SHOWN])
            raise ValueError(f"holds more than one {column} ({several}); give one file each")
    if (table["rows"] != len(table)).any():
        raise ValueError(
            f"holds {len(table)} of {table['rows'].max()} lines: truncated, or edited; let the "
            "listener save it again"
        )
    for column in ("item", "trial"):
        if table[column].duplicated().any():
            twice = table.loc[table[column].duplicated(), column].iloc[0]
            raise ValueError(f"holds {column} {twice} twice; let the listener save it again")
    test_id = table["test"].iloc[0]
    mine = key[key["test_id"] == test_id]
    if mine.empty:
        known = ", ".join(key["test_id"].unique()[-_SHOWN:])
        raise ValueError(
            f"is of test {test_id}, whose key is not there (known: {known}); name the data of "
            "the run that made it with --params data_root=PATH"
        )
    found = table.merge(mine, on="item", how="left")
    if found["clip"].isna().any():
        unknown = ", ".join(found.loc[found["clip"].isna(), "item"].iloc[:_SHOWN])
        raise ValueError(f"rates {unknown}, which test {test_id} does not have; edited by hand?")
    return found


def _rows(file: Location) -> list[_Row]:
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is no text in UTF-8, so no file that the page saved") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in _Row.model_fields if name not in (reader.fieldnames or [])]
    if missing:
        raise ValueError(f"has no column {', '.join(missing)}; give the file as the page saved it")
    rows = []
    for fields in reader:
        if None in fields or None in fields.values():
            raise ValueError(f"line {reader.line_num} is not whole: truncated, or edited")
        try:
            rows.append(_Row.model_validate(fields))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"line {reader.line_num}, {first['loc'][0]} {first['input']!r}: {first['msg']}"
            ) from error
    if not rows:
        raise ValueError("holds no rating; leave it out")
    return rows


def _conflicts(tables: dict[Location, pd.DataFrame]) -> list[str]:
    """Whose file is there twice, and whether the files are of several tests."""
    by_listener: dict[str, list[str]] = {}
    by_test: dict[str, list[str]] = {}
    for file, table in tables.items():
        by_listener.setdefault(table["listener"].iloc[0], []).append(f"{file} ({len(table)})")
        by_test.setdefault(table["test"].iloc[0], []).append(str(file))
    faults = [
        f"listener {listener} has {len(files)} files: {', '.join(files)} ratings; keep the last"
        for listener, files in by_listener.items()
        if len(files) > 1
    ]
    if len(by_test) > 1:
        shown = "; ".join(f"{test}: {files[0]} and so on" for test, files in by_test.items())
        faults.append(f"the files are of {len(by_test)} tests, read one at a time: {shown}")
    return faults
