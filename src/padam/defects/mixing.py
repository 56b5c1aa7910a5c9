"""Film-like mixes: dialogue, music and effects of different sources laid one over the other.

An extension of ours, off in `paper`: titles are mixes, while an archive of stems or of single
recordings holds each part alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.audio import Audio
from padam.audio.levels import apply_gain_db, peak_db
from padam.audio.loudness import integrated_loudness_lufs
from padam.defects.interval import within

Role = Literal["dialogue", "music", "effects"]
ROLES: tuple[Role, ...] = get_args(Role)

_FOLDERS: dict[Role, tuple[str, ...]] = {
    "dialogue": ("dialogue", "dialog", "dx", "speech", "voice", "vo", "narration", "commentary"),
    "music": ("music", "mx", "score", "songs"),
    "effects": ("effects", "fx", "sfx", "foley", "ambience", "ambiance", "atmos", "atmosphere"),
}

Candidates = Mapping[Role, Sequence[tuple[str, int]]]
"""Sources that may give a layer, by role: name and duration in ms."""


class MixRanges(BaseModel):
    """What a mix is made of, and at which levels.

    `folders` names the kinds (first folder below the root, in any case) that play each role; kinds
    without a role, as `film`, are mixes already and are never mixed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folders: dict[Role, tuple[str, ...]] = Field(default={}, validate_default=True)
    # excerpts beside the main one, each of another role
    layers: Annotated[tuple[int, int], within(1, len(ROLES) - 1)] = (1, 2)
    # Loudness (ITU-R BS.1770-4) below that of dialogue, whether or not the mix holds any. Torcoli
    # et al., JAES 67(12), 2019, recommend at least 10 LU between commentary and music, and 15 LU
    # between commentary and ambience; experts preferred 4 LU less than other listeners. The lower
    # ends take that in, and effects that belong to the scene.
    music_below_dialogue_db: Annotated[tuple[float, float], within(-20, 60)] = (6.0, 16.0)
    effects_below_dialogue_db: Annotated[tuple[float, float], within(-20, 60)] = (6.0, 20.0)

    @field_validator("folders", mode="before")
    @classmethod
    def _complete(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return {**{str(role): names for role, names in _FOLDERS.items()}, **given}

    @field_validator("folders")
    @classmethod
    def _one_role_each(cls, folders: dict[Role, tuple[str, ...]]) -> dict[Role, tuple[str, ...]]:
        names = [name.casefold() for role in folders.values() for name in role]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"folders {twice} are named more than once: one role each")
        return folders

    def role_of(self, kind: str) -> Role | None:
        """Role that sources of this kind play in a mix."""
        for role, names in self.folders.items():
            if kind.casefold() in {name.casefold() for name in names}:
                return role
        return None


class Layer(BaseModel):
    """An excerpt under or over the main one; `level_db` is its loudness relative to that one's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    source: str
    start_s: float = Field(ge=0)
    level_db: float


def layer_candidates(sources: pd.DataFrame, clip_ms: int, ranges: MixRanges) -> Candidates:
    """Sources (rows source, kind, duration_s) by role that are long enough for a clip.

    All of one split, so that no layer carries audio of a source over to another split.
    """
    candidates: dict[Role, list[tuple[str, int]]] = {}
    for row in sources.sort_values("source").itertuples():
        role, room_ms = ranges.role_of(str(row.kind)), int(float(str(row.duration_s)) * 1000)
        if role is not None and room_ms >= clip_ms:
            candidates.setdefault(role, []).append((str(row.source), room_ms))
    return candidates


def draw_layers(
    rng: np.random.Generator, kind: str, candidates: Candidates, clip_ms: int, ranges: MixRanges
) -> tuple[Layer, ...]:
    """Draw the layers of a clip of this kind; none where it has no role, or no other role a source.

    Layers may take audio that other clips of the same split take, as their excerpt or as a layer.
    """
    main = ranges.role_of(kind)
    others = [role for role in ROLES if role != main and role in candidates]
    if main is None or not others:
        return ()
    level_db = {
        "dialogue": 0.0,
        "music": -float(rng.uniform(*ranges.music_below_dialogue_db)),
        "effects": -float(rng.uniform(*ranges.effects_below_dialogue_db)),
    }
    count = min(int(rng.integers(*ranges.layers, endpoint=True)), len(others))
    layers = []
    for index in sorted(rng.permutation(len(others))[:count]):
        role = others[index]
        source, room_ms = candidates[role][int(rng.integers(len(candidates[role])))]
        layers.append(
            Layer(
                role=role,
                source=source,
                start_s=int(rng.integers(0, room_ms - clip_ms, endpoint=True)) / 1000,
                level_db=level_db[role] - level_db[main],
            )
        )
    return tuple(layers)


def dump_layers(layers: Sequence[Layer]) -> str:
    """Layers as the JSON of a plan row."""
    return json.dumps([layer.model_dump(mode="json") for layer in layers])


def load_layers(text: str) -> tuple[Layer, ...]:
    """Layers from the JSON of a plan row."""
    return tuple(Layer.model_validate(layer) for layer in json.loads(text))


def mix(
    main: Audio, layers: Sequence[tuple[Layer, Audio]], sample_rate: int, max_gain_db: float
) -> tuple[Audio, list[float]]:
    """Sum of `main` and its layers, all of one shape, and the gain in dB that each layer took.

    The sum may pass full scale: the workflow scales it. Scaled to full scale, no layer is raised by
    more than `max_gain_db` over its own level, which would lift its noise. Raises ValueError where
    one is silent: it has no loudness.
    """
    parts = [("the main excerpt", main), *((f"layer {la.source}", audio) for la, audio in layers)]
    loudness = [integrated_loudness_lufs(audio, sample_rate) for _, audio in parts]
    for (name, _), lufs in zip(parts, loudness, strict=True):
        if not np.isfinite(lufs):
            raise ValueError(f"cannot be mixed: {name} is silent there")
    wanted_db = [
        loudness[0] + layer.level_db - lufs
        for (layer, _), lufs in zip(layers, loudness[1:], strict=True)
    ]
    highest_db = max(
        peak_db(audio) + gain_db
        for (_, audio), gain_db in zip(parts, [0.0, *wanted_db], strict=True)
    )
    gains_db = [min(gain_db, max_gain_db + highest_db) for gain_db in wanted_db]
    total = main
    for (_, audio), gain_db in zip(layers, gains_db, strict=True):
        total = total + apply_gain_db(audio, gain_db)
    return total, gains_db
