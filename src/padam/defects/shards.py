"""Clip pairs and the WebDataset tar shards that hold them."""

import io
import json
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile

from padam.audio import Audio
from padam.audio.channels import fit_channels
from padam.audio.container import MediaError, UnreachableError
from padam.audio.media import read_audio
from padam.audio.storage import Location, locate, open_binary, written_whole
from padam.defects.clip_ids import clip_rng
from padam.defects.mixing import Layer, load_layers, mix
from padam.defects.workflow import UnusableSourceError, WorkflowConfig, make_pair

# 24 bits: 16 would add a quantisation of its own, and hide the one we make
_FULL_SCALE = 2**23
# of 0 to 1; three quarters of the time of the default (0.625) for 0.2 % more bytes
_FLAC_LEVEL = 0.5
# a container may promise a little more than it holds
_MAX_MISSING_S = 0.02
# FLAC's
_MAX_CHANNELS = 8


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


def synthesise_clip(
    root: Location, plan_row: Mapping[str, Any], config: WorkflowConfig
) -> ClipPair:
    """Read the planned excerpt, lay the planned layers over it, and run the workflow on the sum.

    Samples lie on the grid of 24 bits, so that a pair read back from a shard equals this one.
    Raises ClipRejectedError where a file or the audio allow no clip, and UnreachableError where a
    storage fails: that is no property of the clip.
    """
    clip_id, source = str(plan_row["clip_id"]), str(plan_row["source"])
    start_s, duration_s = float(plan_row["start_s"]), float(plan_row["duration_s"])
    layers = load_layers(str(plan_row.get("layers", "[]")))
    try:
        audio = _excerpt(root, source, start_s, duration_s, config, config.channels)
        audio, laid = _lay_over(root, audio, layers, duration_s, config)
        params, reference, degraded = make_pair(
            clip_rng(int(plan_row["seed"]), source, start_s), audio, config.sample_rate, config
        )
    except UnreachableError:
        raise
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
        "channels": len(reference),
        "layers": laid,
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
    with (
        written_whole(path) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for pair in pairs:
            for side, audio in (("reference", pair.reference), ("degraded", pair.degraded)):
                _add(tar, f"{pair.clip_id}.{side}.flac", flac_bytes(audio, pair.sample_rate))
            text = json.dumps(pair.metadata, sort_keys=True, indent=1)
            _add(tar, f"{pair.clip_id}.json", text.encode())


def read_shard(path: Location, only: Collection[str] | None = None) -> Iterator[ClipPair]:
    """Clip pairs of a shard, one at a time; `only` those named, without reading the others' audio.

    Raises ValueError for a shard that is damaged.
    """
    mode: Literal["r|", "r:"] = "r|" if only is None else "r:"
    try:
        with open_binary(path) as file, tarfile.open(fileobj=file, mode=mode) as tar:
            parts: dict[str, bytes] = {}
            for member in tar:
                clip_id, _, part = member.name.partition(".")
                if only is not None and clip_id not in only:
                    continue
                stream = tar.extractfile(member)
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


def flac_bytes(audio: Audio, sample_rate: int) -> bytes:
    """A FLAC file of 24 bits; a pair's audio comes back from it bit by bit."""
    buffer = io.BytesIO()
    # libsndfile takes the upper 24 of 32 bits; its float path would scale by 2^23 - 1
    soundfile.write(
        buffer,
        # side by side, which is several times as fast as a transposed copy
        np.stack(list(_scaled(audio).astype(np.int32) << 8), axis=1),
        sample_rate,
        format="FLAC",
        subtype="PCM_24",
        compression_level=_FLAC_LEVEL,
    )
    return buffer.getvalue()


def _pair(clip_id: str, parts: Mapping[str, bytes]) -> ClipPair:
    reference, sample_rate = _decode(parts["reference.flac"])
    degraded, _ = _decode(parts["degraded.flac"])
    return ClipPair(clip_id, reference, degraded, sample_rate, json.loads(parts["json"]))


def _excerpt(
    root: Location,
    source: str,
    start_s: float,
    duration_s: float,
    config: WorkflowConfig,
    channels: int | None,
) -> Audio:
    rate = config.sample_rate
    audio = read_audio(
        locate(root, source), start_s, duration_s, sample_rate=rate, channels=channels
    )
    if len(audio) > _MAX_CHANNELS:
        raise ValueError(
            f"{len(audio)} channels, FLAC takes {_MAX_CHANNELS}; set workflow.channels to 2"
        )
    return _full_length(audio, round(duration_s * rate), rate)


def _lay_over(
    root: Location,
    main: Audio,
    layers: Sequence[Layer],
    duration_s: float,
    config: WorkflowConfig,
) -> tuple[Audio, list[dict[str, Any]]]:
    """Main excerpt with its layers in its channel layout, and what was laid with the gains."""
    if not layers:
        return main, []
    # surround is read as it is, since only the file knows its layout
    channels = len(main) if len(main) <= 2 else None
    excerpts = []
    for layer in layers:
        try:
            audio = _excerpt(root, layer.source, layer.start_s, duration_s, config, channels)
        except UnreachableError:
            raise
        except (MediaError, ValueError) as error:
            reason = error.reason if isinstance(error, MediaError) else error
            raise ValueError(f"layer {layer.source}: {reason}") from error
        excerpts.append((layer, fit_channels(audio, len(main))))
    total, gains_db = mix(main, excerpts, config.sample_rate, config.max_gain_db)
    laid = [
        {**layer.model_dump(mode="json"), "gain_db": gain_db}
        for layer, gain_db in zip(layers, gains_db, strict=True)
    ]
    return total, laid


def _full_length(audio: Audio, samples: int, sample_rate: int) -> Audio:
    missing = samples - audio.shape[1]
    if missing > _MAX_MISSING_S * sample_rate:
        raise ValueError(f"the file ends {missing / sample_rate:.2f} s before the clip")
    if missing > 0:
        return np.pad(audio, ((0, 0), (0, missing)))
    return audio[:, :samples]


def _scaled(audio: Audio) -> Audio:
    """Whole numbers of 24 bits."""
    # single precision is exact here: 24 bits, and a power of two
    scaled = audio * np.float32(_FULL_SCALE)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1, out=scaled)
    return scaled


def _on_grid(audio: Audio) -> Audio:
    return _scaled(audio) / np.float32(_FULL_SCALE)


def _decode(data: bytes) -> tuple[Audio, int]:
    samples, sample_rate = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    audio = (samples >> 8).astype(np.float32).T / np.float32(_FULL_SCALE)
    return np.ascontiguousarray(audio), int(sample_rate)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
