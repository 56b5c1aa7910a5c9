"""The notebooks run from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.end_to_end.conftest import Project


def execute(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept clean"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}})
    client.execute()
    return [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]


def test_hear_the_defects(project: Path) -> None:
    text = "\n".join(execute(project / "notebooks" / "hear_the_defects.ipynb"))
    for name in ("hum", "hiss", "drops", "clipping", "quantization", "packet_loss", "clicks"):
        assert name in text


def test_review_a_run(project: Path, chain, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Project = chain[0]
    parameters = ",".join(f"{name}={value}" for name, value in run.parameters().items())
    monkeypatch.setenv("PADAM_ENV", "test")
    monkeypatch.setenv("PADAM_PARAMS", parameters)
    text = "\n".join(execute(project / "notebooks" / "review_a_run.ipynb"))
    assert chain[1].split("T")[0] in text
    assert "evaluation/evaluation_table.csv" in text
