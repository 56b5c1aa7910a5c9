"""CNN6 of the pretrained audio neural networks (PANNs), with five outputs as AA has it.

Q. Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern
Recognition", IEEE/ACM TASLP 28, 2020: table I (network), §III (front end).
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE: Final = 32_000
WINDOW_SAMPLES: Final = 1024
HOP_SAMPLES: Final = 320
MEL_BANDS: Final = 64
LOWEST_HZ: Final = 50.0
HIGHEST_HZ: Final = 14_000.0
POWER_FLOOR: Final = 1e-10
WIDTHS: Final = (64, 128, 256, 512)


class Cnn6Config(BaseModel):
    """Network and the chunks it was trained on; the defaults are PANNs' and AA's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int = Field(5, ge=2, le=1024)
    conv_dropout: float = Field(0.2, ge=0, lt=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    chunk_s: float = Field(1.0, ge=0.2, le=10)  # PADAM says that AA has 2 s
    start: Literal["scratch", "audioset"] = "scratch"  # what the weights were trained on from


class Cnn6(nn.Module):
    """Four blocks of a 5×5 convolution, a fully connected layer of 512, and the classes' logits.

    4 837 455 parameters with AudioSet's 527 classes, 4 569 669 with AA's five. The softmax is left
    to the loss and to `probabilities`.
    """

    def __init__(self, config: Cnn6Config | None = None) -> None:
        super().__init__()
        self.config = config or Cnn6Config()
        self.bn0 = nn.BatchNorm2d(MEL_BANDS)
        inputs = (1, *WIDTHS[:-1])
        for number, (before, after) in enumerate(zip(inputs, WIDTHS, strict=True), start=1):
            self.add_module(f"conv_block{number}", ConvBlock(before, after))
        self.fc1 = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.classifier = nn.Linear(WIDTHS[-1], self.config.classes)
        for layer in (self.fc1, self.classifier):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return logits (B, classes) of log-mel spectrograms (B, 1, T, 64), T of 16 and more."""
        # one normalisation for each mel band, over batch and time
        x = self.bn0(log_mel.transpose(1, 3)).transpose(1, 3)
        for number in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            x = functional.dropout(x, self.config.conv_dropout, self.training)
        x = x.mean(dim=3)
        x = x.amax(dim=2) + x.mean(dim=2)
        x = functional.dropout(x, self.config.dropout, self.training)
        x = functional.relu(self.fc1(x))
        x = functional.dropout(x, self.config.dropout, self.training)
        logits: Tensor = self.classifier(x)
        return logits

    def probabilities(self, log_mel: Tensor) -> Tensor:
        """Return the softmax of the logits, (B, classes), in float32."""
        return self(log_mel).float().softmax(dim=1)


class ConvBlock(nn.Module):
    """Convolution 5×5 without bias, batch normalisation, ReLU, mean over 2×2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 5, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        nn.init.xavier_uniform_(self.conv1.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, T/2, F/2) of (B, inputs, T, F)."""
        return functional.avg_pool2d(functional.relu(self.bn1(self.conv1(x))), 2)


class Cnn6LogMel(nn.Module):
    """PANNs' front end: 32 kHz, Hann window of 1024, hop 320, 64 mels over 50-14000 Hz, in dB."""

    window: Tensor
    filterbank: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filterbank", torch.from_numpy(mel_filterbank()), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return (B, 1 + N // 320, 64) in dB of ``waveform`` (B, N) in [-1, 1] at 32 kHz.

        Frames are centred, with reflection at the ends; a power below 1e-10 is -100 dB.
        """
        # a power spectrum spans more than bfloat16's 8 bits of mantissa can sum
        with torch.autocast(waveform.device.type, enabled=False):
            spectrum = torch.stft(
                waveform.float(),
                n_fft=WINDOW_SAMPLES,
                hop_length=HOP_SAMPLES,
                window=self.window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            mel = power.transpose(1, 2) @ self.filterbank
            return 10 * mel.clamp_min(POWER_FLOOR).log10()


def mel_filterbank() -> npt.NDArray[np.float32]:
    """Return (513, 64) triangles of equal area over 50-14000 Hz on Slaney's mel scale."""
    # Slaney's scale: 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4.
    knee, step = 15.0, np.log(6.4) / 27.0
    low = LOWEST_HZ * 3 / 200
    high = knee + np.log(HIGHEST_HZ / 1000) / step
    mels = np.linspace(low, high, MEL_BANDS + 2)
    edges = np.where(mels < knee, mels * 200 / 3, 1000 * np.exp(step * (mels - knee)))
    bins = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * 2 / (edges[2:] - edges[:-2]), dtype=np.float32)
