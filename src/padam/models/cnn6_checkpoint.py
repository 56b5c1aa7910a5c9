"""PANNs' published AudioSet weights of CNN6 as a start (AA §3): checked, then put in place."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from padam.models.cnn6 import Cnn6, mel_filterbank

AUDIOSET_CLASSES: Final = 527
# The front end of theirs holds its Fourier matrices and mel filters as weights.
_FOURIER: Final = (
    "spectrogram_extractor.stft.conv_real.weight",
    "spectrogram_extractor.stft.conv_imag.weight",
)
_MEL: Final = "logmel_extractor.melW"
_HEAD: Final = {"fc_audioset.weight": (AUDIOSET_CLASSES, 512), "fc_audioset.bias": (527,)}
_MEL_TOLERANCE: Final = 1e-5


class AudioSetWeights(BaseModel):
    """Where the published file lies (`Cnn6_mAP=0.343.pth`) and its SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def load_audioset_weights(model: Cnn6, weights: AudioSetWeights) -> None:
    """Fill the model, but for its last layer, with AudioSet weights, in place.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is not the one that was meant, cannot be read, lacks a weight, holds one
        that CNN6 has not, or was made for another front end.
    """
    path = Path(weights.path)
    theirs = _read(path, weights.sha256)
    own = {name: t for name, t in model.state_dict().items() if not name.startswith("classifier.")}
    wanted = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in theirs.items() if name not in _FOURIER}
    expected = {**wanted, **_HEAD, _MEL: mel_filterbank().shape}
    wrong = {
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    }
    if wrong:
        shown = ", ".join(
            f"{name} {found.get(name, 'missing')} instead of {expected.get(name, 'nothing')}"
            for name in sorted(wrong)[:5]
        )
        raise ValueError(f"{path} is no CNN6 of PANNs: {len(wrong)} weights differ: {shown}.")
    difference = float((theirs[_MEL] - torch.from_numpy(mel_filterbank())).abs().max())
    if difference > _MEL_TOLERANCE:
        raise ValueError(
            f"{path} was trained on another log-mel spectrogram: its filters differ by "
            f"{difference:.2g}. Give the weights of 32 kHz and 64 mels over 50-14000 Hz."
        )
    model.load_state_dict({name: theirs[name] for name in own}, strict=False)


def _read(path: Path, sha256: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"No AudioSet weights at {path}.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise ValueError(f"{path} has the SHA-256 {digest}, not {sha256}: another or damaged file.")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as weights: {error}") from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no table of weights.")
    return state
