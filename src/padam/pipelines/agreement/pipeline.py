"""Listeners' ratings and q̂ → Table 1 of PADAM."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.agreement import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that measures how q̂ agrees with people (PADAM §3.2, Table 1).

    It is no part of the default run: without ratings there is nothing to measure.
    """
    return Pipeline(
        [
            Node(
                func=nodes.collect_opinions,
                inputs=["ratings", "fused_quality", "params:agreement.screening"],
                outputs=["mean_opinion_scores", "screened_listeners", "study_counts"],
                name="collect_opinions",
            ),
            Node(
                func=nodes.measure_agreement,
                inputs=[
                    "mean_opinion_scores",
                    "metric_scores",
                    "fused_quality",
                    "params:agreement.bootstrap",
                ],
                outputs=["agreement_table", "best_metric_comparison", "agreement_figure"],
                name="measure_agreement",
            ),
            Node(
                func=nodes.refit_fusion,
                inputs=[
                    "mean_opinion_scores",
                    "metric_scores",
                    "clip_manifest",
                    "quality_normaliser",
                    "params:metric_fusion.weights",
                    "params:agreement.refit",
                    "params:agreement.bootstrap",
                ],
                outputs="refitted_weights",
                name="refit_fusion",
            ),
            Node(
                func=nodes.summarise_agreement,
                inputs=[
                    "study_counts",
                    "agreement_table",
                    "best_metric_comparison",
                    "refitted_weights",
                ],
                outputs="agreement_summary",
                name="summarise_agreement",
            ),
        ],
        namespace="agreement",
        prefix_datasets_with_namespace=False,
    )
