"""Held-out titles → scores of every system → the tables of PADAM §5, and the packaged model."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.evaluation import nodes

EVIDENCE = "params:feature_extractor.native_evidence"
STAGES = ["audio_encoder", "quality_head", "defect_classifier", "ablation_probes", EVIDENCE]


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that measures PADAM beside its ablations and DNSMOS (PADAM §5.1)."""
    return Pipeline(
        [
            Node(
                func=nodes.build_titles,
                inputs=[
                    "media",
                    "source_index",
                    "params:evaluation.titles",
                    "params:synthesis.workflow",
                    "params:evaluation.compute",
                ],
                outputs="evaluation_titles",
                name="build_titles",
            ),
            Node(
                func=nodes.embed_titles,
                inputs=[
                    "audio_encoder",
                    "evaluation_titles",
                    EVIDENCE,
                    "params:evaluation.compute",
                ],
                outputs="title_embeddings",
                name="embed_titles",
            ),
            Node(
                func=nodes.score_titles,
                inputs=[
                    "evaluation_titles",
                    "title_embeddings",
                    *STAGES,
                    "params:evaluation.compute",
                ],
                outputs="title_scores",
                name="score_titles",
            ),
            Node(
                func=nodes.evaluate,
                inputs=["title_scores", "evaluation_titles", "params:evaluation.tables"],
                outputs=[
                    "evaluation_table",
                    "defect_recall",
                    "evaluation_summary",
                    "precision_recall_figure",
                    "title_timelines_figure",
                ],
                name="evaluate",
            ),
            Node(
                func=nodes.package_model,
                inputs=[*STAGES, "quality_normaliser", "evaluation_table"],
                outputs="padam_model",
                name="package_model",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
