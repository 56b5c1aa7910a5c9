import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from padam.audio.media import probe, read_audio, read_video
from padam.commands import padam
from padam.corpus.build import build_corpus
from padam.corpus.films import choose_music, render_film
from padam.corpus.layout import Sound, place_sounds
from padam.corpus.recipe import CorpusError, FilmRules, JoiningRules, Recipe
from padam.defects.source_inspection import SourceRules, inspect_source
from tests.corpus.deb_files import build_deb, needs_dpkg, write_tone

RECIPE = """
packages:
  train: {sounds: {kinds: {music: ["*/music/*"], effects: ["*"]}, films: 2}}
  test: {missing: {kinds: music}}
joining: {long_s: 3.0, joined_s: 3.0, min_joined_s: 2.5}
films: {start_s: 1.0, duration_s: 2.0}
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus to be, one package of which is fetched and the other cannot be had."""
    content = tmp_path / "content"
    write_tone(content / "a/music/title.wav", 4.0)
    for number in range(5):
        write_tone(content / f"a/hits/{number}.wav", 1.1, pitch_hz=900.0 + 40 * number)
    write_tone(content / "a/hits/short.wav", 0.2)
    write_tone(content / "a/hits/clipped.wav", 1.0, level=3.0)
    (content / "a/hits/broken.ogg").write_bytes(b"OggS, and then nothing of the kind")
    build_deb(tmp_path / "corpus" / "packages", "sounds", content)
    (tmp_path / "recipe.yml").write_text(RECIPE)
    no_apt = tmp_path / "bin"
    no_apt.mkdir()
    (no_apt / "apt-get").write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2; exit 100\n")
    (no_apt / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{no_apt}:{os.environ['PATH']}")
    return tmp_path / "corpus"


@needs_dpkg
def test_the_command_makes_what_can_be_had_and_goes_on_where_it_was(target: Path) -> None:
    def run() -> str:
        done = CliRunner().invoke(
            padam,
            [
                *("corpus", str(target), "--recipe", str(target.parent / "recipe.yml")),
                *("--lookalikes", str(lookalikes), "--jobs", "1"),
            ],
        )
        assert done.exit_code == 1, done.output
        return done.output

    lookalikes = target.parent / "lookalikes"
    write_tone(lookalikes / "rain/1.wav", 1.5)
    write_tone(lookalikes / "rain/2.wav", 1.5)
    (lookalikes / "README.md").write_text("CC0")
    said = run()
    assert "Missing: missing: apt-get download: E: Unable to locate package" in said

    files = pd.read_csv(target / "files.csv").set_index("file")
    assert list(files.index) == [
        "effects/lookalikes/joined_000.flac",
        "effects/sounds/joined_000.flac",
        "film/train/sounds_00.mkv",
        "music/sounds/music/title.wav",
    ]
    assert set(files["split"]) == {"train"}
    assert files.loc["music/sounds/music/title.wav", "version"] == "1:2-3"
    media = target / "media"
    for file, row in files.iterrows():
        assert probe(media / str(file)).duration_s == pytest.approx(row["duration_s"], abs=0.05)
        assert any((target / row["licence"]).iterdir())
    # 5 hits of 1.0 s between their zeros, four fades of 20 ms shared
    # (resampled, their edges ring for 2 ms)
    joined_s = files.loc["effects/sounds/joined_000.flac", "duration_s"]
    assert joined_s == pytest.approx(5 * 1.0 - 4 * 0.02, abs=0.03)
    rules = SourceRules(min_duration_s=2.0)
    assert inspect_source(media, "effects/sounds/joined_000.flac", rules)["reason"] is None

    rejected = pd.read_csv(target / "rejected.csv").set_index("file")["reason"]
    assert set(rejected.index) == {
        f"a/hits/{n}" for n in ("short.wav", "clipped.wav", "broken.ogg")
    }
    assert "clipped" in rejected["a/hits/clipped.wav"]
    packages = pd.read_csv(target / "packages.csv").set_index("package")
    assert packages.loc["sounds", "left_out"] == 3
    assert packages.loc["sounds", "film_min"] == pytest.approx(2 / 60, abs=0.05)

    # what a killed run left unfinished is made again, and nothing else
    joined = media / "effects/sounds/joined_000.flac"
    before, content = (media / "film/train/sounds_00.mkv").stat().st_mtime_ns, joined.read_bytes()
    joined.rename(joined.with_name(".joined_000.flac.7.partial"))
    run()
    assert joined.read_bytes() == content
    assert not list(media.rglob("*.partial"))
    assert (media / "film/train/sounds_00.mkv").stat().st_mtime_ns == before


def test_nothing_to_be_had_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    recipe = Recipe.model_validate({"packages": {"test": {"a": {"kinds": "music"}}}})
    with pytest.raises(CorpusError, match=r"^a: apt-get is not there"):
        build_corpus(recipe, tmp_path)


def test_short_sounds_are_joined_within_their_kind() -> None:
    rules = JoiningRules()
    sounds = [
        *(Sound(f"u/s/{n:02d}.wav", "dialogue", 10.0) for n in range(11)),
        Sound("u/m/long.ogg", "music", 10.5),
        Sound("u/m/short.ogg", "music", 10.4),
        Sound("u/s/bad.wav", "dialogue", 0.0, "cannot be read"),
    ]
    placements, left_out = place_sounds("p", sounds, rules)
    assert [(each.file, len(each.sources)) for each in placements] == [
        ("music/p/m/long.ogg", 1),
        ("dialogue/p/joined_000.flac", 5),
        # the eleventh alone would be too short a file
        ("dialogue/p/joined_001.flac", 6),
    ]
    assert set(left_out) == {"u/m/short.ogg", "u/s/bad.wav"}
    assert "less than 12 s" in left_out["u/m/short.ogg"]


def test_a_films_picture_follows_its_sound(tmp_path: Path) -> None:
    low = write_tone(tmp_path / "low.wav", 3.0, pitch_hz=60.0)
    high = write_tone(tmp_path / "high.wav", 3.0, pitch_hz=4000.0)
    heights = {}
    for music in (low, high):
        film = tmp_path / f"{music.stem}.mkv"
        render_film(music, film, FilmRules(start_s=0.5, duration_s=2.0))
        info = probe(film)
        assert (info.width, info.height, info.fps) == (256, 144, 25.0)
        assert info.duration_s == pytest.approx(2.0, abs=0.05)
        audio = read_audio(film, sample_rate=48000, channels=1)
        sound = read_audio(music, 0.5, 2.0, sample_rate=48000, channels=1)
        assert audio.shape == sound.shape
        assert np.abs(audio - sound).max() < 2e-4
        brightness = read_video(film, 1.0, 0.04)[0].astype(float).mean(axis=(1, 2))
        heights[music.stem] = int(brightness.argmax())
    # the first line is the top of the picture
    assert heights["high"] < heights["low"]


def test_music_of_a_film_is_long_enough_and_always_the_same() -> None:
    durations_s = {f"{n}.ogg": 60.0 + n for n in range(20)}
    chosen = choose_music(durations_s, 5, FilmRules())
    assert len(set(chosen)) == 5
    assert min(durations_s[file] for file in chosen) >= 70.0
    assert choose_music(durations_s, 5, FilmRules()) == chosen
    assert len(choose_music(durations_s, 50, FilmRules())) == 10
