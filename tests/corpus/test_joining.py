from itertools import pairwise

import numpy as np
import pytest

from padam.corpus.joining import join

RATE = 48000


def joined(pieces: list[np.ndarray], noise_db: float = -78.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    return join(
        (piece[None].astype(np.float32) for piece in pieces),
        RATE,
        fade_s=0.02,
        noise_db=noise_db,
        rng=rng,
    )


def tone(pitch_hz: float, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return level * np.cos(2 * np.pi * pitch_hz * np.arange(round(seconds * RATE)) / RATE)


def test_no_join_is_a_click() -> None:
    # each begins and ends at its full amplitude: put together bluntly, they would jump by 1
    signal = joined([tone(100), -tone(100), tone(150)])[0]
    steepest = 0.5 * 2 * np.pi * 150 / RATE
    noise = 10 ** (-78 / 20)
    assert np.abs(np.diff(signal)).max() < 2 * steepest + 12 * noise


def test_neighbours_share_a_fade_and_outer_silence_is_cut() -> None:
    silence = np.zeros(RATE // 2)
    signal = joined([np.concatenate([silence, tone(100), silence]), tone(200)])
    assert signal.shape[1] == pytest.approx(2 * RATE - 0.02 * RATE, abs=4)


def test_loudness_holds_where_unrelated_sounds_meet() -> None:
    rng = np.random.default_rng(2)
    noises = [0.1 * rng.standard_normal(RATE // 4) for _ in range(40)]
    signal = joined(noises)[0]
    step = RATE // 4 - round(0.02 * RATE)
    meets = [signal[at : at + round(0.02 * RATE)] for at in range(step, 39 * step, step)]
    assert np.std(np.concatenate(meets)) == pytest.approx(0.1, rel=0.05)


def test_no_digital_zeros_remain() -> None:
    pause = np.concatenate([tone(100), np.zeros(RATE), tone(100)])
    signal = joined([pause, pause])[0]
    ends = np.flatnonzero(signal != 0)
    assert max(after - before for before, after in pairwise(ends)) < 10
    middle = signal[round(1.3 * RATE) : round(1.7 * RATE)]
    assert 20 * np.log10(np.std(middle)) == pytest.approx(-78.0, abs=0.3)


def test_full_scale_is_made_quieter_not_clipped() -> None:
    signal = joined([tone(100, level=1.0), tone(103, level=1.0)])
    assert np.abs(signal).max() == pytest.approx(0.98, abs=1e-5)


@pytest.mark.parametrize("pieces", [[], [np.zeros(RATE)], [tone(100, seconds=0.03)]])
def test_without_sound_there_is_nothing(pieces: list[np.ndarray]) -> None:
    assert joined(pieces).shape == (1, 0)
