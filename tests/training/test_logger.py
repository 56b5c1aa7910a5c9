from pathlib import Path

import mlflow
import pytest

from padam.training.logger import mlflow_logger
from padam.training.quality_head import train_quality_head
from tests.training.test_quality_head import TINY, toy_pairs


@pytest.fixture
def tracking(tmp_path: Path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("test", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("test")
    yield
    mlflow.end_run()
    mlflow.set_tracking_uri(before)


def test_without_an_active_run_there_is_no_logger():
    assert mlflow.active_run() is None
    assert mlflow_logger("stage") is None


def test_training_writes_its_curve_into_the_active_run_and_leaves_it_open(tracking, tmp_path):
    with mlflow.start_run() as run:
        _, history, _ = train_quality_head(
            **toy_pairs(), config=TINY, checkpoint_dir=tmp_path / "checkpoints"
        )
        client = mlflow.MlflowClient()
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        logged = client.get_metric_history(run.info.run_id, "quality_head/train_loss")
        expected = history.loc[history["metric"] == "train_loss", "value"].tolist()
        assert [metric.value for metric in logged] == pytest.approx(expected)
        assert client.get_metric_history(run.info.run_id, "quality_head/validation_l_d")
        assert len(client.search_runs([run.info.experiment_id])) == 1
