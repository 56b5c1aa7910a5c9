"""Evidence of short windows: that of the same samples cut out by hand."""

import numpy as np
import pytest

from padam.models.native_evidence import EVIDENCE_NAMES, native_evidence
from padam.models.native_evidence.windows import MARGIN_S, WINDOW_NAMES, evidence_windows

RATE = 8_000
STEP = 3_200
NOISE = np.random.default_rng(0).standard_normal((2, 5 * STEP + 17)).astype(np.float32) / 10
COLUMN = {name: number for number, name in enumerate(WINDOW_NAMES)}


def columns(width_s, names):
    return [COLUMN[f"{name}.{width_s}_s"] for name in names]


def test_each_window_is_measured_as_if_it_were_cut_out():
    found = evidence_windows(NOISE, RATE)
    assert found.shape == (2, 5, len(WINDOW_NAMES))
    short = [name for name in EVIDENCE_NAMES if not name.startswith("lines.")]
    chosen = [EVIDENCE_NAMES.index(name) for name in short]
    expected = native_evidence(NOISE[:, 2 * STEP : 3 * STEP], RATE)
    np.testing.assert_array_equal(found[:, 2, columns(0.4, short)], expected[:, chosen])
    around = native_evidence(NOISE[:, STEP : 4 * STEP], RATE)
    np.testing.assert_array_equal(found[:, 2, columns(1.2, EVIDENCE_NAMES)], around)
    mirrored = np.concatenate([NOISE[:, STEP - 1 :: -1], NOISE[:, : 2 * STEP]], axis=1)
    first = native_evidence(mirrored, RATE)
    np.testing.assert_array_equal(found[:, 0, columns(1.2, EVIDENCE_NAMES)], first)


def test_levels_are_those_of_a_sine():
    sine = 0.5 * np.sin(2 * np.pi * 100 * np.arange(STEP) / RATE)
    found = evidence_windows(sine.astype(np.float32)[None], RATE)[0, 0]
    assert found[COLUMN["rms_db"]] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found[COLUMN["peak_db"]] == pytest.approx(20 * np.log10(0.5), abs=0.01)


def test_what_lies_before_and_after_is_heard_as_far_as_the_margin():
    title = np.random.default_rng(1).standard_normal((1, 9 * STEP)).astype(np.float32) / 10
    before, middle, after = np.split(title, [4 * STEP, 5 * STEP], axis=1)
    found = evidence_windows(middle, RATE, before, after)
    np.testing.assert_array_equal(found[:, 0], evidence_windows(title, RATE)[:, 4])
    margin = round(MARGIN_S * RATE) + 1
    louder = before.copy()
    louder[:, :-margin] = 1
    np.testing.assert_array_equal(evidence_windows(middle, RATE, louder, after), found)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 37_801, 96_000])
def test_ten_seconds_are_25_windows_at_any_rate(rate):
    assert evidence_windows(np.ones((1, 10 * rate), np.float32), rate).shape[1] == 25


def test_silence_and_full_scale_have_finite_evidence():
    for value in (0.0, 1e-9, 1.0, 1e30):
        found = evidence_windows(np.full((1, 2 * STEP), value, np.float32), RATE)
        assert np.isfinite(found).all()


def test_bad_audio_is_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        evidence_windows(np.full((1, STEP), np.nan, np.float32), RATE)
    with pytest.raises(ValueError, match="NaN or infinite"):
        evidence_windows(NOISE, RATE, before=np.full((2, 9), np.inf, np.float32))
    with pytest.raises(ValueError, match=r"at least 0\.4 s"):
        evidence_windows(NOISE[:, : STEP - 1], RATE)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        evidence_windows(NOISE, 0)
    with pytest.raises(ValueError, match=r"expected \(channels, samples"):
        evidence_windows(NOISE[0], RATE)
