"""The `learning_curve` pipeline as `kedro run` does it, on rows and a classifier of stage 3."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from mlflow.tracking import MlflowClient
from sklearn.metrics import roc_auc_score

from padam.datasets.shard_jobs import Compute
from padam.defects.registry import DEFECT_NAMES
from padam.models.defect_classifier import DefectClassifier
from padam.models.refit import RefitConfig
from padam.models.search import SvmSearchConfig
from padam.pipelines.defect_classifier.nodes import rows_of
from padam.pipelines.learning_curve.nodes import fit_parts, judge_parts
from padam.training.learning_curve import LearningCurveConfig
from tests.pipelines.runs import inside, latest, place, run_pipeline

CURVE = LearningCurveConfig(halvings=2, draws=2, bootstrap_rounds=20)
SEARCH, REFIT = SvmSearchConfig(engine="sklearn"), RefitConfig()


def classifier_rows(seed: int = 3, evidence: int = 2) -> pd.DataFrame:
    """12 sources to train on and 6 others of 10 rows each, in which defects can nearly be heard."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(180) < 0.5, rng.integers(0, len(DEFECT_NAMES), 180), -1)
    defects = kind[:, None] == np.arange(len(DEFECT_NAMES))
    heard = rng.normal(size=(180, 4)) + 1.5 * (kind >= 0)[:, None]
    return pd.DataFrame(
        {
            "clip_id": [f"title_{n // 10:02d}" for n in range(180)],
            "side": "title",
            "source": [f"title_{n // 10:02d}" for n in range(180)],
            "split": ["train"] * 120 + ["validation"] * 60,
            "channel": 0,
            **dict(zip(DEFECT_NAMES, defects.T.astype(np.int64), strict=True)),
            "defective": (kind >= 0).astype(np.int64),
            "representation": list(heard),
            "native_evidence": list(heard[:, :evidence] ** 2),
        }
    )


def trained_on(rows: pd.DataFrame) -> DefectClassifier:
    evidence = len(rows["native_evidence"].iloc[0])
    classifier = DefectClassifier(
        *(0.4, 0.02), evidence_columns=evidence, r_weight=0.7, engine="sklearn"
    )
    return classifier.fit(*rows_of(rows, "train"))


