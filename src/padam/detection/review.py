"""Production review: what operators' verdicts say of a detector at work (PADAM §5.2).

The paper counts titles, each with one verdict. A title has here that of its weightiest event:
genuine before creative intent before no issue. Events are counted beside titles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from padam.detection.scanned_titles import ScannedTitles
from padam.detection.verdicts import VERDICTS

UNSPECIFIED = "unspecified"
MEASURES = {
    "genuine_precision": ("genuine",),
    "valid_precision": ("genuine", "creative_intent"),
    "creative_intent_share": ("creative_intent",),
    "no_issue_share": ("no_issue",),
}
"""Shares of what was judged, by the verdicts that count for them."""

_WEIGHT = tuple(VERDICTS)  # weightiest first
_EVENT = ["document_id", "event_id"]


class ReviewConfig(BaseModel):
    """Bootstrap over titles, and the volumes of review to find thresholds for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=2000, ge=100)
    seed: int = Field(default=0, ge=0)
    # share of all segments that people are to review
    volumes: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
    )  # fmt: skip


@dataclass(frozen=True)
class Review:
    """Events, one row each, with the verdict that holds (empty: none), and counts of the rows.

    `counts`: rows, repeated (one reviewer again on one event: the last holds), events, unjudged,
    by_several (reviewers), disagreed (the majority holds), disputed (no majority: none holds),
    reviewers, titles.
    """

    events: pd.DataFrame
    counts: dict[str, int]


def settle(rows: pd.DataFrame) -> Review:
    """Bring the rows of `read_verdicts` to one verdict an event.

    Raises ValueError where no event has been judged.
    """
    judged = rows[rows["verdict"] != ""]
    if judged.empty:
        raise ValueError(
            f"no verdicts: none of {len(rows)} events in the files has been judged. Judge them in "
            "report.html and export the verdicts again."
        )
    ordered = judged.sort_values("reviewed_at", kind="stable")
    single = ordered.drop_duplicates([*_EVENT, "reviewer"], keep="last")
    votes = single.groupby(_EVENT)["verdict"]
    verdict = votes.agg(_majority)
    events = rows.drop_duplicates(_EVENT).drop(
        columns=["verdict", "sub_category", "comment", "reviewer", "reviewed_at"]
    )
    events = events.merge(verdict.rename("verdict"), on=_EVENT, how="left").fillna({"verdict": ""})
    # what is said beside the verdict is that of the last who gave it
    agreeing = single.merge(events[[*_EVENT, "verdict"]], on=[*_EVENT, "verdict"])
    kinds = agreeing.drop_duplicates(_EVENT, keep="last")[[*_EVENT, "sub_category"]]
    events = events.merge(kinds, on=_EVENT, how="left")
    named = events["sub_category"].fillna("").str.strip().str.casefold()
    events["sub_category"] = named.where(named != "", UNSPECIFIED)
    counts = {
        "rows": len(rows),
        "repeated": len(judged) - len(single),
        "events": len(events),
        "unjudged": len(events) - len(verdict),
        "by_several": int((votes.size() > 1).sum()),
        "disagreed": int((votes.nunique() > 1).sum()),
        "disputed": int((verdict == "").sum()),
        "reviewers": int(single["reviewer"].nunique()),
        "titles": int(events["document_id"].nunique()),
    }
    return Review(events, counts)


def review_table(review: Review, scanned: ScannedTitles, config: ReviewConfig) -> pd.DataFrame:
    """The table of PADAM §5.2: level, measure, count, of, share and two intervals of 95 %.

    Wilson's interval takes what is counted for independent; the bootstrap draws titles, whose
    events are alike. Where no title was scanned there is no flagged share. A title is judged when
    one of its events is genuine, or all of them have a verdict.
    """
    rng = np.random.default_rng(config.seed)
    judged = review.events[review.events["verdict"] != ""]
    rows = list(_flagged_shares(scanned, config, rng))
    for level, verdicts in (("title", title_verdicts(review)), ("event", judged)):
        titles = verdicts["document_id"]
        for measure, counting in MEASURES.items():
            hits = verdicts["verdict"].isin(counting)
            rows.append(_share(level, measure, hits, titles, config, rng))
    return pd.DataFrame(rows)


def title_verdicts(review: Review) -> pd.DataFrame:
    """Verdict of each title that has one: document_id, title, verdict."""
    events = review.events
    rank = events["verdict"].map({name: place for place, name in enumerate(_WEIGHT)})
    titles = events.assign(rank=rank).groupby("document_id")
    best, whole = titles["rank"].min(), titles["rank"].apply(lambda ranks: ranks.notna().all())
    settled = best[(best == 0) | whole]
    return pd.DataFrame(
        {
            "document_id": settled.index,
            "title": titles["title"].first()[settled.index].to_numpy(),
            "verdict": [_WEIGHT[int(place)] for place in settled],
        }
    )


