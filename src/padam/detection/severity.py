"""Severity of an event, by rules that an operator can read and change.

How sure the event is and how long it lasts are graded 0, 1 or 2 each. The sum is its severity: from
3 on it is a `blocker`, at 2 an `issue`, below an `fyi`. So a longer event, or one of a higher
score, is never less severe. The words are those of content providers' quality control: a blocker is
sent back, an issue is decided by a person, an fyi is told.

Grades are of the score itself, not of how far it lies above a threshold: an event is as sure where
an operator asks for fewer of them, though it may be shorter. s = 1/(1 + exp(-d/σ)) is 0.73 where
the decision is as clear as that on training rows is in the root mean square (d = σ), and 0.88 at
twice that.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Severity = Literal["fyi", "issue", "blocker"]
SEVERITIES: Final[tuple[Severity, ...]] = ("fyi", "issue", "blocker")

_ROUNDING_S = 1e-6
_ISSUE = 2


class SeverityRules(BaseModel):
    """From which peak score (0 to 1) and length (seconds) on an event has another grade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sure_score: float = Field(0.73, ge=0, le=1, allow_inf_nan=False)
    surest_score: float = Field(0.88, ge=0, le=1, allow_inf_nan=False)
    brief_s: float = Field(1.0, ge=0, allow_inf_nan=False)  # a brief event is shorter
    # a lasting one is as long or longer; one whole segment of 10 s is not
    lasting_s: float = Field(15.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> SeverityRules:
        if self.surest_score < self.sure_score or self.lasting_s < self.brief_s:
            raise ValueError(
                "surest_score must not be below sure_score, nor lasting_s below brief_s"
            )
        return self

    def of(self, peak_score: float, length_s: float) -> Severity:
        """Return the severity of an event."""
        reached_s = length_s + _ROUNDING_S
        sure = (self.sure_score, self.surest_score)
        long = (self.brief_s, self.lasting_s)
        grade = sum(peak_score >= least for least in sure)
        grade += sum(reached_s >= least_s for least_s in long)
        return "blocker" if grade > _ISSUE else "issue" if grade == _ISSUE else "fyi"


def worst(severities: list[Severity]) -> Severity | None:
    """Return the worst of them; None of none."""
    return max(severities, key=SEVERITIES.index, default=None)
