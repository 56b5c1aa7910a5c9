"""Listeners' ratings: what a table of them holds, who is screened out, and the mean opinion scores.

A rating is one listener's answer on the five-point ACR scale (ITU-T P.910) for one clip.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from padam.quality.listening_test import CLIP, HIDDEN_REFERENCE, TRAINING

COLUMNS = ("clip", "listener", "score")
KINDS = (CLIP, HIDDEN_REFERENCE, TRAINING)
SCALE = (1.0, 5.0)
CONFIDENCE = 0.95

_SHOWN = 5
# a correlation over fewer clips says nothing about a listener
_MIN_SHARED_CLIPS = 10
# of two listeners nobody can tell which one is off
_MIN_LISTENERS = 3
# one slip is no habit, however few hidden references there are
_MIN_LOW_REFERENCES = 2
# BT.500 counts scores beyond two standard deviations; one of five cannot lie there
_MIN_RATINGS_A_CLIP = 6
# of 30 clips two scores far off are 5 %, which one good listener in twenty has
_MIN_CLIPS_FOR_BT500 = 50
_BT500_NORMAL = (2.0, 4.0)
_BT500_MAX_SHARE = 0.05
_BT500_MAX_IMBALANCE = 0.3


class ScreeningConfig(BaseModel):
    """When a listener's ratings do not count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # P.910 and P.913: 0.75 over clips and 0.8 over conditions, both missed. Here each clip is a
    # condition of its own, which leaves the noisier of the two
    min_correlation: float = Field(0.5, ge=-1, le=1)
    bt500: bool = True
    # BS.1534: 90 of 100 in more than 15 % of the trials; on the ACR scale less than "good"
    hidden_reference_min: float = Field(4.0, ge=SCALE[0], le=SCALE[1])
    hidden_reference_share: float = Field(0.15, ge=0, le=1)


@dataclass(frozen=True)
class Ratings:
    """Valid ratings, columns clip_id, listener, score, and how many rows were dropped, by reason.

    `hidden_references` serve the screening only: nobody rates them as clips.
    """

    clips: pd.DataFrame
    hidden_references: pd.DataFrame
    dropped: dict[str, int]


def read_ratings(table: pd.DataFrame, clips: Collection[str], name: str = "ratings") -> Ratings:
    """Validate a table with the columns clip, listener, score and, if it has it, kind.

    clips: ids of the clips that q̂ is known of. Dropped and counted are training trials, trials
    without an answer, and ratings of clips not in `clips`. Raises ValueError, naming the file
    `name` and its rows (the header is row 1), for anything else that is no rating: missing
    columns, no listener or clip, no number, a score outside 1-5, an unknown kind, and a listener
    who rated a clip twice, since which answer counts is not known.
    """
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise ValueError(
            f"{name} has no column {' and no column '.join(missing)}. Its columns: "
            f"{', '.join(map(str, table.columns))}. A comma separates columns."
        )
    text = table[[*COLUMNS, *(["kind"] if "kind" in table.columns else [])]].astype("string")
    text = text.fillna("").apply(lambda column: column.str.strip()).reset_index(drop=True)
    text = text[(text != "").any(axis=1)]
    if text.empty:
        raise ValueError(f"{name} holds no rating.")
    kind = text["kind"] if "kind" in text else pd.Series(CLIP, index=text.index)
    _refuse(name, text, ~kind.isin(KINDS), f"kind is none of {', '.join(KINDS)}")
    _refuse(name, text, (text["clip"] == "") | (text["listener"] == ""), "no clip or no listener")
    training, unanswered = kind == TRAINING, text["score"] == ""
    counted = text[~training & ~unanswered]
    score = pd.to_numeric(counted["score"], errors="coerce").astype(float)
    _refuse(name, counted, score.isna(), "score is no number")
    _refuse(name, counted, ~score.between(*SCALE), "score is outside 1-5")
    valid = pd.DataFrame(
        {
            "clip_id": counted["clip"].astype(object),
            "listener": counted["listener"].astype(object),
            "score": score,
        }
    )
    rated = valid[kind[valid.index] == CLIP]
    twice = rated.duplicated(["clip_id", "listener"], keep=False)
    _refuse(name, text.loc[rated.index], twice, "a listener rated a clip twice; keep one row each")
    known = rated["clip_id"].isin(set(clips))
    if not known.any():
        raise ValueError(
            f"{name} rates none of the {len(clips)} clips that q̂ is known of (it rates "
            f"{', '.join(rated['clip_id'].head(3)) or 'no clip'}). If another clip plan was rated, "
            "load its versions with `--load-versions`."
        )
    return Ratings(
        clips=rated[known].reset_index(drop=True),
        hidden_references=valid[kind[valid.index] == HIDDEN_REFERENCE].reset_index(drop=True),
        dropped={
            "training": int(training.sum()),
            "unanswered": int((unanswered & ~training).sum()),
            "unknown_clip": int((~known).sum()),
        },
    )


