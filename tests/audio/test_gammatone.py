"""Gammatone filters: centres, gain, bandwidth and impulse response as the theory has them."""

import numpy as np
import pytest

from padam.audio.gammatone import (
    centre_frequencies,
    erb_hz,
    filtered,
    gammatone_sections,
    magnitude,
)

RATE = 48_000


def test_the_bandwidth_at_1_khz_is_the_published_one():
    # Glasberg and Moore (1990): 24.7 (4.37 f/kHz + 1)
    assert erb_hz(1000.0) == pytest.approx(24.7 * 5.37, rel=1e-3)


def test_centres_lie_equally_many_bandwidths_apart():
    centres = centre_frequencies(125.0, 8000.0, 23)
    assert centres[0] == pytest.approx(125.0)
    corner = 24.7 * 9.26449
    steps = np.diff(np.log(np.append(centres, 8000.0) + corner))
    np.testing.assert_allclose(steps, steps[0])


def test_the_gain_is_0_db_at_the_centre_and_highest_there():
    centres = centre_frequencies(125.0, 20_000.0, 12)
    angles = 2 * np.pi * centres / RATE
    gains = magnitude(gammatone_sections(centres, RATE), angles)
    np.testing.assert_allclose(np.diag(gains), 1.0)
    assert (gains.argmax(axis=1) == np.arange(12)).all()


@pytest.mark.parametrize("centre_hz", [500.0, 2000.0, 6000.0])
def test_the_area_under_the_power_response_is_its_rectangular_bandwidth(centre_hz):
    frequencies = np.linspace(0, RATE / 2, 48_001)
    angles = 2 * np.pi * frequencies / RATE
    power = magnitude(gammatone_sections([centre_hz], RATE), angles)[0] ** 2
    area_hz = power.sum() * (frequencies[1] - frequencies[0])
    assert area_hz == pytest.approx(erb_hz(centre_hz), rel=0.02)


def test_the_impulse_response_is_a_gammatone():
    impulse = np.zeros(2000)
    impulse[0] = 1
    (response,) = filtered(impulse, gammatone_sections([1000.0], RATE))
    time = np.arange(2000) / RATE
    expected = time**3 * np.exp(-2 * np.pi * 1.019 * erb_hz(1000.0) * time)
    expected *= np.cos(2 * np.pi * 1000.0 * time)
    cosine = response @ expected / np.linalg.norm(response) / np.linalg.norm(expected)
    assert cosine > 0.9995


def test_the_magnitude_is_that_of_the_filtered_tone():
    sections = gammatone_sections([800.0, 1200.0], RATE)
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    settled = filtered(tone, sections)[:, RATE // 2 :]
    expected = magnitude(sections, np.array([2 * np.pi * 1000 / RATE]))[:, 0]
    np.testing.assert_allclose(np.abs(settled).max(axis=1), expected, rtol=1e-3)
