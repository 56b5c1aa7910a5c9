"""PadamModel: a folder that comes back whole, or says why not."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import skops.io

from padam.audio.media import write_flac
from padam.detection.padam_model import PadamModel, PadamModelError
from padam.detection.review_volume import review_points

EVIDENCE = [f"e_{number}" for number in range(25)]
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


def test_an_event_localiser_is_kept_and_its_scans_are_the_same(localising_model, tmp_path):
    model = replace(localising_model, threshold=0.0)
    model.save(tmp_path / "model")
    loaded = PadamModel.load(tmp_path / "model")
    assert loaded.localiser.config == model.localiser.config
    before, after = (each.scorer().score([AUDIO])[EVIDENCE] for each in (model, loaded))
    assert np.isfinite(before.to_numpy()).all()
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_model_without_an_event_localiser_is_that_of_earlier_versions(evidence_model, tmp_path):
    evidence_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    assert document.pop("event_localiser") is None
    path.write_text(json.dumps(document))
    loaded = PadamModel.load(tmp_path / "model")
    assert loaded.localiser is None
    assert np.isfinite(loaded.scorer().score([AUDIO])[EVIDENCE].to_numpy()).all()


def test_an_event_localiser_of_other_evidence_is_refused(localising_model, tmp_path):
    localising_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    document["event_localiser"]["windows"] = "0-earlier"
    path.write_text(json.dumps(document))
    with pytest.raises(PadamModelError, match="localiser wants evidence of version 0-earlier"):
        PadamModel.load(tmp_path / "model")


def test_a_model_that_could_not_be_tuned_stays_so(tiny_model, tmp_path):
    replace(tiny_model, threshold=float("nan")).save(tmp_path / "model")
    assert "NaN" not in (tmp_path / "model" / "model.json").read_text()
    assert np.isnan(PadamModel.load(tmp_path / "model").threshold)


def test_no_pickle_and_no_leftover_is_written(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    tiny_model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


def test_a_failed_save_leaves_the_earlier_model(tiny_model, tmp_path, monkeypatch):
    tiny_model.save(tmp_path / "model")

    def full_disk(classifier, folder):
        raise OSError("no space left on device")

    monkeypatch.setattr("padam.detection.padam_model.save_fitted", full_disk)
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
        (lambda d: d["encoder"].update(width=32), "size mismatch"),
        (lambda d: d["quality_head"].update(labels=6), "size mismatch"),
        (lambda d: d["label_names"].pop(), "7 defects are told apart, but the names are"),
        (lambda d: d["label_names"].__setitem__(1, "hum"), "7 defects are told apart"),
        (lambda d: d["label_names"].__setitem__(1, "wow"), r"\['wow'\] are not known to padam"),
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


def test_a_loaded_model_can_be_saved_and_loaded_again(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "first")
    PadamModel.load(tmp_path / "first").save(tmp_path / "second")
    files = [path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.*")]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_it_loads_from_a_url_and_an_error_names_the_url(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    storage = fsspec.filesystem("memory")
    storage.put(str(tmp_path / "model"), "/models/padam", recursive=True)
    loaded = PadamModel.load("memory://models/padam")
    np.testing.assert_array_equal(
        loaded.scorer().score([AUDIO]), tiny_model_scores(tmp_path / "model")
    )
    with pytest.raises(PadamModelError, match=r"^memory://models/none: .*model\.json is missing"):
        PadamModel.load("memory://models/none")


def tiny_model_scores(folder):
    return PadamModel.load(folder).scorer().score([AUDIO])


def test_a_model_with_its_classifiers_as_skops_scores_the_same(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    as_skops(tmp_path / "model", tiny_model)
    expected = tiny_model.scorer().score([AUDIO])
    found = PadamModel.load(tmp_path / "model").scorer().score([AUDIO])
    np.testing.assert_array_equal(found, expected)


def test_code_in_a_classifier_is_refused_and_not_run(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    as_skops(tmp_path / "model", tiny_model)
    trap = skops.io.dumps(Trap(tmp_path / "sprung"))
    file = tmp_path / "model" / "classifier" / "estimator.skops"
    file.write_bytes(trap)
    description = json.loads(file.with_name("classifier.json").read_text())
    description["estimator_sha256"] = hashlib.sha256(trap).hexdigest()
    file.with_name("classifier.json").write_text(json.dumps(description))
    seal(tmp_path / "model")
    with pytest.raises(PadamModelError, match="Untrusted types"):
        PadamModel.load(tmp_path / "model")
    assert not (tmp_path / "sprung").exists()
    skops.io.loads(trap, trusted=skops.io.get_untrusted_types(data=trap))
    assert (tmp_path / "sprung").exists(), "the trap works where it is trusted"


class Trap:
    """Writes a file when it is unpacked."""

    def __init__(self, file):
        self.file = str(file)

    def __setstate__(self, state):
        Path(state["file"]).touch()

    def __getstate__(self):
        return {"file": self.file}


def test_a_classifier_of_another_width_is_refused(tiny_model, tmp_path):
    replace(tiny_model, classifier=tiny_model.probes["feature_extractor"]).save(tmp_path / "model")
    with pytest.raises(PadamModelError, match=r"expected \(rows, 384\): .* another quality head"):
        PadamModel.load(tmp_path / "model")


def as_skops(folder, model):
    for name, classifier in [("classifier", model.classifier), *probe_folders(model)]:
        shutil.rmtree(folder / name)
        classifier.save(folder / name)
    seal(folder)


def probe_folders(model):
    return [(f"probe_{name}", probe) for name, probe in model.probes.items()]


def seal(folder):
    """Write the checksums anew, as one would who forges a model."""
    document = json.loads((folder / "model.json").read_text())
    document["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "model.json"
    }
    (folder / "model.json").write_text(json.dumps(document))


def test_a_scan_needs_neither_scikit_learn_nor_skops_nor_librosa(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    write_flac(tmp_path / "clip.flac", AUDIO / 10, 16_000)
    code = """
