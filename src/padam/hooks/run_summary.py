"""The one table at the end of a run: what was made, how good it is, where to look."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from padam.audio.storage import Location
from padam.hooks.learning_curve_rows import learning_curve_rows

Rows = list[tuple[str, str]]
Summary = Mapping[str, Any]


ORDER = {"padam": 0, "quality_head": 1, "feature_extractor": 2, "native_evidence": 3}
"""PADAM, then its ablations from the nearest on, then everything else."""


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


def synthesis_rows(summary: Summary) -> Rows:
    """Sources and clips per defect."""
    sources, clips = summary["sources"], summary["clips"]
    defects = ", ".join(f"{name} {count}" for name, count in clips["by_defect"].items())
    splits = ", ".join(f"{name} {count}" for name, count in clips["by_split"].items())
    drawn = summary["drawn"]
    return [
        ("sources", f"{sources['accepted']} accepted, {sources['rejected']} rejected"),
        (
            "clips",
            f"{clips['total']} ({splits}), {clips['clean']} clean, {clips['rejected']} rejected",
        ),
        ("clips per defect", defects),
        (
            "drawn as intended",
            f"{drawn['shares_checked']} shares checked, {drawn['shares_outside']} outside their "
            f"99 % bounds; {drawn['numbers_checked']} ranges checked, "
            f"{drawn['numbers_outside']} exceeded",
        ),
    ]


def fusion_rows(summary: Summary) -> Rows:
    """Distribution of q̂ and what could not be scored."""
    q_hat, unscored = summary["q_hat"], summary["unscored"]
    gaps = ", ".join(f"{name} {count}" for name, count in unscored.items() if count) or "none"
    if summary["clips_without_q_hat"]:
        gaps += f"; {summary['clips_without_q_hat']} clips have no q̂"
    return [
        (
            "q̂",
            f"mean {q_hat['mean']:.2f}, std {q_hat['std']:.2f}, "
            f"5 % {q_hat['p05']:.2f}, median {q_hat['p50']:.2f}, 95 % {q_hat['p95']:.2f}",
        ),
        ("clean / defective", f"{q_hat['clean_mean']:.2f} / {q_hat['defective_mean']:.2f}"),
        ("not scored", gaps),
    ]


def stage_1_rows(summary: Summary) -> Rows:
    """Loss and retrieval of the feature extractor, or how well it hears held-out degradations."""
    change = f"{summary['loss_first']:.3f} → {summary['loss_last']:.3f}"
    if "validation_same_degradation_r1" in summary:
        areas = {
            name: summary.get(f"validation_auc_{name}", math.nan) for name in ("clips", "mean")
        }
        return [
            ("loss of contrast and labels", change),
            ("AUC on held-out sound", "clips {clips:.2f}, windows {mean:.2f}".format(**areas)),
            ("same degradation R@1", f"{summary['validation_same_degradation_r1']:.2f}"),
        ]
    rows = [("InfoNCE loss", change)]
    ways = {
        "audio_to_video": "audio→video",
        "video_to_audio": "video→audio",
        "first_to_second": "first half→second",
        "second_to_first": "second half→first",
    }
    found = [
        f"{way} R@1 {summary[f'validation_{name}_r1']:.2f}"
        for name, way in ways.items()
        if f"validation_{name}_r1" in summary
    ]
    value = ", ".join(found) or "not measured: no film in the validation split"
    return [*rows, ("retrieval on held-out film", value)]


def stage_2_rows(summary: Summary) -> Rows:
    """Losses of the quality head."""
    auc = summary.get("validation_auc_defective")
    return [
        ("loss", f"{summary['loss_first']:.3f} → {summary['loss_last']:.3f}"),
        ("AUC on validation clips", "not measured" if auc is None else f"{auc:.2f}"),
        *stage_2_segments(summary),
    ]


def stage_2_segments(summary: Summary) -> Rows:
    """What segments of titles say about the head, where it was trained on some."""
    auc = summary.get("validation_segment_auc")
    if not summary.get("train_segments"):
        return []
    return [("AUC on segments of titles", "not measured" if auc is None else f"{auc:.2f}")]


def stage_3_rows(summary: Summary) -> Rows:
    """Best parameters of the search."""
    edges = summary["edges"]
    return [
        ("classifier", summary["method"]),
        ("best ν, γ", f"{summary['nu']:.4f}, {summary['gamma']:.3g}"),
        *([("on the edge of the search", f"widen {', '.join(edges)}")] if edges else []),
        ("F1 on validation", f"{summary['f1']:.2f} after {summary['trials']} trials"),
    ]


def ablation_rows(summary: Summary) -> Rows:
    """A line per row and classifier: clean against defective, and similarity beside quality."""
    rows = [
        (
            f"{row}, {classifier.replace('_', ' ')}",
            f"AUC {estimate(found, 'auc_defective')}, correlation "
            f"{estimate(found, 'similarity_correlation')}",
        )
        for row, classifiers in summary["rows"].items()
        for classifier, found in classifiers.items()
    ]
    on = f"{summary['clips']} clips of {summary['sources']} {summary['split']} sources"
    return [*rows, ("on", on), ("correlation", "of cosine similarity and −|Δq̂|")]


def quality_regressor_rows(summary: Summary) -> Rows:
    """How well q̂ is predicted."""
    spearman = summary["spearman"]
    return [
        ("Spearman's ρ", "–" if spearman is None else f"{spearman:.2f}"),
        ("RMSE", f"{summary['rmse']:.2f}, in units of q̂"),
        ("on", f"{summary['validation_rows']} validation clips"),
    ]


def evaluation_rows(summary: Summary) -> Rows:
    """Segment and title F1 of every system."""
    rows = []
    systems = sorted(summary["scorers"].items(), key=lambda item: ORDER.get(item[0], len(ORDER)))
    for scorer, levels in systems:
        if note := levels.get("note"):
            rows.append((scorer, note))
            continue
        cells = []
        for level in ("segment", "title"):
            tuned = f"tuned on test {levels[level]['f1_from_test']:.2f}"
            if (f1 := levels[level].get("f1_from_validation")) is None:
                cells.append(f"{level} F1 {tuned}")
            else:
                cells.append(f"{level} F1 {f1:.2f} ({tuned})")
        rows.append((scorer, ", ".join(cells)))
    counts = summary["titles"]
    rows.append(("on", f"{counts['defective']} defective and {counts['clean']} clean titles"))
    return rows


def detection_rows(summary: Summary) -> Rows:
    """Verdict per title."""
    rows = [
        (title, f"{found['verdict']}, {found['events']} events, peak score {peak(found['peak'])}")
        for title, found in summary["titles"].items()
    ]
    rows += [(title, f"could not scan: {why}") for title, why in summary["unreadable"].items()]
    return rows


def peak(score: float | None) -> str:
    """Write a peak score, or that there is none."""
    return "none: nothing could be scored" if score is None else f"{score:.2f}"


def agreement_rows(summary: Summary) -> Rows:
    """Table 1 of the paper, q̂ beside the best metric, and refitted weights."""
    study = summary["study"]
    dropped = [f"{n} {why.replace('_', ' ')}" for why, n in study["dropped"].items() if n]
    rows = [
        (
            "listeners",
            f"{study['listeners_kept']} of {study['listeners']} kept, "
            f"{study['ratings']} ratings of {study['clips']} clips",
        ),
        ("ratings dropped", ", ".join(dropped) or "none"),
        *(("not possible", limit) for limit in study["limits"]),
    ]
    for metric, row in summary["table"].items():
        cells = [f"{name.upper()} {estimate(row, name)}" for name in ("srocc", "lcc", "rmse")]
        rows.append((metric, f"{', '.join(cells)}; {row['clips']} clips"))
    if best := summary["best_metric"]:
        rows.append(
            (
                f"q_hat over {best['metric']}",
                f"SROCC {estimate(best, 'srocc_difference')}, bootstrap p "
                f"{best['bootstrap_p']:.3f}; LCC {best['lcc_difference']:.3f}, Williams' p "
                f"{estimate(best, 'williams_p')}",
            )
        )
    if reason := summary["refit"].get("reason"):
        rows.append(("no refitted weights", reason))
    elif summary["refit"]["requested"]:
        weights, held_out = summary["refit"]["weights"], summary["refit"]["held_out"]
        rows += [
            ("refitted weights", ", ".join(f"{k} {v:.2f}" for k, v in weights.items())),
            (
                "on held-out clips",
                f"SROCC {held_out['srocc_default']:.3f} → {held_out['srocc_refitted']:.3f}, "
                f"difference {estimate(held_out, 'difference')}",
            ),
        ]
    return rows


def estimate(row: Summary, name: str) -> str:
    """Write a value with its interval, or what of them there is."""
    if row[name] is None:
        return "–"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{row[name]:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def listening_test_rows(summary: Summary) -> Rows:
    """What listeners are given to rate."""
    items = summary["items"]
    return [
        ("test id", summary["test_id"]),
        (
            "items",
            f"{items['clip']} clips, {items['hidden_reference']} hidden references, "
            f"{items['training']} for practice",
        ),
    ]


def audio_artifacts_rows(summary: Summary) -> Rows:
    """Balanced accuracy of AA's classifier, its recalls, and what it confuses."""
    recalls = [f"{name} {estimate(row, 'recall')}" for name, row in summary["recall"].items()]
    mistakes = [f"{what} {100 * share:.1f} %" for what, share in summary["confusions"].items()]
    counts = ", ".join(f"{name} {count}" for name, count in summary["by_class"].items())
    return [
        (
            "balanced accuracy",
            f"{estimate(summary, 'balanced_accuracy')} on {summary['titles']} {summary['split']} "
            f"titles; the paper {summary['paper_balanced_accuracy']}",
        ),
        ("recall", ", ".join(recalls)),
        ("confused", ", ".join(mistakes) or "nothing"),
        ("chunks", counts),
        ("trained from", summary["start"]),
    ]


