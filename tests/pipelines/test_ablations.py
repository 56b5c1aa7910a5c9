"""The `ablations` pipeline as `kedro run` does it, on embeddings that hold their labels."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from mlflow.tracking import MlflowClient
from safetensors.numpy import save_file

from padam.defects.registry import DEFECT_NAMES
from tests.pipelines.runs import inside, latest, place, run_pipeline

CLIPS, STEPS, WIDTH = 36, 4, 384
VARIANTS = {
    "defects_only",
    "plus_quality",
    "plus_content",
    "hard_mask",
    "label_mask",
    "printed_loss",
    "no_temporal_predictor",
    "max_pooling",
    "attentive_pooling",
}


@pytest.fixture(scope="module")
def data(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("ablations")
    rng = np.random.default_rng(3)
    clips = [f"{n:06d}-0a0a0a0a" for n in range(CLIPS)]
    damaged = np.arange(CLIPS) % 6 > 0
    kind = rng.integers(0, 7, CLIPS)
    manifest = pd.DataFrame(
        {
            "clip_id": clips,
            "source": [f"{n // 4}.flac" for n in range(CLIPS)],
            "start_s": [10.0 * (n // 2 % 2) for n in range(CLIPS)],  # two versions of each excerpt
            "split": np.repeat(["train", "validation", "test"], CLIPS // 3),
            "channel": 1,
            **{name: (damaged & (kind == i)).astype(int) for i, name in enumerate(DEFECT_NAMES)},
        }
    )
    q_rank = np.where(damaged, 0.5 * rng.random(CLIPS), 1.0)
    q_rank[1] = np.nan
    arrays = {}
    for n, clip in enumerate(clips):
        reference = rng.standard_normal((2, STEPS, WIDTH)).astype(np.float16)
        degraded = reference.copy()
        degraded[1, :, kind[n]] += np.float16(8 * damaged[n])
        arrays |= {f"{clip}.reference": reference, f"{clip}.degraded": degraded}
    evidence = {name: array[:, 0, :4].astype(np.float32) for name, array in arrays.items()}
    for name, content in (("embeddings", arrays), ("native_evidence", evidence)):
        folder = place(data, f"05_model_input/{name}")
        folder.mkdir()
        save_file(content, folder / "clips-000000.safetensors")
    manifest.to_parquet(place(data, "03_primary/clip_manifest.parquet"), index=False)
    fused = manifest[["clip_id"]].assign(q_rank=q_rank)
    fused.to_parquet(place(data, "04_feature/fused_quality.parquet"), index=False)
    with inside(project):
        yield data


def run(project: Path, data: Path, **parameters: object) -> Result:
    small = {"steps": 2, "validate_every": 2, "head.hidden_width": 16}
    settings = {f"quality_head.training.{name}": value for name, value in small.items()}
    return run_pipeline(project, "ablations", {"data_root": data, **settings, **parameters})


@pytest.fixture(scope="module")
def result(project: Path, data: Path) -> Result:
    found = run(project, data, **{"ablations.evaluated_split": "test"})
    assert found.exit_code == 0, found.output
    return found


def test_one_command_gives_one_table(data: Path, result: Result) -> None:
    table = pd.read_csv(latest(data, "08_reporting/ablation_table.csv"))
    measured = {"native_evidence", "plus_content_native_evidence"}
    assert set(table["row"]) == {*VARIANTS, "stage_1_mean_std", *measured}
    assert len(table) == 2 * (len(VARIANTS) + len(measured)) + 1
    assert set(table["split"]) == {"test"}
    for column in ("auc_defective", "similarity_correlation", *(f"auc_{n}" for n in DEFECT_NAMES)):
        known = table[table[f"{column}_low"].notna()]
        assert (known[f"{column}_low"] <= known[f"{column}_high"]).all()
        assert known[column].between(-1, 1).all()
    assert table["auc_defective"].between(0, 1).all()


def test_scores_are_of_named_clips(data: Path, result: Result) -> None:
    scores = pd.read_parquet(latest(data, "07_model_output/ablation_scores.parquet"))
    manifest = pd.read_parquet(latest(data, "03_primary/clip_manifest.parquet"))
    test = manifest[manifest["split"] == "test"]
    for _, members in scores.groupby("side"):
        assert members["clip_id"].tolist() == test["clip_id"].tolist()
        assert members["source"].tolist() == test["source"].tolist()
    degraded = scores[scores["side"] == "degraded"]
    for name in DEFECT_NAMES:
        assert degraded[name].astype(int).tolist() == test[name].tolist()
    assert scores["printed_loss.nu_svm"].between(0, 1).all()


def test_the_screen_and_mlflow_tell_the_table(data: Path, result: Result) -> None:
    table = pd.read_csv(latest(data, "08_reporting/ablation_table.csv"))
    line = table.set_index(["row", "classifier"]).loc[("max_pooling", "nu_svm")]
    assert f"AUC {line['auc_defective']:.3f}" in result.output
    assert "max_pooling, nu svm" in result.output
    assert "24 clips of 3 test sources" in result.output
    client = MlflowClient(f"sqlite:///{data}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'padam-test'")
    runs = client.search_runs([experiment.experiment_id])
    metrics = runs[-1].data.metrics
    name = "ablations.rows.max_pooling.nu_svm.auc_defective"
    assert metrics[name] == pytest.approx(line["auc_defective"])
    assert client.get_metric_history(runs[-1].info.run_id, "ablations/hard_mask/train_loss")
    summary = json.loads(latest(data, "08_reporting/ablation_summary.json").read_text())
    assert set(summary["rows"]) == set(table["row"])


def test_a_second_run_takes_up_what_is_kept(project: Path, data: Path, result: Result) -> None:
    before = latest(data, "08_reporting/ablation_table.csv").read_bytes()
    folder = data / "06_models/.checkpoints/ablations"
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert len(kept) == 2 * len(VARIANTS) + 3
    again = run(project, data, **{"ablations.evaluated_split": "test"})
    assert again.exit_code == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == kept
    assert latest(data, "08_reporting/ablation_table.csv").read_bytes() == before


def test_a_variant_that_cannot_be_trained_stops_before_any_work(project: Path, data: Path) -> None:
    found = run(project, data, **{"ablations.variants.hard_mask.mask": "harder"})
    assert found.exit_code != 0
    assert "hard_mask" in found.output
    assert "training from step" not in found.output
