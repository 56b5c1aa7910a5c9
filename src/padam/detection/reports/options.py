"""What a person may choose about report files."""

from __future__ import annotations

from fractions import Fraction

from pydantic import BaseModel, ConfigDict, field_validator

from padam.detection.reports.smpte import RATES
from padam.detection.severity import SEVERITIES, Severity


class ReportOptions(BaseModel):
    """Choices for the report files.

    frame_rate: frames a second for titles that have none of their own, by its name in
    `padam.detection.reports.smpte`; fail_on: the least severity with which an event fails a check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_rate: str = "25"
    fail_on: Severity = "fyi"

    @field_validator("frame_rate")
    @classmethod
    def _has_timecode(cls, name: str) -> str:
        if name not in RATES:
            raise ValueError(f"{name!r} is no frame rate here; use one of {', '.join(RATES)}")
        return name

    @property
    def fps(self) -> Fraction:
        """The frame rate as a fraction."""
        return RATES[self.frame_rate]

    def fails(self, severity: Severity) -> bool:
        """Whether an event of this severity fails a check."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.fail_on)


DEFAULTS = ReportOptions()
