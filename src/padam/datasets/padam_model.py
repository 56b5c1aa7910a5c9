"""The whole PADAM model as one versioned folder."""

from dataclasses import replace
from pathlib import Path

from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.detection.padam_model import PadamModel


class PadamModelDataset(VersionedFolderDataset[PadamModel, PadamModel]):
    """Encoder, quality head, classifier and decision in one folder.

    The model carries the version it was saved under, which is also a tag of its MLflow run, so
    that a report of a scan leads back to the training.
    """

    def write_folder(self, folder: Path, data: PadamModel) -> None:
        """Write the model."""
        replace(data, run_id=data.run_id or self.resolve_save_version()).save(folder)

    def read_folder(self, folder: Path) -> PadamModel:
        """Return the model, ready for inference."""
        return PadamModel.load(folder)
