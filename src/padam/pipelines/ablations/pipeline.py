"""Embeddings, q̂ and labels → every variant of the quality head → one table."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.ablations import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that trains the ablations and compares them (PADAM Table 3)."""
    return Pipeline(
        [
            Node(
                func=nodes.compare_variants,
                inputs=[
                    "embeddings",
                    "native_evidence",
                    "fused_quality",
                    "clip_manifest",
                    "ablation_results",
                    "params:quality_head.training",
                    "params:ablations",
                ],
                outputs=["ablation_table", "ablation_scores", "ablation_summary"],
                name="compare_variants",
            ),
        ],
        namespace="ablations",
        prefix_datasets_with_namespace=False,
    )
