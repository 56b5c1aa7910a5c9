"""Held-out titles → scores of every system → the tables of PADAM §5, and the packaged model."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.evaluation import nodes, scoring

EVIDENCE = "params:feature_extractor.native_evidence"
STAGES = ["audio_encoder", "quality_head", "defect_classifier", "ablation_probes"]
MODELS = [*STAGES, "audio_artifacts_model"]


def create_measurement() -> Pipeline:
    """Return the nodes that measure every system on the titles of `evaluation_titles`."""
    return Pipeline(
        [
            Node(
                func=scoring.embed_titles,
                inputs=[
                    "audio_encoder",
                    "evaluation_titles",
                    EVIDENCE,
                    "params:evaluation.scoring",
                    "params:evaluation.compute",
                ],
                outputs="title_embeddings",
                name="embed_titles",
            ),
            Node(
                func=scoring.score_titles,
                inputs=[
                    "evaluation_titles",
                    "title_embeddings",
                    *MODELS,
                    EVIDENCE,
                    "params:evaluation.scoring",
                    "params:evaluation.compute",
                ],
                outputs=["title_scores", "scored_systems"],
                name="score_titles",
            ),
            Node(
                func=nodes.evaluate,
                inputs=[
                    "title_scores",
                    "scored_systems",
                    "evaluation_titles",
                    "params:evaluation.tables",
                ],
                outputs=[
                    "evaluation_table",
                    "defect_recall",
                    "evaluation_breakdown",
                    "evaluation_summary",
                    "evaluation_page",
                    "evaluation_latex",
                ],
                name="evaluate",
            ),
            Node(
                func=nodes.draw_figures,
                inputs=[
                    "title_scores",
                    "evaluation_table",
                    "evaluation_titles",
                    "params:evaluation.tables",
                ],
                outputs=[
                    "precision_recall_figure",
                    "title_timelines_figure",
                    "filter_search",
                    "filter_search_figure",
                ],
                name="draw_figures",
            ),
            Node(
                func=nodes.find_failures,
                inputs=[
                    "title_scores",
                    "evaluation_table",
                    "evaluation_titles",
                    "params:evaluation.tables",
                    "params:evaluation.failures",
                ],
                outputs="evaluation_failures",
                name="find_failures",
            ),
        ]
    )


def create_packaging() -> Pipeline:
    """Return the node that puts the three stages together with the decisions tuned for them."""
    return Pipeline(
        [
            Node(
                func=nodes.package_model,
                inputs=[
                    *STAGES,
                    EVIDENCE,
                    "quality_normaliser",
                    "evaluation_table",
                    "title_scores",
                    "evaluation_titles",
                    "event_localiser",
                ],
                outputs="padam_model",
                name="package_model",
            )
        ]
    )


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that measures PADAM beside its ablations and baselines (PADAM §5.1)."""
    titles = Node(
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
    )
    return Pipeline(
        [titles, *create_measurement().nodes, *create_packaging().nodes],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
