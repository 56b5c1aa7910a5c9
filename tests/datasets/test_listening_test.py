"""A listening test as a versioned dataset."""

from pathlib import Path

from kedro.io import Version

from padam.datasets.listening_test import ListeningTestDataset
from tests.quality.listening_kit import small_test


def test_a_version_holds_the_page_and_no_key(tmp_path: Path) -> None:
    version = "2026-01-01T00.00.00.000Z"
    dataset = ListeningTestDataset(filepath=str(tmp_path / "kit"), version=Version(None, version))
    assert not dataset.exists()
    test = small_test()
    dataset.save(test)
    page = dataset.load()
    assert page == tmp_path / "kit" / version / "kit" / "index.html"
    assert test.test_id in page.read_text(encoding="utf-8")
    assert not list(page.parent.rglob("*.csv"))
