"""What `padam scan` shows of its outcomes on a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from padam.detection.batch import Outcome


def results_table(outcomes: Iterable[Outcome]) -> Table:
    """Return the one-screen result: a row per event, and one per title without any."""
    table = Table(title="PADAM scan", title_justify="left")
    table.add_column("title", overflow="fold")
    for column in ("verdict", "from", "to", "severity", "score"):
        table.add_column(column, no_wrap=True)
    table.add_column("likely", overflow="fold")
    for outcome in outcomes:
        name, document = escape(outcome.name), outcome.document
        if not document:
            table.add_row(name, outcome.status, "", "", "", "", escape(outcome.reason))
            continue
        if not document["events"]:
            table.add_row(name, outcome.status)
        for event in document["events"]:
            likely = ", ".join(
                f"{defect['defect']} {defect['probability']:.2f}" for defect in event["defects"][:2]
            )
            table.add_row(
                name,
                outcome.status if name else "",
                event["start_timecode"],
                event["end_timecode"],
                event["severity"],
                f"{event['peak_score']:.2f}",
                likely,
            )
            name = ""
        for warning in document["warnings"]:
            table.add_row("", "warning", "", "", "", "", escape(warning))
    return table


def decided_by(document: Mapping[str, Any]) -> str:
    """Return which model decided on a title, and with what."""
    decided = document["model"]
    name = decided["name"] or decided["scorer"]
    digest = decided["sha256"] or ""
    told = digest.startswith(decided["version"])  # of a model without a run
    shown_digest = "" if told or not digest else f", SHA-256 {digest[:12]}…"
    threshold, kept = decided["threshold"], decided["filter"]
    point = f"operating point {decided['operating_point']}, " * bool(decided["operating_point"])
    shown = "no threshold" if threshold is None else f"threshold {threshold:.3f}"
    within = f", {kept['x_s']:g} s within {kept['y_s']:g} s" * bool(kept["y_s"])
    return f"Model: {name} {decided['version']}{shown_digest}; {point}{shown}{within}"
