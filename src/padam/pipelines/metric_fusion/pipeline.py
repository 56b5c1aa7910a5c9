"""Clip pairs → four perceptual metrics → q̂."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.metric_fusion import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that scores the damage of every clip (PADAM §3.2)."""
    return Pipeline(
        [
            Node(
                func=nodes.score_clips,
                inputs=[
                    "clip_pairs",
                    "params:metric_fusion.scoring",
                    "params:metric_fusion.compute",
                ],
                outputs="metric_scores",
                name="score_clips",
            ),
            Node(
                func=nodes.fit_normaliser,
                inputs=["metric_scores", "clip_manifest", "params:metric_fusion.weights"],
                outputs="quality_normaliser",
                name="fit_normaliser",
            ),
            Node(
                func=nodes.fuse_quality,
                inputs=[
                    "metric_scores",
                    "clip_manifest",
                    "quality_normaliser",
                    "params:metric_fusion.weights",
                ],
                outputs="fused_quality",
                name="fuse_quality",
            ),
            Node(
                func=nodes.summarise_fusion,
                inputs=["metric_scores", "fused_quality", "clip_manifest"],
                outputs=[
                    "fusion_summary",
                    "quality_by_defect_figure",
                    "quality_by_severity_figure",
                    "metric_correlation_figure",
                ],
                name="summarise_fusion",
            ),
            Node(
                func=nodes.choose_quality_examples,
                inputs=[
                    "clip_pairs",
                    "metric_scores",
                    "fused_quality",
                    "params:metric_fusion.examples",
                ],
                outputs="quality_examples",
                name="choose_quality_examples",
            ),
        ],
        namespace="metric_fusion",
        prefix_datasets_with_namespace=False,
    )
