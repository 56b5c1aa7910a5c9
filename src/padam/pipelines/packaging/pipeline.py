"""The three stages, and the decisions that the benchmark's validation titles tune → one model."""

from typing import Any

from kedro.pipeline import Pipeline

from padam.pipelines.evaluation.pipeline import EVIDENCE, STAGES, create_packaging


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that packages a model after `benchmark` instead of `evaluation`.

    Its titles are more: operating points of 0.1 % need a thousand clean segments.
    """
    return Pipeline(
        create_packaging(),
        namespace="packaging",
        inputs={
            **{name: name for name in STAGES},
            "quality_normaliser": "quality_normaliser",
            "event_localiser": "event_localiser",
            "evaluation_table": "benchmark.evaluation_table",
            "title_scores": "benchmark.title_scores",
            "evaluation_titles": "benchmark_titles",
        },
        outputs={"padam_model": "padam_model"},
        parameters={EVIDENCE: EVIDENCE},
    )
