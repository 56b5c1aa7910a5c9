"""Fetching weights from a server of this machine: whole, resumed, checked, or not at all."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from padam.commands import padam
from padam.quality.dnsmos import WEIGHTS_SHA256 as DNSMOS_SHA256
from padam.quality.installed_weights import WeightsError
from padam.weights.fetch import fetch_weights
from padam.weights.known import KNOWN, cache_folder, weights_path
from tests.servers import FileServer, file_server

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(CONTENT) as found:
        yield found


@pytest.fixture(autouse=True)
def weights(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of both kinds at the server: one with a known digest, one without."""
    monkeypatch.setenv("PADAM_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setitem(KNOWN, "nisqa", replace(KNOWN["nisqa"], url=server.url, sha256=DIGEST))
    monkeypatch.setitem(KNOWN, "scoreq", replace(KNOWN["scoreq"], url=server.url))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_known_weights_are_fetched_checked_and_not_fetched_twice(server: FileServer) -> None:
    told: list[tuple[int, int | None]] = []
    found = fetch_weights("nisqa", progress=lambda *at: told.append(at))
    assert found.path == weights_path("nisqa")
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.compared, found.downloaded) == (DIGEST, True, True)
    assert names(found.path.parent) == {"nisqa.tar"}
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert not fetch_weights("nisqa").downloaded
    assert server.asked == [""]


def test_a_download_that_broke_off_goes_on(server: FileServer) -> None:
    server.breaks_after = 300_000
    with pytest.raises(WeightsError, match=r"broke off after 300000 of 1024000 bytes"):
        fetch_weights("nisqa")
    assert not weights_path("nisqa").exists()
    server.breaks_after = None
    assert fetch_weights("nisqa").path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=300000-"]
    assert names(cache_folder()) == {"nisqa.tar"}


def test_of_a_file_that_changed_meanwhile_nothing_is_joined(server: FileServer) -> None:
    server.breaks_after = 300_000
    with pytest.raises(WeightsError):
        fetch_weights("scoreq")
    server.breaks_after, server.tag, server.content = None, '"two"', CONTENT[::-1]
    assert fetch_weights("scoreq").path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_tag_to_go_by_it_begins_anew(server: FileServer, tag: str) -> None:
    server.tag, server.breaks_after = tag, 5000
    with pytest.raises(WeightsError):
        fetch_weights("nisqa")
    server.breaks_after = None
    assert fetch_weights("nisqa").sha256 == DIGEST
    assert server.asked == ["", ""]


def test_a_partial_file_longer_than_the_servers_is_thrown_away(server: FileServer) -> None:
    server.breaks_after = 5000
    with pytest.raises(WeightsError):
        fetch_weights("nisqa")
    server.status = 416
    with pytest.raises(WeightsError, match="416"):
        fetch_weights("nisqa")
    server.status, server.breaks_after = 200, None
    assert fetch_weights("nisqa").sha256 == DIGEST
    assert server.asked[-1] == ""


def test_other_weights_than_the_known_are_refused_and_nothing_is_kept(server: FileServer) -> None:
    server.content = b"something else"
    with pytest.raises(WeightsError, match=f"expected {DIGEST}; nothing is kept"):
        fetch_weights("nisqa")
    assert names(cache_folder()) == set()


def test_an_unknown_digest_is_recorded_and_compared_from_then_on(server: FileServer) -> None:
    found = fetch_weights("scoreq")
    assert not found.compared
    record = json.loads((found.path.parent / f"{found.path.name}.sha256.json").read_text())
    assert (record["sha256"], record["bytes"]) == (DIGEST, len(CONTENT))
    assert record["url"] == server.url
    assert fetch_weights("scoreq").compared

    found.path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="fetch it --again"):
        fetch_weights("scoreq")
    found.path.unlink()
    server.content = b"another release"
    with pytest.raises(WeightsError, match="nothing is kept"):
        fetch_weights("scoreq")
    assert fetch_weights("scoreq", again=True).path.read_bytes() == b"another release"
    assert fetch_weights("scoreq").compared


