"""The pages of docs/defects name what the code has, and their pictures are there."""

import re
import subprocess
import sys

import pytest

from padam.defects.base import PlacementRanges
from padam.defects.registry import DEFECT_NAMES, DEFECTS

MOST_BYTES = 150_000


def rows(page):
    """Cells of the table rows whose first cell is a parameter's name."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", page, re.MULTILINE))


def written(value):
    """Every number and word of a default, as a page would give it."""
    parts = value if isinstance(value, tuple) else (value,)
    return [f"{part:g}" if isinstance(part, int | float) else part for part in parts]


def assert_table_is_true(page, ranges):
    table = rows(page)
    assert set(table) == set(ranges.model_fields)
    for name, field in ranges.model_fields.items():
        default = table[name].split("|")[0].replace("−", "-")
        found = [f"{float(x):g}" for x in re.findall(r"-?\d[\d.]*(?:e-?\d+)?", default)]
        found += re.findall(r"[a-z]{3,}", default)
        assert set(written(field.default)) <= set(found), f"{name}: {default}"


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_a_page_per_defect_with_every_range_and_its_default(project, name):
    page = (project / "docs" / "defects" / f"{name}.md").read_text(encoding="utf-8")
    assert_table_is_true(page, DEFECTS[name].Ranges)
    assert f"({name}.md)" in (project / "docs" / "defects" / "README.md").read_text("utf-8")


def test_the_index_gives_the_placement(project):
    page = (project / "docs" / "defects" / "README.md").read_text(encoding="utf-8")
    assert_table_is_true(page, PlacementRanges)


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_each_page_shows_its_picture_which_is_small(project, name):
    page = project / "docs" / "defects" / f"{name}.md"
    (target,) = re.findall(r"!\[[^\]]+\]\((.*?)\)", page.read_text(encoding="utf-8"))
    picture = (page.parent / target).resolve()
    assert picture.name == f"{name}.png"
    assert 5000 < picture.stat().st_size <= MOST_BYTES
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_links_lead_somewhere(project):
    folder = project / "docs" / "defects"
    for page in folder.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
    for page in (project / "README.md", project / "docs" / "method.md"):
        assert "defects/README.md" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_pictures_can_be_drawn_again(project, tmp_path):
    script = project / "docs" / "draw_defects.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=300)
    drawn = {path.stem: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert set(drawn) == set(DEFECT_NAMES)
    assert max(drawn.values()) <= MOST_BYTES
