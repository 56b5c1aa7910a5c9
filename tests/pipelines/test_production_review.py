"""The `production_review` pipeline as `kedro run` does it, on verdicts whose tables are known."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from mlflow.tracking import MlflowClient

from padam.detection.verdicts import document_id
from tests.detection.review_kit import document_of, three_events
from tests.detection.verdict_files import row, write

OUTPUTS = (
    "reviewed_events.csv",
    "review_table.csv",
    "review_breakdown.csv",
    "review_thresholds.csv",
    "production_review_summary.json",
    "production_review.md",
    "production_review.png",
)
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("data")

    def run_pipeline(**parameters: object) -> Result:
        given = {"data_root": root, "media": root, "titles": root, **parameters}
        text = ",".join(f"{name}={value}" for name, value in given.items())
        command = ["run", "--env", "test", "--pipelines", "production_review", "--params", text]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(project)
            return CliRunner().invoke(KedroCLI(project), command)

    run_pipeline.root = root  # type: ignore[attr-defined]
    return run_pipeline


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two titles with three events each and eight clean ones; verdicts on the former."""
    root = tmp_path_factory.mktemp("material")
    verdicts = [("genuine", "creative_intent", "no_issue"), ("creative_intent", "no_issue", "")]
    for number in range(10):
        events = three_events() if number < 2 else []
        document = document_of(events, file=f"{number}.wav")
        folder = root / "scans" / f"{number}.wav"
        folder.mkdir(parents=True)
        (folder / "detections.json").write_text(json.dumps(document))
        if events:
            rows = [
                row(f"{number}.wav", n, verdict, document_id=document_id(document))
                for n, verdict in enumerate(verdicts[number], start=1)
            ]
            (root / "verdicts").mkdir(exist_ok=True)
            write(root / "verdicts" / f"{number}.csv", *rows)
    return root


@pytest.fixture(scope="module")
def result(run: Run, material: Path) -> Result:
    found = run(review_verdicts=material / "verdicts", detections=material / "scans")
    assert found.exit_code == 0, found.output
    return found


def latest(run: Run, name: str) -> Path:
    return max((run.root / "08_reporting" / name).glob("2*")) / name  # type: ignore[attr-defined]


def test_it_leaves_the_tables(run: Run, result: Result) -> None:
    assert all(latest(run, name).stat().st_size for name in OUTPUTS)
    table = pd.read_csv(latest(run, "review_table.csv")).set_index(["level", "measure"])
    counted = table[["count", "of"]].apply(tuple, axis=1).to_dict()
    assert counted[("title", "flagged_share")] == (2, 10)
    assert counted[("segment", "flagged_share")] == (8, 60)
    assert counted[("event", "genuine_precision")] == (1, 5)
    assert counted[("event", "valid_precision")] == (3, 5)
    assert counted[("title", "genuine_precision")] == (1, 1), "the other one is not judged whole"
    thresholds = pd.read_csv(latest(run, "review_thresholds.csv")).set_index("volume")
    assert thresholds["threshold"].isna().all(), "8 of 60 segments share the highest score"
    page = latest(run, "production_review.md").read_text(encoding="utf-8")
    assert "10 titles were scanned (padam 1), 2 flagged; 0 of these" in page


def test_the_screen_and_mlflow_have_the_figures(run: Run, result: Result) -> None:
    assert "5 of 6 events in 2 titles by 1" in result.output
    assert "60.0 % (3 of 5)" in result.output
    client = MlflowClient(f"sqlite:///{run.root}/mlflow.db")  # type: ignore[attr-defined]
    experiment = client.get_experiment_by_name("padam-test")
    (last, *_) = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    assert last.data.metrics["production_review.shares.event.valid_precision.share"] == 0.6
    assert last.data.params["production_review.resamples"] == "2000"
    names = {
        Path(item.path).name
        for item in client.list_artifacts(last.info.run_id, "production_review")
    }
    assert names == set(OUTPUTS)


def test_without_documents_there_are_precisions_only(
    run: Run, result: Result, material: Path, tmp_path: Path
) -> None:
    found = run(review_verdicts=material / "verdicts", detections=tmp_path / "nowhere")
    assert found.exit_code == 0, found.output
    assert "no detections.json" in found.output
    table = pd.read_csv(latest(run, "review_table.csv"))
    assert set(table["measure"]).isdisjoint({"flagged_share"})
    assert len(pd.read_csv(latest(run, "review_thresholds.csv"))) == 0


def test_faults_are_one_message(run: Run, tmp_path: Path) -> None:
    empty = run(review_verdicts=tmp_path)
    assert empty.exit_code == 1
    assert f"There is no .csv file in '{tmp_path}'. Put there the verdicts" in empty.output
    write(tmp_path / "a.csv", row(verdict="fine"))
    bad = run(review_verdicts=tmp_path)
    assert bad.exit_code == 1
    assert f"{tmp_path / 'a.csv'}: line 2, verdict 'fine'" in bad.output
    write(tmp_path / "a.csv", row(verdict=""))
    none = run(review_verdicts=tmp_path)
    assert none.exit_code == 1
    assert "none of 1 events in the files has been judged" in none.output
