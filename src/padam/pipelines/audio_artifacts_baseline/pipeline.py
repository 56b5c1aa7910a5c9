"""The evaluation's titles and AA's model → Table 2 of PADAM with AA in it."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.audio_artifacts_baseline import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that scores the evaluation's titles with AA (PADAM §5.1)."""
    return Pipeline(
        [
            Node(
                func=nodes.score_titles,
                inputs=[
                    "audio_artifacts_model",
                    "evaluation_titles",
                    "params:audio_artifacts.baseline_chunk_s",
                    "params:evaluation.compute",
                ],
                outputs="artifact_title_scores",
                name="score_titles",
            ),
            Node(
                func=nodes.compare,
                inputs=[
                    "title_scores",
                    "artifact_title_scores",
                    "evaluation_titles",
                    "params:evaluation.tables",
                ],
                outputs=[
                    "baseline_table",
                    "baseline_defect_recall",
                    "baseline_summary",
                    "baseline_precision_recall_figure",
                ],
                name="compare",
            ),
        ],
        namespace="audio_artifacts_baseline",
        prefix_datasets_with_namespace=False,
    )
