"""The synthesis pipeline on an archive with everything in it that archives hold."""

import errno
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, DatasetError
from kedro.runner import SequentialRunner
from kedro.validation.parameter_validator import ParameterValidator

from padam.audio.container import UnreachableError
from padam.audio.storage import filesystem
from padam.datasets import shards
from padam.datasets.shards import ClipShards
from padam.defects import shards as clip_shards
from padam.pipelines.synthesis import create_pipeline, nodes
from padam.settings import CONFIG_LOADER_ARGS
from tests.archive import RATE, sound, write_film, write_sound
from tests.audio.signals import write_media

UP_TO_PLAN = create_pipeline().to_outputs("clip_plan")
REST = create_pipeline().to_outputs("clip_manifest", "rejected_clips") - UP_TO_PLAN

ACCEPTED = {
    "film/film.mp4",
    "music/Fête d'été 🎬 (final cut)/a b#1.flac",
    "music/plain.flac",
    "music/vanishes.flac",
    "phone/mono_8k.wav",
    "surround/seven_one_96k.wav",
}
REJECTED = {
    "bad/clipped.wav": "already clipped",
    "bad/drop.wav": "digital zeros for 50 ms",
    "bad/empty.wav": "file is empty",
    "bad/gap.mka": "digital zeros for 500 ms",
    "bad/infinite.wav": "3 samples are NaN or infinite",
    "bad/short.wav": "lasts 0.30 s",
    "bad/silence.wav": "silent",
    "bad/text.wav": "not a readable media file",
    "bad/truncated.mp4": "not a readable media file",
}


def write_bad_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    audio = sound(12.0, seed=5)

    def write(name: str, samples: np.ndarray) -> None:
        soundfile.write(folder / name, samples.T, RATE, subtype="FLOAT")

    (folder / "text.wav").write_text("these are my notes on the mix\n" * 50, encoding="utf-8")
    (folder / "empty.wav").touch()
    whole = write_media(folder / "truncated.mp4", audio).read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    nan = audio.copy()
    nan[0, 1000:1002], nan[1, 5000] = np.nan, np.inf
    write("infinite.wav", nan)
    write("silence.wav", np.zeros_like(audio))
    write("short.wav", audio[:, : round(0.3 * RATE)])
    write("clipped.wav", np.clip(6 * audio, -0.7, 0.7))
    drop = audio.copy()
    drop[:, 5 * RATE : 5 * RATE + 2400] = 0
    write("drop.wav", drop)
    write_media(folder / "gap.mka", audio, codec="pcm_f32le", gaps_s=[(6.0, 0.5)])


def write_good_files(root: Path) -> None:
    write_sound(root / "music/plain.flac", 12.0, seed=1)
    write_sound(root / "music/vanishes.flac", 12.0, seed=2)
    write_sound(root / "music/Fête d'été 🎬 (final cut)/a b#1.flac", 12.0, seed=3)
    write_film(root / "film/film.mp4", 12.0, seed=4)
    for name in ("phone", "surround"):
        (root / name).mkdir()
    soundfile.write(root / "phone/mono_8k.wav", sound(2.0, seed=7)[0], 8000, subtype="PCM_16")
    surround = np.tile(sound(24.0, seed=8), (4, 1))
    soundfile.write(root / "surround/seven_one_96k.wav", surround.T, 96_000, subtype="PCM_24")


@dataclass
class Runs:
    """Runs of the pipeline's slices into one data root, each with a version of its own."""

    project: Path
    data: str
    media: str
    clips: int
    count: int = 0
    catalog: DataCatalog = field(init=False)

    def run(self, pipeline: Any) -> None:
        bootstrap_project(self.project)
        self.count += 1
        given = {"data_root": self.data, "media": self.media}
        loader = OmegaConfigLoader(
            str(self.project / "conf"), env="test", runtime_params=given, **CONFIG_LOADER_ARGS
        )
        tiny = {
            "plan": {"clips": self.clips, "mix_probability": 0.0},
            "split": {"fractions": {"train": 1.0, "validation": 0.0, "test": 0.0}},
            "compute": {"n_jobs": 1, "shard_size": 2},
        }
        raw = loader["parameters"]
        raw["synthesis"] = raw["synthesis"] | tiny
        synthesis = ParameterValidator(dict(pipelines)).validate_raw_params(raw)["synthesis"]
        names = create_pipeline().datasets()
        config = {name: entry for name, entry in loader["catalog"].items() if name in names}
        version = f"2026-01-0{self.count}T00.00.00.000Z"
        self.catalog = DataCatalog.from_config(config, save_version=version)
        for name, value in synthesis.items():
            self.catalog[f"params:synthesis.{name}"] = value
        SequentialRunner().run(pipeline, self.catalog)

    def load(self, name: str) -> Any:
        return self.catalog.load(name)


@dataclass
class Outcome:
    """What the runs left, and what the one said whose disk was full."""

    runs: Runs
    full_disk: str
    rendered: Counter[str]


@pytest.fixture(scope="module")
def outcome(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("bad_sources")
    write_good_files(folder / "media")
    write_bad_files(folder / "media" / "bad")
    runs = Runs(project, str(folder / "data"), str(folder / "media"), clips=len(ACCEPTED))
    runs.run(UP_TO_PLAN)
    (folder / "media" / "music" / "vanishes.flac").unlink()

    rendered: Counter[str] = Counter()
    synthesise = nodes.synthesise_clip
    write = clip_shards.write_shard

    def counting(root: Any, row: Any, config: Any) -> Any:
        rendered[row["source"]] += 1
        return synthesise(root, row, config)

    def full(path: Path, pairs: Any) -> None:
        if path.stem == "clips-000001":
            path.write_bytes(b"the beginning of a tar")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, pairs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "synthesise_clip", counting)
        with pytest.MonkeyPatch.context() as disk:
            disk.setattr(shards, "write_shard", full)
            with pytest.raises(DatasetError) as caught:
                runs.run(REST)
        assert not runs.catalog.exists("clip_pairs"), "half a version must not be seen"
        runs.run(REST)
    return Outcome(runs, str(caught.value), rendered)


