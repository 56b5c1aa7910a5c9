import pandas as pd

from padam.training.figures import plot_history


def test_losses_and_other_metrics_have_a_panel_each():
    rows = [(step, "train_loss", 1 / step) for step in range(1, 30)]
    rows += [(10, "validation_loss", 0.5), (10, "validation_auc_hum", 0.7)]
    figure = plot_history(pd.DataFrame(rows, columns=["step", "metric", "value"]), "Stage 2")
    panels = [[line.get_label() for line in axes.lines] for axes in figure.axes]
    assert panels == [["train_loss", "validation_loss"], ["validation_auc_hum"]]


def test_an_empty_history_is_drawn(tmp_path):
    figure = plot_history(pd.DataFrame({"step": [], "metric": [], "value": []}), "Nothing")
    figure.savefig(tmp_path / "nothing.png")
