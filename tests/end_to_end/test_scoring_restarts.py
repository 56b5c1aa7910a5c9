"""Scores are the same however often the scoring is killed, and no clip is scored twice."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.archive import write_archive
from tests.end_to_end.kedro_process import finish, kill_at, start, unfinished

pytestmark = pytest.mark.slow

CLIPS, SHARD_SIZE = 14, 2
SHARDS = CLIPS // SHARD_SIZE
SCORES = "04_feature/metric_scores"


@pytest.fixture(scope="module")
def clips(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with clip pairs and nothing else."""
    data = tmp_path_factory.mktemp("clips")
    media = write_archive(tmp_path_factory.mktemp("archive"))
    parameters = {
        "data_root": data,
        "media": media,
        "synthesis.plan.clips": CLIPS,
        "synthesis.compute.shard_size": SHARD_SIZE,
    }
    finish(start(project, "synthesis", parameters))
    return data


@pytest.fixture(scope="module")
def undisturbed(project: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory):
    """Scores that one worker gives without being killed."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    shutil.copytree(clips, data)
    finish(start(project, "metric_fusion", {"data_root": data}))
    return scores(data)


def test_every_clip_has_one_row(undisturbed):
    assert len(undisturbed) == undisturbed["clip_id"].nunique() == CLIPS
    assert undisturbed["cdpam"].notna().any()


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_started_again_it_scores_what_is_left(
    project, clips, undisturbed, tmp_path, workers
):
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    parameters = {"data_root": data, "metric_fusion.compute.n_jobs": workers}
    for _ in range(2):
        there = len(unfinished(data / SCORES, ".parquet"))
        run = start(project, "metric_fusion", parameters)
        kill_at(run, data / SCORES, ".parquet", there + 1)
        assert not (data / SCORES).exists()
    left = unfinished(data / SCORES, ".parquet")
    written = {path.name: path.stat().st_mtime_ns for path in left}
    assert 2 <= len(left) < SHARDS
    said = finish(start(project, "metric_fusion", parameters))
    assert f"{len(left)} of {SHARDS} were there already" in said
    found = {path.name: path.stat().st_mtime_ns for path in (data / SCORES).rglob("*.parquet")}
    assert len(found) == SHARDS
    assert written.items() <= found.items(), "a shard that was there was scored again"
    pd.testing.assert_frame_equal(scores(data), undisturbed, check_exact=True)


def test_dask_workers_on_this_machine_give_the_same_scores(project, clips, undisturbed, tmp_path):
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    data = tmp_path / "data"
    shutil.copytree(clips, data)
    backend = {"metric_fusion.compute.backend": "dask", "metric_fusion.compute.n_jobs": 2}
    finish(start(project, "metric_fusion", {"data_root": data, **backend}))
    pd.testing.assert_frame_equal(scores(data), undisturbed, check_exact=True)


def scores(data: Path) -> pd.DataFrame:
    """Scores of the one version, by clip."""
    (version,) = (data / SCORES).iterdir()
    tables = [pd.read_parquet(path) for path in sorted(version.rglob("*.parquet"))]
    return pd.concat(tables).sort_values("clip_id", ignore_index=True)
