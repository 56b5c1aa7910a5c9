"""Small Debian packages made on the spot."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not there")


def write_tone(path: Path, seconds: float, pitch_hz: float = 440.0, level: float = 0.3) -> Path:
    """Write a tone between 50 ms of digital zeros at either end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = level * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * RATE)) / RATE)
    tone[: RATE // 20] = tone[-RATE // 20 :] = 0
    soundfile.write(path, tone, RATE, subtype="PCM_16")
    return path


def build_deb(folder: Path, name: str, content: Path) -> Path:
    """Build <name>_1%3a2-3_all.deb in `folder` of the tree `content`."""
    control = content / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nVersion: 1:2-3\nArchitecture: all\nMaintainer: A <a@b.c>\n"
        "Description: sounds\n"
    )
    licence = content / "usr/share/doc" / name / "copyright"
    licence.parent.mkdir(parents=True)
    licence.write_text("License: CC0-1.0\n")
    folder.mkdir(parents=True, exist_ok=True)
    deb = folder / f"{name}_1%3a2-3_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(content), str(deb)],
        check=True,
        capture_output=True,
    )
    return deb


def zip_files(archive: Path, files: dict[str, Path]) -> Path:
    """Pack files, stored as they are, so that a byte can be altered where it is known to lie."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for name, file in files.items():
            packed.write(file, name)
    return archive