def breakdown(review: Review) -> pd.DataFrame:
    """Judged events by defect, severity, and sub-category of each verdict.

    Columns by, value, events, titles, the count of each verdict, genuine_precision and
    valid_precision; a sub-category has the verdict in `by` and its share of it in `share`.
    """
    judged = review.events[review.events["verdict"] != ""]
    judged = judged.assign(defect=judged["defect"].replace("", "none named"))
    rows: list[dict[str, Any]] = []
    for column in ("defect", "severity"):
        for value, events in judged.groupby(column):
            found = {name: int((events["verdict"] == name).sum()) for name in VERDICTS}
            valid = len(events) - found["no_issue"]
            rows.append(
                _group(column, value, events, judged)
                | found
                | {
                    "genuine_precision": found["genuine"] / len(events),
                    "valid_precision": valid / len(events),
                }
            )
    for verdict, said in judged.groupby("verdict"):
        for value, events in said.groupby("sub_category"):
            rows.append(_group(str(verdict), value, events, said))
    table = pd.DataFrame(rows)
    counts = {name: table[name].astype("Int64") for name in VERDICTS}
    table = table.assign(**counts)
    order = ["defect", "severity", *VERDICTS]
    return table.sort_values(
        ["by", "events", "value"],
        key=lambda column: column.map(order.index) if column.name == "by" else column,
        ascending=[True, False, True],
        ignore_index=True,
    )


def _group(by: str, value: Any, events: pd.DataFrame, of: pd.DataFrame) -> dict[str, Any]:
    return {
        "by": by,
        "value": value,
        "events": len(events),
        "titles": int(events["document_id"].nunique()),
        "share": len(events) / len(of),
    }


def _flagged_shares(
    scanned: ScannedTitles, config: ReviewConfig, rng: np.random.Generator
) -> list[dict[str, Any]]:
    if not scanned.titles:
        return []
    flagged = pd.Series([title.flagged > 0 for title in scanned.titles])
    numbers = pd.Series(range(len(scanned.titles)))
    rows = [_share("title", "flagged_share", flagged, numbers, config, rng)]
    sizes = [len(title.scores) for title in scanned.titles]
    owners = pd.Series(np.repeat(numbers, sizes))
    hits = np.concatenate(
        [np.arange(size) < title.flagged for size, title in zip(sizes, scanned.titles, strict=True)]
    )
    rows.append(_share("segment", "flagged_share", pd.Series(hits), owners, config, rng))
    return rows


def _share(
    level: str,
    measure: str,
    hits: pd.Series,
    titles: pd.Series,
    config: ReviewConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:
    count, of = int(hits.sum()), len(hits)
    row = {"level": level, "measure": measure, "count": count, "of": of}
    if not of:
        names = ("share", "wilson_low", "wilson_high", "bootstrap_low", "bootstrap_high")
        return row | dict.fromkeys(names, float("nan"))
    wilson = stats.binomtest(count, of).proportion_ci(method="wilson")
    by_title = hits.groupby(titles.to_numpy()).agg(["sum", "size"]).to_numpy(dtype=np.float64)
    low, high = _over_titles(by_title, config.resamples, rng)
    return row | {
        "share": count / of,
        "wilson_low": float(wilson.low),
        "wilson_high": float(wilson.high),
        "bootstrap_low": low,
        "bootstrap_high": high,
    }


def _over_titles(
    by_title: npt.NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """2.5 % and 97.5 % points of the share over titles drawn with replacement; NaN for one.

    by_title: hits and cases, (titles, 2).
    """
    if len(by_title) < 2:
        return float("nan"), float("nan")
    # titles alike are drawn together: their number is small, that of titles may be 17 000
    kinds, sizes = np.unique(by_title, axis=0, return_counts=True)
    draws = rng.multinomial(len(by_title), sizes / sizes.sum(), size=resamples)
    hits, cases = kinds.T @ draws.T
    low, high = np.percentile(hits[cases > 0] / cases[cases > 0], [2.5, 97.5])
    return float(low), float(high)


def _majority(votes: pd.Series) -> str:
    """The verdict of more than half of the reviewers; empty where there is none."""
    found = votes.value_counts()
    return str(found.index[0]) if 2 * found.iloc[0] > len(votes) else ""
