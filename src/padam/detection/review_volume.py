"""Operating points by review volume: what share of clean programme is put before an operator.

An extension: the paper has one decision, tuned for the F1 of titles. A threshold here is the exact
empirical quantile of validation segments that hold no defect, so it says what an archive that is
nearly all clean costs in listening, whatever the share of defects in the validation titles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.detection.temporal_filter import NO_FILTER, WHOLE_SEGMENT, TemporalFilter

REVIEW_VOLUMES: Final = {"strict": 0.001, "balanced": 0.005, "sensitive": 0.01}
"""Share of the segments of clean programme that each operating point flags."""


class ReviewPoint(BaseModel):
    """A threshold by review volume, or the reason why there is none.

    `segments` is the number of clean validation segments that it was chosen on. The volume counts
    segments, so the filter keeps every whole one; it drops but the short end of a title by itself,
    which was mirrored to full length: a fade to nothing and back sounds like a hole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_volume: float = Field(gt=0, lt=1)
    threshold: float | None = None
    filter: TemporalFilter = NO_FILTER
    segments: int = Field(ge=0)
    reason: str = ""

    @model_validator(mode="after")
    def _is_there_or_says_why(self) -> ReviewPoint:
        if (self.threshold is None) != bool(self.reason):
            raise ValueError("give a threshold, or the reason why there is none")
        return self


def review_points(
    clean: npt.NDArray[np.float64], volumes: Mapping[str, float] = REVIEW_VOLUMES
) -> dict[str, ReviewPoint]:
    """Operating points for the scores (n,) of segments outside labels; NaN was not scored."""
    scored = clean[~np.isnan(clean)]
    points = {}
    for name, volume in volumes.items():
        found: dict[str, float | str] = {}
        try:
            found["threshold"] = review_threshold(scored, volume)
        except ValueError as error:
            found["reason"] = str(error)
        points[name] = ReviewPoint.model_validate(
            {"review_volume": volume, "segments": len(scored), "filter": WHOLE_SEGMENT, **found}
        )
    return points


def review_threshold(clean: npt.NDArray[np.float64], volume: float) -> float:
    """The lowest score that at most this share of clean segments (n,) reaches, and at least one.

    Raises ValueError where n segments are too few for the share, and where more than that share
    have the highest score.
    """
    allowed = math.floor(volume * len(clean) + 1e-9)  # 0.07 · 100 is 7.000000000000001
    if allowed < 1:
        raise ValueError(
            f"{len(clean)} clean validation segments are too few for a review volume of "
            f"{100 * volume:g} %, which takes {math.ceil(1 / volume - 1e-9)}"
        )
    ranked = np.sort(clean)[::-1]
    above = ranked[ranked > ranked[allowed]]
    if not above.size:
        raise ValueError(
            f"{np.count_nonzero(clean == ranked[0])} of {len(clean)} clean validation segments "
            f"share the highest score, more than a review volume of {100 * volume:g} %"
        )
    return float(above[-1])
