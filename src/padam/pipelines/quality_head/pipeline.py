"""Embeddings, q̂ and labels → quality head → a representation of every clip."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.quality_head import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline of stage 2 (PADAM §4.2)."""
    return Pipeline(
        [
            Node(
                func=nodes.train_head,
                inputs=[
                    "embeddings",
                    "fused_quality",
                    "clip_manifest",
                    "segment_embeddings",
                    "title_segments",
                    "stage_2_checkpoints",
                    "params:quality_head.training",
                ],
                outputs=[
                    "quality_head",
                    "quality_head_history",
                    "quality_head_summary",
                    "quality_head_figure",
                ],
                name="train_quality_head",
            ),
            Node(
                func=nodes.draw_head,
                inputs=["quality_head", "embeddings", "fused_quality", "clip_manifest"],
                outputs=[
                    "quality_head_representations_figure",
                    "quality_head_similarity_figure",
                    "quality_head_roc_figure",
                ],
                name="draw_quality_head",
            ),
            Node(
                func=nodes.represent_clips,
                inputs=["quality_head", "embeddings", "native_evidence", "clip_manifest"],
                outputs="clip_representations",
                name="represent_clips",
            ),
            Node(
                func=nodes.represent_segments,
                inputs=["quality_head", "segment_embeddings", "title_segments"],
                outputs="segment_representations",
                name="represent_segments",
            ),
        ],
        namespace="stage_2_quality_head",
        prefix_datasets_with_namespace=False,
    )
