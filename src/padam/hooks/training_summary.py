"""Rows of the run summary on what is learned from, and on what was learned."""

import math

from padam.hooks.summary_rows import Rows, Summary, estimate


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
