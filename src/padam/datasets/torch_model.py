"""Networks as safetensors and the JSON of their configuration: no pickle, so no code is run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from kedro.io import DatasetError, Version
from kedro.utils import load_obj
from pydantic import BaseModel
from safetensors.torch import load_file, save_file

from padam.datasets.versioned_folder import VersionedFolderDataset

_ABSENT = "absent.txt"


def weights_of(network: torch.nn.Module) -> list[bytes]:
    """Return the weights as bytes, to name a work that depends on them."""
    return [tensor.cpu().numpy().tobytes() for tensor in network.state_dict().values()]


@dataclass(frozen=True)
class Absent:
    """Saved for a network that a run does without, with the reason; loads as None."""

    reason: str


class TorchModelDataset(VersionedFolderDataset[torch.nn.Module | Absent, torch.nn.Module | None]):
    """A network that is rebuilt from its ``config`` and filled with its weights.

    ``model`` and ``config`` are import paths: ``model(config)`` must rebuild the network, and keep
    the pydantic ``config`` it was given as an attribute of that name. One that is ``optional``
    loads as None where none was ever saved, or the newest is `Absent`.
    """

    def __init__(
        self,
        *,
        filepath: str,
        model: str,
        config: str,
        optional: bool = False,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._model = model
        self._config = config
        self._optional = optional

    def load(self) -> torch.nn.Module | None:
        """Return the network of the requested version, the latest where none was named."""
        if self._optional and not self.exists():
            return None
        with self._folders.fetched(self.load_location()) as folder:
            return self.read_folder(folder)

    def write_folder(self, folder: Path, data: torch.nn.Module | Absent) -> None:
        """Write weights and configuration, or why there are none."""
        if isinstance(data, Absent):
            if not self._optional:
                raise DatasetError(f"a network that is not optional is absent: {data.reason}")
            (folder / _ABSENT).write_text(data.reason, encoding="utf-8")
            return
        config = data.config
        if not isinstance(config, BaseModel):
            raise DatasetError(f"{type(data).__name__}.config must be a pydantic model.")
        weights = {
            name: tensor.detach().cpu().contiguous() for name, tensor in data.state_dict().items()
        }
        save_file(weights, folder / "weights.safetensors")
        (folder / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")

    def read_folder(self, folder: Path) -> torch.nn.Module | None:
        """Return the network in evaluation mode."""
        if self._optional and (folder / _ABSENT).exists():
            return None
        text = (folder / "config.json").read_text(encoding="utf-8")
        config = load_obj(self._config).model_validate_json(text)
        model: torch.nn.Module = load_obj(self._model)(config)
        model.load_state_dict(load_file(folder / "weights.safetensors"))
        return model.eval()

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "model": self._model}
