"""From the verdicts that operators export to the table of PADAM §5.2."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.storage import Location
from padam.detection.review import Review, ReviewConfig, breakdown, review_table, settle
from padam.detection.review_report import review_figure, review_markdown, review_summary
from padam.detection.scanned_titles import (
    ScannedTitles,
    read_scanned_titles,
    thresholds_for_volumes,
)
from padam.detection.verdicts import read_verdicts


def collect_verdicts(
    verdicts: Iterable[Location], documents: Iterable[Location]
) -> tuple[Review, ScannedTitles, pd.DataFrame]:
    """Return events with the verdict that holds, the scanned titles, and the events as a table."""
    review = settle(read_verdicts(verdicts))
    return review, read_scanned_titles(documents), review.events


def tabulate_review(
    review: Review, scanned: ScannedTitles, config: ReviewConfig
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return shares with their intervals, the breakdown, and thresholds for volumes of review."""
    return (
        review_table(review, scanned, config),
        breakdown(review),
        thresholds_for_volumes(scanned, config.volumes),
    )


def report_review(
    review: Review,
    scanned: ScannedTitles,
    table: pd.DataFrame,
    groups: pd.DataFrame,
    thresholds: pd.DataFrame,
) -> tuple[dict[str, Any], str, Figure]:
    """Return the numbers as one document, the page of Markdown, and the figure."""
    summary = review_summary(review, scanned, table, thresholds)
    page = review_markdown(summary, table, groups, thresholds)
    return summary, page, review_figure(review, table, groups)
