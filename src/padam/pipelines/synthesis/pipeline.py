"""Media files → sources → clip plan → clip pairs and their manifest."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.synthesis import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that makes the training material (PADAM §3.1)."""
    return Pipeline(
        [
            Node(
                func=nodes.inspect_sources,
                inputs=["media", "params:synthesis.sources", "params:synthesis.compute"],
                outputs="source_inspections",
                name="inspect_sources",
            ),
            Node(
                func=nodes.index_sources,
                inputs=["media", "source_inspections", "params:synthesis.split"],
                outputs=["source_index", "rejected_sources"],
                name="index_sources",
            ),
            Node(
                func=nodes.draw_clip_plan,
                inputs=[
                    "source_index",
                    "params:synthesis.plan",
                    "params:synthesis.workflow",
                ],
                outputs="clip_plan",
                name="draw_clip_plan",
            ),
            Node(
                func=nodes.synthesise_clips,
                inputs=[
                    "media",
                    "clip_plan",
                    "params:synthesis.workflow",
                    "params:synthesis.compute",
                ],
                outputs="clip_pairs",
                name="synthesise_clips",
            ),
            Node(
                func=nodes.collect_manifest,
                inputs=["clip_pairs", "params:synthesis.labels"],
                outputs=["clip_manifest", "rejected_clips"],
                name="collect_manifest",
            ),
            Node(
                func=nodes.compare_draws,
                inputs=["clip_manifest", "rejected_clips", "params:synthesis.workflow"],
                outputs=["synthesis_distribution", "synthesis_ranges"],
                name="compare_draws",
            ),
            Node(
                func=nodes.choose_gallery,
                inputs=[
                    "clip_pairs",
                    "clip_manifest",
                    "synthesis_distribution",
                    "synthesis_ranges",
                    "params:synthesis.gallery",
                ],
                outputs="synthesis_gallery",
                name="choose_gallery",
            ),
            Node(
                func=nodes.summarise_synthesis,
                inputs=[
                    "source_index",
                    "rejected_sources",
                    "clip_manifest",
                    "rejected_clips",
                    "synthesis_distribution",
                    "synthesis_ranges",
                ],
                outputs=["synthesis_summary", "synthesis_figure"],
                name="summarise_synthesis",
            ),
        ],
        namespace="synthesis",
        prefix_datasets_with_namespace=False,
    )
