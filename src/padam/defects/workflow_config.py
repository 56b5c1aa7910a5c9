"""What the production workflow draws from; the paper's values where no comment says otherwise."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from padam.defects.base import DefectRanges, PlacementRanges
from padam.defects.encoding import CodecRanges, TranscodeRanges
from padam.defects.interval import within
from padam.defects.registry import DEFECT_NAMES, DEFECTS


class WorkflowConfig(BaseModel):
    """What the workflow draws from; defaults are the paper's where no comment says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: int = Field(default=48000, ge=8000, le=655_350)  # FLAC's limit
    # None keeps the file's channels, up to 8
    channels: Literal[1, 2] | None = 2
    single_probability: float = Field(default=0.65, ge=0, le=1)
    several_probability: float = Field(default=0.25, ge=0, le=1)
    clean_probability: float = Field(default=0.10, ge=0, le=1)
    # open in the paper
    several_count: Annotated[tuple[int, int], within(2, len(DEFECT_NAMES))] = (2, 3)
    defects: tuple[str, ...] = Field(default=DEFECT_NAMES, min_length=1)
    ranges: dict[str, SerializeAsAny[DefectRanges]] = Field(default={}, validate_default=True)
    placement: PlacementRanges = PlacementRanges()
    source_encode_probability: float = Field(default=0.5, ge=0, le=1)
    source_encode: CodecRanges = CodecRanges()
    transcode_probability: float = Field(default=0.5, ge=0, le=1)
    transcode: TranscodeRanges = TranscodeRanges()
    # ours: many masters peak at 1.0; quiet audio is raised by no more than max_gain_db, which
    # would lift its own noise
    peak_db: Annotated[tuple[float, float], within(-40, -1)] = (-6.0, -1.0)
    max_gain_db: float = Field(default=12.0, ge=0, le=60)
    # ours: a defect below this error-to-signal ratio in every 20 ms is drawn again
    audible_floor_db: float = Field(default=-30.0, ge=-120, le=20)
    redraw_limit: int = Field(default=20, ge=1)

    @field_validator("defects")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _check_names(names)
        return names

    @field_validator("ranges", mode="before")
    @classmethod
    def _complete(cls, given: Mapping[str, Any]) -> dict[str, DefectRanges]:
        _check_names(given)
        return {
            name: defect.Ranges.model_validate(given.get(name, {}))
            for name, defect in DEFECTS.items()
        }

    @model_validator(mode="after")
    def _whole(self) -> "WorkflowConfig":
        total = self.single_probability + self.several_probability + self.clean_probability
        if abs(total - 1) > 1e-6:
            raise ValueError(f"single, several and clean probabilities sum to {total}, not to 1")
        return self


def _check_names(names: Any) -> None:
    unknown = set(names) - set(DEFECT_NAMES)
    if unknown:
        raise ValueError(f"unknown defects {sorted(unknown)}; known are {', '.join(DEFECT_NAMES)}")
