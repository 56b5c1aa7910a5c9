"""Files of listeners and the keys to the tests → ratings."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.listening_results import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that reads back what listeners hand in."""
    return Pipeline(
        [
            Node(
                func=nodes.collect_ratings,
                inputs=["listening_results", "listening_test_keys"],
                outputs=["listening_ratings", "listening_ratings_summary"],
                name="collect_ratings",
            ),
        ],
        namespace="listening_results",
        prefix_datasets_with_namespace=False,
    )
