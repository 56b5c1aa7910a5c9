"""Rows of the run summary on titles: those made, how well they are judged, and what is found."""

from padam.hooks.summary_rows import Rows, Summary

ORDER = {"padam": 0, "quality_head": 1, "feature_extractor": 2, "native_evidence": 3}
"""PADAM, then its ablations from the nearest on, then everything else."""


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
