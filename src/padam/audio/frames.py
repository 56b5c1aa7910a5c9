"""Decoded frames as arrays."""

from functools import lru_cache

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from padam.audio import Audio
from padam.audio.channels import remix

_MAX_PLANES = 7


def frame_samples(frame: AudioFrame) -> Audio:
    """Samples (channels, n) of a frame in any of FFmpeg's formats, as float32 in its full scale."""
    channels, planar = frame.layout.nb_channels, frame.format.is_planar
    if frame.format.name == "fltp" and channels <= _MAX_PLANES:
        # what nearly all decoders give; to_ndarray takes five times as long
        result = np.empty((channels, frame.samples), dtype=np.float32)
        for row, plane in zip(result, frame.planes, strict=True):
            row[:] = np.frombuffer(memoryview(plane), np.float32, frame.samples)
        return result
    if planar and channels > _MAX_PLANES:
        # PyAV 18 looks for a null pointer after the planes; there is none after 8, and it crashes
        (frame,) = _interleaver(
            frame.format.packed.name, frame.layout.name, frame.sample_rate
        ).resample(frame)
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype == np.uint8:
        return ((array.astype(np.float32) - 128) / 128).astype(np.float32)
    if np.issubdtype(array.dtype, np.integer):
        return (array / float(2 ** (8 * array.dtype.itemsize - 1))).astype(np.float32)
    return array.astype(np.float32, copy=False)


def put_samples(frame: AudioFrame, into: Audio, skip: int = 0) -> None:
    """Copy samples from `skip` on into (channels, n), remixed where the channels are others."""
    channels, samples = into.shape
    if frame.format.name == "fltp" and frame.layout.nb_channels == channels <= _MAX_PLANES:
        for row, plane in zip(into, frame.planes, strict=True):
            row[:] = np.frombuffer(plane, np.float32, skip + samples)[skip:]  # type: ignore[call-overload]
        return
    into[:] = remix(frame_samples(frame), channels)[:, skip : skip + samples]


@lru_cache(maxsize=4)
def _interleaver(sample_format: str, layout: str, rate: int) -> AudioResampler:
    """Build the converter once for all frames of a stream; it keeps no samples back."""
    return AudioResampler(format=sample_format, layout=layout, rate=rate)
