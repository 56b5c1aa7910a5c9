import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from padam.training.figures import plot_history, plot_retrievals
from padam.training.stage_1 import Clip, Retrieval


def test_each_unit_has_its_panel_and_the_learning_rate_none():
    rows = [(step, "train_loss", 1 / step) for step in range(1, 30)]
    rows += [(step, "train_learning_rate", 0.1) for step in range(1, 30)]
    rows += [
        (10, "validation_loss", 0.5),
        (10, "validation_auc_hum", 0.7),
        (10, "validation_auc_packet_loss", 0.6),
        (10, "validation_l_d", 0.4),
        (10, "validation_l_q", -3.0),
        (10, "validation_audio_to_video_median_rank", 12.0),
    ]
    figure = plot_history(pd.DataFrame(rows, columns=["step", "metric", "value"]), "Stage")
    panels = {a.get_ylabel(): [line.get_label() for line in a.lines] for a in figure.axes}
    assert panels == {
        "loss": ["train_loss", "validation_loss"],
        "cross-entropy": ["validation_l_d"],
        "log-likelihood": ["validation_l_q"],
        "median rank": ["validation_audio_to_video_median_rank"],
        "share, area or correlation": ["validation_auc_hum", "validation_auc_packet_loss"],
    }


def test_an_empty_history_is_drawn(tmp_path):
    figure = plot_history(pd.DataFrame({"step": [], "metric": [], "value": []}), "Nothing")
    figure.savefig(tmp_path / "nothing.png")


def test_retrievals_are_a_row_each_with_the_right_answer_framed():
    picture = np.full((48, 80, 3), 90, np.uint8)
    clips = [Clip(f"film {i}.0 s", picture) for i in range(4)]
    found = [
        Retrieval(clips[0], 2, (clips[1], clips[0], clips[2]), (0.9, 0.8, 0.1)),
        Retrieval(clips[3], 4, (clips[1], clips[0], clips[2]), (0.5, 0.4, 0.3)),
    ]
    figure = plot_retrievals(found, 4)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in shown[:4]] == [
        "film 0.0 s",
        "film 1.0 s",
        "film 0.0 s",
        "film 2.0 s",
    ]
    green = to_rgba("tab:green")
    framed = [axes for axes in shown if axes.spines["left"].get_edgecolor() == green]
    assert [axes.get_xlabel() for axes in framed] == ["film 0.0 s"]
    assert shown[4].get_title() == "asked: rank 4 of 4"


def test_nothing_retrieved_is_said():
    figure = plot_retrievals([], 0)
    assert "no held-out clips" in [text.get_text() for text in figure.texts]
