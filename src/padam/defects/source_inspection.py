"""Which media files can serve as clean sources, and why the others cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.audio.media import MediaError, probe, stream_audio

_BLOCK_S = 10.0
_MIN_FLAT_RUN = 3
# front left and right: centre, LFE and surrounds rest in ordinary mixes, which is no drop
_GAP_CHANNELS = 2


class SourceRules(BaseModel):
    """What a source has to be; ours, since the paper only says "clean"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_duration_s: float = Field(default=10.0, gt=0)
    silence_floor_db: float = Field(default=-60.0, ge=-120, le=0)
    # a gap of digital zeros between sounds would be a drop in a clip called clean
    max_zero_gap_s: float = Field(default=0.02, gt=0)
    # samples in flat tops of three and more at the file's peak
    max_clipped_share: float = Field(default=0.001, ge=0, le=1)


def inspect_source(path: str | Path, root: str | Path, rules: SourceRules) -> dict[str, Any]:
    """One row of the source index: what the file is, and whether and why not it is accepted.

    `source` is relative to `root` with forward slashes, `kind` the first folder below it. The
    whole file is decoded in bounded memory. A file that cannot be read is a row with a reason;
    nothing is raised.
    """
    relative = Path(path).relative_to(root)
    row: dict[str, Any] = {
        "source": relative.as_posix(),
        "kind": relative.parts[0] if len(relative.parts) > 1 else "other",
        "duration_s": 0.0,
        "rate": 0,
        "channels": 0,
        "codec": "",
        "has_video": False,
        "accepted": False,
        "reason": None,
    }
    try:
        row["reason"] = _describe(Path(path), rules, row)
    except MediaError as error:
        row["reason"] = error.reason
    except Exception as error:
        row["reason"] = f"{type(error).__name__}: {error}"
    row["accepted"] = row["reason"] is None
    return row


def _describe(path: Path, rules: SourceRules, row: dict[str, Any]) -> str | None:
    info = probe(path)
    row.update(
        duration_s=info.duration_s,
        rate=info.sample_rate,
        channels=info.channels,
        codec=info.audio_codec,
        has_video=info.has_video,
    )
    if not info.has_audio:
        return "holds no audio"
    signal = _SignalFacts(info.channels, info.sample_rate)
    # at the file's own rate: a resampler would smear zeros and flat tops
    for block in stream_audio(path, _BLOCK_S, sample_rate=info.sample_rate):
        signal.add(block)
    # what decodes counts, not what the container says
    row["duration_s"] = signal.samples / info.sample_rate
    return signal.reason(rules)


class _SignalFacts:
    """Level, zero gaps and flat tops of a signal that comes in blocks."""

    def __init__(self, channels: int, rate: int) -> None:
        self.rate = rate
        self.samples = 0
        self.energy = 0.0
        self.longest_gap = 0
        self.peak = 0.0
        self.flat_samples = 0
        # length of the run of zeros at the end of the last block; None before the first sound
        self._zero_run: list[int | None] = [None] * channels

    def add(self, block: Audio) -> None:
        if len(self._zero_run) != block.shape[0]:
            self._zero_run = [None] * block.shape[0]
        self.samples += block.shape[1]
        self.energy += float(np.square(block, dtype=np.float64).mean(axis=0).sum())
        for channel, signal in enumerate(block[:_GAP_CHANNELS]):
            self._add_gaps(channel, signal)
        self._add_flat_tops(block)

    def _add_gaps(self, channel: int, signal: npt.NDArray[np.float32]) -> None:
        sounding = np.flatnonzero(signal)
        carried = self._zero_run[channel]
        if len(sounding) == 0:
            self._zero_run[channel] = None if carried is None else carried + len(signal)
            return
        gaps = np.diff(sounding) - 1
        longest = int(gaps.max()) if len(gaps) else 0
        if carried is not None:
            longest = max(longest, carried + int(sounding[0]))
        self.longest_gap = max(self.longest_gap, longest)
        self._zero_run[channel] = len(signal) - 1 - int(sounding[-1])

    def _add_flat_tops(self, block: Audio) -> None:
        level = float(np.abs(block).max(initial=0))
        # a higher peak than before makes the earlier flat tops no tops
        if level > self.peak * 1.01:
            self.flat_samples = 0
        self.peak = max(self.peak, level)
        for signal in block:
            at_peak = np.abs(signal) >= 0.999 * max(self.peak, 1e-3)
            edges = np.flatnonzero(np.diff(at_peak, prepend=False, append=False))
            runs = edges[1::2] - edges[::2]
            self.flat_samples += int(runs[runs >= _MIN_FLAT_RUN].sum())

    def reason(self, rules: SourceRules) -> str | None:
        duration_s = self.samples / self.rate
        level_db = 10 * np.log10(self.energy / max(self.samples, 1) + 1e-20)
        gap_s = self.longest_gap / self.rate
        clipped = self.flat_samples / max(self.samples * len(self._zero_run), 1)
        if duration_s < rules.min_duration_s:
            return f"lasts {duration_s:.2f} s, shorter than {rules.min_duration_s:g} s"
        if level_db < rules.silence_floor_db:
            return f"silent: {level_db:.1f} dB, below {rules.silence_floor_db:g} dB"
        if gap_s > rules.max_zero_gap_s:
            return f"digital zeros for {1000 * gap_s:.0f} ms between sounds"
        if clipped > rules.max_clipped_share:
            return f"already clipped: {100 * clipped:.2f} % of samples in flat tops"
        return None