def screen_listeners(ratings: Ratings, config: ScreeningConfig | None = None) -> pd.DataFrame:
    """Judge every listener, a row each: `kept` says whether the ratings count, `reason` why not.

    Three tests, each where it applies: hidden references rated too low too often, and more than one
    of them (ITU-R BS.1534);
    scores far off too often, on both sides (ITU-R BT.500, the β₂ test, once and over all
    listeners); then too low a correlation with the mean of the others (ITU-T P.910), the worst
    listener first, one at a time, while three are left. What could not be tested is NaN; a single
    listener is not screened. Raises ValueError where nobody is left.
    """
    config = config or ScreeningConfig()
    scores = ratings.clips.pivot(index="clip_id", columns="listener", values="score")
    table = pd.DataFrame({"ratings": scores.count()}).rename_axis("listener")
    table = table.join(_far_off(scores)).join(_hidden_references(ratings, config))
    table["hidden_references"] = table["hidden_references"].fillna(0).astype(int)
    reasons = dict.fromkeys(table.index, "")
    if len(table) > 1:
        for row in table.itertuples():
            reasons[row.Index] = "; ".join(_reasons(row, config))
    remaining = scores[[listener for listener, reason in reasons.items() if not reason]]
    table["correlation"] = _correlations_with_others(scores)
    while remaining.shape[1] > 0:
        found = _correlations_with_others(remaining)
        table.loc[found.index, "correlation"] = found
        if remaining.shape[1] < _MIN_LISTENERS or not found.min() < config.min_correlation:
            break
        worst = str(found.idxmin())
        reasons[worst] = (
            f"correlation of {found[worst]:.2f} with the mean of the others, "
            f"below {config.min_correlation:g}"
        )
        remaining = remaining.drop(columns=worst)
    table["reason"] = pd.Series(reasons)
    table["kept"] = table["reason"] == ""
    if not table["kept"].any():
        raise ValueError(
            f"Screening leaves none of the {len(table)} listeners: "
            f"{'; '.join(f'{name}: {reason}' for name, reason in list(reasons.items())[:_SHOWN])}. "
            "Loosen agreement.screening, or collect other ratings."
        )
    return table.reset_index()


def mean_opinion_scores(ratings: Ratings, screened: pd.DataFrame) -> pd.DataFrame:
    """Mean score of each clip over the listeners kept, with its 95 % t interval.

    Returns clip_id, mos, mos_low, mos_high, std (of the scores), ratings (their number). The
    interval is NaN for a clip that one listener rated, and may reach beyond the scale.
    """
    kept = screened.loc[screened["kept"], "listener"]
    scores = ratings.clips[ratings.clips["listener"].isin(kept)].groupby("clip_id")["score"]
    table = scores.agg(mos="mean", std="std", ratings="count").reset_index()
    count = table["ratings"]
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * table["std"] / np.sqrt(count)
    table.insert(2, "mos_low", table["mos"] - half)
    table.insert(3, "mos_high", table["mos"] + half)
    return table


