import librosa
import numpy as np
import pytest
import torch
from scipy.signal import get_window

from padam.models.log_mel import LogMel, mel_filterbank, split_windows


def tone(frequency_hz: float, seconds: float, amplitude: float = 0.5) -> torch.Tensor:
    times = torch.arange(int(seconds * 16_000)) / 16_000
    return amplitude * torch.sin(2 * torch.pi * frequency_hz * times)[None]


def test_windows_of_ten_seconds_have_128_bands_and_41_frames() -> None:
    assert LogMel()(torch.zeros(2, 160_000)).shape == (2 * 25, 128, 41)


def test_agrees_with_a_transform_frame_by_frame_and_librosas_bands() -> None:
    rng = np.random.default_rng(0)
    window = rng.uniform(-1, 1, 6400).astype(np.float32)
    # centred frames, the window of 400 in the middle of 512; librosa.stft compiles for 40 s
    padded = np.pad(window.astype(np.float64), 256, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512)[::160]
    spectrum = np.fft.rfft(frames * np.pad(get_window("hann", 400), 56)).T
    power = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=128) @ np.abs(spectrum) ** 2
    ours = LogMel()(torch.from_numpy(window)[None])[0].numpy()
    np.testing.assert_allclose(ours, np.log(power), atol=1e-4)


def test_the_filterbank_is_librosas_to_the_bit() -> None:
    theirs = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=128)
    np.testing.assert_array_equal(mel_filterbank(), theirs)


def test_no_mel_band_is_empty() -> None:
    assert (LogMel().filterbank.sum(dim=1) > 0).all()


def test_tone_lands_in_the_band_of_its_frequency() -> None:
    centres = librosa.mel_frequencies(130, fmin=0, fmax=8000)[1:-1]
    for frequency_hz in (200.0, 1000.0, 5000.0):
        loudest = LogMel()(tone(frequency_hz, 0.4))[0, :, 20].argmax()
        assert abs(int(loudest) - int(np.abs(centres - frequency_hz).argmin())) <= 1


def test_ten_times_the_amplitude_is_20_db() -> None:
    quiet, loud = (LogMel()(tone(1000, 0.4, a))[0, 40:50].max() for a in (0.05, 0.5))
    assert float(loud - quiet) == pytest.approx(np.log(100.0), abs=1e-3)


def test_windows_do_not_leak_into_each_other() -> None:
    clip = torch.cat([torch.zeros(1, 6400), tone(1000, 0.4)], dim=1)
    both = LogMel()(clip)
    torch.testing.assert_close(both[1:], LogMel()(tone(1000, 0.4)))
    torch.testing.assert_close(both[:1], LogMel()(torch.zeros(1, 6400)))


def test_silence_is_finite() -> None:
    assert LogMel()(torch.zeros(1, 6400)).isfinite().all()


def test_fitted_statistics_standardise_their_own_audio_and_are_saved() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(2, 12_800, generator=generator) * scale for scale in (0.01, 0.3)]
    front_end = LogMel()
    front_end.fit_statistics(clips)
    values = torch.cat([front_end(clip) for clip in clips])
    assert float(values.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(values.std()) == pytest.approx(1.0, abs=1e-4)
    restored = LogMel()
    restored.load_state_dict(front_end.state_dict())
    torch.testing.assert_close(restored(clips[0]), front_end(clips[0]))


def test_statistics_do_not_depend_on_the_batches() -> None:
    clips = torch.randn(4, 6400, generator=torch.Generator().manual_seed(0)) * 0.1
    whole, parts = LogMel(), LogMel()
    whole.fit_statistics(clips)
    parts.fit_statistics(clips.split(1))
    torch.testing.assert_close(whole.mean, parts.mean)
    torch.testing.assert_close(whole.std, parts.std)


@pytest.mark.parametrize("clips", [torch.zeros(1, 6400), torch.full((1, 6400), torch.nan)])
def test_statistics_of_silence_or_nan_are_refused(clips: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="audible"):
        LogMel().fit_statistics(clips)


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        LogMel().fit_statistics([])


@pytest.mark.parametrize("shape", [(6400,), (1, 6399), (1, 0), (1, 1, 6400)])
def test_part_of_a_window_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="6400-sample windows"):
        split_windows(torch.zeros(shape))


def test_same_under_bfloat16_autocast() -> None:
    clip = tone(440, 0.4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(LogMel()(clip), LogMel()(clip.clone()))
        mixed = LogMel()(clip)
    torch.testing.assert_close(mixed, LogMel()(clip))
