"""Media and their splits → look-alikes → the titles of the benchmark, and what is in them."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.benchmark_titles import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that assembles the benchmark's titles."""
    return Pipeline(
        [
            Node(
                func=nodes.find_look_alikes,
                inputs=["media", "source_index", "params:benchmark_titles.titles"],
                outputs="benchmark_look_alikes",
                name="find_look_alikes",
            ),
            Node(
                func=nodes.build_titles,
                inputs=[
                    "media",
                    "source_index",
                    "benchmark_look_alikes",
                    "params:benchmark_titles.titles",
                    "params:synthesis.workflow",
                    "params:benchmark_titles.compute",
                ],
                outputs="benchmark_titles",
                name="build_titles",
            ),
            Node(
                func=nodes.summarise,
                inputs=[
                    "benchmark_titles",
                    "benchmark_look_alikes",
                    "params:benchmark_titles.titles",
                ],
                outputs=["benchmark_summary", "benchmark_titles_figure"],
                name="summarise",
            ),
        ],
        namespace="benchmark_titles",
        prefix_datasets_with_namespace=False,
    )
