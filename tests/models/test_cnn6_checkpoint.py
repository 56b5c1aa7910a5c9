"""PANNs' published weights as a start: the file that was meant, whole, and nothing else."""

import hashlib

import pytest
import torch
from pydantic import ValidationError

from padam.models.cnn6 import Cnn6, Cnn6Config, mel_filterbank
from padam.models.cnn6_checkpoint import AudioSetWeights, load_audioset_weights


def published(**changes):
    """A file as PANNs publishes it, with drawn weights."""
    torch.manual_seed(1)
    state = Cnn6(Cnn6Config(classes=527)).state_dict()
    state = {name.replace("classifier.", "fc_audioset."): value for name, value in state.items()}
    state["logmel_extractor.melW"] = torch.from_numpy(mel_filterbank())
    for part in ("real", "imag"):
        state[f"spectrogram_extractor.stft.conv_{part}.weight"] = torch.zeros(513, 1, 1024)
    return state | changes


def saved(path, state):
    torch.save({"iteration": 1, "model": state}, path)
    return AudioSetWeights(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_all_but_the_last_layer_is_theirs(tmp_path):
    theirs = published()
    model = Cnn6()
    head = model.classifier.weight.clone()
    load_audioset_weights(model, saved(tmp_path / "cnn6.pth", theirs))
    for name, value in model.state_dict().items():
        if name.startswith("classifier."):
            continue
        assert torch.equal(value, theirs[name]), name
    assert torch.equal(model.classifier.weight, head)


def test_another_file_is_refused_before_it_is_read(tmp_path):
    weights = saved(tmp_path / "cnn6.pth", published())
    (tmp_path / "cnn6.pth").write_bytes(b"something else")
    with pytest.raises(ValueError, match="another or damaged file"):
        load_audioset_weights(Cnn6(), weights)
    with pytest.raises(FileNotFoundError, match="No AudioSet weights"):
        load_audioset_weights(Cnn6(), weights.model_copy(update={"path": str(tmp_path / "x")}))


def test_a_file_that_is_no_table_of_weights(tmp_path):
    (tmp_path / "text").write_bytes(b"no weights")
    digest = hashlib.sha256(b"no weights").hexdigest()
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_audioset_weights(Cnn6(), AudioSetWeights(path=str(tmp_path / "text"), sha256=digest))
    with pytest.raises(ValueError, match="holds no table of weights"):
        load_audioset_weights(Cnn6(), saved(tmp_path / "list", [1, 2]))


def test_every_key_and_shape_is_checked(tmp_path):
    lacking = published()
    del lacking["fc1.bias"]
    wrong = {
        "lacking": (lacking, r"1 weights differ: fc1.bias missing instead of \(512,\)"),
        "more": (published(conv_block5=torch.zeros(1)), r"conv_block5 \(1,\) instead of nothing"),
        "shape": (published(**{"fc1.bias": torch.zeros(3)}), r"fc1.bias \(3,\) instead of \(512,"),
        "filters": (
            published(**{"logmel_extractor.melW": torch.from_numpy(mel_filterbank()) * 1.01}),
            "another log-mel spectrogram",
        ),
    }
    for name, (state, message) in wrong.items():
        model = Cnn6()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            load_audioset_weights(model, saved(tmp_path / name, state))
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_digest_is_64_hexadecimal_digits():
    with pytest.raises(ValidationError):
        AudioSetWeights(path="cnn6.pth", sha256="abc")
