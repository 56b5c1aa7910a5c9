"""Makes more of few titles: changes of log-mel spectrograms that leave their class as it is."""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

LOWEST_DB: Final = -100.0  # of the front end, whose power has a floor of 1e-10

Spectrograms = npt.NDArray[np.float32]
"""Log-mel spectrograms (B, T, bands) in dB."""


class AugmentationConfig(BaseModel):
    """Ours, each of them off where it is 0: AA names no augmentation.

    Masks and mixup are those of PANNs' own training, whose clips last 10 s: it has two masks of up
    to 64 frames and two of up to 8 bands, and a mixup of Beta(1, 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain_db: float = Field(0.0, ge=0, le=60, description="level, uniform in ± so many dB")
    equaliser_db: float = Field(
        0.0, ge=0, le=30, description="standard deviation of a response drawn at a few bands"
    )
    equaliser_points: int = Field(5, ge=2, le=64, description="bands it is drawn at")
    time_masks: int = Field(0, ge=0, le=16)
    time_mask_frames: int = Field(8, ge=1, description="longest time mask")
    frequency_masks: int = Field(0, ge=0, le=16)
    frequency_mask_bands: int = Field(8, ge=1, description="widest frequency mask")
    mixup_alpha: float = Field(0.0, ge=0, le=10, description="of Beta(α, α)")


def augment(
    log_mel: Spectrograms, config: AugmentationConfig, rng: np.random.Generator
) -> Spectrograms:
    """Return spectrograms that are louder or softer, equalised and masked, each in its own way.

    Level and equaliser add to decibels, as they would to the samples, down to the front end's
    floor. A mask holds the mean of its spectrogram. Polarity needs no augmentation: the front end
    does not hear it.
    """
    changed = log_mel
    if config.gain_db > 0 or config.equaliser_db > 0:
        changed = np.maximum(changed + _response(log_mel.shape, config, rng), LOWEST_DB)
    if config.time_masks or config.frequency_masks:
        changed = np.where(_masked(changed.shape, config, rng), _mean(changed), changed)
    return changed.astype(np.float32)


def mix(
    log_mel: Spectrograms,
    label: npt.NDArray[np.int64],
    classes: int,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[Spectrograms, npt.NDArray[np.float32]]:
    """Return each spectrogram mixed with another one of the batch, and shares of classes (B, C).

    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; on spectrograms, as in
    PANNs.
    """
    share = rng.beta(alpha, alpha, len(log_mel)).astype(np.float32)
    other = rng.permutation(len(log_mel))
    one_hot = np.eye(classes, dtype=np.float32)[label]
    mixed = share[:, None, None] * log_mel + (1 - share)[:, None, None] * log_mel[other]
    return mixed, share[:, None] * one_hot + (1 - share)[:, None] * one_hot[other]


def _response(
    shape: tuple[int, ...], config: AugmentationConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return (B, 1, bands) in dB."""
    chunks, _, bands = shape
    gains = rng.uniform(-config.gain_db, config.gain_db, (chunks, 1))
    at = np.linspace(0, bands - 1, config.equaliser_points)
    drawn = config.equaliser_db * rng.standard_normal((chunks, len(at)))
    curves = np.stack([np.interp(np.arange(bands), at, each) for each in drawn])
    response: npt.NDArray[np.float64] = (gains + curves)[:, None]
    return response


def _masked(
    shape: tuple[int, ...], config: AugmentationConfig, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return what is masked (D. S. Park et al., "SpecAugment", Interspeech 2019)."""
    chunks, frames, bands = shape
    time = _stripes(chunks, frames, config.time_masks, config.time_mask_frames, rng)
    frequency = _stripes(chunks, bands, config.frequency_masks, config.frequency_mask_bands, rng)
    masked: npt.NDArray[np.bool_] = np.asarray(time[:, :, None] | frequency[:, None, :])
    return masked


def _stripes(
    chunks: int, length: int, count: int, widest: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return (B, length): `count` stripes of 0 to `widest` places in each row."""
    width = rng.integers(0, min(widest, length), (chunks, count, 1), endpoint=True)
    first = rng.integers(0, length - width, endpoint=True)
    places = np.arange(length)
    inside = (places >= first) & (places < first + width)
    return np.asarray(inside.any(axis=1))


def _mean(log_mel: Spectrograms) -> Spectrograms:
    mean: Spectrograms = log_mel.mean(axis=(1, 2), keepdims=True)
    return mean
