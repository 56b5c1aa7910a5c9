"""Fetching of published weights: resumed after a break, checked, and put in place as a whole."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from padam import __version__
from padam.audio.storage import written_whole
from padam.quality.installed_weights import WeightsError, read_installed_weights
from padam.weights.known import DIGEST_SUFFIX, KnownWeights, cache_folder, expected_sha256, known

TIMEOUT_S = 60.0
_PIECE_BYTES = 2**18
_PARTIAL_CONTENT, _RANGE_REFUSED = 206, 416

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there and, where the server says so, those there will be."""


@dataclass(frozen=True)
class Fetched:
    """Where the weights lie, their digest, and whether that was compared with a known one."""

    path: Path
    sha256: str
    compared: bool
    downloaded: bool


def fetch_weights(
    name: str,
    folder: Path | None = None,
    *,
    again: bool = False,
    url: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Fetched:
    """Return the named weights in `folder` (the cache), downloaded unless they are there.

    A download that broke off goes on where it was, if the server's file is still the same. What is
    downloaded gets its name only when it is whole and its SHA-256 is the one that is known; where
    none is known, the digest is recorded beside the file, and later ones are compared with it.
    `url`: from a mirror. Raises WeightsError naming the address and what to do.
    """
    wanted = known(name)
    if wanted.package is not None:
        return _packaged(wanted)
    target = (folder or cache_folder()) / wanted.file
    expected = wanted.sha256 if again else expected_sha256(name, target)
    if target.is_file() and not again:
        digest = _digest(target)
        if expected is not None and digest != expected:
            raise WeightsError(
                f"{target}: sha256 is {digest}, expected {expected}; fetch it --again"
            )
        if expected is None:
            _record(target, wanted.url, digest)
        return Fetched(target, digest, expected is not None, downloaded=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    address = url or wanted.url
    partial = target.with_name(f".{target.name}.partial")
    _download(address, partial, target, progress)
    digest = _digest(partial)
    if expected is not None and digest != expected:
        _discard(partial)
        raise WeightsError(
            f"{address}: sha256 of what came is {digest}, expected {expected}; nothing is kept"
        )
    partial.replace(target)
    _discard(partial)
    if expected is None:
        _record(target, address, digest)
    return Fetched(target, digest, expected is not None, downloaded=True)


def _packaged(wanted: KnownWeights) -> Fetched:
    """Weights that an installed package holds, which needs no network."""
    assert wanted.package is not None
    assert wanted.sha256 is not None
    inside = f"{wanted.package}/dnsmos_models/{wanted.file}"
    read_installed_weights(wanted.package, inside, wanted.sha256)
    return Fetched(Path(inside), wanted.sha256, compared=True, downloaded=False)


def _download(address: str, partial: Path, target: Path, progress: Progress) -> None:
    """Fill `partial` up; raises WeightsError, leaving what has come for the next time."""
    by_hand = f"or download it on another machine and put it at '{target}'"
    there = partial.stat().st_size if partial.is_file() else 0
    tag = _tag_of(partial)
    headers = {"User-Agent": f"padam/{__version__}", "Accept-Encoding": "identity"}
    if there and tag:
        headers |= {"Range": f"bytes={there}-", "If-Range": tag}
    try:
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            goes_on = answer.status == _PARTIAL_CONTENT
            there = there if goes_on else 0
            length = answer.headers.get("Content-Length")
            total = None if length is None else there + int(length)
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            _tag_file(partial).write_text(json.dumps({"tag": tag}), encoding="utf-8")
            with partial.open("ab" if goes_on else "wb") as file:
                progress(there, total)
                while piece := answer.read(_PIECE_BYTES):
                    file.write(piece)
                    there += len(piece)
                    progress(there, total)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_REFUSED:
            _discard(partial)
        raise WeightsError(
            f"{address}: the server answers {error.code} {error.reason}; try again later, {by_hand}"
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{address}: cannot be reached ({reason}); without a network, {by_hand[3:]}"
        ) from error
    if total is not None and there != total:
        raise WeightsError(
            f"{address}: broke off after {there} of {total} bytes; fetch it again to go on"
        )


def _tag_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _tag_of(partial: Path) -> str:
    """What the server called the file that a partial one is of; a weak tag is of no use here."""
    try:
        tag = str(json.loads(_tag_file(partial).read_text(encoding="utf-8"))["tag"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if tag.startswith("W/") else tag


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag_file(partial).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(target: Path, address: str, digest: str) -> None:
    document = {
        "url": address,
        "sha256": digest,
        "bytes": target.stat().st_size,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with written_whole(target.with_name(f"{target.name}{DIGEST_SUFFIX}")) as partial:
        partial.write_text(json.dumps(document, indent=1), encoding="utf-8")
