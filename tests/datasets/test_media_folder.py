from pathlib import Path

import fsspec
import pytest
from kedro.io import DatasetError

from padam.audio.storage import open_binary
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


NAMES = ("music/a b 🎬.flac", "music/b.opus", "film/one.MP4", "README.md")


@pytest.fixture
def stored(storage: str) -> str:
    for name in NAMES:
        with fsspec.open(f"{storage}/archive/{name}", "wb") as file:
            file.write(name.encode())
    return f"{storage}/archive"


def write_text(url: str, text: str) -> str:
    with fsspec.open(url, "w", encoding="utf-8") as file:
        file.write(text)
    return url


def test_a_folder_on_any_storage(stored: str) -> None:
    media = MediaFolderDataset(filepath=f"{stored}/").load()
    assert media.root == stored
    assert media.files == ("film/one.MP4", "music/a b 🎬.flac", "music/b.opus")
    with open_binary(media.path("music/a b 🎬.flac")) as file:
        assert file.read().decode() == "music/a b 🎬.flac"


def test_a_file_on_any_storage(stored: str) -> None:
    media = MediaFolderDataset(filepath=f"{stored}/music/a b 🎬.flac").load()
    assert (media.root, media.files) == (f"{stored}/music", ("a b 🎬.flac",))


def test_a_list_on_any_storage(stored: str) -> None:
    lines = ["# favourites", "../music/b.opus", f"{stored}/film/one.MP4", "../film/one.MP4"]
    listing = write_text(f"{stored}/lists/mine.txt", "\n".join(lines))
    media = MediaFolderDataset(filepath=listing).load()
    assert (media.root, media.files) == (stored, ("film/one.MP4", "music/b.opus"))


def test_a_list_over_several_storages_keeps_whole_names(
    archive: Path, stored: str, tmp_path: Path
) -> None:
    listing = tmp_path / "all.txt"
    listing.write_text(f"archive/music/a.flac\n{stored}/music/b.opus\n", encoding="utf-8")
    media = MediaFolderDataset(filepath=str(listing)).load()
    local, remote = str(archive / "music/a.flac"), f"{stored}/music/b.opus"
    assert media.files == (local, remote)
    assert media.path(local) == Path(local)
    assert media.path(remote) == remote
    assert [media.name(file)[0] for file in media.files] == [local[1], stored[0]]


def test_a_file_url_is_a_path(archive: Path) -> None:
    media = MediaFolderDataset(filepath=f"file://{archive}").load()
    assert media.root == archive
    assert media.path("music/a.flac") == archive / "music/a.flac"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "does not exist"),
        ("archive/lists", "holds no media file"),
        ("archive/lists/gone.txt", "do not exist"),
        ("archive/lists/blank.txt", "is empty"),
    ],
)
def test_what_cannot_be_listed_on_any_storage_is_named(
    stored: str, name: str, message: str
) -> None:
    write_text(f"{stored}/lists/gone.txt", "missing.wav\n")
    write_text(f"{stored}/lists/blank.txt", "\n")
    url = f"{stored.removesuffix('/archive')}/{name}"
    with pytest.raises(DatasetError, match=message) as caught:
        MediaFolderDataset(filepath=url).load()
    assert url in str(caught.value)


def test_a_storage_without_its_package_names_it() -> None:
    with pytest.raises(DatasetError, match="gcsfs"):
        MediaFolderDataset(filepath="gs://bucket/archive").load()


def changes_show_in_the_signature(place: str) -> None:
    media = MediaFolderDataset(filepath=place).load()
    files, folder = fsspec.core.url_to_fs(place)
    before = media.signature()
    assert media.signature() == before
    with files.open(f"{folder}/music/b.opus", "wb") as file:
        file.write(b"another recording")
    changed = media.signature()
    assert [new == old for new, old in zip(changed, before, strict=True)] == [True] * 3 + [False]
    files.rm(f"{folder}/film/one.MP4")
    assert media.signature()[1] == "film/one.MP4:missing"


def test_the_signature_tells_other_content_and_a_vanished_file(archive: Path) -> None:
    changes_show_in_the_signature(str(archive))


def test_the_signature_tells_the_same_on_any_storage(stored: str) -> None:
    changes_show_in_the_signature(stored)
