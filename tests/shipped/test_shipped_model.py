"""The model in the package itself: whole, scanning, described, and in the wheel.

These fail, and are not skipped, where the weights are missing: a package without them is broken.
"""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from padam.commands import padam
from padam.detection.review_volume import REVIEW_VOLUMES
from padam.shipped import CARD, HERE, load_model, model_folder, shipped_digests

WHEEL_S = 300


def test_the_shipped_model_is_whole_and_named_and_has_its_operating_points() -> None:
    model = load_model()
    assert model.name
    assert set(model.operating_points) == set(REVIEW_VOLUMES)
    thresholds = [model.operating_points[name].threshold for name in REVIEW_VOLUMES]
    assert None not in thresholds, "the validation titles were too few"
    assert thresholds == sorted(thresholds, reverse=True)


def test_what_is_shipped_is_small_enough_and_holds_no_pickle() -> None:
    files = [path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 45e6
    assert {path.suffix for path in files} <= {".py", ".md", ".json", ".safetensors", ".skops"}


def test_its_runs_are_told() -> None:
    runs = json.loads((HERE / "training_runs.json").read_text(encoding="utf-8"))
    assert runs
    assert all(run["params"] and run["metrics"] for run in runs)


def test_the_card_is_of_these_files() -> None:
    card = (HERE / CARD).read_text(encoding="utf-8")
    missing = [file for file, digest in shipped_digests().items() if digest not in card]
    assert not missing, "fill the tables of the card: padam model tables"


@pytest.mark.parametrize("page", [HERE / CARD, HERE.parents[2] / "docs" / "limits.md"])
def test_no_table_is_left_empty(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- table: (\S+) -->(.*?)<!-- end of table -->", text, re.DOTALL)
    assert blocks
    empty = [name for name, content in blocks if "|" not in content]
    assert not empty, "fill the tables: padam model tables"


def test_the_sample_title_is_found_defective_without_a_model_named(
    project: Path, tmp_path: Path
) -> None:
    title = project / "data" / "01_raw" / "sample_titles" / "freedoom_damaged.mp4"
    arguments = ["scan", str(title), "--out", str(tmp_path), "--jobs", "0", "--json"]
    result = CliRunner().invoke(padam, arguments)
    assert result.exit_code == 1, result.stderr
    (document,) = json.loads(result.stdout)["titles"]
    assert document["model"]["name"] == load_model().name
    found = [(event["start_s"], event["end_s"]) for event in document["events"]]
    hiss = (20.0, 40.0)
    assert any(start < hiss[1] and end > hiss[0] for start, end in found)


@pytest.mark.slow
@pytest.mark.timeout(2 * WHEEL_S)
def test_a_wheel_carries_the_model_its_card_and_its_runs(project: Path, tmp_path: Path) -> None:
    pytest.importorskip(
        "setuptools", minversion="77", reason="the wheel is built without a network"
    )
    build = [*(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")]
    command = [*build, "--quiet", "--wheel-dir", str(tmp_path), str(copied(project, tmp_path))]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=WHEEL_S)
    assert answer.returncode == 0, answer.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    installed = tmp_path / "installed" / "padam" / "shipped"
    assert model_folder(installed).is_dir(), "every digest is right"
    assert set(shipped_digests(installed)) == set(shipped_digests())
    assert (installed / CARD).is_file()


def copied(project: Path, scratch: Path) -> Path:
    """What a wheel is built from, so that no build is left in the project."""
    source = scratch / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((project / name).read_bytes())
    subprocess.run(["cp", "-r", str(project / "src"), str(source / "src")], check=True)
    return source
