"""The gallery: which clips it shows, that its page is whole, and that names cannot harm it."""

import html
import io
import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from padam.audio.codec_settings import CodecSettings
from padam.defects.clicks import Click, ClicksParams
from padam.defects.clipping import ClippingParams
from padam.defects.distribution import compare_with_intended
from padam.defects.drops import DropsParams
from padam.defects.encoding import TranscodeParams
from padam.defects.gallery import Gallery, GalleryConfig, plan_gallery
from padam.defects.gallery_page import write_gallery
from padam.defects.hum import HumParams
from padam.defects.interval import Interval
from padam.defects.shards import ClipPair
from padam.defects.workflow import ClipParams, WorkflowConfig, render_clip
from tests.defects.conftest import music

RATE = 16_000
DURATION_S = 1.5
CONFIG = WorkflowConfig(sample_rate=RATE)
WHOLE = Interval(start_s=0.0, duration_s=DURATION_S)
PART = Interval(start_s=0.25, duration_s=1.0)
AAC = CodecSettings(codec="aac", bitrate_kbps=64, sample_rate=32000)
TRANSCODE = TranscodeParams(codec=AAC, loudness_lufs=None, lowpass_hz=None)
ODD_SOURCE = """music/<script>alert("1")</script> & 'ünïcode' \udcff.wav"""


def hum(channels: tuple[int, ...] = (0, 1)) -> HumParams:
    return HumParams(
        interval=PART,
        channels=channels,
        snr_db=3.25,
        fundamental_hz=50.0,
        pattern="odd",
        waveform="square",
        weights=(0.5, 1.0, 0.75),
        phase_rad=-1.5,
    )


def clicks(channels: tuple[int, ...] = (0, 1)) -> ClicksParams:
    struck = [
        Click(start_s=0.5, duration_s=0.0002, amplitude=-0.4),
        Click(start_s=1.0, duration_s=0.0004, amplitude=0.4),
    ]
    return ClicksParams(interval=WHOLE, channels=channels, clicks=tuple(struck))


def clipping(channels: tuple[int, ...]) -> ClippingParams:
    return ClippingParams(
        interval=PART, channels=channels, percent=20.0, low=-0.1, high=0.1, regions=(PART,)
    )


def drops(channels: tuple[int, ...]) -> DropsParams:
    gone = Interval(start_s=0.6, duration_s=0.04)
    return DropsParams(interval=PART, channels=channels, mode="zeros", events=(gone,))


def drawn(*defects: Any, codec: CodecSettings | None = None, last: Any = None) -> ClipParams:
    return ClipParams(gain_db=-1.5, defects=defects, source_encode=codec, transcode=last)


def pair(clip_id: str, params: ClipParams, channels: int = 2, source: str = "a.wav") -> ClipPair:
    audio = np.round(music(DURATION_S, channels, RATE) * 2**20) / 2**20
    reference, degraded = render_clip(audio.astype(np.float32), RATE, params)
    metadata = {
        "clip_id": clip_id,
        "source": source,
        "start_s": 12.5,
        "layers": [],
        "params": params.model_dump(mode="json"),
    }
    on_grid = [np.round(side * 2**20).astype(np.float32) / 2**20 for side in (reference, degraded)]
    return ClipPair(clip_id, *on_grid, RATE, metadata)


PAIRS = {
    "hum": pair("hum", drawn(hum(), codec=AAC)),
    "clicks": pair("clicks", drawn(clicks()), source=ODD_SOURCE),
    "mono": pair("mono", drawn(clipping((0,))), channels=1),
    "surround": pair("surround", drawn(drops((6,))), channels=8),
    "clean": pair("clean", drawn()),
}


def manifest(clips: dict[str, ClipParams]) -> pd.DataFrame:
    rows = [
        {
            "clip_id": clip_id,
            "split": "train",
            "duration_s": DURATION_S,
            "channels": 2,
            **{name: int(name in params.labels) for name in ("hum", "hiss", "drops", "clipping")},
            **{name: int(name in params.labels) for name in ("quantization", "packet_loss")},
            "clicks": int("clicks" in params.labels),
            "params": params.model_dump_json(),
        }
        for clip_id, params in clips.items()
    ]
    return pd.DataFrame(rows)


