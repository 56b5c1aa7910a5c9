"""The nodes that fit the event localiser, on titles made here."""

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, Version
from kedro.runner import SequentialRunner

from padam.audio.media import write_flac
from padam.datasets.shard_jobs import Compute
from padam.datasets.shards import ArrayFolderDataset
from padam.datasets.titles import TitleFolder
from padam.datasets.torch_model import TorchModelDataset
from padam.detection.matching import LABEL_COLUMNS
from padam.models.event_localiser import EventLocaliser, EventLocaliserConfig
from padam.models.native_evidence.windows import WINDOW_NAMES
from padam.pipelines import evaluation
from padam.pipelines.defect_classifier.localiser import fit_localiser, measure_event_windows
from padam.training.event_localiser import LocaliserFitConfig
from tests.detection.conftest import tiny_model  # noqa: F401

RATE = 8_000
CONFIG = LocaliserFitConfig(epochs=2, network=EventLocaliserConfig(width=4))


@pytest.fixture(scope="module")
def titles(tmp_path_factory):
    """Three titles of noise that stops for a second, one for validation, and a clean title."""
    root = tmp_path_factory.mktemp("titles")
    rows, labels = [], []
    for number, split in enumerate(["train", "train", "validation", "train"]):
        audio = np.random.default_rng(number).uniform(-0.1, 0.1, (1, 12 * RATE))
        name = f"{split}-{number}"
        if number < 3:
            audio[:, (4 + number) * RATE : (5 + number) * RATE] = 0
            labels.append((name, 4.0 + number, 5.0 + number, "drops"))
        write_flac(root / f"{name}.flac", audio.astype(np.float32), RATE)
        rows.append((name, split, f"{name}.flac", 12.0))
    return TitleFolder(
        root,
        pd.DataFrame(rows, columns=["title", "split", "file", "duration_s"]),
        pd.DataFrame(labels, columns=["title", "start_s", "end_s", "defect"]),
    )


@pytest.fixture(scope="module")
def windows(titles, tmp_path_factory):
    dataset = ArrayFolderDataset(filepath=str(tmp_path_factory.mktemp("windows") / "event_windows"))
    dataset.save(measure_event_windows(titles, LocaliserFitConfig(), Compute(n_jobs=1)))
    return dataset.load()


def test_titles_with_defects_are_measured_once(titles, windows):
    work = measure_event_windows(titles, LocaliserFitConfig(), Compute(n_jobs=1))
    assert sorted(work.jobs) == sorted(windows.by_name) == ["train-0", "train-1", "validation-2"]
    # what was measured stays so whatever is said of it, and whatever else is to be measured
    fewer = TitleFolder(titles.root, titles.titles[:1], titles.labels.assign(start_s=1.0))
    again = measure_event_windows(fewer, LocaliserFitConfig(), Compute(n_jobs=1))
    assert again.keys == {"train-0": work.keys["train-0"]}
    assert work.jobs["train-0"]()["windows"].shape == (30, len(WINDOW_NAMES))


def test_the_localiser_is_fitted_on_training_titles_and_judged_on_the_others(
    titles, windows, tmp_path
):
    localiser, summary = fit_localiser(windows, titles, CONFIG)
    assert summary["titles"] == {"train": 2, "validation": 1}
    assert summary["train"]["intervals"] == 2
    assert 0 <= summary["validation"]["auc"] <= 1
    dataset = TorchModelDataset(
        filepath=str(tmp_path / "event_localiser"),
        model="padam.models.event_localiser.EventLocaliser",
        config="padam.models.event_localiser.EventLocaliserConfig",
        optional=True,
    )
    assert dataset.load() is None
    dataset.save(localiser)
    loaded = dataset.load()
    assert isinstance(loaded, EventLocaliser)
    shown = np.random.default_rng(0).standard_normal((1, 75, len(WINDOW_NAMES)))
    shown, heard = shown.astype(np.float32), np.ones((1, 75), dtype=bool)
    np.testing.assert_array_equal(
        loaded.probabilities(shown, heard), localiser.probabilities(shown, heard)
    )


def test_without_training_titles_there_is_none(titles, windows, tmp_path):
    others = TitleFolder(titles.root, titles.titles.assign(split="test"), titles.labels)
    absent, summary = fit_localiser(windows, others, CONFIG)
    assert summary == {"titles": {"train": 0, "validation": 0}}
    common = {
        "filepath": str(tmp_path / "event_localiser"),
        "model": "padam.models.event_localiser.EventLocaliser",
        "config": "padam.models.event_localiser.EventLocaliserConfig",
    }
    dataset = TorchModelDataset(**common, optional=True)
    dataset.save(EventLocaliser(EventLocaliserConfig(width=4)))
    dataset.save(absent)
    assert dataset.load() is None
    with pytest.raises(DatasetError, match="no training title has defects"):
        TorchModelDataset(**common).save(absent)


def test_of_each_split_so_many_titles_are_measured(titles):
    one = measure_event_windows(titles, LocaliserFitConfig(titles=1), Compute(n_jobs=1))
    first = titles.titles[titles.titles["title"].isin(set(titles.labels["title"]))]
    assert set(one.jobs) == set(first.sort_values("title").groupby("split")["title"].first())


def test_a_model_is_packaged_with_the_localiser_where_there_is_one(
    tmp_path,
    tiny_model,  # noqa: F811
):
    catalog = DataCatalog()
    catalog["event_localiser"] = TorchModelDataset(
        filepath=str(tmp_path / "event_localiser"),
        model="padam.models.event_localiser.EventLocaliser",
        config="padam.models.event_localiser.EventLocaliserConfig",
        optional=True,
        version=Version(None, None),
    )
    row = {"scorer": "padam", "level": "title", "threshold_from": "validation", "threshold": 0.4}
    given = {
        "audio_encoder": tiny_model.encoder,
        "quality_head": tiny_model.quality_head,
        "defect_classifier": tiny_model.classifier,
        "ablation_probes": dict(tiny_model.probes),
        "params:feature_extractor.native_evidence": False,
        "quality_normaliser": {"normaliser": {}},
        "evaluation_table": pd.DataFrame([{**row, "filter_x_s": 10.0, "filter_y_s": 20.0}]),
        "title_scores": pd.DataFrame(
            {"scorer": "padam", "split": "validation", "title": "a", "start_s": [0.0, 10.0]}
        ).assign(end_s=[10.0, 20.0], channel=0, score=[0.2, 0.3]),
        "evaluation_titles": TitleFolder(
            tmp_path,
            pd.DataFrame({"title": ["a"], "split": "validation"}),
            pd.DataFrame(columns=LABEL_COLUMNS),
        ),
    }
    for name, value in given.items():
        catalog[name] = value
    package = evaluation.create_pipeline().filter(node_names=["evaluation.package_model"])
    found = SequentialRunner().run(package, catalog)["padam_model"].load()
    assert found.localiser is None
    assert found.threshold == 0.4

    localiser = EventLocaliser(EventLocaliserConfig(width=4))
    catalog["event_localiser"].save(localiser)
    catalog["event_localiser"].release()
    found = SequentialRunner().run(package, catalog)["padam_model"].load()
    assert found.localiser.config == localiser.config
