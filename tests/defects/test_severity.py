"""One number says how bad each drawn defect is."""

import json

import numpy as np
import pandas as pd
import pytest

from padam.audio.codec_settings import CodecSettings
from padam.defects.base import WHOLE, DefectParams
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.severity import SEVERITY_SCALES, severity, severity_table
from padam.defects.workflow import ClipParams

RATE = 16_000


def drawn(name: str) -> DefectParams:
    audio = np.random.default_rng(0).normal(0, 0.1, (1, 4 * RATE)).astype(np.float32)
    module = DEFECTS[name]
    stream = (CodecSettings(codec="aac", sample_rate=RATE),) if name == "packet_loss" else ()
    return module.draw(np.random.default_rng(1), audio, RATE, module.Ranges(), WHOLE, *stream)


def test_every_defect_has_a_scale() -> None:
    assert tuple(SEVERITY_SCALES) == DEFECT_NAMES


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_severity_is_a_number_of_what_was_drawn(name: str) -> None:
    assert np.isfinite(severity(drawn(name)))


@pytest.mark.parametrize(
    ("name", "update", "expected"),
    [
        ("hum", {"snr_db": 12.0}, 12.0),
        ("quantization", {"bits": 5}, 5.0),
        ("clipping", {"percent": 3.5}, 3.5),
        ("packet_loss", {"amount": 250}, 4.0),
    ],
)
def test_severity_follows_its_parameter(
    name: str, update: dict[str, float], expected: float
) -> None:
    assert severity(drawn(name).model_copy(update=update)) == expected


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_the_severe_end_is_the_one_said(name: str) -> None:
    assert SEVERITY_SCALES[name].low_is_severe == (name in ("hum", "hiss", "quantization"))


def test_interruptions_count_by_their_share_of_the_time() -> None:
    drops = drawn("drops")
    total_s = sum(event.duration_s for event in drops.events)
    assert severity(drops) == pytest.approx(100 * total_s / 4.0)
    halved = drops.model_copy(update={"events": drops.events[: len(drops.events) // 2]})
    assert severity(halved) < severity(drops)


def test_clicks_count_by_their_rate() -> None:
    clicks = drawn("clicks")
    assert severity(clicks) == pytest.approx(len(clicks.clicks) / 4.0)


def test_a_row_for_every_defect_of_every_clip() -> None:
    both = ClipParams(
        gain_db=0, defects=(drawn("hum"), drawn("drops")), source_encode=None, transcode=None
    )
    clean = both.model_copy(update={"defects": ()})
    manifest = pd.DataFrame(
        {
            "clip_id": ["a", "b"],
            "params": [json.dumps(p.model_dump(mode="json")) for p in (clean, both)],
        }
    )
    table = severity_table(manifest)
    assert table[["clip_id", "defect"]].to_numpy().tolist() == [["b", "hum"], ["b", "drops"]]
    assert table["low_is_severe"].tolist() == [True, False]
    assert severity_table(manifest[:1]).empty
