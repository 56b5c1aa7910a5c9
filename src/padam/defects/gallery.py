"""What a gallery shows: one example pair of every defect and codec, and what was drawn."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field

from padam.audio.codec_settings import CodecName
from padam.defects.drawn_clip import read_params
from padam.defects.figures import plot_drawn_distributions
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import ClipPair

CLEAN = "clean"
KINDS = (*DEFECT_NAMES, CLEAN)

SourceCodec = CodecName | Literal["none"]
CODECS: tuple[SourceCodec, ...] = (*get_args(CodecName), "none")


Cell = tuple[str, str]


class GalleryConfig(BaseModel):
    """How much the gallery shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of each defect, and of clean clips, with each codec
    examples_per_cell: int = Field(default=1, ge=0, le=20)
    codecs: tuple[SourceCodec, ...] = CODECS
    # how much of the waveform is shown sample by sample
    detail_s: float = Field(default=0.05, ge=0.001, le=1)


@dataclass(frozen=True)
class Example:
    """A clip that stands for a kind (a defect, or clean) and a source codec."""

    kind: str
    codec: str
    number: int
    clip_id: str

    @property
    def slug(self) -> str:
        """Name of its files and its place on the page."""
        return f"{self.kind}-{self.codec}-{self.number}"


@dataclass(frozen=True)
class Gallery:
    """What a page shows; `read` gives the clips that it is asked for, in any order."""

    config: GalleryConfig
    examples: tuple[Example, ...]
    counts: dict[Cell, int]
    clips: int
    shares: pd.DataFrame
    numbers: pd.DataFrame
    drawn: Figure | None
    read: Callable[[Collection[str]], Iterable[ClipPair]]


def plan_gallery(
    manifest: pd.DataFrame,
    shares: pd.DataFrame,
    numbers: pd.DataFrame,
    read: Callable[[Collection[str]], Iterable[ClipPair]],
    config: GalleryConfig,
) -> Gallery:
    """Choose examples by the manifest alone; audio is read when the page is written.

    `shares` and `numbers` are those of `compare_with_intended`. An example holds as few other
    defects as there are clips for, is not transcoded where there is such a one, and stands in one
    cell only, as long as others can fill the rest.
    """
    counts: Counter[Cell] = Counter()
    found: dict[Cell, list[tuple[int, bool, str]]] = {}
    drawn = [] if manifest.empty else zip(manifest["clip_id"], manifest["params"], strict=True)
    for clip_id, text in drawn:
        params = read_params(clip_id, text)
        codec = params.source_encode.codec if params.source_encode else "none"
        rank = (len(params.defects), params.transcode is not None, str(clip_id))
        for kind in params.labels or [CLEAN]:
            counts[kind, codec] += 1
            found.setdefault((kind, codec), []).append(rank)
    return Gallery(
        config=config,
        examples=tuple(_examples(found, config)),
        counts=dict(counts),
        clips=len(manifest),
        shares=shares,
        numbers=numbers,
        drawn=None if manifest.empty else plot_drawn_distributions(manifest),
        read=read,
    )


def _examples(
    found: dict[Cell, list[tuple[int, bool, str]]], config: GalleryConfig
) -> Iterable[Example]:
    taken: set[str] = set()
    for kind in KINDS:
        for codec in config.codecs:
            candidates = found.get((kind, codec), [])
            ranked = sorted(candidates, key=lambda rank: (rank[2] in taken, *rank))
            for number, (_, _, clip_id) in enumerate(ranked[: config.examples_per_cell], start=1):
                taken.add(clip_id)
                yield Example(kind, codec, number, clip_id)
