"""Published AudioSet weights of AST as a start for the audio encoder (extension).

Two layouts are read: the authors' own (``audioset_10_10_0.4593.pth`` and its like) and that of
Hugging Face's ``ASTModel`` (``MIT/ast-finetuned-audioset-10-10-0.4593``). Both are networks of 12
layers of 768, the encoder's size `ast_base`, with patches of 16×16 every 10 bands and 10 frames.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from padam.models.audio_encoder import (
    FREQUENCY_PATCHES,
    PATCH,
    SPECIAL_TOKENS,
    TIME_PATCHES,
    AudioEncoder,
)

# AST was trained on spectrograms of deviation 0.5; ours have 1.
INPUT_SCALE: Final = 0.5

# Ours by the authors' names, the number of the layer left out.
_LAYER: Final = {
    "norm1": "attention_norm",
    "attn.qkv": "query_key_value",
    "attn.proj": "attention_output",
    "norm2": "mlp_norm",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
}
# The authors' names by Hugging Face's; query, key and value are joined apart.
_HUGGING_FACE_LAYER: Final = {
    "layernorm_before": "norm1",
    "attention.output.dense": "attn.proj",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
_HUGGING_FACE: Final = {
    "embeddings.cls_token": "cls_token",
    "embeddings.distillation_token": "dist_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}


def load_initial_weights(encoder: AudioEncoder, path: str | Path) -> bool:
    """Fill the encoder with weights of this project's own, or with AST's, in place.

    Returns True for the project's own, which bring the front end's mean and deviation along; those
    of AST are for `fit_statistics` to find. Raises as `load_ast_checkpoint`.
    """
    path = Path(path)
    state = _read(path)
    if "log_mel.mean" not in state:
        load_ast_checkpoint(encoder, path)
        return False
    own = encoder.state_dict()
    shapes = {name: value.shape for name, value in own.items()}
    if {name: value.shape for name, value in state.items()} != shapes:
        config = encoder.config
        raise ValueError(
            f"{path} holds an audio encoder of another size than {config.depth} layers of "
            f"{config.width}: choose its audio_encoder."
        )
    encoder.load_state_dict(state)
    return True


def load_ast_checkpoint(encoder: AudioEncoder, path: str | Path) -> None:
    """Fill the encoder with AST's weights, in place.

    The projection to 384 that follows AST's own width stays as it was. The positions are those of
    the middle of AST's 10 s spectrogram, as its authors cut them for shorter input. AST heard
    Kaldi's filterbank and the encoder hears its own log-mel, so these are weights to train on from.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is truncated, no AST, or of another size than the encoder.
    """
    path = Path(path)
    found = _authors_names(_read(path))
    try:
        ours = _converted(found)
    except KeyError as error:
        raise ValueError(f"{path} is no checkpoint of AST: it lacks {error}.") from error
    own = encoder.state_dict()
    wanted = {name for name in own if not name.startswith(("log_mel.", "projection."))}
    depth = len({name.split(".")[1] for name in ours if name.startswith("blocks.")})
    width = ours["norm.weight"].numel()
    if set(ours) != wanted or any(ours[name].shape != own[name].shape for name in wanted):
        config = encoder.config
        raise ValueError(
            f"{path} holds {depth} layers of {width}, the audio encoder has {config.depth} of "
            f"{config.width}: choose another size of encoder (ast_base is 12 layers of 768)."
        )
    encoder.load_state_dict(ours, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"No AST checkpoint at {path}.")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        OSError,
        EOFError,
        SafetensorError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no table of weights.")
    return state


def _authors_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename to the authors' layout without their prefix; leave the classifiers out."""
    state = {re.sub(r"^(module\.)?v\.", "", name): value for name, value in state.items()}
    prefix = "audio_spectrogram_transformer."
    state = {name.removeprefix(prefix): value for name, value in state.items()}
    renamed = {_HUGGING_FACE.get(name, name): value for name, value in state.items()}
    for name in list(renamed):
        match = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)", name)
        if match is None:
            continue
        layer, part, kind = match.groups()
        if part in _HUGGING_FACE_LAYER:
            renamed[f"blocks.{layer}.{_HUGGING_FACE_LAYER[part]}.{kind}"] = renamed.pop(name)
        elif part == "attention.attention.query":
            each = (f"encoder.layer.{layer}.attention.attention.{q}.{kind}" for q in _QUERIES)
            parts = [state[name] for name in each if name in state]
            renamed[f"blocks.{layer}.attn.qkv.{kind}"] = torch.cat(parts)
    return renamed


_QUERIES: Final = ("query", "key", "value")


def _converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's own names; raise KeyError for what the checkpoint lacks."""
    patches = state["patch_embed.proj.weight"].float()
    if patches.shape[1:] != (1, PATCH, PATCH):
        raise KeyError(f"patches of {PATCH}×{PATCH}")
    ours = {
        "patches.weight": INPUT_SCALE * patches,
        "patches.bias": state["patch_embed.proj.bias"].float(),
        "special_tokens": torch.cat([state["cls_token"], state["dist_token"]], dim=1).float(),
        "positions": _middle_positions(state["pos_embed"].float()),
        "norm.weight": state["norm.weight"].float(),
        "norm.bias": state["norm.bias"].float(),
    }
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    for layer in range(depth):
        for theirs, name in _LAYER.items():
            for kind in ("weight", "bias"):
                value = state[f"blocks.{layer}.{theirs}.{kind}"].float()
                ours[f"blocks.{layer}.{name}.{kind}"] = value
    return ours


def _middle_positions(positions: Tensor) -> Tensor:
    """Cut positions (1, 2 + 12 · T, width) to the 3 columns in the middle of T."""
    special, grid = positions[:, :SPECIAL_TOKENS], positions[:, SPECIAL_TOKENS:]
    if grid.shape[1] % FREQUENCY_PATCHES or grid.shape[1] < FREQUENCY_PATCHES * TIME_PATCHES:
        raise KeyError(f"positions of {FREQUENCY_PATCHES} bands and {TIME_PATCHES} times or more")
    grid = grid.unflatten(1, (FREQUENCY_PATCHES, -1))
    first = grid.shape[2] // 2 - TIME_PATCHES // 2
    middle = grid[:, :, first : first + TIME_PATCHES].flatten(1, 2)
    return torch.cat([special, middle], dim=1)
