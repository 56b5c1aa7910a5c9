"""report.html: complete in itself, harmless whatever a file is called, and true to the title."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from padam.audio.media import read_audio, write_flac
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.event_pictures import (
    HEIGHT,
    WIDTH,
    frequency_ticks,
    spectrogram_webp,
    waveform_path,
)
from padam.detection.reports.excerpts import LONGEST_S, Excerpt, excerpts_of
from padam.detection.reports.html_report import html_report
from padam.detection.reports.json_report import schema
from padam.detection.reports.score_paths import time_ticks, timeline
from padam.detection.scan import scan_title
from padam.detection.temporal_filter import TemporalFilter
from padam.detection.verdicts import VERDICT_COLUMNS, document_id
from tests.detection.conftest import LoudnessScorer
from tests.detection.review_kit import (
    RATE,
    document_of,
    event,
    sound_of,
    three_events,
    write_title,
)

NASTY = "</script><script>alert(1)</script> \"q\" 'a' & <b> 🎬.mov"


class Page(HTMLParser):
    """What a browser makes of the page: tags, ids, texts, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._in_script = tag == "script"

    def handle_endtag(self, tag) -> None:
        self._in_script = False

    def handle_data(self, data) -> None:
        if self._in_script:
            self.scripts.append(data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self):
        return json.loads(self.scripts[0])


def no_sound(each) -> str:
    return "No sound here."


