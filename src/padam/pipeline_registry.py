"""The pipelines by name, and the whole chain as the default."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

CHAIN = (
    "synthesis",
    "metric_fusion",
    "feature_extractor",
    "training_titles",
    "quality_head",
    "defect_classifier",
    "evaluation",
    "detection",
)


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline; ``__default__`` runs the chain from media to detections.

    Kedro imports only the pipelines that a run asks for, so the default is composed only when
    all of the chain is there.
    """
    pipelines = find_pipelines(raise_errors=True)
    if all(name in pipelines for name in CHAIN):
        pipelines["__default__"] = sum((pipelines[name] for name in CHAIN), Pipeline([]))
    return pipelines
