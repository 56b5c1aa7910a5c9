"""The `agreement` pipeline as `kedro run` does it, on scores and ratings whose truth is known."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.startup import bootstrap_project
from mlflow.tracking import MlflowClient

from padam.quality.fusion import FusionWeights, Normaliser, fuse
from tests.quality.simulated_study import PAPER_LCC, Listeners, metric_scores, ratings_table

INPUT = "2026-01-01T00.00.00.000Z"
OUTPUTS = (
    "04_feature/mean_opinion_scores.parquet",
    "04_feature/refitted_weights.json",
    "08_reporting/screened_listeners.csv",
    "08_reporting/agreement_table.csv",
    "08_reporting/agreement_summary.json",
    "08_reporting/agreement.png",
)
CLIPS = 120


@dataclass(frozen=True)
class Study:
    """A project whose clips are scored, and the ratings of them."""

    root: Path
    data: Path
    ratings: Path

    def run(self, **parameters: object) -> Result:
        """`kedro run --pipelines agreement`, as Kedro's own command line finds it."""
        given = ",".join(f"{k}={v}" for k, v in {"data_root": self.data, **parameters}.items())
        command = ["run", "--env", "test", "--pipelines", "agreement", "--params", given]
        return CliRunner().invoke(KedroCLI(self.root), command)

    def versions(self) -> dict[str, list[str]]:
        return {name: sorted(p.name for p in (self.data / name).glob("2*")) for name in OUTPUTS}

    def latest(self, dataset: str) -> Path:
        return self.data / dataset / self.versions()[dataset][-1] / Path(dataset).name


