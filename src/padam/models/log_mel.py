"""Log-mel spectrogram of 0.4 s windows: the front end of the audio encoder."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SAMPLE_RATE: Final = 16_000
WINDOW_S: Final = 0.4
WINDOW_SAMPLES: Final = 6_400
HOP_SAMPLES: Final = 160
FRAME_SAMPLES: Final = 400
FFT_SAMPLES: Final = 512
MEL_BANDS: Final = 128
WINDOW_FRAMES: Final = 1 + WINDOW_SAMPLES // HOP_SAMPLES

# Some 20 dB under the noise of 16-bit quantisation, so that only digital silence meets it.
POWER_FLOOR: Final = 1e-10


class LogMel(nn.Module):
    """Standardised natural-log mel power of consecutive 0.4 s windows (PADAM §4.1).

    Each window is framed by itself: a 25 ms Hann frame, zero-padded to a 512-point FFT, hop
    10 ms, centred with reflection at the window's ends, which gives 41 frames; 128 Slaney mel
    bands over 0-8 kHz. The scalar ``mean`` and ``std`` are buffers, saved with the model; they
    are 0 and 1 until `fit_statistics` is called.
    """

    frame: Tensor
    filterbank: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Both follow from the constants above: not part of the saved state.
        self.register_buffer("filterbank", torch.from_numpy(mel_filterbank()), persistent=False)
        self.register_buffer("frame", torch.hann_window(FRAME_SAMPLES), persistent=False)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def forward(self, waveform: Tensor) -> Tensor:
        """Return (B·k, 128, 41) for ``waveform`` (B, 6400·k) in [-1, 1] at 16 kHz."""
        return (self.log_power(waveform) - self.mean) / self.std

    def log_power(self, waveform: Tensor) -> Tensor:
        """Return the log-mel power before standardisation, (B·k, 128, 41)."""
        windows = split_windows(waveform)
        # A power spectrum spans more than bfloat16's 8 bits of mantissa can sum.
        with torch.autocast(windows.device.type, enabled=False):
            spectrum = torch.stft(
                windows.float(),
                n_fft=FFT_SAMPLES,
                hop_length=HOP_SAMPLES,
                win_length=FRAME_SAMPLES,
                window=self.frame.float(),
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return (self.filterbank.float() @ power).clamp_min(POWER_FLOOR).log()

    @torch.no_grad()
    def fit_statistics(self, waveforms: Tensor | Iterable[Tensor]) -> None:
        """Set ``mean`` and ``std`` from training audio: one (B, 6400·k) tensor or many.

        Raises ValueError where there is no audio or the audio has no variation at all.
        """
        batches = [waveforms] if isinstance(waveforms, Tensor) else waveforms
        count, total, total_squares = 0, 0.0, 0.0
        for batch in batches:
            values = self.log_power(batch.to(self.mean.device)).double()
            count += values.numel()
            total += values.sum().item()
            total_squares += values.square().sum().item()
        if count == 0:
            raise ValueError("Log-mel statistics need at least one 0.4 s window of audio.")
        mean = total / count
        variance = total_squares / count - mean**2
        if not variance > 1e-6:
            raise ValueError(
                f"Log-mel variance of the training audio is {variance:.3g}: silent or not finite. "
                "Fit the statistics on audible clips."
            )
        self.mean.fill_(mean)
        self.std.fill_(variance**0.5)


def mel_filterbank() -> npt.NDArray[np.float32]:
    """Return (128, 257) triangles of equal area over 0-8 kHz on Slaney's mel scale.

    The same numbers as librosa's default, whose import takes longer than a title's first score.
    """
    # Slaney's scale: 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4.
    knee, step = 15.0, np.log(6.4) / 27.0
    top = knee + np.log(SAMPLE_RATE / 2 / 1000.0) / step
    mels = np.linspace(0.0, top, MEL_BANDS + 2)
    edges = np.where(mels < knee, mels * 200.0 / 3.0, 1000.0 * np.exp(step * (mels - knee)))
    bins = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= 2.0 / (edges[2:] - edges[:-2])[:, None]
    return triangles


def split_windows(waveform: Tensor) -> Tensor:
    """Cut ``waveform`` (B, 6400·k) into (B·k, 6400), windows of one clip next to each other.

    Raises ValueError for another shape or a length that is no whole number of windows.
    """
    if waveform.ndim != 2 or waveform.shape[1] == 0 or waveform.shape[1] % WINDOW_SAMPLES:
        raise ValueError(
            f"Waveform has shape {tuple(waveform.shape)}; expected (batch, samples) with a whole "
            f"number of {WINDOW_SAMPLES}-sample windows ({WINDOW_S} s at {SAMPLE_RATE} Hz). "
            "Pad the clip with zeros to the next window."
        )
    return waveform.reshape(-1, WINDOW_SAMPLES)
