import pandas as pd

from padam.training.figures import plot_history


def test_each_unit_has_its_panel_and_the_learning_rate_none():
    rows = [(step, "train_loss", 1 / step) for step in range(1, 30)]
    rows += [(step, "train_learning_rate", 0.1) for step in range(1, 30)]
    rows += [
        (10, "validation_loss", 0.5),
        (10, "validation_auc_hum", 0.7),
        (10, "validation_l_q", -3.0),
        (10, "validation_audio_to_video_median_rank", 12.0),
    ]
    figure = plot_history(pd.DataFrame(rows, columns=["step", "metric", "value"]), "Stage")
    panels = {a.get_ylabel(): [line.get_label() for line in a.lines] for a in figure.axes}
    assert panels == {
        "loss": ["train_loss", "validation_loss"],
        "parts of the loss": ["validation_l_q"],
        "median rank": ["validation_audio_to_video_median_rank"],
        "share, area or correlation": ["validation_auc_hum"],
    }


def test_an_empty_history_is_drawn(tmp_path):
    figure = plot_history(pd.DataFrame({"step": [], "metric": [], "value": []}), "Nothing")
    figure.savefig(tmp_path / "nothing.png")
