"""The sound of a title before defects and codecs: passages, pauses, and look-alikes over them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from padam.audio import Audio
from padam.audio.levels import apply_gain_db, peak_db, rms_db
from padam.audio.media import read_audio
from padam.audio.storage import Location, locate
from padam.defects.creative import EffectName, apply_effect
from padam.defects.mixing import mix
from padam.detection.benchmark.config import DIGITAL_SILENCE, BenchmarkConfig
from padam.detection.benchmark.passages import Passage
from padam.detection.benchmark.plan import BenchmarkPlan

_EDGE_S = 0.02
_SILENT_DB = -70.0


def render_programme(
    root: Location, plan: BenchmarkPlan, config: BenchmarkConfig, sample_rate: int
) -> tuple[Audio, list[dict[str, Any]]]:
    """Audio (channels, samples) of a planned title, and where look-alikes lie in it.

    The peak is within `config.peak_db`; a title whose sources end early is shorter than planned.
    Raises MediaError for a source that cannot be read.
    """
    rng = np.random.default_rng([*plan.seed, 0])
    audio, found = _edit(root, plan, config, sample_rate, rng)
    for file in plan.recordings:
        found.append(_lay_recording(root, file, audio, plan, config, sample_rate, rng))
    wanted_db = float(rng.uniform(*config.peak_db))
    gain_db = min(wanted_db - peak_db(audio), config.max_gain_db) if audio.any() else 0.0
    audio *= np.float32(10 ** (gain_db / 20))
    return audio, found


def _edit(
    root: Location,
    plan: BenchmarkPlan,
    config: BenchmarkConfig,
    rate: int,
    rng: np.random.Generator,
) -> tuple[Audio, list[dict[str, Any]]]:
    total = np.zeros((config.channels, round(plan.duration_s * rate)), dtype=np.float32)
    found: list[dict[str, Any]] = []
    at, fade_in_s = 0, 0.0
    for passage in plan.passages:
        audio = _passage(root, passage, config, rate, rng)
        if audio.shape[1] == 0:
            continue
        transition = passage.transition
        _fade(audio, round(fade_in_s * rate), round(transition.fade_s * rate))
        end = _add(total, audio, at)
        if passage.effect is not None:
            found.append(_span(passage.effect, at, end, rate))
        after = at + audio.shape[1] + round(transition.advance_s * rate)
        if transition.kind == DIGITAL_SILENCE and end < after <= total.shape[1]:
            found.append(_span(DIGITAL_SILENCE, end, after, rate))
        elif transition.noise_db is not None:
            # a little under the fades, too, as the room that the pause was recorded in
            shape, level = (config.channels, max(after - end, 0)), 10 ** (transition.noise_db / 20)
            noise = (rng.standard_normal(shape) * level).astype(np.float32)
            _fade(noise, round(_EDGE_S * rate), round(_EDGE_S * rate))
            _add(total, noise, end)
        at, fade_in_s = max(after, at + 1), transition.fade_s
    total = total[:, : max(min(at, total.shape[1]), 1)]
    _fade(total, 0, round(_EDGE_S * rate))
    return total, found


def _passage(
    root: Location,
    passage: Passage,
    config: BenchmarkConfig,
    rate: int,
    rng: np.random.Generator,
) -> Audio:
    def read(source: str, start_s: float) -> Audio:
        return read_audio(
            locate(root, source),
            start_s,
            passage.excerpt.duration_s,
            sample_rate=rate,
            channels=config.channels,
        )

    audio = read(passage.excerpt.source, passage.excerpt.start_s)
    layers = [(layer, read(layer.source, layer.start_s)) for layer in passage.layers]
    # a container may promise more than it holds; what is silent there has no loudness
    layers = [
        (layer, _of_length(sound, audio.shape[1]))
        for layer, sound in layers
        if rms_db(sound) > _SILENT_DB
    ]
    if layers and rms_db(audio) > _SILENT_DB:
        audio = mix(audio, layers, rate, config.max_gain_db)[0]
    if audio.any():
        gain_db = min(passage.gain_db - peak_db(audio), config.max_gain_db)
        audio = apply_gain_db(audio, gain_db)
    if passage.effect is not None and audio.any():
        audio = apply_effect(cast(EffectName, passage.effect), rng, audio, rate)
    return audio


def _lay_recording(
    root: Location,
    file: str,
    audio: Audio,
    plan: BenchmarkPlan,
    config: BenchmarkConfig,
    rate: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Add a recording to `audio`, in place, at a level relative to what it lies over."""
    longest_s = min(config.programme.passage_s[1], audio.shape[1] / rate / 2)
    clip = read_audio(
        locate(root, file), 0.0, longest_s, sample_rate=rate, channels=config.channels
    )
    _fade(clip, round(_EDGE_S * rate), round(_EDGE_S * rate))
    at = int(rng.integers(max(audio.shape[1] - clip.shape[1], 0) + 1))
    level_db = float(rng.uniform(*config.look_alikes.level_db))
    under_db = max(rms_db(audio[:, at : at + clip.shape[1]]), rms_db(audio) - 20)
    if clip.any():
        clip *= np.float32(10 ** ((under_db + level_db - rms_db(clip)) / 20))
    end = _add(audio, clip, at)
    return {**_span(plan.look_alike, at, end, rate), "source": file}


def _add(total: Audio, audio: Audio, at: int) -> int:
    """Add `audio` to `total` from sample `at` on, in place; where it ends there."""
    end = min(at + audio.shape[1], total.shape[1])
    if at < end:
        total[:, at:end] += audio[:, : end - at]
    return max(end, min(at, total.shape[1]))


def _fade(audio: Audio, rise: int, fall: int) -> None:
    """Fade in and out over so many samples, in place; two of one length add up to 1."""
    for count, reverse in ((rise, False), (fall, True)):
        length = min(count, audio.shape[1])
        if length > 0:
            ramp = _ramp(length)
            if reverse:
                audio[:, -length:] *= ramp[::-1]
            else:
                audio[:, :length] *= ramp


def _ramp(length: int) -> npt.NDArray[np.float32]:
    phase = 0.5 * np.pi * (np.arange(length) + 0.5) / length
    return np.asarray(np.sin(phase) ** 2, dtype=np.float32)


def _of_length(audio: Audio, samples: int) -> Audio:
    return np.pad(audio[:, :samples], ((0, 0), (0, max(0, samples - audio.shape[1]))))


def _span(name: str, first: int, end: int, rate: int) -> dict[str, Any]:
    return {"name": name, "start_s": first / rate, "end_s": end / rate}
