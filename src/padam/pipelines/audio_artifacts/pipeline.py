"""Media files → titles → six versions in chunks → CNN6 → balanced accuracy on held-out titles."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.audio_artifacts import nodes
from padam.pipelines.synthesis.nodes import inspect_sources


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline of the AA paper, from media to its table and figures."""
    return Pipeline(
        [
            Node(
                func=inspect_sources,
                inputs=[
                    "media",
                    "params:audio_artifacts.sources",
                    "params:audio_artifacts.compute",
                ],
                outputs="artifact_title_inspections",
                name="inspect_titles",
            ),
            Node(
                func=nodes.split_titles,
                inputs=[
                    "media",
                    "artifact_title_inspections",
                    "params:audio_artifacts.split",
                    "params:audio_artifacts.strata",
                ],
                outputs=["artifact_titles", "rejected_artifact_titles"],
                name="split_titles",
            ),
            Node(
                func=nodes.measure_levels,
                inputs=["media", "artifact_titles", "params:audio_artifacts.compute"],
                outputs="artifact_title_levels",
                name="measure_levels",
            ),
            Node(
                func=nodes.draw_pieces,
                inputs=["artifact_titles", "artifact_title_levels", "params:audio_artifacts.plan"],
                outputs="artifact_pieces",
                name="draw_pieces",
            ),
            Node(
                func=nodes.simulate_artifacts,
                inputs=[
                    "media",
                    "artifact_pieces",
                    "params:audio_artifacts.plan",
                    "params:audio_artifacts.simulation",
                    "params:audio_artifacts.compute",
                ],
                outputs="artifact_chunks",
                name="simulate_artifacts",
            ),
            Node(
                func=nodes.list_chunks,
                inputs=["artifact_chunks", "artifact_title_levels"],
                outputs=["artifact_chunk_table", "artifact_class_counts", "rejected_artifacts"],
                name="list_chunks",
            ),
            Node(
                func=nodes.train_model,
                inputs=[
                    "artifact_chunks",
                    "audio_artifacts_checkpoints",
                    "params:audio_artifacts.plan",
                    "params:audio_artifacts.training",
                ],
                outputs=[
                    "audio_artifacts_model",
                    "audio_artifacts_history",
                    "audio_artifacts_training_summary",
                    "audio_artifacts_training_figure",
                ],
                name="train_model",
            ),
            Node(
                func=nodes.evaluate_model,
                inputs=[
                    "audio_artifacts_model",
                    "artifact_chunks",
                    "artifact_class_counts",
                    "audio_artifacts_training_summary",
                    "params:audio_artifacts.evaluation",
                ],
                outputs=[
                    "artifact_predictions",
                    "artifact_severity_recall",
                    "audio_artifacts_summary",
                    "artifact_confusion_figure",
                    "artifact_severity_figure",
                ],
                name="evaluate_model",
            ),
        ],
        namespace="audio_artifacts",
        prefix_datasets_with_namespace=False,
    )