@pytest.fixture(scope="module")
def data(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("learning_curve")
    rows = classifier_rows()
    rows.to_parquet(place(data, "05_model_input/classifier_rows.parquet"), index=False)
    trained_on(rows).save(place(data, "06_models/defect_classifier"))
    with inside(project):
        yield data


def run(project: Path, data: Path, **parameters: object) -> Result:
    settings = {"data_root": data, "learning_curve.curve.halvings": 2, **parameters}
    return run_pipeline(project, "learning_curve", settings)


@pytest.fixture(scope="module")
def result(project: Path, data: Path) -> Result:
    found = run(project, data)
    assert found.exit_code == 0, found.output
    return found


def test_the_table_has_a_line_per_part_and_draw(data: Path, result: Result) -> None:
    table = pd.read_csv(latest(data, "08_reporting/learning_curve.csv"))
    assert table[["fraction", "draw", "sources", "rows"]].to_numpy().tolist() == [
        *([0.25, draw, 3, 30] for draw in (0, 1)),
        *([0.5, draw, 6, 60] for draw in (0, 1)),
        [1.0, 0, 12, 120],
    ]
    for name in ("defective", *DEFECT_NAMES):
        for measure in (f"auc_{name}", f"average_precision_{name}"):
            known = table[table[f"{measure}_low"].notna()]
            assert (known[f"{measure}_low"] <= known[f"{measure}_high"]).all()
            assert known[measure].between(0, 1).all()


def test_all_sources_give_the_model_of_stage_3(data: Path, result: Result) -> None:
    summary = json.loads(latest(data, "08_reporting/learning_curve.json").read_text())
    rows = classifier_rows()
    judged, labels = rows_of(rows, "validation")
    expected = roc_auc_score(labels, trained_on(rows).decision_function(judged))
    assert summary["auc_stage_3"] == pytest.approx(expected)
    assert summary["parts"]["all"]["auc_defective"]["median"] == pytest.approx(expected)
    assert summary["largest_difference_to_stage_3"] < 1e-12
    assert (summary["nu"], summary["gamma"]) == (0.4, 0.02)


def test_the_screen_and_mlflow_tell_the_curve(data: Path, result: Result) -> None:
    summary = json.loads(latest(data, "08_reporting/learning_curve.json").read_text())
    gain = summary["gain_of_last_doubling"]["auc_defective"]
    assert f"{gain['median']:+.3f} [" in result.output
    assert "12 training sources, judged on 60 rows of 6 others" in result.output
    client = MlflowClient(f"sqlite:///{data}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'padam-test'")
    metrics = client.search_runs([experiment.experiment_id])[-1].data.metrics
    name = "learning_curve.gain_of_last_doubling.auc_defective.median"
    assert metrics[name] == pytest.approx(gain["median"])
    assert "learning_curve.parts.1_of_4.auc_defective.draws_low" in metrics
    assert latest(data, "08_reporting/learning_curve.png").stat().st_size > 10_000


def test_a_run_that_was_stopped_fits_only_what_is_missing(
    project: Path, data: Path, result: Result
) -> None:
    before = latest(data, "08_reporting/learning_curve.csv").read_bytes()
    kept = list((data / "07_model_output/.learning_curve_scores.kept").glob("*.parquet"))
    assert len(kept) == 5
    kept[0].unlink()
    there = {path: path.stat().st_mtime_ns for path in kept[1:]}
    again = run(project, data)
    assert again.exit_code == 0, again.output
    assert kept[0].is_file()
    assert {path: path.stat().st_mtime_ns for path in kept[1:]} == there
    assert latest(data, "08_reporting/learning_curve.csv").read_bytes() == before


def test_a_bad_parameter_stops_before_any_work(project: Path, data: Path) -> None:
    before = sorted(data.rglob("*learning_curve*/*"))
    found = run(project, data, **{"learning_curve.curve.halvings": 0})
    assert found.exit_code != 0
    assert "halvings" in found.output
    assert sorted(data.rglob("*learning_curve*/*")) == before


def test_values_that_are_not_finite_are_refused() -> None:
    rows = classifier_rows()
    trained = trained_on(rows)
    rows.at[7, "representation"] = np.full(4, np.nan)
    with pytest.raises(ValueError, match=r"the split 'train'.*1 of 120 .*not finite.*at row 7"):
        fit_parts(rows, trained, SEARCH, REFIT, CURVE, Compute(n_jobs=1))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_of_one_class_is_refused(split: str) -> None:
    rows = classifier_rows()
    trained = trained_on(rows)
    rows = rows[(rows["split"] != split) | (rows["defective"] == 0)]
    with pytest.raises(ValueError, match=rf"the split '{split}'.*clean clips only"):
        fit_parts(rows, trained, SEARCH, REFIT, CURVE, Compute(n_jobs=1))


def test_rows_of_another_kind_than_the_classifier_are_refused() -> None:
    trained = trained_on(classifier_rows())
    with pytest.raises(ValueError, match=r"have 3 values .*was fitted on 2: run the pipeline"):
        fit_parts(classifier_rows(evidence=3), trained, SEARCH, REFIT, CURVE, Compute(n_jobs=1))


def test_a_classifier_of_other_rows_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = classifier_rows()
    other = trained_on(classifier_rows(seed=4))
    work = fit_parts(rows, other, SEARCH, REFIT, CURVE, Compute(n_jobs=1))
    scores = pd.concat([job() for job in work.jobs.values()], ignore_index=True)
    _, summary, _ = judge_parts(scores, rows, other, CURVE)
    assert summary["largest_difference_to_stage_3"] > 0.01
    assert "fitted on other rows" in caplog.text


def test_defects_in_one_source_alone_leave_parts_that_cannot_be_fitted() -> None:
    rows = classifier_rows()
    trained = trained_on(rows)
    damaged = (rows["split"] == "validation") | (rows["source"] == "title_05")
    rows[["defective", *DEFECT_NAMES]] = rows[["defective", *DEFECT_NAMES]].where(damaged, 0)
    config = CURVE.model_copy(update={"draws": 6})
    work = fit_parts(rows, trained, SEARCH, REFIT, config, Compute(n_jobs=1))
    scores = pd.concat([job() for job in work.jobs.values()], ignore_index=True)
    table, summary, _ = judge_parts(scores, rows, trained, config)
    failed = table["reason"] != ""
    assert 0 < failed.sum() == summary["fits_failed"] < len(table)
    assert (failed == (table["defective_rows"] == 0)).all()
    assert table.loc[failed, "auc_defective"].isna().all()
    assert summary["reasons"] == [
        "The classifier needs clean and defective clips; it got clean clips only."
    ]
    json.dumps(summary, allow_nan=False)
