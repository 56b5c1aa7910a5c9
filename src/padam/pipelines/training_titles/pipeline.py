"""Media of train and validation → titles with many defects → segments, embedded and labelled."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.training_titles import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that makes titles to train stages 2 and 3 on (an extension)."""
    return Pipeline(
        [
            Node(
                func=nodes.find_look_alikes,
                inputs=["media", "source_index", "params:training_titles.titles"],
                outputs="training_look_alikes",
                name="find_look_alikes",
            ),
            Node(
                func=nodes.build_titles,
                inputs=[
                    "media",
                    "source_index",
                    "training_look_alikes",
                    "params:training_titles.titles",
                    "params:synthesis.workflow",
                    "params:training_titles.compute",
                ],
                outputs="training_titles",
                name="build_titles",
            ),
            Node(
                func=nodes.summarise,
                inputs=[
                    "training_titles",
                    "training_look_alikes",
                    "params:training_titles.titles",
                ],
                outputs=["training_titles_summary", "training_titles_figure"],
                name="summarise",
            ),
            Node(
                func=nodes.embed_segments,
                inputs=[
                    "audio_encoder",
                    "training_titles",
                    "params:feature_extractor.native_evidence",
                    "params:training_titles.compute",
                ],
                outputs="segment_embeddings",
                name="embed_segments",
            ),
            Node(
                func=nodes.label,
                inputs=["training_titles", "segment_embeddings", "params:training_titles.segments"],
                outputs="title_segments",
                name="label_segments",
            ),
        ],
        namespace="training_titles",
        prefix_datasets_with_namespace=False,
    )
