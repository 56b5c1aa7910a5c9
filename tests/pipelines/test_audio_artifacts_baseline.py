"""AA beside another system on titles whose labels are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from padam.datasets.shard_jobs import Compute
from padam.datasets.titles import TitleFolder
from padam.detection.title_evaluation import EvaluationConfig
from padam.hooks.run_summary import evaluation_rows
from padam.models.cnn6 import Cnn6
from padam.pipelines.audio_artifacts_baseline.nodes import compare, score_titles
from tests.archive import sound

CONFIG = EvaluationConfig(filter_x_s=(0, 10), filter_y_s=(0, 20), bootstrap_rounds=10)


@pytest.fixture(scope="module")
def titles(tmp_path_factory: pytest.TempPathFactory) -> TitleFolder:
    """Four titles of 20 s, of which every other holds hiss in its second half."""
    root: Path = tmp_path_factory.mktemp("titles")
    rows, labels = [], []
    for number, split in enumerate(("validation", "validation", "test", "test")):
        name, audio = f"title_{number}", 0.3 * sound(20.0, seed=number)
        if number % 2:
            labels.append((name, 10.0, 20.0, "hiss"))
            noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 480_000))
            audio[:, 480_000:] += noise.astype(np.float32)
        soundfile.write(root / f"{name}.flac", audio.T, 48_000)
        rows.append((name, split, f"{name}.flac", 20.0))
    return TitleFolder(
        root,
        pd.DataFrame(rows, columns=["title", "split", "file", "duration_s"]),
        pd.DataFrame(labels, columns=["title", "start_s", "end_s", "defect"]),
    )


def made_up(titles: TitleFolder, scorer: str, right: bool) -> pd.DataFrame:
    """Scores that are all right, or that are the same everywhere."""
    rows = []
    for title in titles.titles.itertuples():
        for start_s in (0.0, 10.0):
            hit = start_s == 10.0 and title.title in set(titles.labels["title"])
            score = float(hit) if right else 0.5
            rows.append((start_s, start_s + 10, score, scorer, title.split, title.title))
    columns = ["start_s", "end_s", "score", "scorer", "split", "title"]
    return pd.DataFrame(rows, columns=columns)


def test_every_title_is_a_job_that_scores_its_worst_channel(titles: TitleFolder) -> None:
    torch.manual_seed(0)
    model = Cnn6().eval()
    work = score_titles(model, titles, None, Compute(n_jobs=1))
    assert list(work.jobs) == [f"title_{number}" for number in range(4)]
    table = work.jobs["title_3"]()
    assert table["start_s"].tolist() == [0.0, 10.0]
    assert set(table["scorer"]) == {"audio_artifacts"}
    assert set(table["split"]) == {"test"}
    assert table["score"].between(0, 1).all()
    longer = score_titles(model, titles, 2.0, Compute(n_jobs=1))
    assert longer.fingerprint != work.fingerprint
    torch.manual_seed(1)
    assert score_titles(Cnn6(), titles, None, Compute()).fingerprint != work.fingerprint


def test_both_systems_stand_in_the_tables(titles: TitleFolder) -> None:
    blind = made_up(titles, "padam", right=False)
    artifacts = made_up(titles, "audio_artifacts", right=True)
    table, recall, summary, figure = compare(blind, artifacts, titles, CONFIG)
    f1 = table.set_index(["scorer", "level", "threshold_from"])["f1"]
    assert f1["audio_artifacts", "segment", "validation"] == 1.0
    assert f1["padam", "segment", "validation"] < 1.0
    assert set(recall["defect"]) == {"hiss"}
    assert summary["titles"] == {"defective": 1, "clean": 1}
    assert [name for name, _ in evaluation_rows(summary)] == ["padam", "audio_artifacts", "on"]
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "audio_artifacts (AP 1.00)" in names


def test_scores_of_other_titles_are_refused(titles: TitleFolder) -> None:
    scores = made_up(titles, "padam", right=False)
    others = made_up(titles, "audio_artifacts", right=True).replace("title_3", "title_9")
    with pytest.raises(ValueError, match="are of different titles"):
        compare(scores, others, titles, CONFIG)