def levels_db(audio: np.ndarray) -> np.ndarray:
    """RMS of every tenth of a second of each channel."""
    blocks = audio.reshape(len(audio), -1, RATE // 10).astype(float)
    return 10 * np.log10((blocks**2).mean(axis=2))


def inlined(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_title(tmp_path_factory.mktemp("title") / "title.wav", three_events())


@pytest.fixture(scope="module")
def page(title: Path) -> Page:
    document = document_of(three_events())
    return Page(html_report(document, excerpts_of(title, document)))


def test_the_documents_of_these_tests_follow_the_schema() -> None:
    for events in ([], three_events()):
        jsonschema.validate(document_of(events), schema(), jsonschema.Draft202012Validator)


def test_what_a_scan_finds_is_on_its_page(loud_title: Path) -> None:
    document = scan_title(loud_title, LoudnessScorer(OperatingPoint(0.5, TemporalFilter())))
    found = Page(html_report(document, excerpts_of(loud_title, document)))
    assert len(found.all("audio")) == len(document["events"]) > 0
    assert found.data["rows"][0]["start_s"] == document["events"][0]["start_s"]
    assert "loudness 1" in found.text


def test_nothing_is_fetched_and_every_label_has_its_field(page: Page) -> None:
    loaded = [tag[name] for _, tag in page.tags for name in ("src", "href") if name in tag]
    assert all(url.startswith(("data:", "#")) for url in loaded)
    assert "default-src 'none'" in page.all("meta")[2]["content"]
    ids = [tag["id"] for _, tag in page.tags if "id" in tag]
    assert len(ids) == len(set(ids))
    assert {tag["for"] for _, tag in page.tags if "for" in tag} <= set(ids)
    assert all(tag.get("aria-label") for tag in page.all("audio"))
    assert all(tag.get("alt") for tag in page.all("img"))


def test_a_title_by_any_name_does_no_harm() -> None:
    document = document_of(three_events(), file=NASTY, names=('<i>"L', "R'>"))
    document["warnings"] = ["<img src=x onerror=alert(2)>"]
    found = Page(html_report(document, lambda each: "<u>none</u>"))
    assert len(found.all("script")) == 2
    assert not any(found.all(tag) for tag in ("b", "i", "u", "img"))
    assert NASTY in found.text
    assert found.data["file"] == NASTY
    assert found.data["rows"][0]["title"] == NASTY
    page = html_report(document_of([], file="bad\udcff.mov"), no_sound)
    assert "bad?.mov" in page.encode("utf-8").decode()


def test_the_sound_is_the_titles_with_a_second_around_the_event(page: Page, tmp_path: Path) -> None:
    expected = sound_of(three_events())
    starts_s, lasting_s = (11.0, 32.25, 40.0), (5.5, 2.5, LONGEST_S)
    for number, (start_s, seconds) in enumerate(zip(starts_s, lasting_s, strict=True)):
        file = tmp_path / f"{number}.ogg"
        file.write_bytes(inlined(page.all("audio")[number]["src"]))
        heard = read_audio(file, sample_rate=RATE)
        count = round(seconds * RATE)
        assert count <= heard.shape[1] <= count + RATE // 25
        original = expected[:, round(start_s * RATE) :][:, :count]
        assert np.allclose(levels_db(heard[:, :count]), levels_db(original), atol=2.5)
    assert page.text.count("Only the event's beginning.") == 1


def test_an_event_takes_less_than_300_kb() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (6, 12 * RATE)).astype(np.float32)
    names = ("FL", "FR", "FC", "LFE", "BL", "BR")
    events = [event(1, 20, 40, [0, 1, 2, 3, 4, 5], hiss=0.9)]
    document = document_of(events, names=names)
    whole = html_report(document, lambda each: Excerpt(noise, RATE, 19.0))
    bare = html_report(document, no_sound)
    assert len(whole) - len(bare) < 300_000
    assert "Not drawn: BL, BR." in whole
    assert "mixed down to stereo" in whole


def test_of_surround_the_affected_channels_are_heard_alone(tmp_path: Path) -> None:
    events = [event(1, 2.0, 3.0, [3], hum=0.8)]
    audio = np.zeros((6, 5 * RATE), dtype=np.float32)
    audio[3] = 0.5 * np.sin(2 * np.pi * 60 * np.arange(5 * RATE) / RATE)
    document = document_of(events, 5.0, ("FL", "FR", "FC", "LFE", "BL", "BR"))
    found = Page(html_report(document, lambda each: Excerpt(audio, RATE, 1.0)))
    (tmp_path / "e.ogg").write_bytes(inlined(found.all("audio")[0]["src"]))
    heard = read_audio(tmp_path / "e.ogg")
    assert heard.shape[0] == 1
    assert np.abs(heard[0, RATE : 2 * RATE]).max() == pytest.approx(0.5, rel=0.1)
    assert "Heard: LFE alone." in found.text


def test_downmixed_titles_are_heard_as_they_were_scored(tmp_path: Path) -> None:
    write_flac(tmp_path / "surround.flac", np.full((6, 3 * RATE), 0.1, np.float32), RATE)
    document = document_of([event(1, 1.0, 1.5, [0], hum=0.6)], 3.0, ("Lo", "Ro"), channels=6)
    excerpt = excerpts_of(tmp_path / "surround.flac", document)(document["events"][0])
    assert isinstance(excerpt, Excerpt)
    assert excerpt.audio.shape == (2, round(2.5 * RATE))
    assert (excerpt.start_s, excerpt.end_s) == (0.0, 2.5)


def test_the_channels_that_were_scored_are_those_heard(tmp_path: Path) -> None:
    levels = np.arange(1, 7, dtype=np.float32)[:, None] / 10
    write_flac(tmp_path / "surround.flac", np.tile(levels, 3 * RATE), RATE)
    document = document_of([event(1, 1.0, 1.5, [0], hum=0.6)], 3.0, ("FC", "FL"), channels=6)
    excerpt = excerpts_of(tmp_path / "surround.flac", document)(document["events"][0])
    assert isinstance(excerpt, Excerpt)
    assert excerpt.audio[:, RATE] == pytest.approx([0.3, 0.1], abs=1e-3)


def test_events_beyond_the_most_are_listed_without_sound(title: Path) -> None:
    document = document_of(three_events())
    found = Page(html_report(document, excerpts_of(title, document, most=1)))
    assert len(found.all("audio")) == 1
    assert len(found.all("article")) == 3
    assert "2 events have no sound in this report" in found.text
    assert found.text.count("Only the first 1 events have sound") == 2


def test_a_file_that_cannot_be_read_leaves_the_page_whole(tmp_path: Path) -> None:
    document = document_of(three_events())
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    found = Page(html_report(document, excerpts_of(tmp_path / "cut.wav", document)))
    assert found.text.count("The sound could not be read: not a readable media file") == 3
    write_title(tmp_path / "short.wav", [], duration_s=20.0)
    found = Page(html_report(document, excerpts_of(tmp_path / "short.wav", document)))
    assert found.text.count("The sound of the file ends before this event.") == 2


def test_a_film_is_not_decoded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from padam.audio import timeline as decoding

    write_flac(tmp_path / "film.flac", np.zeros((1, 900 * 8000), np.float32), 8000)
    decoded = 0

    def counted(frame):
        nonlocal decoded
        decoded += frame.samples
        return original(frame)

    original = decoding.frame_samples
    monkeypatch.setattr(decoding, "frame_samples", counted)
    document = document_of([event(1, 800.0, 801.0, [0], hum=0.6)], 900.0, ("FC",))
    document["title"]["sample_rate"] = 8000
    excerpt = excerpts_of(tmp_path / "film.flac", document)(document["events"][0])
    assert isinstance(excerpt, Excerpt)
    assert excerpt.audio.shape == (1, 3 * 8000)
    assert decoded < 60 * 8000


def test_a_clean_title_has_a_page(page: Page) -> None:
    found = Page(html_report(document_of([]), no_sound))
    assert "Clean: nothing was detected." in found.text
    assert not found.all("article")
    assert not found.all("button")
    assert "Blocker" in page.text
    assert "4 of 6 flagged" in page.text


def test_an_undetermined_title_of_no_segments_has_a_page() -> None:
    document = document_of([], duration_s=0.0, threshold=None)
    document |= {"verdict": "undetermined", "warnings": ["nothing to score"]}
    found = Page(html_report(document, no_sound))
    assert "Undetermined" in found.text
    assert "nothing to score" in found.text
    assert not any(tag.get("class") == "threshold" for tag in found.all("path"))


def test_rows_to_export_say_what_the_document_says(page: Page) -> None:
    document = document_of(three_events())
    assert page.data["columns"] == list(VERDICT_COLUMNS)
    assert page.data["id"] == document_id(document)
    first, _, last = page.data["rows"]
    assert (first["defect"], first["probability"], first["channels"]) == ("hiss", 0.93, "FR")
    assert (last["defect"], last["probability"], last["severity"]) == ("", "", "fyi")
    assert (first["segments_scored"], first["segments_flagged"]) == (6, 4)
    document["events"][0]["severity"] = "fyi"
    assert document_id(document) != page.data["id"]
    assert document_id(document_of(three_events()) | {"warnings": ["x"]}) == page.data["id"]


def test_scores_lie_where_they_belong_and_gaps_stay_gaps() -> None:
    document = document_of(three_events())
    document["segments"][1]["channel_scores"][0] = None
    drawn = timeline(document, ["FL", "FR"], 60.0)
    left = drawn["channels"][0]
    assert left["scores"].startswith("M0.0 90.0H166.667M333.333 90.0H500.0V10.0")
    assert [span["id"] for span in left["spans"]] == [2, 3]
    assert left["spans"][1]["x"] == pytest.approx(1000 * 41 / 60, abs=0.001)
    assert left["spans"][1]["width"] == pytest.approx(1000 * 17 / 60, abs=0.002)
    assert drawn["threshold"] == 50.0
    # 0.4 s of evidence from 12.0 s on, where the event begins
    assert "H200.0V10.0" in drawn["channels"][1]["evidence"]


def test_scores_beyond_one_stay_on_the_page() -> None:
    document = document_of([], threshold=2.0)
    document["segments"][0]["channel_scores"] = [4.0, -1.0]
    drawn = timeline(document, ["FL", "FR"], 60.0)
    assert (drawn["low"], drawn["high"], drawn["threshold"]) == ("-1", "4", 40.0)


def test_a_model_named_after_its_run_is_named_once() -> None:
    document = document_of([])
    assert "padam 1, run 0123abcd" in html_report(document, no_sound)
    document["model"]["version"] = "0123abcd"
    assert "run 0123abcd" not in html_report(document, no_sound)


@pytest.mark.parametrize(
    ("span_s", "texts"),
    [
        ((0.0, 7200.0), ["0:00", "30:00", "01:00:00", "01:30:00"]),
        ((0.0, 92.0), ["0:00", "0:20", "0:40", "1:00", "1:20"]),
        ((3599.0, 3601.5), ["59:59.0", "59:59.5", "01:00:00.0", "01:00:00.5", "01:00:01.0"]),
    ],
)
def test_ticks_of_time_are_round(span_s: tuple[float, float], texts: list[str]) -> None:
    ticks = time_ticks(*span_s)
    assert [text.removeprefix("0") for _, text in ticks] == [t.removeprefix("0") for t in texts]
    places = np.diff([place for place, _ in ticks])
    assert np.allclose(places, places[0])


def test_a_waveform_reaches_its_peaks_and_a_click_is_not_lost() -> None:
    audio = np.zeros(48_000, dtype=np.float32)
    audio[12_345], audio[36_000] = 0.5, -0.25
    points = np.array(re.findall(r"(\d+) (-?\d+)", waveform_path(audio, 0.5)), dtype=int)
    assert points[:, 1].min() == -1
    assert points[:, 1].max() == round(HEIGHT * 0.75) + 1
    assert points[points[:, 1].argmin(), 0] == pytest.approx(WIDTH * 12_345 / 48_000, abs=2)


def test_a_tone_is_where_the_axis_says() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 2000 * np.arange(2 * RATE) / RATE)
    picture = Image.open(io.BytesIO(spectrogram_webp(tone.astype(np.float32), RATE)))
    light = np.asarray(picture.convert("L"), dtype=float)[:, picture.width // 2]
    place = {text: share for share, text in frequency_ticks(RATE)}["2"]
    assert 1 - (light.argmax() + 0.5) / len(light) == pytest.approx(place, abs=0.01)
