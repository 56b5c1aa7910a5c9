"""Figures: drawn without a display, and saying what they should."""

import numpy as np
import pandas as pd

from padam.detection.evaluation_figures import precision_recall_figure, title_timelines_figure
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.figure import score_timeline
from padam.detection.temporal_filter import TemporalFilter

from .test_title_evaluation import labels_of, scores_of

SCORES = pd.concat(
    [
        scores_of({"a": [0.1, 0.9, np.nan], "b": [0.2, 0.3]}, scorer="padam"),
        scores_of({"a": [0.3, 0.1, 0.2], "b": [0.2, 0.9]}, scorer="dnsmos"),
    ]
)
LABELS = labels_of(("a", 12.0, 14.0, "hum"))


def test_precision_recall_has_a_line_per_scorer(tmp_path):
    figure = precision_recall_figure(SCORES, LABELS)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["padam (AP 1.00)", "dnsmos (AP 0.20)"]
    figure.savefig(tmp_path / "figure.png")


def test_precision_recall_without_defects_says_so():
    figure = precision_recall_figure(SCORES, labels_of())
    assert "no defective segment" in figure.axes[0].texts[0].get_text()


def test_timelines_put_defective_titles_first_and_shade_them(tmp_path):
    point = OperatingPoint(0.5, TemporalFilter())
    figure = title_timelines_figure(SCORES, LABELS, point, limit=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    assert figure.axes[0].texts[0].get_text() == "hum"
    figure.savefig(tmp_path / "figure.png")


def test_a_timeline_of_an_unscored_or_empty_title_is_drawn(tmp_path):
    segments = pd.DataFrame(
        {"start_s": [0.0], "end_s": [10.0], "score": [np.nan], "flagged": [False]}
    )
    score_timeline(segments, float("nan")).savefig(tmp_path / "unscored.png")
    score_timeline(segments.iloc[:0], 0.5, title="empty").savefig(tmp_path / "empty.png")
