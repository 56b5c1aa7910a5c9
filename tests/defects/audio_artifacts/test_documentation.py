"""The page of the AA system names what the code has, and its picture is there."""

import re
import subprocess
import sys

import pytest

from padam.defects.audio_artifacts.config import SimulationConfig
from tests.defects.test_documentation import MOST_BYTES, assert_table_is_true


def test_the_page_has_every_parameter_of_the_simulator_and_its_default(project):
    page = (project / "docs" / "audio_artifacts.md").read_text(encoding="utf-8")
    table = page[page.index("`SimulationConfig`") : page.index("How the paper is read")]
    assert_table_is_true(table.replace("\\|", ""), SimulationConfig)


def test_links_and_the_picture_lead_somewhere(project):
    page = project / "docs" / "audio_artifacts.md"
    targets = re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8"))
    assert "images/audio_artifacts.png" in targets
    for target in targets:
        assert (page.parent / target.partition("#")[0]).exists(), target
    picture = page.parent / "images" / "audio_artifacts.png"
    assert 5000 < picture.stat().st_size <= MOST_BYTES
    assert "docs/audio_artifacts.md" in (project / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_picture_can_be_drawn_again(project, tmp_path):
    script = project / "docs" / "draw_audio_artifacts.py"
    target = tmp_path / "again.png"
    subprocess.run([sys.executable, str(script), str(target)], check=True, timeout=300)
    assert 5000 < target.stat().st_size <= MOST_BYTES
