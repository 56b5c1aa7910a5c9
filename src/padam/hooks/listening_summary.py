"""Rows of the run summary on listeners: what they get and hand in, and what agrees with them."""

from padam.audio.storage import Location
from padam.hooks.summary_rows import Rows, Summary, estimate


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
