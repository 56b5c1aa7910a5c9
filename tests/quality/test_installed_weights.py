import hashlib
import sys
from pathlib import Path

import pytest

from padam.quality.installed_weights import WeightsError, read_checked, read_installed_weights

NO_HASH = "0" * 64


def test_content_with_the_right_hash_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    assert read_checked(path, hashlib.sha256(b"weights").hexdigest(), remedy="") == b"weights"


def test_another_hash_is_refused_by_name_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"weights\.bin: sha256 is .* expected 000.*; fetch it"):
        read_checked(path, NO_HASH, remedy="fetch it")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.bin: cannot be read"):
        read_checked(tmp_path / "absent.bin", NO_HASH, remedy="fetch it")


def test_an_absent_package_is_named() -> None:
    with pytest.raises(WeightsError, match="pip install no-such-package"):
        read_installed_weights("no-such-package", "weights.bin", NO_HASH)


def test_a_weights_package_is_found_without_importing_it() -> None:
    with pytest.raises(WeightsError, match="sha256 is 269fbebd"):
        read_installed_weights("speechmos", "speechmos/dnsmos_models/sig_bak_ovr.onnx", NO_HASH)
    assert "speechmos" not in sys.modules
