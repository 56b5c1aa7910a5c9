"""The pipeline of the benchmark's titles: whole, on any number of workers, taken up again."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from padam.audio.media import probe
from padam.audio.media_folder import find_media
from padam.datasets.shard_jobs import Compute
from padam.datasets.titles import TitleFolder, TitlesDataset
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import BenchmarkConfig
from padam.pipelines import benchmark_titles
from padam.pipelines.benchmark_titles import nodes
from tests.detection.benchmark.conftest import short, sources  # noqa: F401

CONFIG = short(
    splits={
        "validation": {"defective": 1, "clean": 1},
        "test": {"defective": 7, "clean": 2},
    },
    look_alikes={"share": 0.5, "recordings": {"test": {"by_folder": ("look_alikes/*",)}}},
    duration_s=(10.0, 12.0),
)


def run(
    root: Path, index: pd.DataFrame, folder: Path, config: BenchmarkConfig, jobs: int
) -> tuple[TitleFolder, dict[str, Any]]:
    catalog = DataCatalog(datasets={"benchmark_titles": TitlesDataset(filepath=str(folder))})
    catalog["media"] = find_media(root)
    catalog["source_index"] = index
    catalog["params:benchmark_titles.titles"] = config
    catalog["params:benchmark_titles.compute"] = Compute(n_jobs=jobs)
    catalog["params:synthesis.workflow"] = WorkflowConfig()
    outputs = SequentialRunner().run(benchmark_titles.create_pipeline(), catalog)
    found = {
        name: outputs[name].load() for name in ("benchmark_summary", "benchmark_titles_figure")
    }
    return catalog["benchmark_titles"].load(), found


@pytest.fixture(scope="module")
def built(
    sources: tuple[Path, pd.DataFrame],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, TitleFolder, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("benchmark") / "titles"
    titles, found = run(*sources, folder, CONFIG, jobs=1)
    return folder, titles, found


def test_titles_are_as_ordered(built: tuple[Path, TitleFolder, dict[str, Any]]) -> None:
    folder, titles, _ = built
    assert titles.titles["split"].value_counts().to_dict() == {"test": 9, "validation": 2}
    for row in titles.titles.itertuples():
        info = probe(folder / str(row.file))
        assert (info.sample_rate, info.channels) == (48_000, 1)
        assert info.duration_s == pytest.approx(row.duration_s, abs=1e-3)
    test = titles.labels[titles.labels["title"].str.startswith("test")]
    assert sorted(test["defect"].unique()) == sorted(DEFECT_NAMES)
    assert test["title"].nunique() == 7
    assert titles.labels["error_to_signal_db"].notna().all()


def test_the_summary_counts_what_the_tables_hold(
    built: tuple[Path, TitleFolder, dict[str, Any]],
) -> None:
    _, titles, found = built
    told = found["benchmark_summary"]
    test = told["splits"]["test"]
    assert (test["defective_titles"], test["clean_titles"]) == (7, 2)
    assert test["titles_by_defect"] == dict.fromkeys(DEFECT_NAMES, 1)
    rows = titles.titles[titles.titles["split"] == "test"]
    hit = total = 0
    for row in rows.itertuples():
        marks = titles.labels[titles.labels["title"] == row.title]
        for first in (0.0, 10.0):
            last = min(first + 10, float(row.duration_s))
            if last - first >= 1:
                total += 1
                hit += any(m.start_s < last and m.end_s > first for m in marks.itertuples())
    assert (test["defective_segments"], test["segments"]) == (hit, total)
    assert test["segment_prevalence"] == pytest.approx(hit / total)
    assert told["look_alikes_refused"] == 0
    shown = [axes.get_title(loc="left") for axes in found["benchmark_titles_figure"].axes]
    assert sorted(name.split()[0] for name in shown) == sorted(rows["title"])


def test_two_workers_give_the_same_files_as_one(
    built: tuple[Path, TitleFolder, dict[str, Any]],
    sources: tuple[Path, pd.DataFrame],  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = built[0]
    run(*sources, tmp_path / "titles", CONFIG, jobs=2)
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in (tmp_path / "titles").iterdir()) == names
    for name in names:
        assert (tmp_path / "titles" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_killed_run_is_taken_up(
    sources: tuple[Path, pd.DataFrame],  # noqa: F811
    built: tuple[Path, TitleFolder, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered: list[str] = []
    real = nodes.render_title

    def killed_at_the_fourth(root: Any, plan: Any, config: Any, workflow: Any) -> Any:
        if len(rendered) == 3:
            raise KeyboardInterrupt
        rendered.append(plan.title_id)
        return real(root, plan, config, workflow)

    monkeypatch.setattr(nodes, "render_title", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(*sources, tmp_path / "titles", CONFIG, jobs=1)
    assert not (tmp_path / "titles").exists()
    first = list(rendered)
    rendered.clear()

    def counted(root: Any, plan: Any, config: Any, workflow: Any) -> Any:
        rendered.append(plan.title_id)
        return real(root, plan, config, workflow)

    monkeypatch.setattr(nodes, "render_title", counted)
    run(*sources, tmp_path / "titles", CONFIG, jobs=1)
    assert len(first) == 3
    assert set(rendered).isdisjoint(first)
    assert len(rendered) == 8
    for path in built[0].iterdir():
        assert (tmp_path / "titles" / path.name).read_bytes() == path.read_bytes()