class Shelf:
    """Clips that remember who was asked for."""

    def __init__(self, pairs: dict[str, ClipPair]) -> None:
        self.pairs = pairs
        self.asked: list[set[str]] = []

    def __call__(self, clip_ids: Collection[str]) -> Iterator[ClipPair]:
        self.asked.append(set(clip_ids))
        yield from (pair for name, pair in self.pairs.items() if name in clip_ids)


def plan(
    clips: pd.DataFrame, shelf: Shelf | None = None, config: GalleryConfig | None = None
) -> Gallery:
    shares, numbers = compare_with_intended(clips, CONFIG)
    return plan_gallery(clips, shares, numbers, shelf or Shelf({}), config or GalleryConfig())


class Page(HTMLParser):
    """Elements and targets of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.outside = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        self.outside += tag == "tr" and given.get("class") == "outside"
        self.targets += [given[name] or "" for name in ("src", "href") if name in given]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shelf]:
    folder = tmp_path_factory.mktemp("gallery") / "new"
    shelf = Shelf(PAIRS)
    clips = {name: ClipParams.model_validate(p.metadata["params"]) for name, p in PAIRS.items()}
    index = write_gallery(folder, plan(manifest(clips), shelf))
    assert index == folder / "index.html"
    return folder, shelf


@pytest.fixture(scope="module")
def text(written: tuple[Path, Shelf]) -> str:
    return (written[0] / "index.html").read_text(encoding="utf-8")


def test_an_example_holds_its_defect_alone_and_untouched_where_there_is_such_a_clip() -> None:
    clips = manifest(
        {
            "a": drawn(hum(), clicks()),
            "b": drawn(hum(), last=TRANSCODE),
            "c": drawn(hum()),
            "d": drawn(hum(), codec=AAC),
            "e": drawn(),
        }
    )
    gallery = plan(clips)
    shown = {(e.kind, e.codec): e.clip_id for e in gallery.examples}
    assert shown == {
        ("hum", "aac"): "d",
        ("hum", "none"): "c",
        ("clicks", "none"): "a",
        ("clean", "none"): "e",
    }
    assert gallery.counts[("hum", "none")] == 3
    two = plan(clips, config=GalleryConfig(examples_per_cell=2, codecs=("none",)))
    assert [(e.kind, e.clip_id, e.number) for e in two.examples[:2]] == [
        ("hum", "c", 1),
        ("hum", "b", 2),
    ]


def test_a_clip_stands_in_two_cells_only_where_there_is_no_other() -> None:
    both = drawn(hum(), clicks())
    shown = {e.kind: e.clip_id for e in plan(manifest({"a": both, "b": both})).examples}
    assert shown == {"hum": "a", "clicks": "b"}
    shown = {e.kind: e.clip_id for e in plan(manifest({"a": both})).examples}
    assert shown == {"hum": "a", "clicks": "a"}


def test_only_what_is_shown_is_read_and_copied(written: tuple[Path, Shelf], text: str) -> None:
    folder, shelf = written
    assert shelf.asked == [set(PAIRS)]
    targets = [target for target in Page(text).targets if not target.startswith("#")]
    assert all((folder / target).is_file() for target in targets)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*targets, "index.html"}
    assert sum(name.endswith(".flac") for name in files) == 2 * len(PAIRS)


def test_links_within_the_page_lead_somewhere(text: str) -> None:
    page = Page(text)
    assert {target[1:] for target in page.targets if target.startswith("#")} <= page.ids


def test_the_page_needs_no_network_and_runs_no_script(text: str) -> None:
    assert Page(text).tags.isdisjoint({"script", "link", "iframe", "object"})
    assert not re.search(r"(src|href)=\"(\w+:|//)|url\(|@import", text)


def test_names_are_escaped(text: str) -> None:
    # what is no Unicode cannot be written as such
    shown = ODD_SOURCE.replace("\udcff", "&#56575;")
    assert "<script>" not in text
    assert html.escape(ODD_SOURCE[:40], quote=False).split("(")[0] in text
    assert html.unescape(shown) in html.unescape(text)


@pytest.mark.parametrize("name", PAIRS)
def test_the_audio_is_that_of_the_shard(written: tuple[Path, Shelf], name: str) -> None:
    folder, _ = written
    kind = {"mono": "clipping", "surround": "drops"}.get(name, name)
    codec = "aac" if name == "hum" else "none"
    for side in ("reference", "degraded"):
        path = folder / "audio" / f"{kind}-{codec}-1.{side}.flac"
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
        assert rate == RATE
        np.testing.assert_array_equal(samples.T, getattr(PAIRS[name], side))


def test_the_affected_channel_is_shown(written: tuple[Path, Shelf], text: str) -> None:
    folder, _ = written
    assert "shown is channel 7 of 8" in text
    assert "shown is channel 1 of 1" in text

    def picture(slug: str, side: str) -> bytes:
        return (folder / "pictures" / f"{slug}.{side}.webp").read_bytes()

    assert picture("drops-none-1", "reference") != picture("drops-none-1", "degraded")
    # a clean clip without codec is its reference, so are its pictures
    assert picture("clean-none-1", "reference") == picture("clean-none-1", "degraded")


def test_parameters_are_told_with_their_units(text: str) -> None:
    told = dict(re.findall(r"<tr><th>([^<]*)</th><td>([^<]*)</td></tr>", text))
    assert told["SNR"] == "3.25 dB"
    assert told["fundamental"] == "50 Hz"
    assert told["weights of the harmonics"] == "3, 0.5 – 1"
    assert told["bitrate"] == "64 kbit/s"
    assert told["clicks"] == "2; start 0.5 s – 1 s; duration 0.2 ms – 0.4 ms; amplitude −0.4 – 0.4"
    assert "0.250 – 1.250 s (1.000 s)" in text
    assert "50 ms from" in text
    assert "<td>all 2</td>" in text
    assert "<td>7 (of 8)</td>" in text


def test_rows_outside_their_bounds_are_marked(tmp_path: Path, text: str) -> None:
    clips = manifest({f"{n}": drawn(last=TRANSCODE) for n in range(60)})
    none = GalleryConfig(examples_per_cell=0)
    page = write_gallery(tmp_path, plan(clips, config=none)).read_text(encoding="utf-8")
    shares, _ = compare_with_intended(clips, CONFIG)
    wrong = int(shares["within"].eq(False).sum())
    assert wrong >= 3
    assert Page(page).outside == wrong
    assert "transcode yes: 100.0 % drawn, 50.0 % intended" in page


def test_cells_without_a_clip_say_so(text: str) -> None:
    assert "There is no such clip with\naac, mp3, opus, no codec:\npacket loss" in text


def test_no_clips_give_a_page_without_pictures(tmp_path: Path) -> None:
    index = write_gallery(tmp_path, plan(pd.DataFrame()))
    page = Page(index.read_text(encoding="utf-8"))
    assert "img" not in page.tags
    assert page.outside == 0


def test_a_clip_that_the_shards_lack_is_named(tmp_path: Path) -> None:
    gallery = plan(manifest({"gone": drawn()}), Shelf({}))
    with pytest.raises(ValueError, match="clips gone stand in the manifest"):
        write_gallery(tmp_path, gallery)
    assert not (tmp_path / "index.html").exists(), "a page is written when all is there"


def test_pictures_are_webp_of_the_stated_size(written: tuple[Path, Shelf], text: str) -> None:
    from PIL import Image

    folder, _ = written
    for target, width, height in re.findall(
        r'src="([^"]+webp)" width="(\d+)" height="(\d+)"', text
    ):
        with Image.open(io.BytesIO((folder / target).read_bytes())) as picture:
            assert picture.size == (int(width), int(height))
