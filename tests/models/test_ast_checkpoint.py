"""AST's weights, in both published layouts, against a forward pass written out by hand."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from padam.models.ast_checkpoint import load_ast_checkpoint
from padam.models.audio_encoder import AudioEncoder, AudioEncoderConfig

WIDTH, DEPTH, HEADS, TIMES = 24, 2, 3, 9
CONFIG = AudioEncoderConfig(depth=DEPTH, heads=HEADS, width=WIDTH)


def authors_state(width: int = WIDTH, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of AST's own code, for a spectrogram of 9 patches in time."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return 0.2 * torch.randn(*shape, generator=generator)

    state = {
        "cls_token": draw(1, 1, width),
        "dist_token": draw(1, 1, width),
        "pos_embed": draw(1, 2 + 12 * TIMES, width),
        "patch_embed.proj.weight": draw(width, 1, 16, 16),
        "patch_embed.proj.bias": draw(width),
        "norm.weight": draw(width),
        "norm.bias": draw(width),
        "head.weight": draw(1000, width),
    }
    for layer in range(DEPTH):
        shapes = {
            "norm1": (width,),
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "norm2": (width,),
            "mlp.fc1": (4 * width, width),
            "mlp.fc2": (width, 4 * width),
        }
        for name, shape in shapes.items():
            state[f"blocks.{layer}.{name}.weight"] = draw(*shape)
            state[f"blocks.{layer}.{name}.bias"] = draw(shape[0])
    return state


def by_hand(state: dict[str, Tensor], spectrogram: Tensor) -> Tensor:
    """AST's last tokens for a spectrogram (128, 41) of deviation 0.5: patch by patch, head by head.

    Positions are the middle three of the nine.
    """
    tokens = [state["cls_token"][0, 0] + state["pos_embed"][0, 0]]
    tokens.append(state["dist_token"][0, 0] + state["pos_embed"][0, 1])
    for row in range(12):
        for column in range(3):
            patch = spectrogram[10 * row : 10 * row + 16, 10 * column : 10 * column + 16]
            kernel = state["patch_embed.proj.weight"][:, 0]
            value = (kernel * patch).sum((1, 2)) + state["patch_embed.proj.bias"]
            tokens.append(value + state["pos_embed"][0, 2 + row * TIMES + 3 + column])
    x = torch.stack(tokens)

    def norm(values: Tensor, name: str) -> Tensor:
        centred = values - values.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(values: Tensor, name: str) -> Tensor:
        return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    for layer in range(DEPTH):
        block = f"blocks.{layer}"
        query, key, value = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, dim=1)
        size = WIDTH // HEADS
        heads = []
        for head in range(HEADS):
            at = slice(head * size, (head + 1) * size)
            weights = (query[:, at] @ key[:, at].T / size**0.5).softmax(dim=1)
            heads.append(weights @ value[:, at])
        x = x + linear(torch.cat(heads, dim=1), f"{block}.attn.proj")
        hidden = functional.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
        x = x + linear(hidden, f"{block}.mlp.fc2")
    return norm(x, "norm")


def hugging_face_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names of `ASTForAudioClassification`."""
    top = {
        "cls_token": "embeddings.cls_token",
        "dist_token": "embeddings.distillation_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    parts = {
        "norm1": "layernorm_before",
        "attn.proj": "attention.output.dense",
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    renamed = {f"audio_spectrogram_transformer.{top[name]}": state[name] for name in top}
    renamed["classifier.dense.weight"] = torch.zeros(527, WIDTH)
    for layer in range(DEPTH):
        prefix = f"audio_spectrogram_transformer.encoder.layer.{layer}"
        for kind in ("weight", "bias"):
            for ours, theirs in parts.items():
                renamed[f"{prefix}.{theirs}.{kind}"] = state[f"blocks.{layer}.{ours}.{kind}"]
            split = state[f"blocks.{layer}.attn.qkv.{kind}"].chunk(3)
            for name, value in zip(("query", "key", "value"), split, strict=True):
                renamed[f"{prefix}.attention.attention.{name}.{kind}"] = value.contiguous()
    return renamed


@pytest.mark.parametrize("layout", ["authors", "hugging_face"])
def test_loaded_encoder_computes_what_ast_does(tmp_path: Path, layout: str) -> None:
    state = authors_state()
    if layout == "authors":
        path = tmp_path / "audioset.pth"
        torch.save({f"module.v.{name}": value for name, value in state.items()}, path)
    else:
        path = tmp_path / "model.safetensors"
        save_file(hugging_face_state(state), path)
    encoder = AudioEncoder(CONFIG).eval()
    load_ast_checkpoint(encoder, path)
    encoder.projection = torch.nn.Identity()
    windows = torch.randn(3, 128, 41, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = encoder.encode_windows(windows)
    for window, embeddings in zip(windows, found, strict=True):
        tokens = by_hand(state, 0.5 * window)[2:].reshape(12, 3, WIDTH)
        torch.testing.assert_close(embeddings, tokens.mean(0), atol=2e-5, rtol=1e-4)


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    torch.save({f"module.v.{n}": v for n, v in authors_state().items()}, tmp_path / "ast.pth")
    encoder = AudioEncoder(AudioEncoderConfig(depth=3, heads=2, width=16))
    with pytest.raises(ValueError, match=r"ast\.pth holds 2 layers of 24, .* has 3 of 16"):
        load_ast_checkpoint(encoder, tmp_path / "ast.pth")


def test_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    encoder = AudioEncoder(CONFIG)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    path = tmp_path / "ast.pth"
    torch.save({f"module.v.{n}": v for n, v in authors_state().items()}, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"ast\.pth cannot be read"):
        load_ast_checkpoint(encoder, path)
    tensors = tmp_path / "ast.safetensors"
    tensors.write_bytes(b"\x10\x00\x00\x00")
    with pytest.raises(ValueError, match=r"ast\.safetensors cannot be read"):
        load_ast_checkpoint(encoder, tensors)
    torch.save({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"no checkpoint of AST: it lacks 'patch_embed"):
        load_ast_checkpoint(encoder, path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="no table of weights"):
        load_ast_checkpoint(encoder, path)
    with pytest.raises(FileNotFoundError, match=r"No AST checkpoint at .*gone\.pth"):
        load_ast_checkpoint(encoder, tmp_path / "gone.pth")
    assert all(torch.equal(value, before[n]) for n, value in encoder.state_dict().items())
