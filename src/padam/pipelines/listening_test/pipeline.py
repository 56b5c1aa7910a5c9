"""Clip pairs and q̂ → a listening test, and the key to it."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.listening_test import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that makes a listening test (PADAM §3.2)."""
    return Pipeline(
        [
            Node(
                func=nodes.choose_clips,
                inputs=[
                    "clip_pairs",
                    "clip_manifest",
                    "fused_quality",
                    "params:listening_test.sample",
                    "params:listening_test.page",
                ],
                outputs=["listening_test_kit", "listening_test_key", "listening_test_summary"],
                name="choose_clips",
            ),
        ],
        namespace="listening_test",
        prefix_datasets_with_namespace=False,
    )
