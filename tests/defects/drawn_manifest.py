"""Manifests drawn without rendering, by the shares that the paper prints."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from padam.defects.encoding import draw_codec, draw_transcode
from padam.defects.packet_loss import PacketLossParams
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.workflow import ClipParams, WorkflowConfig

RATE = 8_000
DURATION_S = 3.0
PRINTED = {"clean": 0.10, "single": 0.65, "several": 0.25}


def manifest_row(
    number: int, params: ClipParams, *, channels: int = 2, duration_s: float = DURATION_S
) -> dict[str, Any]:
    return {
        "clip_id": f"{number:06d}",
        "source": f"music/{number % 7}.flac",
        "split": "train" if number % 4 else "validation",
        "start_s": 0.0,
        "duration_s": duration_s,
        "channels": channels,
        **{name: int(name in params.intervals) for name in DEFECT_NAMES},
        "params": params.model_dump_json(),
    }


def draw_manifest(
    clips: int,
    config: WorkflowConfig,
    *,
    seed: int = 0,
    kinds: Sequence[float] = tuple(PRINTED.values()),
    encodes: float = 0.5,
) -> pd.DataFrame:
    """Clips of noise; `kinds` are the shares of clean, single and several (2 or 3) defects."""
    rng = np.random.default_rng(seed)
    audio = rng.uniform(-0.5, 0.5, (2, round(DURATION_S * RATE))).astype(np.float32)
    rows = []
    for number in range(clips):
        kind = rng.choice(3, p=kinds)
        count = (0, 1, rng.integers(2, 4))[kind]
        names = rng.choice(DEFECT_NAMES, count, replace=False)
        codec = draw_codec(rng, config.source_encode)
        lossy = "packet_loss" in names
        params = ClipParams(
            gain_db=float(rng.uniform(-6, 0)),
            defects=tuple(draw(rng, name, audio, config, codec) for name in names),
            source_encode=codec if lossy or rng.random() < encodes else None,
            transcode=draw_transcode(rng, config.transcode) if rng.random() < 0.5 else None,
        )
        rows.append(manifest_row(number, params))
    return pd.DataFrame(rows)


def draw(
    rng: np.random.Generator, name: str, audio: Any, config: WorkflowConfig, codec: Any
) -> Any:
    params = DEFECTS[name].draw(rng, audio, RATE, config.ranges[name], config.placement)
    lossy = isinstance(params, PacketLossParams)
    return params.model_copy(update={"codec": codec}) if lossy else params
