"""A page to hear what q̂ means: clips from the worst to the best, with what each metric says."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from padam.audio.media import write_flac
from padam.audio.pages import render
from padam.audio.storage import written_whole
from padam.quality.listening_test import Pair
from padam.quality.registry import METRIC_NAMES, higher_is_better

INDEX = "index.html"
AUDIO = "audio"
SIDES = ("reference", "degraded")


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if not values or list(values) != sorted(set(values)) or not 0 <= values[0] <= values[-1] <= 1:
        raise ValueError(f"quantiles {values}: each once, ascending, within 0 to 1")
    return values


class ExamplesConfig(BaseModel):
    """Which clips the page holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of q̂: 0 is the worst clip, 1 the best
    quantiles: Annotated[tuple[float, ...], AfterValidator(_ascending)] = (
        0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0,
    )  # fmt: skip
    clips_per_quantile: int = Field(2, ge=1, le=20)


@dataclass(frozen=True)
class QualityExamples:
    """What the page shows; `read` gives the pairs that it is asked for, in any order.

    clips: `clip_id`, `quantile`, `labels`, `q_hat`, `q_rank` and for each metric its value and
    `<metric>_reason`, worst first. scored, unscored: how many clips have a q̂, and how many none.
    """

    clips: pd.DataFrame
    scored: int
    unscored: int
    read: Callable[[Collection[str]], Iterable[Pair]]


def choose_examples(
    quality: pd.DataFrame,
    scores: pd.DataFrame,
    read: Callable[[Collection[str]], Iterable[Pair]],
    config: ExamplesConfig,
) -> QualityExamples:
    """Choose the clips whose rank by q̂ lies nearest to each quantile, worst first.

    A clip stands under the quantile that is nearest to it, so none is taken twice and few clips
    leave quantiles empty. quality: `clip_id`, `labels`, `q_hat`, `q_rank`; scores: `clip_id` and
    the metrics' columns.
    """
    columns = ["clip_id", "labels", "q_hat", "q_rank"]
    table = quality[columns].merge(scores, on="clip_id", validate="1:1")
    scored = table.dropna(subset=["q_hat"]).sort_values(["q_hat", "clip_id"], ignore_index=True)
    aims = np.array(config.quantiles) * (len(scored) - 1)
    distance = np.abs(np.arange(len(scored))[:, None] - aims)
    place = pd.DataFrame({"aim": distance.argmin(axis=1), "distance": distance.min(axis=1)})
    nearest = place.sort_values("distance", kind="stable").groupby("aim")
    chosen = nearest.head(config.clips_per_quantile).sort_index()
    clips = scored.loc[chosen.index].reset_index(drop=True)
    clips["quantile"] = np.array(config.quantiles)[chosen["aim"]]
    return QualityExamples(clips, len(scored), len(table) - len(scored), read)


def write_examples(folder: Path, examples: QualityExamples) -> Path:
    """Write the page and its audio into a folder; return the path of `index.html`.

    Raises ValueError for a clip that `read` does not give.
    """
    (folder / AUDIO).mkdir(parents=True, exist_ok=True)
    missing = set(examples.clips["clip_id"])
    for pair in examples.read(set(missing)):
        for side, audio in zip(SIDES, (pair.reference, pair.degraded), strict=True):
            write_flac(folder / AUDIO / f"{pair.clip_id}.{side}.flac", audio, pair.sample_rate)
        missing.discard(pair.clip_id)
    if missing:
        raise ValueError(
            f"clips {', '.join(sorted(missing)[:5])} have scores but lie in none of the shards; "
            "load the two of one run, or run the metric fusion again"
        )
    page = render(
        "padam.quality",
        "quality_examples.html",
        cards=[_card(row) for row in examples.clips.to_dict(orient="records")],
        scored=examples.scored,
        unscored=examples.unscored,
        sides=SIDES,
        audio=AUDIO,
    )
    with written_whole(folder / INDEX) as partial:
        partial.write_text(page, encoding="utf-8")
    return folder / INDEX


def _card(row: dict[Any, Any]) -> dict[str, Any]:
    """What the page says of one clip."""
    # of a score that is there pandas gives None or NaN as the reason
    reasons = {name: row.get(f"{name}_reason") for name in METRIC_NAMES}
    metrics = [
        {
            "name": name,
            "value": "–" if pd.isna(row[name]) else f"{row[name]:.3f}",
            "reason": reasons[name] if isinstance(reasons[name], str) else "",
            "better": "higher" if higher_is_better(name) else "lower",
        }
        for name in METRIC_NAMES
        if name in row
    ]
    labels = [label.replace("_", " ") for label in row["labels"].split(",") if label]
    return {
        "clip_id": row["clip_id"],
        "quantile": row["quantile"],
        "labels": ", ".join(labels) or "clean",
        "q_hat": f"{row['q_hat']:+.2f}",
        "q_rank": f"{100 * row['q_rank']:.0f} %",
        "metrics": metrics,
    }
