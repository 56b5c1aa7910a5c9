"""From audio to embeddings, and from embeddings to the clip representation r."""

import copy
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch

from padam.audio import Audio
from padam.models.audio_encoder import EMBEDDING_WIDTH, TIME_PATCHES, AudioEncoder
from padam.models.log_mel import SAMPLE_RATE, WINDOW_SAMPLES
from padam.models.quality_head import QualityHead

__all__ = ["SAMPLE_RATE", "Precision", "embed_audio", "represent", "resolve_precision"]

Precision = Literal["auto", "float32", "bfloat16"]

CHUNK_WINDOWS: Final = 150  # 60 s of one channel: bounded memory, and large enough products
REPRESENT_BATCH: Final = 256


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type to compute in; `auto` is bfloat16 where the hardware multiplies in it."""
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = device.type == "cpu" and _cpu_has_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"Unknown precision {precision!r}; choose auto, float32 or bfloat16.")
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def embed_audio(
    encoder: AudioEncoder, audio: Audio, precision: Precision = "auto"
) -> npt.NDArray[np.float16]:
    """Return embeddings (C, T, 384), float16, of audio (C, N) at 16 kHz (PADAM §4.1).

    T is 3 per window of 0.4 s: 75 for 10 s. The last window is filled up with silence. Windows are
    independent, so a title may be embedded in pieces of whole windows.

    Raises ValueError for audio of another shape, without samples, or not finite.
    """
    if audio.ndim != 2 or audio.size == 0:
        raise ValueError(
            f"Audio has shape {audio.shape}; expected (channels, samples) with at least one sample."
        )
    if not np.isfinite(audio).all():
        raise ValueError("Audio holds NaN or infinite samples: mend or skip it before embedding.")
    channels, samples = audio.shape
    windows = -(-samples // WINDOW_SAMPLES)
    padded = np.zeros((channels, windows * WINDOW_SAMPLES), dtype=np.float32)
    padded[:, :samples] = audio
    rows = torch.from_numpy(padded).reshape(-1, WINDOW_SAMPLES)

    device = encoder.positions.device
    dtype = resolve_precision(precision, device)
    body = encoder if dtype == torch.float32 else _bfloat16_twin(encoder)
    body.eval()
    parts = []
    with torch.inference_mode():
        for chunk in rows.split(CHUNK_WINDOWS):
            log_mel = encoder.log_mel(chunk.to(device))  # always float32: powers span too much
            parts.append(body.encode_windows(log_mel.to(dtype)).half().cpu())
    embeddings: npt.NDArray[np.float16] = torch.cat(parts).numpy()
    return embeddings.reshape(channels, windows * TIME_PATCHES, EMBEDDING_WIDTH)


def represent(
    head: QualityHead, embeddings: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float32]:
    """Return representations r (…, 512), float32, of embeddings (…, T, 384) (PADAM §4.2)."""
    leading = embeddings.shape[:-2]
    rows = embeddings.reshape(-1, *embeddings.shape[-2:])
    device = next(head.parameters()).device
    head.eval()
    parts = [np.zeros((0, head.config.hidden_width), dtype=np.float32)]
    with torch.inference_mode():
        for start in range(0, len(rows), REPRESENT_BATCH):
            batch = torch.from_numpy(rows[start : start + REPRESENT_BATCH].astype(np.float32))
            parts.append(head.represent(batch.to(device)).cpu().numpy())
    return np.concatenate(parts).reshape(*leading, head.config.hidden_width)


def _cpu_has_bfloat16() -> bool:
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


_twins: WeakKeyDictionary[AudioEncoder, tuple[list[tuple[int, int]], AudioEncoder]] = (
    WeakKeyDictionary()
)


def _bfloat16_twin(encoder: AudioEncoder) -> AudioEncoder:
    """Return a copy in bfloat16, kept until the weights change: autocast would cast every call."""
    state = [(tensor.data_ptr(), tensor._version) for tensor in encoder.parameters()]
    known = _twins.get(encoder)
    if known is None or known[0] != state:
        known = (state, copy.deepcopy(encoder).bfloat16())
        _twins[encoder] = known
    return known[1]
