"""docs/evaluation.md names what the pipelines make, and what the code knows."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from padam.detection.evaluation_failures import FailuresConfig
from padam.detection.systems import SYSTEM_NAMES, ScoringConfig
from padam.detection.title_evaluation import EvaluationConfig, evaluate_scorers
from padam.weights.known import KNOWN
from tests.detection.test_evaluation_tables import labels_for, many


@pytest.fixture(scope="module")
def page(project: Path) -> str:
    return (project / "docs" / "evaluation.md").read_text(encoding="utf-8")


def catalog(project: Path, name: str) -> dict[str, dict[str, object]]:
    path = project / "conf" / "base" / "catalog" / f"{name}.yml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: entry for key, entry in found.items() if not key.startswith("_")}


def test_every_file_is_explained(project: Path, page: str) -> None:
    for entry in catalog(project, "evaluation").values():
        name = str(entry["filepath"]).rpartition("/")[2]
        assert f"`{name}`" in page, name


def test_the_benchmark_has_what_evaluation_has_in_places_of_its_own(project: Path) -> None:
    ours, theirs = (catalog(project, name) for name in ("benchmark", "evaluation"))
    own = {name.removeprefix("benchmark.") for name in ours}
    assert own == set(theirs) - {"evaluation_titles", "padam_model"}
    for name, entry in ours.items():
        like = theirs[name.removeprefix("benchmark.")]
        assert entry["type"] == like["type"]
        assert entry["versioned"]
        assert "mlflow" in entry["metadata"]  # type: ignore[operator]
        assert "/benchmark/" in str(entry["filepath"])


def test_every_system_and_its_weights_are_named(page: str) -> None:
    for name in SYSTEM_NAMES:
        assert f"| `{name}` |" in page
    for name in KNOWN:
        assert name.lower() in page.lower()


def test_every_column_is_explained(page: str) -> None:
    scores = pd.concat([many(0, "padam", 1.0), many(1, "srmr", 0.2)], ignore_index=True)
    found = evaluate_scorers(
        scores, labels_for(error_to_signal_db=-10.0), EvaluationConfig(bootstrap_rounds=2),
        scores[["title", "split"]].drop_duplicates().assign(content="music"),
    )  # fmt: skip
    named = set(re.findall(r"`(\w+)`", page))
    tables = (found.systems, found.defects, found.breakdown)
    columns = {re.sub("_(low|high)$", "", str(name)) for table in tables for name in table}
    assert columns <= named


def test_every_parameter_is_named(page: str) -> None:
    models = (EvaluationConfig, FailuresConfig, ScoringConfig)
    for name in (name for model in models for name in model.model_fields):
        assert re.search(rf"`(\w+\.)*{name}`", page), name
