"""The measurement of every system on titles: what is scored again, what is absent, what is told."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from kedro.io import DataCatalog, DatasetError, Version
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import CSVDataset

from padam.datasets.failures import FailuresDataset
from padam.datasets.shard_jobs import Compute
from padam.datasets.shards import ArrayFolderDataset, TableShardsDataset
from padam.datasets.titles import TitleFolder
from padam.detection import systems
from padam.detection.evaluation_failures import FailuresConfig
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.base import score_in_batches
from padam.detection.systems import ScoringConfig
from padam.detection.title_evaluation import EvaluationConfig
from padam.hooks.evaluation_summary import evaluation_rows
from padam.models.cnn6 import Cnn6
from padam.pipelines import benchmark, evaluation, packaging
from padam.pipelines.evaluation import nodes
from padam.pipelines.evaluation.nodes import find_review_points
from padam.pipelines.evaluation.pipeline import create_measurement
from padam.quality.installed_weights import WeightsError
from tests.archive import sound
from tests.detection.conftest import tiny_model  # noqa: F401

TABLES = EvaluationConfig(filter_x_s=(0, 10), filter_y_s=(0, 20), bootstrap_rounds=20)
FILES = {
    "title_embeddings": ArrayFolderDataset,
    "title_scores": TableShardsDataset,
    "evaluation_failures": FailuresDataset,
}
CALLS: list[str] = []


class CountingScorer:
    """A scorer that notes each title it is given; the score is the segment's level."""

    version = "1"
    sample_rate = 16_000
    segment_s = 10.0
    run_id = None
    operating_point = None

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, blocks: Iterable[np.ndarray]) -> pd.DataFrame:
        CALLS.append(self.name)

        def level(rows: np.ndarray) -> dict[str, np.ndarray]:
            return {"score": np.sqrt((rows.astype(np.float64) ** 2).mean(axis=1))}

        return score_in_batches(blocks, self.sample_rate, level)


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put countable scorers in the place of two baselines."""
    real = systems._loaders

    def loaders(*arguments: Any) -> dict[str, Any]:
        counting = {name: (lambda n=name: CountingScorer(n)) for name in ("dnsmos", "srmr")}
        return {**real(*arguments), **counting}

    monkeypatch.setattr(systems, "_loaders", loaders)
    CALLS.clear()


def add_title(folder: Path, name: str, split: str, seconds: float, hiss: bool) -> tuple[Any, ...]:
    audio = 0.2 * sound(seconds, seed=len(name) + int(hiss))
    if hiss:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, audio.shape)
        audio[:, 480_000:] += noise[:, 480_000:].astype(np.float32)
    soundfile.write(folder / f"{name}.flac", audio.T, 48_000)
    return name, split, f"{name}.flac", seconds, "music", None if hiss else "rain"


def folder_of(root: Path, rows: list[tuple[Any, ...]]) -> TitleFolder:
    columns = ["title", "split", "file", "duration_s", "content", "look_alike"]
    titles = pd.DataFrame(rows, columns=columns)
    labels = [
        (row["title"], 10.0, 20.0, "hiss", -10.0)
        for row in titles.to_dict(orient="records")
        if pd.isna(row["look_alike"])
    ]
    label_columns = ["title", "start_s", "end_s", "defect", "error_to_signal_db"]
    return TitleFolder(root, titles, pd.DataFrame(labels, columns=label_columns))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TitleFolder:
    """Two titles of 20 s per split, one of each with hiss in its second half."""
    root = tmp_path_factory.mktemp("made")
    rows = [
        add_title(root, f"{split}_{hiss}", split, 20.0, hiss)
        for split in ("validation", "test")
        for hiss in (True, False)
    ]
    return folder_of(root, rows)


@pytest.fixture
def titles(tmp_path: Path, made: TitleFolder) -> TitleFolder:
    """A copy of the titles that a test may change."""
    root = Path(shutil.copytree(made.root, tmp_path / "titles"))
    return TitleFolder(root, made.titles, made.labels)


def run(
    pipeline: Pipeline,
    place: Path,
    titles: TitleFolder,
    model: PadamModel,
    names: tuple[str, ...],
    *,
    version: int = 1,
    artifacts: Cnn6 | None = None,
    prefix: str = "",
    source: str = "evaluation_titles",
    where: str = "evaluation",
    **scoring: Any,
) -> dict[str, Any]:
    """Run a pipeline with the folders that it leaves in `place`; return what it made."""
    catalog = DataCatalog()
    stamp = f"2026-01-{version:02d}T00.00.00.000Z"
    for name, kind in FILES.items():
        catalog[f"{prefix}{name}"] = kind(filepath=str(place / name), version=Version(None, stamp))
    for name in ("evaluation_table", "evaluation_breakdown"):
        catalog[f"{prefix}{name}"] = CSVDataset(
            filepath=str(place / f"{name}.csv"), save_args={"index": False}
        )
    values = {
        source: titles,
        "audio_encoder": model.encoder,
        "quality_head": model.quality_head,
        "defect_classifier": model.classifier,
        "ablation_probes": dict(model.probes),
        "audio_artifacts_model": artifacts,
        "params:feature_extractor.native_evidence": bool(model.native_evidence),
        f"params:{where}.scoring": ScoringConfig(systems=names, **scoring),
        f"params:{where}.tables": TABLES,
        f"params:{where}.failures": FailuresConfig(worst=2),
        f"params:{where}.compute": Compute(n_jobs=1),
    }
    for name, value in values.items():
        catalog[name] = value
    outputs = SequentialRunner().run(pipeline, catalog)
    return {
        name.removeprefix(prefix): dataset.load()
        for name, dataset in {
            **outputs,
            **{
                f"{prefix}{name}": catalog[f"{prefix}{name}"]
                for name in (*FILES, "evaluation_table", "evaluation_breakdown")
            },
        }.items()
    }


def test_a_further_system_or_title_is_all_that_is_computed(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
) -> None:
    pipeline = create_measurement()
    first = run(pipeline, tmp_path, titles, tiny_model, ("dnsmos",))
    assert CALLS == ["dnsmos"] * 4

    CALLS.clear()
    second = run(pipeline, tmp_path, titles, tiny_model, ("dnsmos", "srmr"), version=2)
    assert CALLS == ["srmr"] * 4
    scores = second["title_scores"]
    assert set(scores["scorer"]) == {"dnsmos", "srmr"}
    before = first["title_scores"].reset_index(drop=True)
    again = scores[scores["scorer"] == "dnsmos"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again[before.columns], before)

    CALLS.clear()
    run(pipeline, tmp_path, titles, tiny_model, ("dnsmos", "srmr"), version=3)
    assert CALLS == []

    more = add_title(Path(titles.root), "test_third", "test", 20.0, True)
    rows = [*titles.titles.itertuples(index=False, name=None), more]
    further = folder_of(Path(titles.root), rows)
    run(pipeline, tmp_path, further, tiny_model, ("dnsmos", "srmr"), version=4)
    assert sorted(CALLS) == ["dnsmos", "srmr"]


def test_labels_change_no_score_and_other_sound_does(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
) -> None:
    pipeline = create_measurement()
    run(pipeline, tmp_path, titles, tiny_model, ("dnsmos",))
    CALLS.clear()
    relabelled = TitleFolder(titles.root, titles.titles, titles.labels.assign(end_s=15.0))
    run(pipeline, tmp_path, relabelled, tiny_model, ("dnsmos",), version=2)
    assert CALLS == []
    add_title(Path(titles.root), "test_True", "test", 30.0, True)
    found = run(pipeline, tmp_path, titles, tiny_model, ("dnsmos",), version=3)
    assert CALLS == ["dnsmos"]
    rows = found["title_scores"]
    assert rows.loc[rows["title"] == "test_True", "end_s"].max() == 30.0


def test_padam_is_embedded_once_and_scored_anew_by_another_head(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from padam.pipelines.evaluation import scoring

    embedded, scored = [], []
    embed, score = scoring.embed_title_file, scoring.score_embeddings
    monkeypatch.setattr(scoring, "embed_title_file", lambda *a: (embedded.append(1), embed(*a))[1])
    monkeypatch.setattr(scoring, "score_embeddings", lambda *a: (scored.append(1), score(*a))[1])
    pipeline = create_measurement()
    found = run(pipeline, tmp_path, titles, tiny_model, ("padam",))
    assert (len(embedded), len(scored)) == (4, 4)
    assert set(found["evaluation_table"]["scorer"]) == {
        "padam",
        "quality_head",
        "feature_extractor",
    }
    run(pipeline, tmp_path, titles, tiny_model, ("padam", "srmr"), version=2)
    assert (len(embedded), len(scored)) == (4, 4)
    head = tiny_model.quality_head
    with torch.no_grad():
        weight = next(head.parameters())
        weight += 0.1
    try:
        run(pipeline, tmp_path, titles, tiny_model, ("padam",), version=3)
    finally:
        with torch.no_grad():
            weight -= 0.1
    assert (len(embedded), len(scored)) == (4, 8)


def test_what_is_absent_is_said_in_the_tables_and_the_run_goes_on(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PADAM_WEIGHTS", str(tmp_path / "no weights"))
    broken = tmp_path / "scoreq.onnx"
    broken.write_bytes(b"no network")
    names = ("dnsmos", "nisqa", "scoreq", "audio_artifacts")
    found = run(
        create_measurement(), tmp_path, titles, tiny_model, names, scoreq_weights=str(broken)
    )
    table = found["evaluation_table"]
    notes = table.set_index(["scorer", "level", "threshold_from"])["note"].fillna("")
    for level in ("segment", "title"):
        assert notes["nisqa", level, "test"] == "weights absent: padam weights fetch nisqa"
        assert "weights unusable" in notes["scoreq", level, "test"]
        assert notes["audio_artifacts", level, "validation"].startswith("model absent")
        assert notes["dnsmos", level, "test"] == ""
    assert table.loc[table["scorer"] == "nisqa", "f1"].isna().all()
    assert "weights absent" in found["evaluation_page"]
    assert "weights absent" in found["evaluation_latex"]
    rows = dict(evaluation_rows(found["evaluation_summary"]))
    assert rows["nisqa"].startswith("weights absent")
    assert "segment F1" in rows["dnsmos"]


def test_audio_artifacts_is_a_system_where_it_was_trained(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
) -> None:
    torch.manual_seed(0)
    names, pipeline = ("audio_artifacts",), create_measurement()
    first = run(pipeline, tmp_path, titles, tiny_model, names, artifacts=Cnn6().eval())
    versions = [path.name for path in (tmp_path / ".title_scores.kept").glob("*.parquet")]
    assert set(first["title_scores"]["scorer"]) == {"audio_artifacts"}
    assert first["title_scores"]["score"].between(0, 1).all()
    run(pipeline, tmp_path, titles, tiny_model, names, version=2, artifacts=Cnn6().eval())
    kept = [path.name for path in (tmp_path / ".title_scores.kept").glob("*.parquet")]
    assert (len(versions), len(kept)) == (4, 8), "another training is another system"


def test_no_system_at_all_is_an_error_with_every_reason(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PADAM_WEIGHTS", str(tmp_path))
    with pytest.raises((ValueError, DatasetError), match=r"nisqa: weights absent"):
        run(create_measurement(), tmp_path, titles, tiny_model, ("nisqa",))


def test_an_unreadable_record_of_a_digest_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADAM_WEIGHTS", str(tmp_path))
    (tmp_path / "adapt_nr_telephone.onnx.sha256.json").write_text("{")
    with pytest.raises(WeightsError, match="is no record of a digest"):
        systems._scoreq(str(tmp_path / "adapt_nr_telephone.onnx"), fetched=True)
    _, absent = systems.baselines(ScoringConfig(systems=("scoreq",)), None)
    assert "weights unusable" in absent["scoreq"]


def test_a_system_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="named twice"):
        ScoringConfig(systems=("dnsmos", "dnsmos"))
    with pytest.raises(ValueError, match="visqol"):
        ScoringConfig(systems=("visqol",))  # type: ignore[arg-type]


def test_the_benchmark_measures_titles_from_elsewhere(
    tmp_path: Path,
    titles: TitleFolder,
    tiny_model: PadamModel,  # noqa: F811
) -> None:
    pipeline = benchmark.create_pipeline()
    assert {node.namespace for node in pipeline.nodes} == {"benchmark"}
    assert "benchmark_titles" in pipeline.inputs()
    assert not [name for name in pipeline.all_outputs() if not name.startswith("benchmark.")]
    found = run(
        pipeline,
        tmp_path,
        titles,
        tiny_model,
        ("padam", "dnsmos"),
        prefix="benchmark.",
        source="benchmark_titles",
        where="benchmark",
    )
    assert set(found["evaluation_breakdown"]["by"]) == {"overlap", "content", "look_alike"}
    assert Path(found["evaluation_failures"]).name == "index.html"


def test_the_benchmark_needs_nothing_that_evaluation_does_not() -> None:
    ours, theirs = benchmark.create_pipeline(), evaluation.create_pipeline()
    assert ours.inputs() - theirs.inputs() <= {
        "benchmark_titles",
        *(f"params:benchmark.{name}" for name in ("scoring", "tables", "failures", "compute")),
    }


def test_operating_points_are_of_padams_clean_validation_segments(tmp_path: Path) -> None:
    rows = [
        {"scorer": scorer, "split": split, "title": title, "start_s": 10.0 * n, "score": score}
        for n in range(101)
        for scorer, split, title, score in (
            ("padam", "validation", "a", n / 200),  # 0 … 0.5
            ("padam", "validation", "b", 0.5 + (n + 1) / 400),  # 0.5025 … 0.755
            ("padam", "test", "c", 0.99),
            ("dnsmos", "validation", "a", 0.98),
        )
    ]
    scores = pd.DataFrame(rows).assign(end_s=lambda t: t["start_s"] + 10.0)
    names = pd.DataFrame(
        [("a", "validation"), ("b", "validation"), ("c", "test")], columns=["title", "split"]
    )
    # the last of b, and the one before, which it only touches for a second
    labels = pd.DataFrame(
        [("b", 999.0, 1005.0, "hum")], columns=["title", "start_s", "end_s", "defect"]
    )
    points = find_review_points(scores, TitleFolder(tmp_path, names, labels))
    assert {point.segments for point in points.values()} == {200}
    assert points["sensitive"].threshold == pytest.approx(0.5 + 98 / 400), "the second highest"
    assert points["balanced"].threshold == pytest.approx(0.5 + 99 / 400), "the highest"
    assert "too few" in points["strict"].reason


def test_without_validation_titles_there_is_no_operating_point(tmp_path: Path) -> None:
    scores = pd.DataFrame(columns=["scorer", "split", "title", "start_s", "end_s", "score"])
    titles = pd.DataFrame(columns=["title", "split"])
    labels = pd.DataFrame(columns=["title", "start_s", "end_s", "defect"])
    points = find_review_points(scores, TitleFolder(tmp_path, titles, labels))
    assert {point.threshold for point in points.values()} == {None}


def test_a_model_is_packaged_from_the_benchmark_as_from_the_evaluation() -> None:
    pipeline = packaging.create_pipeline()
    (node,) = pipeline.nodes
    assert node.func is nodes.package_model
    assert pipeline.outputs() == {"padam_model"}
    tables = {"benchmark.evaluation_table", "benchmark.title_scores", "benchmark_titles"}
    assert tables < pipeline.inputs()
    own = evaluation.create_pipeline().only_nodes("evaluation.package_model").inputs()
    renamed = {"evaluation_table", "title_scores", "evaluation_titles"}
    assert pipeline.inputs() - tables == own - renamed
