"""Stage 3 on disk: the ν-SVM and the linear probes, without pickle."""

from collections.abc import Mapping
from pathlib import Path

from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.models.defect_classifier import DefectClassifier, LinearProbe


class ClassifierDataset(VersionedFolderDataset[DefectClassifier, DefectClassifier]):
    """A fitted ν-SVM with its scale and threshold."""

    def write_folder(self, folder: Path, data: DefectClassifier) -> None:
        """Write the classifier."""
        data.save(folder)

    def read_folder(self, folder: Path) -> DefectClassifier:
        """Return the classifier."""
        return DefectClassifier.load(folder)


class ProbesDataset(VersionedFolderDataset[Mapping[str, LinearProbe], dict[str, LinearProbe]]):
    """Fitted linear probes by name, a folder each."""

    def write_folder(self, folder: Path, data: Mapping[str, LinearProbe]) -> None:
        """Write the probes."""
        for name, probe in data.items():
            probe.save(folder / name)

    def read_folder(self, folder: Path) -> dict[str, LinearProbe]:
        """Return the probes by name."""
        return {path.name: LinearProbe.load(path) for path in sorted(folder.iterdir())}
