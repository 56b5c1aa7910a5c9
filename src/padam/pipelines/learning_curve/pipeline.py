"""Rows and settings of stage 3's last fit → fits on parts of their sources → learning curve."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.learning_curve import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that tells whether stage 3 would gain by more data (an extension).

    It is no part of the default run: detection does not need it.
    """
    return Pipeline(
        [
            Node(
                func=nodes.fit_parts,
                inputs=[
                    "classifier_rows",
                    "defect_classifier",
                    "params:defect_classifier.search",
                    "params:defect_classifier.refit",
                    "params:learning_curve.curve",
                    "params:learning_curve.compute",
                ],
                outputs="learning_curve_scores",
                name="fit_parts",
            ),
            Node(
                func=nodes.judge_parts,
                inputs=[
                    "learning_curve_scores",
                    "classifier_rows",
                    "defect_classifier",
                    "params:learning_curve.curve",
                ],
                outputs=["learning_curve_table", "learning_curve_summary", "learning_curve_figure"],
                name="judge_parts",
            ),
        ],
        namespace="learning_curve",
        prefix_datasets_with_namespace=False,
    )
