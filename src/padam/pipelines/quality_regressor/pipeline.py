"""Representations and q̂ → ν-SVR that predicts q̂."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.quality_regressor import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline of the ν-SVR beside the classifier of stage 3.

    It is no part of the default run: detection does not need it.
    """
    return Pipeline(
        [
            Node(
                func=nodes.fit_regressor,
                inputs=["clip_representations", "fused_quality", "params:quality_regressor.fit"],
                outputs=["quality_regressor", "quality_regressor_summary"],
                name="fit_regressor",
            ),
        ],
        namespace="quality_regressor",
        prefix_datasets_with_namespace=False,
    )
