"""From audio to embeddings, and from embeddings to the clip representation r."""

import copy
import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from padam.audio import Audio
from padam.models.audio_encoder import EMBEDDING_WIDTH, TIME_PATCHES, AudioEncoder
from padam.models.log_mel import SAMPLE_RATE, WINDOW_SAMPLES
from padam.models.quality_head import QualityHead

__all__ = [
    "SAMPLE_RATE",
    "Precision",
    "Runtime",
    "checked_precision",
    "choose_runtime",
    "embed_audio",
    "represent",
    "represent_windows",
    "resolve_precision",
]

logger = logging.getLogger(__name__)

Precision = Literal["auto", "float32", "bfloat16"]

# 60 s of one channel: bounded memory, and large enough products; a GPU wants larger ones
CHUNK_WINDOWS: Final = {"cpu": 150, "cuda": 3000}
REPRESENT_BATCH: Final = 256
LEAST_COSINE: Final = 0.999


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


@dataclass(frozen=True)
class Runtime:
    """On what to embed and in which precision; `gpus` is how many of the devices are GPUs."""

    precision: Precision
    devices: tuple[torch.device, ...]

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return sum(device.type == "cuda" for device in self.devices)


def choose_runtime(encoder: AudioEncoder) -> Runtime:
    """Return this machine's best runtime: its GPUs, else its CPU, in the checked precision."""
    gpus = [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    devices = gpus or [torch.device("cpu")]
    return Runtime(checked_precision(encoder, device=devices[0]), tuple(devices))


def checked_precision(
    encoder: AudioEncoder, precision: Precision = "auto", device: torch.device | None = None
) -> Precision:
    """Return the precision to embed in: bfloat16 only where it gives what float32 does.

    Some seconds of noise and tones, from faint to loud, are embedded in both; where the least
    cosine between them is under 0.999, float32 is taken and a warning says so.
    """
    device = device or encoder.positions.device
    if resolve_precision(precision, device) is torch.float32:
        return "float32"
    audio = _probe_audio()
    exact, fast = (
        torch.from_numpy(embed_audio(encoder, audio, choice, device)).float()
        for choice in ("float32", "bfloat16")
    )
    cosine = float(functional.cosine_similarity(exact, fast, dim=-1).min())
    if cosine >= LEAST_COSINE:
        logger.info("Embeddings are computed in bfloat16 (cosine to float32 %.5f).", cosine)
        return "bfloat16"
    logger.warning(
        "bfloat16 changes this encoder's embeddings (cosine to float32 %.4f, %.3f is asked for): "
        "float32 is used, which is slower.",
        *(cosine, LEAST_COSINE),
    )
    return "float32"


def _probe_audio() -> Audio:
    """Draw 8 s of noise over tones, a level every second from -70 to 0 dB."""
    seconds = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    tones = 0.2 * sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (100, 1000, 5000))
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(seconds))
    level = 10 ** ((10 * seconds.astype(int) - 70) / 20)
    return np.clip(level * (tones + noise), -1, 1).astype(np.float32)[None]


def embed_audio(
    encoder: AudioEncoder,
    audio: Audio,
    precision: Precision = "auto",
    device: torch.device | None = None,
) -> npt.NDArray[np.float16]:
    """Return embeddings (C, T, 384), float16, of audio (C, N) at 16 kHz (PADAM §4.1).

    T is 3 per window of 0.4 s: 75 for 10 s. The last window is filled up with silence. Windows are
    independent, so a title may be embedded in pieces of whole windows. The encoder works on
    `device`, where it is by default, and is left where and as it was.

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

    device = device or encoder.positions.device
    dtype = resolve_precision(precision, device)
    front = _twin(encoder, device, torch.float32)
    body = _twin(encoder, device, dtype)
    parts = []
    with torch.inference_mode(), _in_eval_mode(body):
        for chunk in rows.split(CHUNK_WINDOWS[device.type]):
            log_mel = front.log_mel(chunk.to(device))  # always float32: powers span too much
            parts.append(body.encode_windows(log_mel.to(dtype)).half().cpu())
    embeddings: npt.NDArray[np.float16] = torch.cat(parts).numpy()
    return embeddings.reshape(channels, windows * TIME_PATCHES, EMBEDDING_WIDTH)


def represent(
    head: QualityHead, embeddings: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float32]:
    """Return representations r (…, 512), float32, of embeddings (…, T, 384) (PADAM §4.2)."""
    return _pooled(head, embeddings, lambda hidden: head.pool(hidden))


def represent_windows(
    head: QualityHead, embeddings: npt.NDArray[np.floating[Any]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return r (…, 512) and what r is made of: the hidden states pooled window by window.

    The latter is (…, windows, 512), each window 3 of the T steps or 0.4 s, with the memory that the
    GRU has of the steps before. Raises ValueError for T that is no multiple of 3.
    """
    steps = embeddings.shape[-2]
    if steps % TIME_PATCHES:
        raise ValueError(f"{steps} embeddings are no whole windows of {TIME_PATCHES}")
    windows = steps // TIME_PATCHES

    def pool(hidden: torch.Tensor) -> torch.Tensor:
        local = head.pool(hidden.reshape(-1, TIME_PATCHES, hidden.shape[-1]))
        return torch.cat([head.pool(hidden)[:, None], local.unflatten(0, (-1, windows))], dim=1)

    pooled = _pooled(head, embeddings, pool, (1 + windows,))
    return pooled[..., 0, :], pooled[..., 1:, :]


def _pooled(
    head: QualityHead,
    embeddings: npt.NDArray[np.floating[Any]],
    pool: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...] = (),
) -> npt.NDArray[np.float32]:
    """Apply `pool`, (B, T, 512) to (B, *shape, 512), to the hidden states in batches."""
    leading = embeddings.shape[:-2]
    rows = embeddings.reshape(-1, *embeddings.shape[-2:])
    device = next(head.parameters()).device
    width = head.config.hidden_width
    parts = [np.zeros((0, *shape, width), dtype=np.float32)]
    with torch.inference_mode(), _in_eval_mode(head):
        for start in range(0, len(rows), REPRESENT_BATCH):
            batch = torch.from_numpy(rows[start : start + REPRESENT_BATCH].astype(np.float32))
            parts.append(pool(head(batch.to(device))).cpu().numpy())
    return np.concatenate(parts).reshape(*leading, *shape, width)


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    """Switch dropout off inside the block."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _cpu_has_bfloat16() -> bool:
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


_State = list[tuple[int, int]]
_Kind = tuple[torch.device, torch.dtype]
_twins: WeakKeyDictionary[AudioEncoder, tuple[_State, dict[_Kind, AudioEncoder]]] = (
    WeakKeyDictionary()
)


def _twin(encoder: AudioEncoder, device: torch.device, dtype: torch.dtype) -> AudioEncoder:
    """Return the encoder, or a copy in another type or place, kept until its weights change."""
    if encoder.positions.device == device and encoder.positions.dtype == dtype:
        return encoder
    tensors = itertools.chain(encoder.parameters(), encoder.buffers())
    state = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
    known = _twins.get(encoder)
    if known is None or known[0] != state:
        known = _twins[encoder] = (state, {})
    if (device, dtype) not in known[1]:
        known[1][device, dtype] = copy.deepcopy(encoder).to(device, dtype)
    return known[1][device, dtype]
