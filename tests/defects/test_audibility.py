import numpy as np
import pytest

from padam.defects.audibility import error_level_db, error_levels_db, is_audible
from tests.defects.conftest import RATE


def test_no_error_is_inaudible(clip):
    assert error_level_db(clip, clip.copy(), RATE, 24000) == -np.inf


def test_the_level_is_error_over_signal():
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    assert error_level_db(tone, 1.1 * tone, RATE, 24000) == pytest.approx(-20, abs=0.1)


def test_one_bad_moment_is_enough(clip):
    degraded = clip.copy()
    degraded[1, 50000:50010] += 0.5
    assert error_level_db(clip, degraded, RATE, 24000) > -20


def test_error_above_the_bandwidth_does_not_count():
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    whistle = (0.5 * np.sin(2 * np.pi * 15000 * time))[None].astype(np.float32)
    assert error_level_db(tone, tone + whistle, RATE, 24000) > -1
    assert error_level_db(tone, tone + whistle, RATE, 8000) < -60


def test_a_constant_offset_does_not_count(clip):
    assert error_level_db(clip, clip + np.float32(0.1), RATE, 24000) < -60


@pytest.mark.parametrize("at", [0, RATE // 2, 3 * RATE + 7])
@pytest.mark.parametrize("error", [1e-4, 3e-3, 0.1])
def test_the_floor_is_reached_where_the_level_says_so(long_clip, at, error):
    degraded = long_clip.copy()
    degraded[-1, at : at + 480] += np.float32(error) * np.tile([1, -1], 240)
    level_db = error_level_db(long_clip, degraded, RATE, 24000)
    for floor_db in (level_db - 0.01, level_db + 0.01, -30):
        reached = is_audible(long_clip, degraded, RATE, 24000, floor_db)
        assert reached == (level_db >= floor_db)


def test_each_frame_of_20_ms_has_its_level():
    time = np.arange(RATE) / RATE
    tone = np.tile(0.5 * np.sin(2 * np.pi * 1000 * time), (2, 1)).astype(np.float32)
    degraded = tone.copy()
    frame = RATE // 50
    degraded[1, 3 * frame : 4 * frame] *= np.float32(1.1)
    levels = error_levels_db(tone, degraded, RATE, 24000)
    assert levels.shape == (50,)
    assert levels[3] == pytest.approx(-20, abs=0.1)
    assert (np.delete(levels, 3) == -np.inf).all()
