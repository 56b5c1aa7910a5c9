"""What the ablations compare: variants of stage 2, each by what differs in it, and how."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from padam.models.search import SvmSearchConfig
from padam.training.head_module import QualityHeadTraining

STAGE_1: Final = "stage_1_mean_std"
NATIVE_EVIDENCE: Final = "native_evidence"


class AblationsConfig(BaseModel):
    """Which variants of the quality head are compared, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name, only what differs from the training of stage 2."""
    joined_with_evidence: tuple[str, ...] = ()
    """Variants that are judged joined with native-rate evidence, too, where it was measured."""
    evaluated_split: Literal["validation", "test"] = "validation"
    search: SvmSearchConfig = SvmSearchConfig()
    fit_max_rows: int | None = Field(16_000, ge=10)  # a fit costs the square of its rows or more
    bootstrap_rounds: int = Field(1000, ge=10)
    seed: int = Field(0, ge=0)

    @field_validator("variants")
    @classmethod
    def _trainable(cls, variants: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, difference in variants.items():
            reserved = name == STAGE_1 or name.endswith(NATIVE_EVIDENCE)
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or reserved:
                raise ValueError(
                    f"variant {name!r}: use lower case, digits and _, and not {STAGE_1} nor what "
                    f"ends in {NATIVE_EVIDENCE}"
                )
            try:
                varied(QualityHeadTraining(), difference)
            except ValueError as error:
                raise ValueError(f"variant {name!r}: {error}") from error
        return variants

    @model_validator(mode="after")
    def _joins_variants(self) -> Self:
        if unknown := set(self.joined_with_evidence) - set(self.variants):
            raise ValueError(
                f"joined_with_evidence names no variants: {', '.join(sorted(unknown))}"
            )
        return self


def varied(training: QualityHeadTraining, difference: Mapping[str, Any]) -> QualityHeadTraining:
    """Return a training with the given values in place of its own, those of `head` one by one."""
    values = training.model_dump()
    head = values["head"] | difference.get("head", {})
    return QualityHeadTraining.model_validate({**values, **difference, "head": head})
