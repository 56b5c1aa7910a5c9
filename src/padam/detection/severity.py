"""Severity of an event, by rules that an operator can read and change.

The margin is how far the event's peak score lies above the threshold, as a share of the way to 1.
An event is a `blocker` where the margin, or its length together with a lesser margin, is large; an
`issue` where either is considerable; else an `fyi`. The words are those of content providers'
quality control: a blocker is sent back, an issue is decided by a person, an fyi is told.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Severity = Literal["fyi", "issue", "blocker"]
SEVERITIES: Final[tuple[Severity, ...]] = ("fyi", "issue", "blocker")


class SeverityRules(BaseModel):
    """From which margin (0 to 1) and length (seconds) on an event is an issue or a blocker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issue_margin: float = Field(0.25, ge=0, le=1)
    blocker_margin: float = Field(0.75, ge=0, le=1)
    issue_s: float = Field(20.0, ge=0)
    blocker_s: float = Field(60.0, ge=0)  # with a margin of at least `issue_margin`

    @model_validator(mode="after")
    def _in_order(self) -> SeverityRules:
        if self.blocker_margin < self.issue_margin or self.blocker_s < self.issue_s:
            raise ValueError("a blocker's margin and length must not be below those of an issue")
        return self

    def of(self, peak_score: float, threshold: float, length_s: float) -> Severity:
        """Return the severity of an event."""
        margin = (peak_score - threshold) / (1 - threshold) if threshold < 1 else 0.0
        considerable = margin >= self.issue_margin
        if margin >= self.blocker_margin or (considerable and length_s >= self.blocker_s):
            return "blocker"
        return "issue" if considerable or length_s >= self.issue_s else "fyi"


def worst(severities: list[Severity]) -> Severity | None:
    """Return the worst of them; None of none."""
    return max(severities, key=SEVERITIES.index, default=None)
