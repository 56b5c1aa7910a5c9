"""What a scan is given: media files at the named places, and the model."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from padam.audio.media_folder import MediaFolderError, find_media
from padam.audio.storage import Location, as_location, is_url
from padam.detection.watch import stable_titles
from padam.shipped import model_folder

POLL_S = 5.0
NEWEST = "newest"
MODELS: Final = Path("data") / "06_models" / "padam_model"


def media_files(paths: Iterable[str | Path]) -> dict[str, Location]:
    """Return the media files at or below paths or URLs by the name of their report folder.

    The name is the file's own below its folder; a second file of that name gets a number.
    """
    named: dict[str, Location] = {}
    for path in paths:
        found = find_media(as_location(str(path)))
        for file in found.files:
            name, number = found.name(file), 2
            while name in named:
                name, number = f"{found.name(file)}-{number}", number + 1
            named[name] = found.path(file)
    return named


def watched(files: Sequence[str], stable_s: float) -> Iterator[dict[str, Location]]:
    """Yield what has become stable below the given places, until interrupted."""

    def listing() -> dict[str, Location]:
        with suppress(MediaFolderError):
            return media_files(files)
        return {}

    for place in files:
        if not is_url(as_location(place)) and not Path(place).exists():
            raise MediaFolderError(f"'{place}' does not exist: there is nothing to watch")
    return stable_titles(listing, stable_s, POLL_S, sleep=time.sleep)


def model_location(named: str | None) -> Location:
    """Return the model to scan with: the one that is named, or the shipped one.

    Raises OSError where there is none.
    """
    if named is None:
        return model_folder()
    return newest_model() if named == NEWEST else as_location(named)


def newest_model() -> Path:
    """Return the newest PADAM model of the project around the working directory."""
    here = Path.cwd()
    root = next((f / MODELS for f in (here, *here.parents) if (f / MODELS).is_dir()), MODELS)
    versions = sorted(root.glob("*/padam_model"))
    if not versions:
        raise FileNotFoundError(
            f"No PADAM model below '{root}'. Train one with `kedro run`, name one with --model, or "
            "leave --model away to scan with the one that comes with the package."
        )
    return versions[-1]
