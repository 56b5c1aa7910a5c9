"""Titles and the PADAM model → detections."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.detection import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline that scans titles, over the same code as `padam scan`."""
    return Pipeline(
        [
            Node(
                func=nodes.detect,
                inputs=["titles_to_scan", "padam_model", "params:detection.scan"],
                outputs=["detections", "detection_summary"],
                name="detect",
            ),
        ],
        namespace="detection",
        prefix_datasets_with_namespace=False,
    )
