import numpy as np
import pytest

from padam.audio.channels import (
    default_layout,
    fit_channels,
    mixing_matrix,
    remix,
    to_mono,
    to_stereo,
)
from tests.audio.signals import programme

HALF = np.sqrt(0.5)


def test_five_one_has_the_coefficients_of_bs775():
    """ITU-R BS.775-4, table 2, 2/0: L + 0.7071 C + 0.7071 Ls, and mirrored; no LFE."""
    unit = np.eye(6, dtype=np.float32)  # FL FR FC LFE BL BR
    expected = [[1, 0, HALF, 0, HALF, 0], [0, 1, HALF, 0, 0, HALF]]
    assert np.allclose(to_stereo(unit), expected, atol=1e-6)
    assert np.allclose(to_mono(unit), np.mean(expected, axis=0), atol=1e-6)


def test_side_and_back_surrounds_weigh_the_same():
    side = mixing_matrix(["FL", "FR", "FC", "LFE", "SL", "SR"], 2)
    assert np.array_equal(side, mixing_matrix(default_layout(6), 2))


@pytest.mark.parametrize("count", range(2, 13))
def test_downmix_is_symmetric_and_leaves_nothing_but_lfe_out(count):
    matrix = mixing_matrix(default_layout(count), 2)
    assert matrix.shape == (2, count)
    assert sorted(matrix[0]) == sorted(matrix[1])
    lost = [n for n, g in zip(default_layout(count), matrix.sum(axis=0), strict=True) if g == 0]
    assert lost in ([], ["LFE"])


def test_mono_and_stereo():
    stereo = programme()
    mono = to_mono(stereo)
    assert np.allclose(mono[0], (stereo[0] + stereo[1]) / 2, atol=1e-7)
    assert np.array_equal(to_stereo(mono), np.repeat(mono, 2, axis=0))
    assert to_stereo(stereo) is stereo
    assert mono.dtype == np.float32


def test_names_decide_and_unknown_names_fall_back():
    unit = np.eye(3, dtype=np.float32)
    assert remix(unit, 2, ["FL", "FR", "FC"])[0, 2] == pytest.approx(HALF)
    assert remix(unit, 2, ["FL", "FR", "LFE"])[0, 2] == 0
    assert np.array_equal(remix(unit, 2, ["NONE"] * 3), remix(unit, 2))


def test_other_targets_are_refused():
    with pytest.raises(ValueError, match="not to 4"):
        remix(programme(), 4)
    assert remix(np.zeros((2, 0), np.float32), 1).shape == (1, 0)


def test_surround_takes_mono_on_the_centre_and_stereo_on_the_front():
    stereo = programme()
    mono = stereo[:1]
    for count, centre in ((3, 2), (5, 2), (6, 2), (7, 2), (8, 2)):
        placed = fit_channels(mono, count)
        assert np.array_equal(placed[centre], mono[0])
        assert np.count_nonzero(placed.any(axis=1)) == 1
        placed = fit_channels(stereo, count)
        assert np.array_equal(placed[:2], stereo)
        assert not placed[2:].any()
    assert np.array_equal(fit_channels(mono, 4)[:2], to_stereo(mono))
    five_one = programme(channels=6)
    assert np.array_equal(fit_channels(five_one, 8)[:2], to_stereo(five_one))
    assert fit_channels(five_one, 6) is five_one
    assert np.array_equal(fit_channels(five_one, 2), to_stereo(five_one))
