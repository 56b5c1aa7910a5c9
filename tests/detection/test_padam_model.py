"""PadamModel: a folder that comes back whole, or says why not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from padam.detection.padam_model import PadamModel, PadamModelError

AUDIO = np.random.default_rng(3).standard_normal((2, 200_000)).astype(np.float32) / 10


def test_a_saved_model_scores_exactly_as_before(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    loaded = PadamModel.load(tmp_path / "model")

    before = tiny_model.scorer().score([AUDIO])
    after = loaded.scorer().score([AUDIO])
    np.testing.assert_allclose(before.to_numpy(dtype=float), after.to_numpy(dtype=float), atol=1e-6)
    for name in ("threshold", "filter", "label_names", "run_id", "versions", "normaliser"):
        assert getattr(loaded, name) == getattr(tiny_model, name)
    assert set(loaded.probes) == {"feature_extractor", "quality_head"}
    assert loaded.operating_point == tiny_model.operating_point


def test_a_model_that_could_not_be_tuned_stays_so(tiny_model, tmp_path):
    replace(tiny_model, threshold=float("nan")).save(tmp_path / "model")
    assert "NaN" not in (tmp_path / "model" / "model.json").read_text()
    assert np.isnan(PadamModel.load(tmp_path / "model").threshold)


def test_no_pickle_and_no_leftover_is_written(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    tiny_model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".skops"}


def test_a_failed_save_leaves_the_earlier_model(tiny_model, tmp_path, monkeypatch):
    tiny_model.save(tmp_path / "model")

    def full_disk(path):
        raise OSError("no space left on device")

    monkeypatch.setattr(tiny_model.classifier, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        tiny_model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    PadamModel.load(tmp_path / "model")


def test_a_missing_folder_names_itself_and_the_remedy(tmp_path):
    with pytest.raises(PadamModelError, match=r"nowhere.*no such folder.*kedro run"):
        PadamModel.load(tmp_path / "nowhere")
    with pytest.raises(PadamModelError, match=r"model\.json is missing.*kedro run"):
        PadamModel.load(tmp_path)


def test_a_truncated_or_missing_file_is_named(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    weights = tmp_path / "model" / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(PadamModelError, match=r"encoder\.safetensors is truncated"):
        PadamModel.load(tmp_path / "model")
    weights.unlink()
    with pytest.raises(PadamModelError, match=r"encoder\.safetensors is missing"):
        PadamModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="99"), "format 99"),
        (lambda d: d["encoder"].update(depth=0), "cannot be read"),
        (lambda d: d.pop("threshold"), "cannot be read"),
        (lambda d: d.pop("files"), "damaged"),
    ],
)
def test_a_damaged_description_is_told(tiny_model, tmp_path, change, message):
    tiny_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(PadamModelError, match=message):
        PadamModel.load(tmp_path / "model")
    path.write_text("{")
    with pytest.raises(PadamModelError, match="damaged"):
        PadamModel.load(tmp_path / "model")