import sys
from padam.detection.padam_model import PadamModel
from padam.detection.scan import scan_title

scorer = PadamModel.load(sys.argv[1]).scorer()
assert scan_title(sys.argv[2], scorer)["segments"][0]["channel_scores"][0] is not None
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "model"), str(tmp_path / "clip.flac")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "'torch'" in answer
    for slow in ("sklearn", "skops", "librosa", "numba", "mlflow", "kedro", "matplotlib"):
        assert f"'{slow}'" not in answer


def test_the_version_of_native_evidence_is_kept_and_checked(evidence_model, tiny_model, tmp_path):
    evidence_model.save(tmp_path / "model")
    loaded = PadamModel.load(tmp_path / "model")
    assert loaded.native_evidence == evidence_model.native_evidence
    expected = evidence_model.scorer().score([AUDIO])
    found = loaded.scorer().score([AUDIO])
    np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float), atol=1e-6)

    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "native_evidence": "0-other"}))
    with pytest.raises(PadamModelError, match=r"evidence is of version 0-other, and padam"):
        PadamModel.load(tmp_path / "model")
    path.write_text(json.dumps({**document, "native_evidence": None}))
    with pytest.raises(PadamModelError, match="another quality head"):
        PadamModel.load(tmp_path / "model")


def test_a_model_from_before_native_evidence_loads(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    assert document.pop("native_evidence") is None
    path.write_text(json.dumps(document))
    assert PadamModel.load(tmp_path / "model").evidence_width == 0


def test_a_model_from_before_names_and_operating_points_loads(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    del document["name"], document["operating_points"]
    path.write_text(json.dumps(document))
    loaded = PadamModel.load(tmp_path / "model")
    assert (loaded.name, loaded.operating_points) == (None, {})
    assert loaded.operating_point == tiny_model.operating_point


def test_name_and_operating_points_come_back(tiny_model, tmp_path):
    points = review_points(np.arange(500.0) / 500)
    named = replace(tiny_model, name="padam-tiny", operating_points=points)
    named.save(tmp_path / "model")
    loaded = PadamModel.load(tmp_path / "model")
    assert (loaded.name, loaded.operating_points) == ("padam-tiny", points)
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    assert document["operating_points"]["sensitive"] == {
        "review_volume": 0.01,
        "threshold": 0.99,
        "filter": {"x_s": 10.0, "y_s": 10.0},
        "segments": 500,
        "reason": "",
    }
    assert document["operating_points"]["strict"]["threshold"] is None


def test_an_operating_point_that_is_none_is_told(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    document = json.loads(path.read_text())
    document["operating_points"] = {"strict": {"review_volume": 0.001, "segments": 5}}
    path.write_text(json.dumps(document))
    with pytest.raises(PadamModelError, match="give a threshold, or the reason"):
        PadamModel.load(tmp_path / "model")


def test_the_digest_is_of_the_description_and_of_no_changed_copy(tiny_model, tmp_path):
    assert tiny_model.sha256 is None
    tiny_model.save(tmp_path / "model")
    loaded = PadamModel.load(tmp_path / "model")
    content = (tmp_path / "model" / "model.json").read_bytes()
    assert loaded.sha256 == hashlib.sha256(content).hexdigest()
    assert replace(loaded, threshold=0.1).sha256 is None
    assert replace(loaded, run_id=None).scorer().version == "untrained"
