"""Published weights that come inside an installed package, whose code is never imported."""

import hashlib
import importlib.metadata
from pathlib import Path


class WeightsError(RuntimeError):
    """Weights are missing, or are not the ones this code was checked against."""


class WeightsAbsentError(WeightsError):
    """There is no such file of weights."""


class ExtraMissingError(WeightsError):
    """A package of an optional extra is not installed."""

    def __init__(self, extra: str, message: str) -> None:
        super().__init__(message)
        self.extra = extra


def read_installed_weights(package: str, path_in_package: str, sha256: str) -> bytes:
    """Content of a weights file of an installed package, checked against its SHA-256.

    Raises WeightsError naming the package or file and the remedy.
    """
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise WeightsError(f"{package} is not installed: pip install {package}") from None
    path = Path(str(distribution.locate_file(path_in_package)))
    return read_checked(path, sha256, remedy=f"pip install --force-reinstall {package}")


def read_checked(path: Path, sha256: str, remedy: str) -> bytes:
    """Content of a file, checked against its SHA-256. Raises WeightsError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsAbsentError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(f"{path}: sha256 is {found}, expected {sha256}; {remedy}")
    return content
