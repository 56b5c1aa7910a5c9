"""The one table at the end of a run: what was made, how good it is, where to look."""

from collections.abc import Callable
from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from padam.hooks.evaluation_summary import (
    benchmark_titles_rows,
    detection_rows,
    evaluation_rows,
    production_review_rows,
)
from padam.hooks.learning_curve_rows import learning_curve_rows
from padam.hooks.listening_summary import (
    agreement_rows,
    listening_test_rows,
    page_rows,
    ratings_rows,
)
from padam.hooks.summary_rows import Rows
from padam.hooks.training_summary import (
    ablation_rows,
    audio_artifacts_rows,
    fusion_rows,
    quality_regressor_rows,
    stage_1_rows,
    stage_2_rows,
    stage_3_rows,
    synthesis_rows,
)


class RunSummaryHook:
    """Prints the summaries that the pipelines of this run produced."""

    @hook_impl
    def after_catalog_created(self, save_version: str) -> None:
        """Keep the version that the datasets of this run carry."""
        self._version = save_version
        self._saved: set[str] = set()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note what this run has made."""
        self._saved.add(dataset_name)

    @hook_impl(tryfirst=True)  # before the MLflow run is closed
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Print one table."""
        table = Table(title="PADAM run summary", show_header=False, title_justify="left")
        table.add_column("part", style="bold")
        table.add_column("what")
        table.add_column("value", overflow="fold")
        for part, (dataset, describe) in PARTS.items():
            if dataset not in self._saved:
                continue
            for number, (what, value) in enumerate(describe(catalog.load(dataset))):
                table.add_row("" if number else part, escape(what), escape(value))
            table.add_section()
        run = mlflow.active_run()
        made = self._version if self._saved else "none: nothing was missing, nothing recomputed"
        table.add_row("where", "dataset version", made)
        if run is not None:
            table.add_row("", "MLflow run", f"{run.info.run_name} {run.info.run_id}")
        table.add_row("", "MLflow pages", "make ui, then http://127.0.0.1:5000")
        table.add_row("", "the graph", "make viz, then http://127.0.0.1:4141")
        table.add_row("", "figures and reports", "data/08_reporting")
        # As wide as it needs where there is no terminal: a log should not fold it.
        console = Console()
        Console(width=max(console.width, 120)).print(table)


PARTS: dict[str, tuple[str, Callable[[Any], Rows]]] = {
    "synthesis": ("synthesis_summary", synthesis_rows),
    "metric fusion": ("fusion_summary", fusion_rows),
    "listening test": ("listening_test_summary", listening_test_rows),
    "to give to listeners": ("listening_test_kit", page_rows),
    "what listeners handed in": ("listening_ratings_summary", ratings_rows),
    "agreement with people": ("agreement_summary", agreement_rows),
    "stage 1": ("feature_extractor_summary", stage_1_rows),
    "training titles": ("training_titles_summary", benchmark_titles_rows),
    "stage 2": ("quality_head_summary", stage_2_rows),
    "ablations": ("ablation_summary", ablation_rows),
    "stage 3": ("defect_classifier_summary", stage_3_rows),
    "learning curve": ("learning_curve_summary", learning_curve_rows),
    "q̂ predicted": ("quality_regressor_summary", quality_regressor_rows),
    "benchmark titles": ("benchmark_summary", benchmark_titles_rows),
    "evaluation": ("evaluation_summary", evaluation_rows),
    "detection": ("detection_summary", detection_rows),
    "audio artifacts": ("audio_artifacts_summary", audio_artifacts_rows),
    "benchmark": ("benchmark.evaluation_summary", evaluation_rows),
    "production review": ("production_review_summary", production_review_rows),
}
