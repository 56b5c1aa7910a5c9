"""Stage 3 on disk: classifier, linear probes and regressor, without pickle."""

from collections.abc import Mapping
from pathlib import Path

from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.nystroem_classifier import NystroemClassifier, load_classifier
from padam.models.quality_regressor import QualityRegressor

Stage3Classifier = DefectClassifier | NystroemClassifier


class ClassifierDataset(VersionedFolderDataset[Stage3Classifier, Stage3Classifier]):
    """A fitted ν-SVM, or its Nyström approximation, with its scale and threshold."""

    def write_folder(self, folder: Path, data: Stage3Classifier) -> None:
        """Write the classifier."""
        data.save(folder)

    def read_folder(self, folder: Path) -> Stage3Classifier:
        """Return the classifier, of the kind that was saved."""
        return load_classifier(folder)


class RegressorDataset(VersionedFolderDataset[QualityRegressor, QualityRegressor]):
    """A fitted ν-SVR of q̂."""

    def write_folder(self, folder: Path, data: QualityRegressor) -> None:
        """Write the regressor."""
        data.save(folder)

    def read_folder(self, folder: Path) -> QualityRegressor:
        """Return the regressor."""
        return QualityRegressor.load(folder)


class ProbesDataset(VersionedFolderDataset[Mapping[str, LinearProbe], dict[str, LinearProbe]]):
    """Fitted linear probes by name, a folder each."""

    def write_folder(self, folder: Path, data: Mapping[str, LinearProbe]) -> None:
        """Write the probes."""
        for name, probe in data.items():
            probe.save(folder / name)

    def read_folder(self, folder: Path) -> dict[str, LinearProbe]:
        """Return the probes by name."""
        return {path.name: LinearProbe.load(path) for path in sorted(folder.iterdir())}
