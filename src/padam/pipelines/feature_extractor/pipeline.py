"""Films → audio encoder → embeddings of every clip."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.feature_extractor import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline of stage 1 (PADAM §4.1)."""
    return Pipeline(
        [
            Node(
                func=nodes.train_feature_extractor,
                inputs=[
                    "media",
                    "source_index",
                    "stage_1_checkpoints",
                    "params:feature_extractor.training",
                    "params:feature_extractor.launch",
                ],
                outputs=[
                    "audio_encoder",
                    "feature_extractor_history",
                    "feature_extractor_summary",
                    "feature_extractor_figure",
                    "feature_extractor_films",
                    "feature_extractor_retrievals",
                ],
                name="train_feature_extractor",
            ),
            Node(
                func=nodes.embed_clips,
                inputs=[
                    "audio_encoder",
                    "clip_pairs",
                    "params:feature_extractor.clean_member",
                    "params:feature_extractor.compute",
                ],
                outputs="embeddings",
                name="embed_clips",
            ),
            Node(
                func=nodes.measure_native_evidence,
                inputs=[
                    "clip_pairs",
                    "params:feature_extractor.native_evidence",
                    "params:feature_extractor.clean_member",
                    "params:feature_extractor.compute",
                ],
                outputs="native_evidence",
                name="measure_native_evidence",
            ),
        ],
        namespace="stage_1_feature_extractor",
        prefix_datasets_with_namespace=False,
    )
