"""A choice that the workflow draws: the intended share of each option, and what clips hold."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from padam.defects.drawn_clip import DrawnClip

Options = Sequence[str]


@dataclass(frozen=True)
class Choice:
    """A draw among options, whose intended `shares` are those `among` what the name says.

    `drawn` gives the options that each draw of a clip took; a clip may hold no draw, and a draw of
    yes or no takes no option for a no. Where redraws move the shares they have no closed form:
    then they are not `judged`, and `note` says why.
    """

    quantity: str
    among: str
    shares: Mapping[str, float]
    drawn: Callable[[DrawnClip], Iterable[Options]]
    note: str = ""
    judged: bool = True


def equal(options: Sequence[Any]) -> dict[Any, float]:
    """Share of each option where every entry is equally likely; one that stands twice has more."""
    return {option: count / len(options) for option, count in Counter(options).items()}


def taken_when(option: str, condition: bool) -> Options:
    """Return the option where the condition holds, none where it does not."""
    return (option,) if condition else ()


def given(values: Iterable[Any]) -> list[Any]:
    """Return the values that are not None."""
    return [value for value in values if value is not None]
