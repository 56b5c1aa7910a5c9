"""The pipeline of the AA paper on a small archive with bad files in it, twice."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner
from kedro.validation.parameter_validator import ParameterValidator

from padam.audio.media_folder import MediaFolder
from padam.defects.audio_artifacts.config import CLASSES
from padam.detection.scorers.audio_artifacts import AudioArtifactsScorer
from padam.hooks.training_summary import audio_artifacts_rows
from padam.pipelines.audio_artifacts import create_pipeline
from padam.pipelines.audio_artifacts.nodes import StrataConfig, TitleSplit, split_titles
from padam.settings import CONFIG_LOADER_ARGS
from padam.training import artifact_chunks
from tests.archive import RATE, sound, write_sound
from tests.pipelines.test_bad_sources import REJECTED, write_bad_files

STRATA = StrataConfig()
SIMULATE = create_pipeline().to_outputs("artifact_class_counts")
LEARN = create_pipeline() - SIMULATE


class Archive:
    """Runs of the pipeline's parts into one data root."""

    def __init__(self, project: Path, folder: Path) -> None:
        bootstrap_project(project)
        given = {"data_root": str(folder / "data"), "media": str(folder / "media")}
        loader = OmegaConfigLoader(
            str(project / "conf"), env="test", runtime_params=given, **CONFIG_LOADER_ARGS
        )
        raw = loader["parameters"]
        raw["audio_artifacts"]["split"] = {
            "fractions": {"train": 1.0, "validation": 0.0, "test": 0.0},
            "folders": {"validation": ["music/kept"], "test": ["dialogue"]},
        }
        raw["audio_artifacts"]["plan"]["seed"] = 5
        parameters = ParameterValidator(dict(pipelines)).validate_raw_params(raw)
        names = create_pipeline().datasets()
        config = {name: entry for name, entry in loader["catalog"].items() if name in names}
        self.catalog = DataCatalog.from_config(config, save_version="2026-01-01T00.00.00.000Z")
        for name, value in parameters["audio_artifacts"].items():
            self.catalog[f"params:audio_artifacts.{name}"] = value

    def run(self, pipeline: Any) -> None:
        SequentialRunner().run(pipeline, self.catalog)

    def load(self, name: str) -> Any:
        return self.catalog.load(name)


@pytest.fixture(scope="module")
def archive(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("artifacts")
    for number, kind in enumerate(("music", "music/kept", "dialogue", "effects", "effects")):
        write_sound(folder / "media" / kind / f"{number}.flac", 12.0, seed=number)
    write_bad_files(folder / "media" / "bad")
    (folder / "media" / "phone").mkdir()
    soundfile.write(folder / "media/phone/mono_8k.wav", sound(2.0, seed=7)[0], 8000)
    archive = Archive(project, folder)
    rendered: Counter[str] = Counter()
    render = artifact_chunks.read_piece

    def counting(root: Any, piece: Any, more: int) -> Any:
        rendered[piece["source"]] += 1
        if len(rendered) == 6 and rendered.total() == 6:
            raise KeyboardInterrupt
        return render(root, piece, more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact_chunks, "read_piece", counting)
        with pytest.raises(KeyboardInterrupt):
            archive.run(SIMULATE)
        archive.run(SIMULATE.from_nodes("audio_artifacts.simulate_artifacts"))
    # four of a shard were there, the two of the broken one are made again
    assert sorted(rendered.values()) == [1, 1, 1, 1, 2, 2]
    archive.run(LEARN)
    return archive


def test_bad_files_are_recorded_and_mono_of_8_khz_is_not_one(archive: Archive) -> None:
    rejected = archive.load("rejected_artifact_titles").set_index("source")["reason"].to_dict()
    assert set(rejected) == set(REJECTED)
    assert {name: why for name, why in rejected.items() if REJECTED[name] not in why} == {}
    assert archive.load("rejected_artifacts").empty
    table = archive.load("artifact_chunk_table")
    channels = table.groupby("source")["channel"].max()
    assert channels.pop("phone/mono_8k.wav") == 0
    assert (channels == 1).all()


def test_whole_titles_go_to_a_split(archive: Archive) -> None:
    table = archive.load("artifact_chunk_table")
    splits = table.groupby("source")["split"].unique().map(list).to_dict()
    assert splits["music/kept/1.flac"] == ["validation"]
    assert splits["dialogue/2.flac"] == ["test"]
    assert splits["music/0.flac"] == splits["effects/3.flac"] == ["train"]
    counts = archive.load("artifact_class_counts")
    assert counts["chunks"].sum() == len(table)


def test_a_folder_can_be_left_out_of_all_splits() -> None:
    names = ["music/a.flac", "film/b.mkv", "films/c.mkv", "film_d.mkv", "film/broken.mkv"]
    inspections = pd.DataFrame(
        {
            "source": names,
            "duration_s": 20.0,
            "accepted": [True, True, True, True, False],
            "reason": [None, None, None, None, "broken"],
        }
    )
    fractions = {"train": 1.0, "validation": 0.0, "test": 0.0}
    for left_out, used in (((), names[:4]), (("film",), [names[0], *names[2:4]])):
        split = TitleSplit(fractions=fractions, left_out=left_out)
        titles, rejected = split_titles(MediaFolder("media", ()), inspections, split, STRATA)
        assert sorted(titles["source"]) == sorted(used)
        assert set(rejected["source"]) == set(names) - set(used)
    reasons = rejected.set_index("source")["reason"]
    assert reasons["film/b.mkv"] == "in a folder that is left out"


def test_what_is_stored_is_what_the_table_lists(archive: Archive) -> None:
    chunks = archive.load("artifact_chunks")
    assert set(chunks.log_mel) == set(chunks.table["chunk_id"])
    pd.testing.assert_frame_equal(chunks.table, archive.load("artifact_chunk_table"))


def test_the_best_model_is_kept_and_evaluated_on_the_test_titles(archive: Archive) -> None:
    summary = archive.load("audio_artifacts_summary")
    assert 0 <= summary["balanced_accuracy"] <= 1
    assert (summary["split"], summary["titles"], summary["start"]) == ("test", 1, "scratch")
    predictions = archive.load("artifact_predictions")
    assert set(predictions["source"]) == {"dialogue/2.flac"}
    recall = (predictions["predicted"] == predictions["label"]).groupby(predictions["label"])
    assert summary["balanced_accuracy"] == pytest.approx(recall.mean().mean())
    rows = dict(audio_artifacts_rows(summary))
    assert f"{summary['balanced_accuracy']:.3f} on 1 test titles" in rows["balanced accuracy"]
    assert all(name in rows["recall"] for name in CLASSES)


def test_the_saved_model_scores_a_title(archive: Archive) -> None:
    model = archive.load("audio_artifacts_model")
    scores = AudioArtifactsScorer(model).score([0.5 * sound(10.0, seed=1)])
    assert len(scores) == 2
    assert scores["score"].between(0, 1).all()
    assert scores["p_hum"].notna().all()
    assert AudioArtifactsScorer.sample_rate == RATE
    assert np.isfinite(archive.load("audio_artifacts_history")["value"]).all()