def test_every_bad_file_has_its_reason_and_every_good_one_its_place(outcome: Outcome) -> None:
    rejected = outcome.runs.load("rejected_sources").set_index("source")["reason"].to_dict()
    assert set(rejected) == set(REJECTED)
    assert {name: reason for name, reason in rejected.items() if REJECTED[name] not in reason} == {}
    index = outcome.runs.load("source_index").set_index("source")
    assert set(index.index) == ACCEPTED
    assert index.loc["phone/mono_8k.wav", ["rate", "channels"]].tolist() == [8000, 1]
    assert index.loc["surround/seven_one_96k.wav", ["rate", "channels"]].tolist() == [96_000, 8]


def test_a_file_that_vanished_costs_its_clips_and_no_other(outcome: Outcome) -> None:
    plan = outcome.runs.load("clip_plan")
    assert set(plan["source"]) == ACCEPTED
    rejected = outcome.runs.load("rejected_clips")
    assert rejected["source"].tolist() == ["music/vanishes.flac"]
    assert rejected["reason"].tolist() == ["file not found"]
    manifest = outcome.runs.load("clip_manifest")
    there = plan.loc[plan["source"] != "music/vanishes.flac", "clip_id"]
    assert sorted(manifest["clip_id"]) == sorted(there)


def test_every_clip_is_sound_of_the_planned_form(outcome: Outcome) -> None:
    clips: ClipShards = outcome.runs.load("clip_pairs")
    for clip in clips:
        for audio in (clip.reference, clip.degraded):
            assert audio.shape == (2, 10 * RATE)
            assert np.isfinite(audio).all()
        level = np.sqrt(np.mean(clip.reference**2))
        assert level > 1e-3, f"{clip.metadata['source']} came out silent"


def test_a_full_disk_says_where_and_what_to_do_and_costs_one_shard(outcome: Outcome) -> None:
    staging = Path(outcome.runs.data) / "03_primary" / ".clip_pairs.partial"
    assert f"no space is left in '{staging}" in outcome.full_disk
    assert "data_root=PATH" in outcome.full_disk
    assert not staging.exists(), "nothing broken is left"
    # shards 0 and 2 were whole; joblib stops before the third or after it, but none is made twice
    made_again = [source for source, count in outcome.rendered.items() if count > 1]
    assert len(made_again) == 2


def test_a_folder_of_bad_files_only_says_why(project: Path, tmp_path: Path) -> None:
    write_bad_files(tmp_path / "media")
    runs = Runs(project, str(tmp_path / "data"), str(tmp_path / "media"), clips=1)
    with pytest.raises(ValueError, match="None of the 9 media files") as caught:
        runs.run(UP_TO_PLAN)
    assert "truncated.mp4: not a readable media file" in str(caught.value)
    assert not runs.catalog.exists("source_index")


class KilledError(BaseException):
    """What no handler catches, as little as a SIGKILL."""


def test_media_and_data_on_s3_through_an_outage_and_a_killed_publication(
    project: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(3):
        write_sound(tmp_path / "media" / "music" / f"a b 🎬 {number}.flac", 12.0, seed=number)
    (tmp_path / "media" / "notes.wav").write_text("no sound", encoding="utf-8")
    files, path = filesystem(bucket)
    for file in (tmp_path / "media").rglob("*.*"):
        files.put_file(str(file), f"{path}/{file.relative_to(tmp_path)}")
    runs = Runs(project, f"{bucket}/padam", f"{bucket}/media", clips=3)
    runs.run(UP_TO_PLAN)
    assert runs.load("rejected_sources")["source"].tolist() == ["notes.wav"]

    read, copy = clip_shards.read_audio, files.copy
    reads: list[str] = []

    def read_and_note(place: str, *arguments: Any, **options: Any) -> Any:
        reads.append(place)
        return read(place, *arguments, **options)

    def read_two(place: str, *arguments: Any, **options: Any) -> Any:
        if len(reads) == 2:
            raise UnreachableError(place, "cannot be reached (connection reset)")
        return read_and_note(place, *arguments, **options)

    def copy_one(source: list[str], target: list[str]) -> None:
        copy(source[:1], target[:1])
        raise KilledError

    with monkeypatch.context() as outage:
        outage.setattr(clip_shards, "read_audio", read_two)
        with pytest.raises(DatasetError, match=r"s3://.*cannot be reached \(connection reset\)"):
            runs.run(REST)
    monkeypatch.setattr(clip_shards, "read_audio", read_and_note)
    with monkeypatch.context() as kill:
        kill.setattr(files, "copy", copy_one)
        with pytest.raises(KilledError):
            runs.run(REST)
    assert not runs.catalog.exists("clip_pairs"), "a version without its marker is none"
    runs.run(REST)
    assert len(set(reads)) == len(reads) == 3, "no clip is made twice"
    assert runs.load("rejected_clips").empty, "an outage is no fault of a clip"

    here = Runs(project, str(tmp_path / "data"), str(tmp_path / "media"), clips=3)
    here.run(UP_TO_PLAN + REST)
    pd.testing.assert_frame_equal(here.load("clip_manifest"), runs.load("clip_manifest"))
    for there, local in zip(runs.load("clip_pairs"), here.load("clip_pairs"), strict=True):
        assert np.array_equal(there.reference, local.reference)
        assert np.array_equal(there.degraded, local.degraded)
