"""Representations → search of ν and γ → ν-SVM, with the ablations' linear probes."""

from typing import Any

from kedro.pipeline import Node, Pipeline

from padam.pipelines.defect_classifier import localiser, nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Return the pipeline of stage 3 (PADAM §4.3)."""
    return Pipeline(
        [
            Node(
                func=nodes.gather_rows,
                inputs=[
                    "clip_representations",
                    "segment_representations",
                    "params:defect_classifier.trained_on",
                ],
                outputs="classifier_rows",
                name="gather_rows",
            ),
            Node(
                func=nodes.search_svm,
                inputs=[
                    "classifier_rows",
                    "svm_search_storage",
                    "params:defect_classifier.search",
                ],
                outputs=["svm_trials", "svm_best"],
                name="search_svm",
            ),
            Node(
                func=nodes.fit_classifier,
                inputs=[
                    "classifier_rows",
                    "svm_best",
                    "params:defect_classifier.search",
                    "params:defect_classifier.refit",
                ],
                outputs="defect_classifier",
                name="fit_classifier",
            ),
            Node(
                func=nodes.fit_probes,
                inputs=["classifier_rows", "embeddings", "segment_embeddings"],
                outputs="ablation_probes",
                name="fit_probes",
            ),
            Node(
                func=nodes.summarise_classifier,
                inputs=[
                    "classifier_rows",
                    "defect_classifier",
                    "svm_trials",
                    "svm_best",
                    "params:defect_classifier.search",
                ],
                outputs=["defect_classifier_summary", "defect_classifier_figure"],
                name="summarise_classifier",
            ),
            Node(
                func=localiser.measure_event_windows,
                inputs=[
                    "training_titles",
                    "params:defect_classifier.localiser",
                    "params:defect_classifier.compute",
                ],
                outputs="event_windows",
                name="measure_event_windows",
            ),
            Node(
                func=localiser.fit_localiser,
                inputs=["event_windows", "training_titles", "params:defect_classifier.localiser"],
                outputs=["event_localiser", "event_localiser_summary"],
                name="fit_event_localiser",
            ),
        ],
        namespace="stage_3_defect_classifier",
        prefix_datasets_with_namespace=False,
    )