def limits_of_study(screened: pd.DataFrame, opinions: pd.DataFrame) -> list[str]:
    """What could not be tested or estimated with these listeners and ratings, in words."""
    if len(screened) == 1:
        return ["one listener: no screening and no confidence intervals"]
    found = []
    if len(screened) < _MIN_LISTENERS:
        found.append("two listeners: not screened by correlation")
    elif screened["kept"].sum() < _MIN_LISTENERS:
        left = int(screened["kept"].sum())
        found.append(
            f"{left} of {len(screened)} listeners left: no further screening by correlation"
        )
    if screened["outlier_share"].isna().all():
        found.append(
            f"no listener rated {_MIN_CLIPS_FOR_BT500} clips with {_MIN_RATINGS_A_CLIP} ratings: "
            "BT.500's test does not apply"
        )
    if not screened["hidden_references"].any():
        found.append("no hidden references: BS.1534's test does not apply")
    if single := int((opinions["ratings"] == 1).sum()):
        found.append(f"{single} clips have one rating each: no confidence intervals there")
    return found


def _refuse(name: str, rows: pd.DataFrame, bad: pd.Series, problem: str) -> None:
    if bad.any():
        shown = [
            f"{index + 2} ({', '.join(map(str, values))})"
            for index, *values in rows.loc[bad[bad].index].head(_SHOWN).itertuples()
        ]
        more = f" and {int(bad.sum()) - _SHOWN} more" if bad.sum() > _SHOWN else ""
        raise ValueError(f"{name}: {problem}: row {'; row '.join(shown)}{more}.")


def _reasons(listener: Any, config: ScreeningConfig) -> Iterator[str]:
    low = listener.hidden_references_low
    if (
        low > config.hidden_reference_share
        and round(low * listener.hidden_references) >= _MIN_LOW_REFERENCES
    ):
        yield (
            f"{low:.0%} of {listener.hidden_references} hidden "
            f"references rated below {config.hidden_reference_min:g}"
        )
    if (
        config.bt500
        and listener.outlier_share > _BT500_MAX_SHARE
        and listener.outlier_imbalance < _BT500_MAX_IMBALANCE
    ):
        yield f"{listener.outlier_share:.1%} of the scores far off, on both sides (BT.500)"


def _far_off(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of each listener's scores that BT.500 calls outliers, and how one-sided they are.

    scores: clips by listeners. Far off is two standard deviations of the clip's scores where their
    β₂ is that of a normal distribution, else √20.
    """
    scores = scores[scores.count(axis=1) >= _MIN_RATINGS_A_CLIP]
    varied = scores[scores.std(axis=1) > 0]
    limit = varied.std(axis=1)
    if len(varied):
        kurtosis = stats.kurtosis(varied, axis=1, fisher=False, nan_policy="omit")
        limit *= np.where(
            (kurtosis >= _BT500_NORMAL[0]) & (kurtosis <= _BT500_NORMAL[1]), 2.0, np.sqrt(20)
        )
    deviation = varied.sub(varied.mean(axis=1), axis=0)
    above, below = deviation.ge(limit, axis=0).sum(), deviation.le(-limit, axis=0).sum()
    share = (above + below) / scores.count()
    return pd.DataFrame(
        {
            "outlier_share": share.where(scores.count() >= _MIN_CLIPS_FOR_BT500),
            "outlier_imbalance": (above - below).abs() / (above + below),
        }
    )


def _hidden_references(ratings: Ratings, config: ScreeningConfig) -> pd.DataFrame:
    rated = ratings.hidden_references.groupby("listener")["score"]
    return pd.DataFrame(
        {
            "hidden_references": rated.count(),
            "hidden_references_low": rated.agg(lambda s: (s < config.hidden_reference_min).mean()),
        }
    )


def _correlations_with_others(scores: pd.DataFrame) -> pd.Series:
    """Pearson correlation of each column with the mean of the others; NaN over too few clips."""
    others = scores.rsub(scores.sum(axis=1), axis=0).div(scores.count(axis=1) - 1, axis=0)
    shared = (scores.notna() & others.notna()).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        # who always answers the same goes along with nobody
        found = scores.corrwith(others).fillna(0.0)
    return found.where(shared >= _MIN_SHARED_CLIPS)
