"""Which media files can serve as clean sources, and why the others cannot."""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.audio.container import MediaError, UnreachableError
from padam.audio.media import probe
from padam.audio.storage import Location, is_complete, locate
from padam.audio.timeline import Timeline

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


def inspect_source(root: Location, file: str, rules: SourceRules) -> dict[str, Any]:
    """One row of the source index: what the file is, and whether and why not it is accepted.

    `source` is `file`, which lies below `root` or is complete in itself; `kind` is the first folder
    below `root`. The whole file is decoded in bounded memory. A file that cannot be read is a row
    with a reason. Raises UnreachableError where its storage fails, and nothing else.
    """
    folders = () if is_complete(file) else PurePosixPath(file).parts[:-1]
    row: dict[str, Any] = {
        "source": file,
        "kind": folders[0] if folders else "other",
        "duration_s": 0.0,
        "rate": 0,
        "channels": 0,
        "codec": "",
        "has_video": False,
        "accepted": False,
        "reason": None,
    }
    try:
        row["reason"] = _describe(locate(root, file), rules, row)
    except UnreachableError:
        raise
    except MediaError as error:
        row["reason"] = error.reason
    except Exception as error:
        row["reason"] = f"{type(error).__name__}: {error}"
    row["accepted"] = row["reason"] is None
    return row


def _describe(path: Location, rules: SourceRules, row: dict[str, Any]) -> str | None:
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
    timeline = Timeline(path, channels=None)
    for block in timeline.blocks():
        signal.add(block)
    # what decodes counts, not what the container says
    row["duration_s"] = signal.samples / info.sample_rate
    if timeline.not_finite:
        # each is read as a zero: a drop, or a click, in a clip called clean
        return f"{timeline.not_finite} samples are NaN or infinite"
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
        self.samples += block.shape[1]
        self.energy += float(np.vdot(block, block)) / block.shape[0]
        for channel, signal in enumerate(block[:_GAP_CHANNELS]):
            self._add_gaps(channel, signal)
        self._add_flat_tops(block)

    def _add_gaps(self, channel: int, signal: npt.NDArray[np.float32]) -> None:
        zero = signal == 0
        carried = self._zero_run[channel]
        if not zero.any():
            self.longest_gap = max(self.longest_gap, carried or 0)
            self._zero_run[channel] = 0
            return
        sounding = np.flatnonzero(~zero)
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
        level = float(max(block.max(initial=0), -block.min(initial=0)))
        # a higher peak than before makes the earlier flat tops no tops
        if level > self.peak * 1.01:
            self.flat_samples = 0
        self.peak = max(self.peak, level)
        top = 0.999 * max(self.peak, 1e-3)
        if level < top:
            return
        for signal in block:
            at_peak = np.abs(signal) >= top
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
