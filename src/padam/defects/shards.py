"""Clip pairs and the WebDataset tar shards that hold them."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from padam.audio import Audio
from padam.audio.media import MediaError, read_audio
from padam.defects.workflow import UnusableSourceError, WorkflowConfig, make_pair

# 24 bits: 16 would add a quantisation of its own, and hide the one we make
_FULL_SCALE = 2**23
# a container may promise a little more than it holds
_MAX_MISSING_S = 0.02


class ClipRejectedError(Exception):
    """A planned clip that cannot be made, with `clip_id`, `source` and `reason`."""

    def __init__(self, clip_id: str, source: str, reason: str) -> None:
        super().__init__(f"clip {clip_id} of {source}: {reason}")
        self.clip_id = clip_id
        self.source = source
        self.reason = reason


@dataclass(frozen=True)
class ClipPair:
    """Reference and degraded audio (channels, samples) of one clip, and all that is known of it."""

    clip_id: str
    reference: Audio
    degraded: Audio
    sample_rate: int
    metadata: dict[str, Any] = field(default_factory=dict)


def clip_rng(seed: int, clip_id: str) -> np.random.Generator:
    """Generator of one clip: the same whatever the worker, the order or a restart."""
    digest = hashlib.sha256(clip_id.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def synthesise_clip(
    root: str | Path, plan_row: Mapping[str, Any], config: WorkflowConfig
) -> ClipPair:
    """Read the planned excerpt and run the workflow on it.

    Samples lie on the grid of 24 bits, so that a pair read back from a shard equals this one.
    Raises ClipRejectedError where file or audio allow no clip.
    """
    clip_id, source = str(plan_row["clip_id"]), str(plan_row["source"])
    start_s, duration_s = float(plan_row["start_s"]), float(plan_row["duration_s"])
    try:
        audio = read_audio(
            Path(root) / source,
            start_s,
            duration_s,
            sample_rate=config.sample_rate,
            channels=config.channels,
        )
        audio = _full_length(audio, round(duration_s * config.sample_rate), config.sample_rate)
        params, reference, degraded = make_pair(
            clip_rng(int(plan_row["seed"]), clip_id), audio, config.sample_rate, config
        )
    except MediaError as error:
        raise ClipRejectedError(clip_id, source, error.reason) from error
    except (UnusableSourceError, ValueError) as error:
        raise ClipRejectedError(clip_id, source, str(error)) from error
    hiss = [getattr(d, "in_band_snr_db", None) for d in params.defects if d.defect == "hiss"]
    metadata = {
        "clip_id": clip_id,
        "source": source,
        "split": str(plan_row["split"]),
        "kind": str(plan_row["kind"]),
        "start_s": start_s,
        "duration_s": duration_s,
        "seed": int(plan_row["seed"]),
        "sample_rate": config.sample_rate,
        "labels": params.labels,
        "label_vector": params.label_vector,
        "in_band_snr_db": hiss[0] if hiss else None,
        "params": params.model_dump(mode="json"),
    }
    return ClipPair(clip_id, _on_grid(reference), _on_grid(degraded), config.sample_rate, metadata)


def write_shard(path: str | Path, pairs: Iterable[ClipPair]) -> None:
    """Write a tar of `<clip>.reference.flac`, `<clip>.degraded.flac`, `<clip>.json`.

    The same pairs give the same bytes. The file appears complete or not at all.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
            for pair in pairs:
                _add(tar, f"{pair.clip_id}.reference.flac", _flac(pair.reference, pair.sample_rate))
                _add(tar, f"{pair.clip_id}.degraded.flac", _flac(pair.degraded, pair.sample_rate))
                text = json.dumps(pair.metadata, sort_keys=True, indent=1)
                _add(tar, f"{pair.clip_id}.json", text.encode())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_shard(path: str | Path) -> Iterator[ClipPair]:
    """Clip pairs of a shard, one at a time. Raises ValueError for a shard that is damaged."""
    try:
        with tarfile.open(path, "r|") as tar:
            parts: dict[str, bytes] = {}
            for member in tar:
                stream = tar.extractfile(member)
                clip_id, _, part = member.name.partition(".")
                parts[part] = stream.read() if stream else b""
                if part == "json":
                    yield _pair(clip_id, parts)
                    parts = {}
    except (tarfile.TarError, KeyError, soundfile.LibsndfileError, EOFError) as error:
        raise ValueError(
            f"{path}: damaged shard ({error}); delete it and run the synthesis again"
        ) from error
    if parts:
        raise ValueError(f"{path}: damaged shard (ends inside a clip); delete it and run again")


def _pair(clip_id: str, parts: Mapping[str, bytes]) -> ClipPair:
    reference, sample_rate = _decode(parts["reference.flac"])
    degraded, _ = _decode(parts["degraded.flac"])
    return ClipPair(clip_id, reference, degraded, sample_rate, json.loads(parts["json"]))


def _full_length(audio: Audio, samples: int, sample_rate: int) -> Audio:
    missing = samples - audio.shape[1]
    if missing > _MAX_MISSING_S * sample_rate:
        raise ValueError(f"the file ends {missing / sample_rate:.2f} s before the clip")
    if missing > 0:
        return np.pad(audio, ((0, 0), (0, missing)))
    return audio[:, :samples]


def _integers(audio: Audio) -> np.ndarray[Any, np.dtype[np.int32]]:
    # single precision is exact here: 24 bits, and a power of two
    scaled = np.rint(audio * np.float32(_FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32)


def _on_grid(audio: Audio) -> Audio:
    return _integers(audio).astype(np.float32) / np.float32(_FULL_SCALE)


def _flac(audio: Audio, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    # libsndfile takes the upper 24 of 32 bits; its float path would scale by 2^23 - 1
    soundfile.write(buffer, _integers(audio).T << 8, sample_rate, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def _decode(data: bytes) -> tuple[Audio, int]:
    samples, sample_rate = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    audio = (samples >> 8).astype(np.float32).T / np.float32(_FULL_SCALE)
    return np.ascontiguousarray(audio), int(sample_rate)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