def test_a_file_put_there_by_hand_is_taken(server: FileServer) -> None:
    for name in ("nisqa", "scoreq"):
        weights_path(name).parent.mkdir(exist_ok=True)
        weights_path(name).write_bytes(CONTENT)
        assert fetch_weights(name).sha256 == DIGEST
    assert server.asked == []
    weights_path("nisqa").write_bytes(b"not it")
    with pytest.raises(WeightsError, match="fetch it --again"):
        fetch_weights("nisqa")
    assert fetch_weights("nisqa", again=True).downloaded


def test_without_a_length_the_digest_says_whether_it_is_whole(server: FileServer) -> None:
    server.tells_length, server.breaks_after = False, 1000
    with pytest.raises(WeightsError, match="nothing is kept"):
        fetch_weights("nisqa")
    server.breaks_after = None
    assert fetch_weights("nisqa").sha256 == DIGEST


@pytest.mark.parametrize("status", [404, 500])
def test_what_the_server_refuses_is_told_with_the_address(server: FileServer, status: int) -> None:
    server.status = status
    with pytest.raises(
        WeightsError, match=rf"weights\.bin: the server answers {status}.*put it at"
    ):
        fetch_weights("nisqa")


def test_without_a_network_it_says_where_to_put_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(KNOWN["nisqa"], url="http://127.0.0.1:1/nisqa.tar")
    monkeypatch.setitem(KNOWN, "nisqa", gone)
    with pytest.raises(WeightsError, match=r"cannot be reached \(.*put it at '.*nisqa\.tar'"):
        fetch_weights("nisqa")
    with pytest.raises(WeightsError, match="cannot be reached"):
        fetch_weights("nisqa", url="no address")


def test_what_a_package_ships_needs_no_network(server: FileServer) -> None:
    found = fetch_weights("dnsmos")
    assert (found.sha256, found.downloaded) == (DNSMOS_SHA256, False)
    assert server.asked == []


def test_names_that_are_none_are_answered_with_those_there_are() -> None:
    with pytest.raises(WeightsError, match="there are dnsmos, nisqa, scoreq, cnn6"):
        fetch_weights("visqol")


def test_the_cache_is_the_users_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache_folder() == tmp_path / "weights"
    monkeypatch.delenv("PADAM_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "padam" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "padam" / "weights"


def test_the_command_fetches_and_says_what_was_compared(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        padam, ["weights", "fetch", "nisqa", "scoreq", "--to", str(tmp_path)]
    )
    assert result.exit_code == 0
    assert f"sha256 {DIGEST}, as expected" in result.stdout
    assert "no digest was known" in result.stdout
    assert (tmp_path / "nisqa.tar").read_bytes() == CONTENT


def test_the_command_goes_on_after_an_error_and_fails(server: FileServer) -> None:
    result = CliRunner().invoke(padam, ["weights", "fetch", "visqol", "nisqa"])
    assert result.exit_code == 2
    assert "no weights are named 'visqol'" in result.stderr
    assert weights_path("nisqa").is_file()
    both = CliRunner().invoke(padam, ["weights", "fetch", "nisqa", "scoreq", "--url", server.url])
    assert both.exit_code == 2
    assert "single NAME" in both.stderr


def test_the_list_says_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    before = CliRunner().invoke(padam, ["weights", "list"]).stdout
    assert "absent: padam weights fetch nisqa" in before
    assert "CC BY-NC-SA" in before
    fetch_weights("nisqa")
    assert "fetch nisqa" not in CliRunner().invoke(padam, ["weights", "list"]).stdout


def test_the_command_needs_nothing_that_takes_long_to_import() -> None:
    code = (
        "import sys, padam.weights.command; "
        "print([m for m in ('torch', 'pandas', 'kedro', 'onnxruntime') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
