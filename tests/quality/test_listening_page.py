"""The page of a listening test and its audio: complete, and without a word of what an item is."""

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from padam.audio.loudness import integrated_loudness_lufs
from padam.defects.registry import DEFECT_NAMES
from padam.quality.listening_page import write_kit
from padam.quality.listening_test import HIDDEN_REFERENCE, TRAINING
from tests.quality.listening_kit import RATE, SECONDS, Pair, make_pairs, small_test

PAIRS = make_pairs()


class Page(HTMLParser):
    """Tags, what they point at, and the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.inputs: list[dict[str, str]] = []
        self.links: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("src", "href") if name in found]
        self.labelled += [found["for"]] if "for" in found else []
        self.inputs += [found] if tag in ("input", "textarea") else []
        self._script = found.get("id", "") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = data


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    assert write_kit(folder, small_test(PAIRS)) == folder / "index.html"
    return folder


def read(kit: Path) -> Page:
    return Page((kit / "index.html").read_text(encoding="utf-8"))


def data(page: Page) -> dict:
    return json.loads(page.scripts["test"])


def test_the_page_names_every_item_once_and_each_has_its_file(kit: Path) -> None:
    found, key = data(read(kit)), small_test(PAIRS).key
    training = key["kind"] == TRAINING
    assert found["training"] == key.loc[training, "item"].tolist()
    assert found["trials"] == key.loc[~training, "item"].tolist()
    files = sorted(path.name for path in (kit / "audio").iterdir())
    assert files == [f"{item}.flac" for item in key["item"]]
    assert sorted(path.name for path in kit.iterdir()) == ["audio", "index.html"]


def test_a_file_holds_what_the_key_says(kit: Path) -> None:
    for row in small_test(PAIRS).key.itertuples():
        audio, rate = soundfile.read(kit / "audio" / f"{row.item}.flac", dtype="float32")
        pair = PAIRS[row.clip]
        expected = pair.reference if row.kind == HIDDEN_REFERENCE else pair.degraded
        assert rate == RATE
        np.testing.assert_allclose(audio.T, expected, atol=2**-22)


def test_nothing_tells_what_an_item_is(kit: Path) -> None:
    text = (kit / "index.html").read_text(encoding="utf-8")
    test = small_test(PAIRS)
    names = [*DEFECT_NAMES, "hidden_reference", "reference", "clean", "several", "q_hat"]
    for word in [*names, *test.key["clip"], "c0ffee"]:
        assert not re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE), word
    assert set(data(read(kit))) == {
        *("id", "training", "trials", "tones"),
        *("minHeardShare", "breakAfterMin", "headphonesCheck"),
    }
    for path in (kit / "audio").iterdir():
        content = path.read_bytes()
        assert not soundfile.SoundFile(path).copy_metadata(), "tags could tell"
        assert b"c0ffee" not in content


def test_the_page_needs_nothing_else(kit: Path) -> None:
    page = read(kit)
    assert [link for link in page.links if not link.startswith("data:")] == []
    text = (kit / "index.html").read_text(encoding="utf-8")
    assert "://" not in text, "a page for a machine without a network"
    assert "default-src 'none'" in text


def test_every_field_has_a_label_and_every_id_is_one(kit: Path) -> None:
    page = read(kit)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labelled) <= set(page.ids)
    for field in page.inputs:
        # a radio button lies within its label
        assert field.get("type") == "radio" or field["id"] in page.labelled
    script = page.scripts[""]
    named = set(re.findall(r'byId\("([\w-]+)"\)', script)) | set(
        re.findall(r'(?:show|isShown)\("([\w-]+)"\)', script)
    )
    assert len(named) > 20
    assert named <= set(page.ids)


def test_the_scale_is_that_of_p800(kit: Path) -> None:
    text = (kit / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'name="score" value="(\d)".*?</span> (\w+)</label>', text)
    words = ["Excellent", "Good", "Fair", "Poor", "Bad"]
    assert shown == list(zip("54321", words, strict=True))


def test_the_time_it_takes_is_that_of_the_audio_and_the_answers(tmp_path: Path) -> None:
    test = small_test(PAIRS)
    write_kit(tmp_path, test)
    # 8 items of half a second and of 5 s each to decide
    assert len(test.key) * (SECONDS + 5) < 60
    assert re.search(r"takes about\s+1 minute\b", (tmp_path / "index.html").read_text())


def test_all_audio_can_lie_within_the_page(tmp_path: Path) -> None:
    test = small_test(PAIRS, inline_audio=True)
    write_kit(tmp_path, test)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    page = read(tmp_path)
    for row in test.key.itertuples():
        content = base64.b64decode(page.scripts[f"audio-{row.item}"], validate=True)
        audio, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        pair = PAIRS[row.clip]
        expected = pair.reference if row.kind == HIDDEN_REFERENCE else pair.degraded
        np.testing.assert_allclose(audio.T, expected, atol=2**-22)


def test_a_page_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    test = small_test(PAIRS, inline_audio=True, max_inline_mb=0.01)
    with pytest.raises(ValueError, match=r"would take \d+ MB, more than 0\.01: .*inline_audio"):
        write_kit(tmp_path, test)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_markup_do_no_harm(tmp_path: Path) -> None:
    test = small_test(PAIRS)
    evil = "</script><script>alert(1)</script>&\"'"
    key = test.key.assign(test_id=evil)
    write_kit(tmp_path, dataclasses.replace(test, test_id=evil, key=key))
    page = read(tmp_path)
    assert data(page)["id"] == evil
    assert "alert(1)</script>" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_loudness_is_left_alone_or_set_with_one_gain_for_both_sides(tmp_path: Path) -> None:
    test = small_test(PAIRS, loudness_lufs=-30.0)
    write_kit(tmp_path, test)
    for row in test.key.itertuples():
        audio, rate = soundfile.read(tmp_path / "audio" / f"{row.item}.flac", dtype="float32")
        # the degraded side is half as loud, 6.02 dB
        expected = -30.0 if row.kind == HIDDEN_REFERENCE else -30.0 - 20 * np.log10(2)
        assert integrated_loudness_lufs(audio.T, rate) == pytest.approx(expected, abs=0.02)


def test_loudness_that_would_clip_is_refused(tmp_path: Path) -> None:
    pairs = {
        name: dataclasses.replace(pair, degraded=pair.reference * 9) for name, pair in PAIRS.items()
    }
    with pytest.raises(ValueError, match=r"would peak \d+\.\d dB over full scale .* -10 LUFS"):
        write_kit(tmp_path, small_test(pairs, loudness_lufs=-10.0))


def test_silence_stays_silent(tmp_path: Path) -> None:
    silent = np.zeros((2, RATE), dtype=np.float32)
    pairs = {name: Pair(name, silent, silent) for name in PAIRS}
    write_kit(tmp_path, small_test(pairs, loudness_lufs=-23.0))
    for path in (tmp_path / "audio").iterdir():
        assert not soundfile.read(path)[0].any()


def test_a_clip_that_no_shard_holds_is_named(tmp_path: Path) -> None:
    test = small_test(PAIRS)
    lost = test.key["clip"].iloc[0]
    read_rest = dataclasses.replace(
        test, read=lambda wanted: (p for p in PAIRS.values() if p.clip_id in wanted - {lost})
    )
    with pytest.raises(ValueError, match=f"clips {lost} stand in the tables but in none"):
        write_kit(tmp_path, read_rest)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.1)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "page", 4.5),
        ("ink", "card", 4.5),
        ("soft", "page", 4.5),
        ("accent", "page", 3.0),
        ("on-accent", "accent", 4.5),
        ("bad", "page", 4.5),
        ("ink", "bad-back", 4.5),
        ("line", "page", 3.0),
        ("line", "card", 3.0),
    ],
)
def test_contrast_is_that_of_wcag_aa(kit: Path, scheme: str, front, back, least: float) -> None:
    text = (kit / "index.html").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))
    bright, dim = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least
