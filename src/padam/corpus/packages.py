"""Debian packages: fetched without root, and the audio and licences in them unpacked."""

import json
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from padam.audio.media_folder import AUDIO
from padam.corpus.recipe import CorpusError

AUDIO_SUFFIXES = frozenset(f".{name}" for name in AUDIO.split())
ARCHIVE_SUFFIXES = frozenset((".zip", ".pk3"))
LICENCE = "copyright"
REJECTED = "rejected.json"


def fetched(name: str, folder: Path) -> Path | None:
    """Return the package's file in `folder`, of several the one that was fetched last."""
    files = folder.glob(f"{name}_*.deb")
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def fetch(name: str, folder: Path) -> Path:
    """Return the package's file in `folder`, downloaded by apt-get unless it is there.

    Raises CorpusError where there is no apt-get, or it does not find the package.
    """
    if found := fetched(name, folder):
        return found
    if shutil.which("apt-get") is None:
        raise CorpusError(
            "apt-get is not there to fetch it: run this on Debian or Ubuntu, or put the package's "
            f".deb file into '{folder}'"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with _partial(folder / f".{name}.partial") as partial:
        command = ["apt-get", "--quiet", "download", name]
        done = subprocess.run(command, cwd=partial, capture_output=True, text=True, check=False)
        files = list(partial.glob("*.deb"))
        if done.returncode or not files:
            reason = _last_line(done.stderr) or "no file came"
            raise CorpusError(f"apt-get download: {reason}; perhaps `apt-get update` helps")
        return files[0].rename(folder / files[0].name)


def version(deb: Path) -> str:
    """Return the version in a package's file name, as `apt-get download` writes it."""
    return deb.stem.split("_")[1].replace("%3a", ":")


def unpack(deb: Path, folder: Path) -> dict[str, str]:
    """Unpack a package's audio, also that in zip archives, and its copyright file to `folder`.

    Nothing is done where the folder exists: it gets its name when all is in it. Returns files that
    could not be unpacked with the reason. Raises CorpusError for a package that cannot be read.
    """
    if not folder.is_dir():
        if shutil.which("dpkg-deb") is None:
            raise CorpusError("dpkg-deb is not there to unpack it: it belongs to Debian and Ubuntu")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _partial(folder.with_name(f".{folder.name}.partial")) as partial:
            rejected = _unpack(deb, partial)
            (partial / REJECTED).write_text(json.dumps(rejected, indent=1), "utf-8")
            partial.rename(folder)
    found: dict[str, str] = json.loads((folder / REJECTED).read_text("utf-8"))
    return found


def _unpack(deb: Path, folder: Path) -> dict[str, str]:
    rejected: dict[str, str] = {}
    licence = f"usr/share/doc/{deb.name.partition('_')[0]}/copyright"
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, stderr=errors
        )
        stream = cast(IO[bytes], process.stdout)
        try:
            with process, tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isreg() else None
                    if content is not None:
                        _keep(content, PurePosixPath(member.name), licence, folder, rejected)
                while stream.read(2**20):  # a pipe closed early would be its error
                    pass
        except tarfile.TarError as error:
            raise CorpusError(f"{deb.name}: {_said(errors) or error}") from error
        if process.returncode:
            raise CorpusError(f"{deb.name}: {_said(errors) or 'cannot be unpacked'}")
    return rejected


def _keep(
    content: IO[bytes], name: PurePosixPath, licence: str, folder: Path, rejected: dict[str, str]
) -> None:
    suffix = name.suffix.lower()
    if name == PurePosixPath(licence):
        _write(content, folder / LICENCE)
    elif suffix in AUDIO_SUFFIXES:
        _write(content, folder / _inside(name))
    elif suffix in ARCHIVE_SUFFIXES:
        with tempfile.TemporaryFile(dir=folder) as seekable:
            shutil.copyfileobj(content, seekable)
            rejected.update(_unpack_zip(seekable, _inside(name), folder))


def _unpack_zip(file: IO[bytes], name: PurePosixPath, folder: Path) -> dict[str, str]:
    rejected: dict[str, str] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            for member in members:
                inside = name / _inside(PurePosixPath(member.filename))
                if inside.suffix.lower() not in AUDIO_SUFFIXES:
                    continue
                try:
                    with archive.open(member) as content:
                        _write(content, folder / inside)
                except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                    (folder / inside).unlink(missing_ok=True)
                    rejected[str(inside)] = str(error)
    except zipfile.BadZipFile as error:
        rejected[str(name)] = str(error)
    return rejected


def _inside(name: PurePosixPath) -> PurePosixPath:
    """Return the name without what would lead out of the folder that it is unpacked to."""
    return PurePosixPath(*(part for part in name.parts if part not in ("/", "..")))


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """Give an empty folder to work in, and leave nothing under its name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return _last_line(errors.read().decode("utf-8", "replace"))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
