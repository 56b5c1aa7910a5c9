"""What the benchmark's titles are drawn from; all of it is ours, the paper's titles are private."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from padam.defects.creative import EFFECT_NAMES, EffectName
from padam.defects.interval import within
from padam.defects.mixing import MixRanges
from padam.defects.registry import DEFECT_NAMES
from padam.defects.source_inspection import SourceRules

Split = Literal["train", "validation", "test"]
Content = Literal["music", "dialogue", "effects", "mix"]
TransitionKind = Literal["cut", "crossfade", "pause"]

SPLITS: tuple[Split, ...] = get_args(Split)
CONTENTS: tuple[Content, ...] = get_args(Content)
DIGITAL_SILENCE = "digital_silence"
"""Look-alike: pauses of digital zeros between tracks, which are no drops."""

Name = TypeVar("Name", bound=str)

Seconds = Annotated[tuple[float, float], within(0, 7200)]
Decibels = Annotated[tuple[float, float], within(-120, 60)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitSize(_Frozen):
    """How many titles of a split have defects, and how many have none."""

    defective: int = Field(ge=0)
    clean: int = Field(ge=0)


class ProgrammeRanges(_Frozen):
    """How a title is edited: passages in a row, at levels of their own, and what joins them."""

    passage_s: Seconds = (12.0, 45.0)
    # peak of a passage below the loudest that the title may have
    passage_gain_db: Annotated[tuple[float, float], within(-60, 0)] = (-15.0, 0.0)
    # weights; a cut is faded over 5 ms, or it would click
    transitions: dict[TransitionKind, float] = {"cut": 0.3, "crossfade": 0.4, "pause": 0.3}
    crossfade_s: Seconds = (0.3, 3.0)
    # of passages that begin or end at a pause
    fade_s: Seconds = (0.02, 2.0)
    pause_s: Seconds = (0.4, 2.5)
    pause_noise_db: Decibels = (-84.0, -66.0)

    @field_validator("transitions")
    @classmethod
    def _some(cls, weights: dict[TransitionKind, float]) -> dict[TransitionKind, float]:
        return _checked_weights("transitions", weights)


class LookAlikeRanges(_Frozen):
    """Clean sounds that resemble defects: recordings of yours, and effects rendered here.

    `recordings` name by split and look-alike the files that sound so: patterns below the root of
    the media, in which `*` stands for any characters. Under the name `by_folder` each file is
    named after the folder that it lies in.
    """

    recordings: dict[Split, dict[str, tuple[str, ...]]] = {}
    # of defective titles and of clean ones alike, or the presence would tell
    share: float = Field(default=0.4, ge=0, le=1)
    effects: tuple[EffectName, ...] = EFFECT_NAMES
    digital_silence: bool = True
    # recordings laid over a title: how many, and their level relative to what they lie over
    per_title: Annotated[tuple[int, int], within(1, 20)] = (2, 4)
    level_db: Decibels = (-9.0, 3.0)
    # a clip that is clipped, or holds gaps, has the defect that it is said not to have
    rules: SourceRules = SourceRules(min_duration_s=1.0)


class BenchmarkConfig(_Frozen):
    """How the titles of the benchmark are made; what defects look like is the workflow's."""

    may_be_empty: ClassVar[bool] = False
    refused_split: ClassVar[Split] = "train"

    splits: dict[Split, SplitSize] = {
        "validation": SplitSize(defective=7, clean=7),
        "test": SplitSize(defective=7, clean=7),
    }
    channels: Literal[1, 2] = 2
    duration_s: Annotated[tuple[float, float], within(5, 7200)] = (60.0, 180.0)
    # share of 10 s segments that a label overlaps; PADAM's private titles: 10 of 606 defective
    segment_prevalence: float = Field(default=0.0075, gt=0, le=0.5)
    defect_s: Annotated[tuple[float, float], within(0.5, 600)] = (2.0, 20.0)
    defects: tuple[str, ...] = Field(default=DEFECT_NAMES, min_length=1)
    # weights; kinds that a split has no sources of give their share to the others
    contents: dict[Content, float] = {"music": 0.3, "dialogue": 0.2, "effects": 0.1, "mix": 0.4}
    mix: MixRanges = MixRanges()
    programme: ProgrammeRanges = ProgrammeRanges()
    look_alikes: LookAlikeRanges = LookAlikeRanges()
    # from a quiet title to full scale; quiet sources are raised by no more than max_gain_db
    peak_db: Annotated[tuple[float, float], within(-40, -1)] = (-12.0, -1.0)
    max_gain_db: float = Field(default=12.0, ge=0, le=60)
    seed: int = Field(default=0, ge=0)

    @field_validator("contents")
    @classmethod
    def _some(cls, weights: dict[Content, float]) -> dict[Content, float]:
        return _checked_weights("contents", weights)

    @field_validator("splits")
    @classmethod
    def _of_other_use(cls, splits: dict[Split, SplitSize]) -> dict[Split, SplitSize]:
        size = splits.get(cls.refused_split)
        if size and size.defective + size.clean:
            raise ValueError(
                f"splits: titles of {cls.refused_split} are no titles for this: benchmark_titles "
                "are to tune and to test on, training_titles to train and to tune on"
            )
        return splits

    @model_validator(mode="after")
    def _fits(self) -> BenchmarkConfig:
        if unknown := sorted(set(self.defects) - set(DEFECT_NAMES)):
            raise ValueError(f"unknown defects {unknown}; known are {', '.join(DEFECT_NAMES)}")
        if 2 * self.defect_s[0] > self.duration_s[0]:
            raise ValueError(
                f"defects of {self.defect_s[0]:g} s and more would fill half of a title of "
                f"{self.duration_s[0]:g} s"
            )
        asked = any(size.defective + size.clean for size in self.splits.values())
        if not asked and not self.may_be_empty:
            raise ValueError("splits: no title is asked for")
        return self


class TrainingTitlesConfig(BenchmarkConfig):
    """Titles to train on, made as the benchmark's are but with many defects; none, with sizes of 0.

    They have one channel: a label does not say which channels a defect is in.
    """

    may_be_empty: ClassVar[bool] = True
    refused_split: ClassVar[Split] = "test"

    splits: dict[Split, SplitSize] = {
        "train": SplitSize(defective=21, clean=15),
        "validation": SplitSize(defective=7, clean=5),
    }
    channels: Literal[1] = 1
    segment_prevalence: float = Field(default=0.3, gt=0, le=0.5)


def _checked_weights(what: str, weights: Mapping[Name, float]) -> dict[Name, float]:
    if min(weights.values(), default=0) < 0 or sum(weights.values()) <= 0:
        raise ValueError(f"{what}: weights {dict(weights)} have to be 0 or more, and one above 0")
    return dict(weights)
