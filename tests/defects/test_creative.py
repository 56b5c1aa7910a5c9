"""Creative effects: what each does to a signal whose answer is known."""

import numpy as np
import numpy.typing as npt
import pytest

from padam.defects.creative import EFFECT_NAMES, EffectName, apply_effect

RATE = 48_000
Array = npt.NDArray[np.float32]


def tone(frequency_hz: float, seconds: float = 2.0, level: float = 0.5) -> Array:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency_hz * time_s))[None].astype(np.float32)


def power_db(audio: Array, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(audio[0] * np.hanning(audio.shape[1]))) ** 2
    frequencies = np.fft.rfftfreq(audio.shape[1], 1 / RATE)
    return float(10 * np.log10(spectrum[(frequencies >= low_hz) & (frequencies < high_hz)].sum()))


@pytest.mark.parametrize("name", EFFECT_NAMES)
@pytest.mark.parametrize("channels", [1, 2])
def test_shape_peak_and_input_stay(name: EffectName, channels: int) -> None:
    audio = np.repeat(tone(440), channels, axis=0)
    before = audio.copy()
    changed = apply_effect(name, np.random.default_rng(0), audio, RATE)
    np.testing.assert_array_equal(audio, before)
    assert (changed.shape, changed.dtype) == (audio.shape, np.float32)
    assert np.abs(changed).max() == pytest.approx(np.abs(audio).max(), rel=1e-5)
    assert np.abs(changed - audio).max() > 1e-3
    again = apply_effect(name, np.random.default_rng(0), audio, RATE)
    np.testing.assert_array_equal(changed, again)
    silence = np.zeros((channels, 1000), dtype=np.float32)
    assert np.isfinite(apply_effect(name, np.random.default_rng(0), silence, RATE)).all()


def test_radio_voice_keeps_the_telephones_band_and_levels_out() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 4 * RATE)).astype(np.float32)
    heard = apply_effect("radio_voice", np.random.default_rng(0), noise, RATE)
    inside = power_db(heard, 300, 3400) - power_db(noise, 300, 3400)
    assert inside - (power_db(heard, 20, 100) - power_db(noise, 20, 100)) > 30
    assert inside - (power_db(heard, 8000, 20000) - power_db(noise, 8000, 20000)) > 25
    steps = tone(1000)
    steps[:, RATE:] *= 0.1
    heard = apply_effect("radio_voice", np.random.default_rng(0), steps, RATE)
    loud, quiet = (np.sqrt(np.mean(heard[:, at : at + 28800] ** 2)) for at in (9600, 57600))
    # 20 dB apart before; a ratio of 1.5 to 3 leaves 6.7 to 13.3 dB
    assert 6 < 20 * np.log10(loud / quiet) < 14


def test_lo_fi_is_band_limited_and_keeps_the_bit_depth() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 4 * RATE)).astype(np.float32)
    heard = apply_effect("lo_fi", np.random.default_rng(0), noise, RATE)
    inside = power_db(heard, 500, 2000) - power_db(noise, 500, 2000)
    assert inside - (power_db(heard, 12000, 20000) - power_db(noise, 12000, 20000)) > 15
    assert len(np.unique(heard)) > 0.9 * noise.shape[1]


def test_overdrive_makes_odd_harmonics_and_no_flat_top() -> None:
    heard = apply_effect("overdrive", np.random.default_rng(0), tone(1000), RATE)
    third, second = power_db(heard, 2950, 3050), power_db(heard, 1950, 2050)
    assert third - second > 40
    assert power_db(heard, 950, 1050) - third < 40
    steps = np.diff(heard[0])
    runs = np.flatnonzero((np.abs(steps) < 1e-7) & (np.abs(heard[0, 1:]) > 0.4))
    assert len(runs) < 10


def test_vinyl_crackle_adds_brief_impulses_everywhere() -> None:
    audio = tone(440, seconds=10, level=0.1)
    heard = apply_effect("vinyl_crackle", np.random.default_rng(1), audio, RATE)
    gain = np.vdot(heard, audio) / np.vdot(audio, audio)
    bed = np.abs(heard / gain - audio)[0]
    loud = np.flatnonzero(bed > 8 * np.median(bed))
    seconds_hit = set((loud // RATE).tolist())
    assert len(seconds_hit) >= 9
    assert len(loud) < 0.05 * len(bed)
