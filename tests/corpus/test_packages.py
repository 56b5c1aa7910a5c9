from pathlib import Path

import pytest

from padam.corpus.packages import fetch, unpack, version
from padam.corpus.recipe import CorpusError
from tests.corpus.deb_files import build_deb, needs_dpkg, write_tone, zip_files


def below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@needs_dpkg
def test_audio_and_licence_come_out_also_of_archives_inside(tmp_path: Path) -> None:
    content = tmp_path / "content"
    tone = write_tone(content / "usr/share/a/line.wav", 1.0)
    (content / "usr/share/a/readme.txt").write_text("no audio")
    zip_files(content / "usr/share/a/data.pk3", {"in/hit.WAV": tone, "../../out.wav": tone})
    deb = build_deb(tmp_path, "sounds", content)

    folder = tmp_path / "unpacked" / "sounds"
    assert unpack(deb, folder) == {}
    assert below(folder) == {
        "copyright",
        "rejected.json",
        "usr/share/a/line.wav",
        "usr/share/a/data.pk3/in/hit.WAV",
        "usr/share/a/data.pk3/out.wav",
    }
    assert (folder / "usr/share/a/line.wav").read_bytes() == tone.read_bytes()
    assert version(deb) == "1:2-3"


@needs_dpkg
def test_damaged_archives_are_recorded_and_the_rest_is_kept(tmp_path: Path) -> None:
    content = tmp_path / "content"
    tone = write_tone(content / "a/line.wav", 1.0)
    whole = zip_files(content / "a/flipped.zip", {"good.wav": tone, "bad.wav": tone})
    flipped = bytearray(whole.read_bytes())
    flipped[round(0.7 * len(flipped))] ^= 0xFF
    whole.write_bytes(flipped)
    (content / "a/no.zip").write_bytes(b"this is no archive")
    deb = build_deb(tmp_path, "sounds", content)

    folder = tmp_path / "unpacked"
    rejected = unpack(deb, folder)
    assert set(rejected) == {"a/flipped.zip/bad.wav", "a/no.zip"}
    assert "CRC" in rejected["a/flipped.zip/bad.wav"]
    assert "not a zip file" in rejected["a/no.zip"]
    assert below(folder) == {"copyright", "rejected.json", "a/line.wav", "a/flipped.zip/good.wav"}
    assert unpack(deb, folder) == rejected


@needs_dpkg
@pytest.mark.parametrize("kept", [0, 300, 20_000])
def test_a_broken_package_is_refused_and_leaves_nothing(tmp_path: Path, kept: int) -> None:
    write_tone(tmp_path / "content" / "a/line.wav", 2.0)
    deb = build_deb(tmp_path, "sounds", tmp_path / "content")
    deb.write_bytes(deb.read_bytes()[:kept])
    with pytest.raises(CorpusError, match=r"sounds_1%3a2-3_all\.deb: "):
        unpack(deb, tmp_path / "unpacked" / "sounds")
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_what_was_fetched_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    deb = tmp_path / "sounds_1_all.deb"
    deb.touch()
    assert fetch("sounds", tmp_path) == deb
    with pytest.raises(CorpusError, match="Debian or Ubuntu"):
        fetch("sound", tmp_path)


def test_without_dpkg_the_reason_says_what_it_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CorpusError, match="belongs to Debian and Ubuntu"):
        unpack(tmp_path / "sounds_1_all.deb", tmp_path / "unpacked")


@pytest.mark.parametrize("finds", [True, False])
def test_apt_get_fetches_under_a_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finds: bool
) -> None:
    command = tmp_path / "bin" / "apt-get"
    command.parent.mkdir()
    does = "echo x > $3_7_all.deb" if finds else "echo 'E: Unable to locate package' >&2; exit 100"
    command.write_text(f"#!/bin/sh\n{does}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/bin:/usr/bin")
    packages = tmp_path / "packages"
    if finds:
        assert fetch("sounds", packages).read_text() == "x\n"
        assert below(packages) == {"sounds_7_all.deb"}
    else:
        with pytest.raises(CorpusError, match="Unable to locate package; perhaps `apt-get update`"):
            fetch("sounds", packages)
        assert below(packages) == set()
