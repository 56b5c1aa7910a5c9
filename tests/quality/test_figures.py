import io

import numpy as np
import pandas as pd
import pytest

from padam.quality.figures import (
    metric_correlation,
    quality_by_defect,
    quality_by_severity,
    severity_correlation,
)


def test_defects_stand_worst_first_and_clips_count_in_each_of_theirs() -> None:
    q_hat = pd.Series([1.0, -2.0, -1.0, 0.5, np.nan])
    labels = [[], ["hiss"], ["hiss", "packet_loss"], ["packet_loss"], ["hum"]]
    figure = quality_by_defect(q_hat, labels)
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == ["hiss\n2", "packet loss\n2", "clean\n1"]
    figure.savefig(io.BytesIO(), format="png")


def test_no_scores_give_an_empty_figure() -> None:
    quality_by_defect(pd.Series([np.nan]), [[]]).savefig(io.BytesIO(), format="png")


def test_labels_must_match_scores() -> None:
    with pytest.raises(ValueError, match="2 scores but 1 label lists"):
        quality_by_defect(pd.Series([1.0, 2.0]), [[]])


def test_correlation_is_of_oriented_metrics() -> None:
    quality = np.arange(10.0)
    scores = pd.DataFrame({"cdpam": -quality, "pesq": quality, "visqol": np.nan})
    figure = metric_correlation(scores)
    image = figure.axes[0].images[0].get_array()
    assert image[0, 1] == pytest.approx(1.0)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "1.00" in texts
    assert "–" in texts
    figure.savefig(io.BytesIO(), format="png")


def severities() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "defect": ["hum"] * 4 + ["clipping"] * 4 + ["clicks"],
            "severity": [30.0, 20, 10, 0, 1, 2, 3, 4, 5],
            "q_hat": [1.0, 0.5, 0.0, -1, 1, 0.5, np.nan, -1, np.nan],
            "label": ["SNR (dB)"] * 4 + ["%"] * 5,
            "low_is_severe": [True] * 4 + [False] * 5,
        }
    )


def test_correlation_is_one_where_worse_scores_lower() -> None:
    correlations = severity_correlation(severities())
    assert correlations["hum"] == pytest.approx(1)
    assert correlations["clipping"] == pytest.approx(1)
    assert np.isnan(correlations["clicks"])


def test_severe_stands_to_the_right_in_every_panel() -> None:
    figure = quality_by_severity(severities())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["clicks: 0 clips, ρ –", "clipping: 3 clips, ρ 1.00", "hum: 4 clips, ρ 1.00"]
    assert [axes.xaxis_inverted() for axes in figure.axes] == [False, False, True]
    figure.savefig(io.BytesIO(), format="png")
    quality_by_severity(severities()[:0]).savefig(io.BytesIO(), format="png")
