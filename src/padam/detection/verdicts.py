"""Verdicts: what operators say of the events of scanned titles, as the HTML report exports it.

A CSV file holds a row per event of one title, judged or not. `VERDICT_COLUMNS` are its columns.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from padam.audio.storage import Location, read_bytes

SCHEMA_VERSION = "1.0"
VERDICTS = {"genuine": "Genuine", "creative_intent": "Creative intent", "no_issue": "No issue"}
"""Verdicts (PADAM §5.2) as files hold them, and as people read them."""

GUARD = "'"
"""Stands before a text that a spreadsheet would take for a formula, and before itself."""
GUARDED = "=+-@\t\r'"

_SHOWN = 3


def document_id(document: dict[str, Any]) -> str:
    """Name a scan by what was judged: title, model and events; 16 hexadecimal digits.

    The same scan of the same file has the same name again; another threshold, or a file of the same
    name with other events, has another.
    """
    judged = {name: document[name] for name in ("title", "model", "events")}
    text = json.dumps(judged, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unguarded(value: Any) -> Any:
    return value.removeprefix(GUARD) if isinstance(value, str) else value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Text = Annotated[str, BeforeValidator(_unguarded)]
Share = Annotated[float, Field(ge=0, le=1)]


class Judged(BaseModel):
    """A row: an event of a scanned title, and what one reviewer says of it.

    Times are seconds from the title's start; `channels` are names with a space between them;
    `defect` is the likeliest; `segments_*` count those of the whole title.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: str
    title: Annotated[str, BeforeValidator(_unguarded), Field(min_length=1)]
    title_duration_s: float = Field(ge=0, allow_inf_nan=False)
    document_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    segments_scored: int = Field(ge=0)
    segments_flagged: int = Field(ge=0)
    event_id: int = Field(ge=1)
    start_s: float = Field(ge=0, allow_inf_nan=False)
    end_s: float = Field(ge=0, allow_inf_nan=False)
    start_timecode: str
    channels: str
    severity: Literal["fyi", "issue", "blocker"]
    defect: str
    probability: Annotated[Share | None, BeforeValidator(_empty_is_none)]
    peak_score: float = Field(allow_inf_nan=False)
    verdict: Literal["", "genuine", "creative_intent", "no_issue"]
    sub_category: Text
    comment: Text
    reviewer: Text
    reviewed_at: str


VERDICT_COLUMNS = tuple(Judged.model_fields)


def read_verdicts(files: Iterable[Location]) -> pd.DataFrame:
    """Read the verdicts on many titles; returns `VERDICT_COLUMNS`, a row per row of the files.

    Raises ValueError that names every file that cannot be used, and why: one that is empty, lacks a
    column, has another schema version, or a value that is none; and titles of which the files hold
    two scans, whose events are not the same.
    """
    tables = [pd.DataFrame(columns=list(VERDICT_COLUMNS))]
    faults = []
    for file in files:
        try:
            rows = _rows(file)
        except ValueError as error:
            faults.append(f"{file}: {error}")
            continue
        tables.append(pd.DataFrame([row.model_dump() for row in rows]))
    found = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    faults += _two_scans(found)
    if faults:
        raise ValueError("\n".join(["the verdicts cannot be used:", *faults]))
    return found[list(VERDICT_COLUMNS)]


def _rows(file: Location) -> list[Judged]:
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is no text in UTF-8, so no file that a report exported") from error
    if not text.strip():
        raise ValueError("is empty; export the verdicts again, or leave it out")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = reader.fieldnames or []
    if missing := [name for name in VERDICT_COLUMNS if name not in columns]:
        raise ValueError(
            f"has no column {', '.join(missing)}; give the file as the report exported it"
        )
    rows = []
    for fields in reader:
        if None in fields or None in fields.values():
            raise ValueError(f"line {reader.line_num} is not whole: truncated, or edited")
        version = fields["schema_version"]
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"line {reader.line_num} has schema_version {version!r}, not {SCHEMA_VERSION}: "
                "export it again from a report of this version"
            )
        try:
            rows.append(Judged.model_validate({name: fields[name] for name in VERDICT_COLUMNS}))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"line {reader.line_num}, {first['loc'][0]} {first['input']!r}: {first['msg']}"
            ) from error
    if not rows:
        raise ValueError("holds no event; leave it out")
    return rows


def _two_scans(rows: pd.DataFrame) -> list[str]:
    scans = rows.groupby(["title", "title_duration_s"])["document_id"].unique()
    return [
        f"title {title} was judged from {len(found)} scans ({', '.join(found[:_SHOWN])}), whose "
        "events are not the same: keep the files of one, or rename one title"
        for title, found in zip(scans.index.get_level_values(0), scans, strict=True)
        if len(found) > 1
    ]