def page_rows(page: Location) -> Rows:
    """Where the page of a listening test lies."""
    return [("page", str(page))]


def ratings_rows(summary: Summary) -> Rows:
    """What listeners have handed in."""
    counts, by_listener = summary["ratings"], summary["clips_by_listener"]
    return [
        (
            "ratings",
            f"{counts['clip']} of {summary['clips']} clips, {counts['hidden_reference']} of hidden "
            f"references, {counts['training']} in practice",
        ),
        (
            f"clips of each of {summary['listeners']} listeners",
            ", ".join(f"{name} {count}" for name, count in by_listener.items()),
        ),
    ]


def benchmark_titles_rows(summary: Summary) -> Rows:
    """What titles hold, and how rare defects are in them."""
    target = 100 * summary["target_segment_prevalence"]
    rows = []
    for split, held in summary["splits"].items():
        share = held["segment_prevalence"]
        obtained = "none" if share is None else f"{100 * share:.1f} % (target {target:g} %)"
        rows.append(
            (
                f"{split} titles",
                f"{held['defective_titles']} defective, {held['clean_titles']} clean, "
                f"{held['hours']:.1f} h; defective segments: {obtained}",
            )
        )
    if summary["look_alikes_refused"]:
        rows.append(("look-alikes", f"{summary['look_alikes_refused']} refused"))
    return rows


def production_review_rows(summary: Summary) -> Rows:
    """What operators made of the detections."""
    counts, scanned = summary["counts"], summary["scanned"]
    rows = [
        (
            "judged",
            f"{counts['events'] - counts['unjudged']} of {counts['events']} events in "
            f"{counts['titles']} titles by {counts['reviewers']}; disagreed on "
            f"{counts['disagreed']}",
        )
    ]
    for level, measures in summary["shares"].items():
        for measure, row in measures.items():
            if row["share"] is not None:
                rows.append(
                    (
                        f"{measure.replace('_', ' ')}, {level}s",
                        f"{100 * row['share']:.1f} % ({row['count']} of {row['of']}), 95 % "
                        f"{100 * row['wilson_low']:.1f} to {100 * row['wilson_high']:.1f} %",
                    )
                )
    if not scanned["titles"]:
        rows.append(("no flagged share", "no detections.json: name them with detections=PATH"))
    return rows


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
