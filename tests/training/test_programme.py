from dataclasses import dataclass

import numpy as np
import pytest
from pydantic import ValidationError

from padam.training.programme import ProgrammeRanges, draw_programme

RATE = 16_000
SAMPLES = 2 * RATE
PLAIN = {
    "mix_probability": 0.0,
    "join_probability": 0.0,
    "fade_probability": 0.0,
    "effect_probability": 0.0,
}


@dataclass
class Tones:
    """Gives a tone of another pitch at every draw, of amplitude 0.2."""

    sample_rate: int = RATE
    drawn: int = 0

    def draw(self, rng, samples):
        self.drawn += 1
        time = np.arange(samples) / self.sample_rate
        return (0.2 * np.sin(2 * np.pi * 500 * self.drawn * time))[None].astype(np.float32)


def programme(seed=0, **ranges):
    drawn = draw_programme(
        np.random.default_rng(seed), Tones(), SAMPLES, ProgrammeRanges(**(PLAIN | ranges))
    )
    assert drawn.shape == (1, SAMPLES)
    assert drawn.dtype == np.float32
    return drawn[0]


def amplitude(audio, hz):
    """Amplitude of a tone over time, in blocks of 50 ms."""
    blocks = audio.reshape(-1, RATE // 20)
    wave = np.exp(-2j * np.pi * hz * np.arange(RATE // 20) / RATE)
    return 2 * np.abs(blocks @ wave) / (RATE // 20)


def test_without_chances_it_is_the_excerpt():
    np.testing.assert_array_equal(programme(), Tones().draw(None, SAMPLES)[0])


def test_a_mix_has_the_other_sound_so_many_decibels_below():
    mixed = programme(mix_probability=1.0, mix_below_db=(6.0, 6.0))
    assert amplitude(mixed, 500) == pytest.approx(0.2, rel=1e-3)
    assert amplitude(mixed, 1000) == pytest.approx(0.2 * 10 ** (-6 / 20), rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["cut", "crossfade"])
def test_another_sound_takes_over(kind, seed):
    joined = programme(seed, join_probability=1.0, joins=[kind])
    first, second = amplitude(joined, 500), amplitude(joined, 1000)
    assert first[0] == pytest.approx(0.2, rel=1e-2)
    assert second[0] == pytest.approx(0, abs=1e-3)
    assert second[-1] > 0.1
    between = (first > 0.01) & (second > 0.01)
    assert between.sum() <= (1 if kind == "cut" else 22)
    # a step as of a defect would be as large as the amplitude
    assert np.abs(np.diff(joined)).max() < 0.2 * 2 * np.pi * 1000 / RATE * 1.1


@pytest.mark.parametrize("digital", [0.0, 1.0])
def test_a_pause_is_as_silent_as_it_is_said_to_be(digital):
    paused = programme(
        join_probability=1.0,
        joins=["pause"],
        pause_s=(0.4, 0.4),
        fade_s=(0.1, 0.1),
        digital_silence_probability=digital,
        pause_noise_db=(-60.0, -60.0),
    )
    blocks = np.sqrt(np.mean(paused.reshape(-1, RATE // 20) ** 2, axis=1))
    silent = blocks < 0.002
    assert 6 <= silent.sum() <= 9
    if digital:
        assert blocks.min() == 0
    else:
        assert blocks.min() == pytest.approx(10 ** (-60 / 20), rel=0.2)


def test_a_fade_goes_up_from_silence_or_down_to_it():
    ends = set()
    for seed in range(8):
        faded = amplitude(programme(seed, fade_probability=1.0), 500)
        low = int(faded[-1] < faded[0])
        assert faded[-low] < 0.02
        assert faded[low - 1] == pytest.approx(0.2, rel=2e-2)
        ends.add(low)
    assert ends == {0, 1}


def test_effects_keep_the_peak():
    for seed in range(6):
        changed = programme(seed, effect_probability=1.0)
        assert np.abs(changed).max() == pytest.approx(0.2, rel=1e-3)


def test_silence_stays_silence():
    class Silence(Tones):
        def draw(self, rng, samples):
            return np.zeros((1, samples), dtype=np.float32)

    everything = ProgrammeRanges(**dict.fromkeys(PLAIN, 1.0), joins=["cut"])
    drawn = draw_programme(np.random.default_rng(0), Silence(), SAMPLES, everything)
    assert not drawn.any()


@pytest.mark.parametrize(
    "bad", [{"mix_probability": 1.1}, {"joins": []}, {"joins": ["wipe"]}, {"fade_s": (1.0, 0.5)}]
)
def test_ranges_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        ProgrammeRanges(**bad)
