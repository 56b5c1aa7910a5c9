import numpy as np

from padam.quality.crops import most_damaged_window


def test_crop_finds_the_damage() -> None:
    reference = np.zeros(1000, np.float32)
    degraded = reference.copy()
    degraded[640:680] = 0.5
    window = most_damaged_window(reference, degraded, 100)
    assert window.start <= 640
    assert window.stop >= 680
    assert window.stop - window.start == 100


def test_crop_longer_than_the_signal_takes_it_whole() -> None:
    signal = np.ones(100, np.float32)
    assert most_damaged_window(signal, signal, 500) == slice(0, 100)


def test_of_windows_of_equal_damage_the_first_is_taken() -> None:
    reference = np.zeros(1000, np.float32)
    degraded = reference.copy()
    degraded[[300, 800]] = 0.5
    window = most_damaged_window(reference, degraded, 10)
    assert window.start <= 300 < window.stop
