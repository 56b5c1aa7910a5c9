import numpy as np
import pytest

from padam.defects.audibility import error_level_db
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
