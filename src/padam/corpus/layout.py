"""Where each sound of a package goes: long ones as they are, short ones joined."""

import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from padam.audio import Audio
from padam.audio.container import MediaError
from padam.audio.media import probe, read_audio, write_flac
from padam.audio.storage import written_whole
from padam.corpus.joining import join
from padam.corpus.packages import AUDIO_SUFFIXES
from padam.corpus.recipe import JoiningRules, Package
from padam.defects.source_inspection import SourceRules, inspect_source

JOINED_RATE = 48000


@dataclass(frozen=True)
class Sound:
    """An audio file of a package, relative to its root; where it cannot serve, the reason."""

    file: str
    kind: str
    duration_s: float
    reason: str | None = None


@dataclass(frozen=True)
class Placement:
    """A file of the corpus, below its media, and the files that it is made of."""

    file: str
    sources: tuple[str, ...]
    joined: bool


def find_sounds(root: Path, package: Package, rules: JoiningRules) -> list[Sound]:
    """Describe the package's audio files that are of one of its kinds, in order of their names.

    A short one, which is to be joined, is decoded whole: silent, clipped and damaged ones would
    be hidden in what they are joined to.
    """
    files = sorted(
        file.relative_to(root)
        for file in root.rglob("*")
        if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file() and not file.is_symlink()
    )
    kinds = ((file, package.kind(file)) for file in files)
    return [_describe(root, file.as_posix(), kind, rules) for file, kind in kinds if kind]


def _describe(root: Path, file: str, kind: str, rules: JoiningRules) -> Sound:
    try:
        info = probe(root / file)
    except MediaError as error:
        return Sound(file, kind, 0.0, error.reason)
    if not info.has_audio:
        return Sound(file, kind, 0.0, "holds no audio")
    if info.duration_s >= rules.long_s:
        return Sound(file, kind, info.duration_s)
    pauses = SourceRules(min_duration_s=rules.min_piece_s, max_zero_gap_s=rules.long_s)
    row = inspect_source(root, file, pauses)
    return Sound(file, kind, row["duration_s"], row["reason"])


def place_sounds(
    name: str, sounds: list[Sound], rules: JoiningRules
) -> tuple[list[Placement], dict[str, str]]:
    """Return the files that a package's sounds make, and those left out with the reason."""
    left_out = {sound.file: sound.reason for sound in sounds if sound.reason}
    good = [sound for sound in sounds if not sound.reason]
    common = os.path.commonpath([PurePosixPath(each.file).parent for each in good]) if good else ""
    placements = [
        Placement(f"{sound.kind}/{name}/{_below(sound.file, common)}", (sound.file,), joined=False)
        for sound in good
        if sound.duration_s >= rules.long_s
    ]
    for kind in sorted({sound.kind for sound in good}):
        short = [each for each in good if each.kind == kind and each.duration_s < rules.long_s]
        batches = _batches(short, rules)
        if batches and _total_s(batches[-1]) < rules.min_joined_s:
            reason = f"the {kind} that could be joined lasts less than {rules.min_joined_s:g} s"
            left_out.update({sound.file: reason for sound in batches.pop()})
        placements += [
            Placement(
                f"{kind}/{name}/joined_{number:03d}.flac", tuple(s.file for s in batch), joined=True
            )
            for number, batch in enumerate(batches)
        ]
    return placements, left_out


def _batches(sounds: list[Sound], rules: JoiningRules) -> list[list[Sound]]:
    """Cut the sounds where they fill a file; too short a rest goes to the file before."""
    batches: list[list[Sound]] = [[]]
    for sound in sounds:
        batches[-1].append(sound)
        if _total_s(batches[-1]) >= rules.joined_s:
            batches.append([])
    rest = batches.pop()
    if rest and batches and _total_s(rest) < rules.min_joined_s:
        batches[-1] += rest
    elif rest:
        batches.append(rest)
    return batches


def _total_s(sounds: list[Sound]) -> float:
    return sum(sound.duration_s for sound in sounds)


def _below(file: str, common: str) -> str:
    return PurePosixPath(file).relative_to(common).as_posix()


def make_file(placement: Placement, root: Path, media: Path, rules: JoiningRules) -> float:
    """Make a file of the corpus unless it is there, and return its duration in seconds.

    A long sound is a hard link, or a copy on a file system without them; joined ones are FLAC,
    mono, 48 kHz.
    """
    target = media / placement.file
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if placement.joined:
            seed = zlib.crc32(placement.file.encode())
            audio = join(
                _decoded(root, placement.sources),
                JOINED_RATE,
                fade_s=rules.fade_s,
                noise_db=rules.noise_db,
                rng=np.random.default_rng(seed),
            )
            write_flac(target, audio, JOINED_RATE, subtype="PCM_16")
        else:
            _link(root / placement.sources[0], target)
    return probe(target).duration_s


def _decoded(root: Path, files: tuple[str, ...]) -> Iterator[Audio]:
    for file in files:
        yield read_audio(root / file, sample_rate=JOINED_RATE, channels=1)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        with written_whole(target) as partial:
            shutil.copyfile(source, partial)
