"""What a plain `kedro run` leaves to commands of their own."""

from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from padam.pipeline_registry import CHAIN, register_pipelines


@pytest.mark.parametrize(
    "name", ["ablations", "agreement", "benchmark_titles", "learning_curve", "production_review"]
)
def test_it_is_no_part_of_the_default_run(project: Path, name: str) -> None:
    bootstrap_project(project)
    assert name not in CHAIN
    pipelines = register_pipelines()
    own = {node.name for node in pipelines[name].nodes}
    assert own
    assert own.isdisjoint({node.name for node in pipelines["__default__"].nodes})
