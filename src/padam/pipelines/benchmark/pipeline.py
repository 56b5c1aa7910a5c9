"""The measurement of `evaluation` on titles from elsewhere: a benchmark, or an archive's own."""

from typing import Any

from kedro.pipeline import Pipeline

from padam.pipelines.evaluation.pipeline import EVIDENCE, MODELS, create_measurement

PARAMETERS = ("scoring", "tables", "failures", "compute")


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that measures every system on the titles of `benchmark_titles`.

    Its datasets are those of `evaluation`, named `benchmark.<dataset>`.
    """
    return Pipeline(
        create_measurement(),
        namespace="benchmark",
        inputs={"evaluation_titles": "benchmark_titles", **{name: name for name in MODELS}},
        parameters={
            EVIDENCE: EVIDENCE,
            **{f"params:evaluation.{name}": f"params:benchmark.{name}" for name in PARAMETERS},
        },
    )
