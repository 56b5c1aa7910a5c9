"""Models and reports on disk: what was saved comes back, and nothing half-written is seen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError, Version

from padam.audio.media import write_flac
from padam.datasets.classifiers import ClassifierDataset, RegressorDataset
from padam.datasets.optuna_storage import OptunaStorageDataset
from padam.datasets.reports import ReportsDataset
from padam.datasets.torch_model import TorchModelDataset
from padam.datasets.work_folder import WorkFolderDataset
from padam.detection.operating_point import OperatingPoint
from padam.detection.scan import scan_title
from padam.detection.temporal_filter import TemporalFilter
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.quality_regressor import QualityRegressor
from tests.detection.conftest import LoudnessScorer

VERSION = Version(None, "2026-01-01T00.00.00.000Z")


def encoder_dataset(folder: Path) -> TorchModelDataset:
    return TorchModelDataset(
        filepath=str(folder / "encoder"),
        model="padam.models.audio_encoder.AudioEncoder",
        config="padam.models.audio_encoder.AudioEncoderConfig",
        version=VERSION,
    )


def test_a_network_comes_back_with_its_size_and_weights(tmp_path: Path) -> None:
    saved = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]).eval()
    encoder_dataset(tmp_path).save(saved)
    loaded = encoder_dataset(tmp_path).load()
    assert loaded.config == saved.config
    assert not loaded.training
    waveform = torch.randn(1, 6400)
    torch.testing.assert_close(loaded(waveform), saved(waveform))


def test_a_truncated_network_is_refused(tmp_path: Path) -> None:
    encoder_dataset(tmp_path).save(AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]))
    weights = next(tmp_path.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DatasetError):
        encoder_dataset(tmp_path).load()


def test_a_save_that_fails_leaves_no_version(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        encoder_dataset(tmp_path).save(torch.nn.Linear(2, 2))
    assert not encoder_dataset(tmp_path).exists()


@pytest.mark.parametrize("kind", [DefectClassifier, NystroemClassifier])
def test_a_classifier_comes_back_as_what_it_is(tmp_path: Path, kind: type) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    y = (rows[:, 0] > 0).astype(int)
    dataset = ClassifierDataset(filepath=str(tmp_path / "classifier"), version=VERSION)
    saved = kind(0.3, 0.1).fit(rows, y)
    dataset.save(saved)
    loaded = dataset.load()
    assert type(loaded) is kind
    np.testing.assert_array_equal(loaded.score(rows), saved.score(rows))


def test_a_regressor_comes_back(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    dataset = RegressorDataset(filepath=str(tmp_path / "regressor"), version=VERSION)
    saved = QualityRegressor().fit(rows, rows[:, 0])
    dataset.save(saved)
    np.testing.assert_array_equal(dataset.load().predict(rows), saved.predict(rows))


def document(title: str) -> dict:
    return {
        "title": {"file": title},
        "model": {"threshold": 0.5},
        "verdict": "clean",
        "segments": [
            {"start_s": 0.0, "end_s": 10.0, "channel_scores": [0.1, None], "flagged": False}
        ],
    }


def test_reports_keep_the_folders_of_their_titles(tmp_path: Path) -> None:
    dataset = ReportsDataset(filepath=str(tmp_path / "detections"), version=VERSION)
    documents = {name: document(name) for name in ("one/pilot.mp4", "two/pilot.mp4", "film.mkv")}
    dataset.save(documents)
    assert dataset.load() == documents
    assert len(list(tmp_path.rglob("timeline.png"))) == 3


def test_pages_have_the_sound_of_the_titles_they_are_of(tmp_path: Path) -> None:
    (tmp_path / "titles").mkdir()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 12 * 16_000)).astype(np.float32)
    write_flac(tmp_path / "titles" / "film.flac", noise, 16_000)
    scorer = LoudnessScorer(OperatingPoint(0.4, TemporalFilter()))
    document = scan_title(tmp_path / "titles" / "film.flac", scorer)
    dataset = ReportsDataset(
        filepath=str(tmp_path / "detections"),
        formats=["html", "csv"],
        titles=str(tmp_path / "titles"),
        version=VERSION,
    )
    dataset.save({"film.flac": document, "gone.flac": document})
    pages = {path.parent.name: path.read_text() for path in tmp_path.rglob("report.html")}
    assert "<audio" in pages["film.flac"]
    assert "<audio" not in pages["gone.flac"]
    assert "without the title at hand" in pages["gone.flac"]


def test_an_unknown_report_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such report formats: pdf"):
        ReportsDataset(filepath=str(tmp_path), formats=["csv", "pdf"])


def test_a_work_folder_is_there_when_it_is_asked_for(tmp_path: Path) -> None:
    dataset = WorkFolderDataset(filepath=str(tmp_path / "a" / "b"))
    assert dataset.load().is_dir()
    with pytest.raises(DatasetError):
        dataset.save("anything")


def test_trials_survive_in_the_storage(tmp_path: Path) -> None:
    import optuna

    path = str(tmp_path / "search" / "trials.db")
    study = optuna.create_study(storage=OptunaStorageDataset(filepath=path).load(), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=0.5, params={}, distributions={}))
    again = optuna.load_study(storage=OptunaStorageDataset(filepath=path).load(), study_name="s")
    assert again.best_value == 0.5
    with pytest.raises(DatasetError, match="either"):
        OptunaStorageDataset()


@pytest.mark.parametrize("kind", [WorkFolderDataset, OptunaStorageDataset])
def test_work_in_progress_stays_on_this_machine(kind: type, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="work_root=PATH"):
        kind(filepath="s3://bucket/06_models/unfinished").load()
    assert kind(filepath=f"file://{tmp_path}/unfinished/x").load() is not None
    assert (tmp_path / "unfinished").is_dir()


@pytest.mark.parametrize(
    ("given", "work"),
    [({}, "data"), ({"data_root": "/d"}, "/d"), ({"data_root": "s3://b", "work_root": "/w"}, "/w")],
)
def test_work_lies_with_the_data_or_where_it_is_said(project: Path, given, work: str) -> None:
    config = OmegaConfigLoader(
        conf_source=str(project / "conf"), base_env="base", default_run_env="base",
        runtime_params=given,
    )  # fmt: skip
    catalog = config["catalog"]
    for name in ("stage_1_checkpoints", "stage_2_checkpoints", "svm_search_storage"):
        assert catalog[name]["filepath"].startswith(f"{work}/06_models/.checkpoints/")
