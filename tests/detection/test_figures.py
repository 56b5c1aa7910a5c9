"""Figures: drawn without a display, and saying what they should."""

import numpy as np
import pandas as pd

from padam.detection.evaluation_figures import (
    filter_search_figure,
    precision_recall_figure,
    title_timelines_figure,
)
from padam.detection.operating_point import OperatingPoint, TitleScores, search_filters
from padam.detection.reports.figure import score_timeline
from padam.detection.temporal_filter import TemporalFilter
from padam.detection.title_evaluation import EvaluationConfig

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
    assert texts == ["DNSMOS (AP 0.20)", "PADAM: + SVM classifier (AP 1.00)"]
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


def test_the_search_has_a_cell_per_filter_and_frames_the_best(tmp_path):
    lone, run = [0, 9, 0, 0, 9, 0, 0], [0, 0, 9, 9, 9, 0, 0]
    rows = scores_of({"clean": lone, "bad": run})
    split = TitleScores.of(rows, labels_of(("bad", 20.0, 50.0, "hiss")))
    filters = EvaluationConfig(filter_x_s=(0, 10, 20), filter_y_s=(0, 20, 30)).filters
    search = search_filters(split, filters)
    surface = search.surface().set_index(["x_s", "y_s"])["f1"]
    assert surface.to_dict() == {
        (0, 0): 2 / 3, (10, 20): 2 / 3, (20, 20): 1.0, (10, 30): 2 / 3, (20, 30): 1.0
    }  # fmt: skip
    figure = filter_search_figure(search.surface(), search.best)
    axes = figure.axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["0.67"] * 3 + ["1.00"] * 2
    frame = axes.patches[0]
    assert (frame.get_x() + 0.5, frame.get_y() + 0.5) == (2, 1), "x 20 s, y 20 s"
    figure.savefig(tmp_path / "figure.png")


def test_a_search_without_defects_says_so(tmp_path):
    split = TitleScores.of(scores_of({"a": [0.1, 0.2]}), labels_of())
    search = search_filters(split, EvaluationConfig().filters)
    assert np.isnan(search.best.threshold)
    figure = filter_search_figure(search.surface(), search.best)
    assert figure.axes[0].texts[0].get_text() == "nothing to tune on"
    figure.savefig(tmp_path / "figure.png")
