from pathlib import Path

import pytest
from kedro.io import DatasetError

from padam.datasets.media_folder import MediaFolderDataset


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in ("music/b.opus", "music/a.flac", "film/one.MP4", "README.md", "cover.png"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "archive"


def test_a_folder_lists_its_media_files_in_a_fixed_order(archive: Path) -> None:
    media = MediaFolderDataset(filepath=str(archive)).load()
    assert media.files == ("film/one.MP4", "music/a.flac", "music/b.opus")
    assert media.path("music/a.flac") == archive / "music/a.flac"


def test_a_single_file_is_a_folder_of_one(archive: Path) -> None:
    media = MediaFolderDataset(filepath=str(archive / "music/a.flac")).load()
    assert (media.root, media.files) == (archive / "music", ("a.flac",))


def test_a_list_names_files_each_once_wherever_they_lie(archive: Path) -> None:
    listing = archive / "lists" / "mine.txt"
    listing.parent.mkdir()
    lines = ["# favourites", "../music/b.opus", "", f"{archive}/film/one.MP4", "../music/b.opus"]
    listing.write_text("\n".join(lines), encoding="utf-8")
    media = MediaFolderDataset(filepath=str(listing)).load()
    assert media.files == ("film/one.MP4", "music/b.opus")
    assert media.path("music/b.opus").is_file()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: root / "empty", "holds no media file"),
        (lambda root: root / "gone.txt", "do not exist"),
        (lambda root: root / "blank.txt", "is empty"),
    ],
)
def test_what_cannot_be_listed_is_named(tmp_path: Path, make, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone.txt").write_text("missing.wav\n", encoding="utf-8")
    (tmp_path / "blank.txt").write_text("\n", encoding="utf-8")
    path = make(tmp_path)
    with pytest.raises(DatasetError, match=message) as caught:
        MediaFolderDataset(filepath=str(path)).load()
    assert str(path) in str(caught.value)


def test_source_media_are_never_written(archive: Path) -> None:
    with pytest.raises(DatasetError, match="read only"):
        MediaFolderDataset(filepath=str(archive)).save("anything")
