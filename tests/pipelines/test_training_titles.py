"""Titles to train on: their segments are embedded and labelled, or there are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from padam.audio.media_folder import find_media
from padam.datasets.shard_jobs import Compute
from padam.datasets.shards import MappedArrayShardsDataset
from padam.datasets.titles import TitlesDataset
from padam.defects.registry import DEFECT_NAMES
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import TrainingTitlesConfig
from padam.detection.title_segments import SegmentRules
from padam.models.audio_encoder import AudioEncoder, AudioEncoderConfig
from padam.pipelines import training_titles
from padam.pipelines.quality_head.nodes import labelled_segments, represent_segments
from tests.detection.benchmark.conftest import SHORT, sources  # noqa: F401

NONE = {"defective": 0, "clean": 0}


def run(
    root: Path, index: pd.DataFrame, folder: Path, splits: dict[str, Any]
) -> tuple[DataCatalog, dict[str, Any]]:
    catalog = DataCatalog(
        datasets={
            "training_titles": TitlesDataset(filepath=str(folder / "titles"), may_be_empty=True),
            "segment_embeddings": MappedArrayShardsDataset(filepath=str(folder / "embeddings")),
        }
    )
    config = TrainingTitlesConfig.model_validate({**SHORT, "splits": splits})
    catalog["media"] = find_media(root)
    catalog["source_index"] = index
    catalog["audio_encoder"] = AudioEncoder(AudioEncoderConfig(depth=1, heads=1, width=16)).eval()
    catalog["params:training_titles.titles"] = config
    catalog["params:training_titles.compute"] = Compute(n_jobs=1)
    catalog["params:training_titles.segments"] = SegmentRules()
    catalog["params:feature_extractor.native_evidence"] = True
    catalog["params:synthesis.workflow"] = WorkflowConfig()
    outputs = SequentialRunner().run(training_titles.create_pipeline(), catalog)
    return catalog, {name: outputs[name].load() for name in outputs}


def test_segments_of_titles_are_embedded_and_labelled(
    sources: tuple[Path, pd.DataFrame],  # noqa: F811
    tmp_path: Path,
) -> None:
    splits = {"train": {"defective": 2, "clean": 1}, "validation": {"defective": 1, "clean": 1}}
    catalog, found = run(*sources, tmp_path, splits)
    table, arrays = found["title_segments"], catalog["segment_embeddings"].load()
    assert set(table["split"]) == {"train", "validation"}
    assert table["clip_id"].nunique() == 5
    labels = catalog["training_titles"].load().labels
    defective = table[table["defective"] == 1]
    assert set(defective["clip_id"]) <= set(labels["title"])
    assert (defective[list(DEFECT_NAMES)].sum(axis=1) == 1).all()
    for row in table.to_dict(orient="records"):
        name = f"{row['clip_id']}.{row['side']}"
        assert arrays[name].shape[0] == 1
        assert np.isfinite(arrays[f"{name}.native_evidence"]).all()
    assert found["training_titles_summary"]["splits"]["train"]["defective_titles"] == 2


def test_none_asked_for_make_none(
    sources: tuple[Path, pd.DataFrame],  # noqa: F811
    tmp_path: Path,
) -> None:
    catalog, found = run(*sources, tmp_path, {"train": NONE, "validation": NONE})
    assert found["title_segments"].empty
    assert found["training_titles_summary"]["splits"] == {}
    arrays = catalog["segment_embeddings"].load()
    segments = labelled_segments(arrays, found["title_segments"])
    assert len(segments.rows("train")) == 0
    head: Any = None  # nothing is there to be represented
    assert represent_segments(head, arrays, found["title_segments"]).empty


def test_titles_to_test_on_are_none_to_train_on() -> None:
    with pytest.raises(ValueError, match="titles of test are no titles for this"):
        TrainingTitlesConfig.model_validate({"splits": {"test": {"defective": 1, "clean": 0}}})
    with pytest.raises(ValueError, match="Input should be 1"):
        TrainingTitlesConfig.model_validate({"channels": 2})
