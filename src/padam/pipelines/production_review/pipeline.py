"""Verdicts of operators, and what was scanned → the table of PADAM §5.2."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.production_review import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that tells what operators made of the detections.

    It is no part of the default run: without verdicts there is nothing to tell.
    """
    return Pipeline(
        [
            Node(
                func=nodes.collect_verdicts,
                inputs=["review_verdicts", "scanned_documents"],
                outputs=["settled_review", "scanned_titles", "reviewed_events"],
                name="collect_verdicts",
            ),
            Node(
                func=nodes.tabulate_review,
                inputs=["settled_review", "scanned_titles", "params:production_review"],
                outputs=["review_table", "review_breakdown", "review_thresholds"],
                name="tabulate_review",
            ),
            Node(
                func=nodes.report_review,
                inputs=[
                    "settled_review",
                    "scanned_titles",
                    "review_table",
                    "review_breakdown",
                    "review_thresholds",
                ],
                outputs=["production_review_summary", "production_review_page", "review_figure"],
                name="report_review",
            ),
        ],
        namespace="production_review",
        prefix_datasets_with_namespace=False,
    )
