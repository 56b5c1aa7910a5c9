"""Putting a trained model in its place in the package, with its runs and all digests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from padam.audio.storage import Location, written_whole
from padam.detection.padam_model import PadamModel
from padam.shipped import DIGESTS, HERE, MODEL, RUNS, file_digest

LARGEST_MB: Final = 45.0
"""Every version of the weights stays in the history of the repository."""


def ship_model(
    trained: Location, name: str, runs: Sequence[dict[str, Any]] = (), shipped: Path = HERE
) -> dict[str, str]:
    """Copy a trained model into the folder that is shipped, under a name; return the digests.

    `runs` are the MLflow runs that trained it (`exported_run`). The digests are written last, so
    that a copy that broke off is refused when it is loaded. Raises, before anything is changed,
    PadamModelError for a folder that holds no whole model, and ValueError for one above 45 MB.
    """
    model = replace(PadamModel.load(trained), name=name)
    with TemporaryDirectory() as scratch:
        model.save(Path(scratch) / MODEL)
        files = [file for file in Path(scratch).rglob("*") if file.is_file()]
        megabytes = sum(file.stat().st_size for file in files) / 1e6
    if megabytes > LARGEST_MB:
        raise ValueError(f"{trained}: {megabytes:.1f} MB are more than the {LARGEST_MB:g} to ship")
    model.save(shipped / MODEL)
    _write_json(shipped / RUNS, list(runs))
    files = [*sorted((shipped / MODEL).rglob("*")), shipped / RUNS]
    for file in files:
        file.chmod(0o755 if file.is_dir() else 0o644)  # safetensors lets no one else read
    digests = {
        file.relative_to(shipped).as_posix(): file_digest(file) for file in files if file.is_file()
    }
    _write_json(shipped / DIGESTS, digests)
    return digests


def _write_json(path: Path, content: object) -> None:
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