def save(data: Path, dataset: str) -> Path:
    path = data / dataset / INPUT / Path(dataset).name
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def study(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    data = tmp_path_factory.mktemp("agreement")
    rng = np.random.default_rng(3)
    quality = rng.standard_normal(CLIPS)
    scores = metric_scores(quality, PAPER_LCC, rng)
    scores.iloc[0, scores.columns.get_loc("pesq")] = np.nan
    normaliser = Normaliser.fit(scores)
    fused = fuse(scores, normaliser, FusionWeights()).reset_index()
    folder = save(data, "04_feature/metric_scores")
    folder.mkdir()
    scores.reset_index().to_parquet(folder / "clips-000000.parquet", index=False)
    fused.to_parquet(save(data, "04_feature/fused_quality.parquet"), index=False)
    fitted = {"normaliser": normaliser.model_dump(mode="json")}
    save(data, "04_feature/quality_normaliser.json").write_text(json.dumps(fitted))
    manifest = fused[["clip_id"]].assign(source=[f"{n // 4}.flac" for n in range(CLIPS)])
    manifest.to_parquet(save(data, "03_primary/clip_manifest.parquet"), index=False)

    given = Listeners.draw(rng).rate(quality, rng)
    given[:, 5] = 6 - given[:, 5]
    table = ratings_table(given).assign(kind="clip", seconds=3.5)
    training = table.head(4).assign(kind="training")
    ratings = data / "ratings.csv"
    pd.concat([table, training]).to_csv(ratings, index=False)
    before = Path.cwd()
    os.chdir(project)
    bootstrap_project(project)
    yield Study(project, data, ratings)
    os.chdir(before)


@pytest.fixture(scope="module")
def result(study: Study) -> Result:
    parameters = {"agreement.refit.requested": "true", "agreement.bootstrap.resamples": 200}
    found = study.run(ratings=study.ratings, **parameters)
    assert found.exit_code == 0, found.output
    return found


def test_it_leaves_the_table_and_what_led_to_it(study: Study, result: Result) -> None:
    assert all(study.versions().values())
    table = pd.read_csv(study.latest("08_reporting/agreement_table.csv")).set_index("metric")
    assert set(table.index) == {*PAPER_LCC, "q_hat"}
    assert table["clips"].to_dict() == {**dict.fromkeys(table.index, CLIPS), "pesq": CLIPS - 1}
    assert (table["srocc_low"] < table["srocc"]).all()
    assert table["srocc"].gt(0).all(), "CDPAM is a distance and was turned"
    screened = pd.read_csv(study.latest("08_reporting/screened_listeners.csv"))
    assert screened.loc[~screened["kept"], "listener"].tolist() == ["listener 05"]
    opinions = pd.read_parquet(study.latest("04_feature/mean_opinion_scores.parquet"))
    assert (len(opinions), set(opinions["ratings"])) == (CLIPS, {11})
    assert study.latest("08_reporting/agreement.png").stat().st_size > 5000


def test_the_screen_tells_the_table(study: Study, result: Result) -> None:
    table = pd.read_csv(study.latest("08_reporting/agreement_table.csv")).set_index("metric")
    assert f"SROCC {table.loc['q_hat', 'srocc']:.3f}" in result.output
    assert "11 of 12 kept" in result.output
    assert f"{CLIPS} screened" in result.output
    assert "4 training" in result.output
    assert "BS.1534's test does not apply" in result.output


def test_refitted_weights_are_kept_with_their_held_out_figures(
    study: Study, result: Result
) -> None:
    found = json.loads(study.latest("04_feature/refitted_weights.json").read_text())
    assert found["weights_in_use"] == FusionWeights().by_metric()
    assert sum(found["weights"].values()) == pytest.approx(1)
    assert (found["held_out"]["folds"], found["held_out"]["sources"]) == (5, 30)
    assert f"SROCC {found['held_out']['srocc_default']:.3f}" in result.output


def test_mlflow_holds_the_figures(study: Study, result: Result) -> None:
    client = MlflowClient(f"sqlite:///{study.data}/mlflow.db")
    experiment = client.get_experiment_by_name("padam-test")
    runs = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    run = runs[-1]
    table = pd.read_csv(study.latest("08_reporting/agreement_table.csv")).set_index("metric")
    assert run.data.metrics["agreement.table.q_hat.srocc"] == table.loc["q_hat", "srocc"]
    assert run.data.params["agreement.refit.folds"] == "5"
    artifacts = {
        Path(item.path).name for item in client.list_artifacts(run.info.run_id, "agreement")
    }
    assert {Path(name).name for name in OUTPUTS} <= artifacts


def test_without_a_request_no_weights_are_refitted(study: Study, result: Result) -> None:
    found = study.run(ratings=study.ratings, **{"agreement.bootstrap.resamples": 100})
    assert found.exit_code == 0, found.output
    document = json.loads(study.latest("04_feature/refitted_weights.json").read_text())
    assert document == {"requested": False, "weights_in_use": FusionWeights().by_metric()}
    assert "refitted" not in found.output


def test_the_table_stands_where_weights_cannot_be_refitted(study: Study, result: Result) -> None:
    parameters = {"agreement.refit.requested": "true", "agreement.refit.folds": 31}
    found = study.run(ratings=study.ratings, **parameters, **{"agreement.bootstrap.resamples": 100})
    assert found.exit_code == 0, found.output
    document = json.loads(study.latest("04_feature/refitted_weights.json").read_text())
    assert "30 sources, which makes no 31 folds" in document["reason"]
    assert "weights" not in document
    assert "30 sources, which makes no 31 folds" in found.output.replace("\n", " ")
    assert "11 of 12 kept" in found.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No ratings were given, so there is no agreement to measure and no table"),
        ("missing", "There is no ratings file"),
        (b"", "cannot be read as CSV"),
        (b"clip,listener,score\n\n000001,a,3\n000001,b,7\n", "score is outside 1-5: row 4"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_without_ratings_there_is_no_table_and_earlier_results_stay(
    study: Study, result: Result, tmp_path: Path, content: bytes | str | None, message: str
) -> None:
    before = study.versions()
    file = tmp_path / "mine.csv"
    if isinstance(content, bytes):
        file.write_bytes(content)
    found = study.run(**({} if content is None else {"ratings": file}))
    assert found.exit_code != 0
    assert message in found.output
    assert content is None or "mine.csv" in found.output
    assert "Traceback" not in found.output
    assert "SROCC" not in found.output
    assert study.versions() == before


def test_scores_of_another_plan_are_refused(study: Study, result: Result) -> None:
    given = {"ratings": study.ratings}
    path = study.data / "04_feature/fused_quality.parquet" / INPUT / "fused_quality.parquet"
    whole = path.read_bytes()
    try:
        pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
        found = study.run(**given)
    finally:
        path.write_bytes(whole)
    assert found.exit_code != 0
    assert "do not hold the same clips" in found.output
