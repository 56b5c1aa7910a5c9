"""The command `padam scan`: media files in, reports and an exit status out.

What scans is imported by the processes that scan: this one watches over them.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path, PurePath
from tempfile import TemporaryFile

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from padam.audio.storage import Location
from padam.detection.batch import BatchError, Outcome, ScanTask, default_threads, run_batch
from padam.detection.reports.smpte import RATES
from padam.detection.review_volume import REVIEW_VOLUMES
from padam.detection.screen import decided_by, results_table
from padam.detection.severity import SEVERITIES
from padam.scan_inputs import media_files, model_location, watched

EXIT_CLEAN, EXIT_DEFECTS, EXIT_NOT_SCANNED, EXIT_INTERRUPTED = 0, 1, 2, 130
WAYS = ("every", "downmix")
FORMAT_NAMES = ("html", "csv", "audacity", "edl", "resolve", "xmeml", "ebu-qc", "junit")
"""The page, and those of `reports.formats`, which takes longer to import than to name."""
CAN_BE_MENDED = (OSError, ValueError)


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--model",
    help="PADAM model folder, a path or a URL, or `newest`: the newest of the project around the "
    "working directory. Default: the model that comes with the package.",
)
@click.option(
    "--operating-point",
    type=click.Choice(list(REVIEW_VOLUMES)),
    help="Threshold at which so many segments of clean programme are flagged: "
    + ", ".join(f"{name} {100 * share:g} %" for name, share in REVIEW_VOLUMES.items())
    + ". Default: the model's own, for the greatest F1 of titles.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
    help="Default: the model's own; not along with --operating-point.",
)
@click.option(
    "--filter",
    "window",
    type=(click.FloatRange(0.0), click.FloatRange(0.0)),
    metavar="X Y",
    help="Seconds of detections within so many seconds; 0 0 keeps all. Default: the model's own.",
)
@click.option(
    "--channels",
    default="every",
    show_default=True,
    help="every (but the LFE), downmix (two of a surround title), or names: FL,FR,FC.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([*FORMAT_NAMES, "all"]),
    default=["html", "csv"],
    show_default=True,
    help="Report files (docs/report_formats.md); may be given several times.",
)
@click.option(
    "--frame-rate",
    type=click.Choice(list(RATES)),
    default="25",
    show_default=True,
    help="Frames a second in reports of titles without pictures.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["fyi", "issue", "blocker"]),
    default="fyi",
    show_default=True,
    help="Least severity of an event that makes the exit status 1.",
)
@click.option(
    "--jobs",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Titles scanned at once, each in a process of its own; 0: in this process.",
)
@click.option(
    "--stall",
    "stall_s",
    type=click.FloatRange(1.0),
    default=120.0,
    show_default=True,
    help="Seconds without progress after which a title is given up.",
)
@click.option("--again", is_flag=True, help="Scan also what is finished and unchanged.")
@click.option("--watch", is_flag=True, help="Go on, and scan what is new in the folders.")
@click.option(
    "--stable",
    "stable_s",
    type=click.FloatRange(0.0),
    default=30.0,
    show_default=True,
    help="With --watch: seconds for which a file must not have changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def scan(
    files: tuple[str, ...],
    out: Path,
    model: str | None,
    operating_point: str | None,
    threshold: float | None,
    window: tuple[float, float] | None,
    channels: str,
    formats: tuple[str, ...],
    frame_rate: str,
    fail_on: str,
    jobs: int,
    stall_s: float,
    again: bool,
    watch: bool,
    stable_s: float,
    as_json: bool,
) -> None:
    """Scan media FILES (or folders, or .txt lists of them) and write a report of each under --out.

    A file is a path or a URL that fsspec opens, such as s3://bucket/film.mkv. A title that is
    finished and unchanged is not scanned again, so a batch that was broken off goes on.

    Exit status: 0 all clean, 1 defects found, 2 a title could not be scanned.
    """
    if threshold is not None and operating_point is not None:
        raise click.UsageError(
            "--operating-point brings its threshold: give it or --threshold, not both"
        )
    try:
        task = ScanTask(
            model=model_location(model),
            out=writable(out),
            config={
                "threshold": threshold,
                "operating_point": operating_point,
                **(dict(zip(("x_s", "y_s"), window, strict=True)) if window else {}),
                "channels": channels if channels in WAYS else tuple(channels.split(",")),
            },
            formats=FORMAT_NAMES if "all" in formats else tuple(dict.fromkeys(formats)),
            options={"frame_rate": frame_rate, "fail_on": fail_on},
            again=again,
            threads=default_threads(jobs),
        )
        # a folder that is watched may be empty yet
        rounds = watched(files, stable_s) if watch else iter([media_files(files)])
        outcomes = []
        for titles in rounds:
            outcomes = scan_all(titles, task, jobs=jobs, stall_s=stall_s, quiet=as_json)
            if watch and outcomes:
                tell(outcomes, as_json)
    except KeyboardInterrupt:
        click.echo("Interrupted: what is finished is kept, and not scanned again.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except (*CAN_BE_MENDED, BatchError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_NOT_SCANNED)
    tell(outcomes, as_json)
    if not as_json:
        click.echo(f"Reports: {out}")
    sys.exit(exit_status(outcomes, fail_on))


def scan_all(
    titles: Mapping[str, Location], task: ScanTask, *, jobs: int, stall_s: float, quiet: bool
) -> list[Outcome]:
    """Scan titles with a line for each that is finished, and return what became of them."""
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet,
        transient=True,
    ) as bar:
        several = len(titles) > 1
        total = bar.add_task("all titles", total=len(titles), visible=several)
        shown: dict[str, TaskID] = {}

        def show(name: str, done_s: float, total_s: float) -> None:
            if name not in shown:
                shown[name] = bar.add_task(escape(PurePath(name).name))
            bar.update(shown[name], completed=done_s, total=total_s)

        batch = run_batch(titles, task, jobs=jobs, stall_s=stall_s, progress=show)
        with closing(batch):
            for outcome in batch:
                outcomes.append(outcome)
                bar.advance(total)
                if (finished := shown.pop(outcome.name, None)) is not None:
                    bar.remove_task(finished)
                if several and not quiet:
                    state = f"{outcome.status}{', finished before' if outcome.reused else ''}"
                    console.print(
                        f"{len(outcomes)} of {len(titles)}  {outcome.name}: {state}", markup=False
                    )
    order = {name: number for number, name in enumerate(titles)}
    return sorted(outcomes, key=lambda outcome: order[outcome.name])


def writable(out: Path) -> Path:
    """Return the folder of the reports, made where it is missing; OSError where that fails."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=out):
        return out


def tell(outcomes: list[Outcome], as_json: bool) -> None:
    """Print the result: a table for people, or a line of JSON."""
    if not as_json:
        Console().print(results_table(outcomes))
        for line in dict.fromkeys(decided_by(each.document) for each in outcomes if each.document):
            click.echo(line)
        return
    documents = [each.document for each in outcomes if each.document]
    missing = {each.name: each.reason for each in outcomes if not each.document}
    click.echo(json.dumps({"titles": documents, "unreadable": missing}))


def exit_status(outcomes: Iterable[Outcome], fail_on: str = "fyi") -> int:
    """Return 2 where a title could not be judged, 1 where a severe enough defect is, else 0."""
    status = EXIT_CLEAN
    for outcome in outcomes:
        if outcome.status not in ("clean", "defective"):
            return EXIT_NOT_SCANNED
        severity = outcome.document.get("severity")
        if severity and SEVERITIES.index(severity) >= SEVERITIES.index(fail_on):
            status = EXIT_DEFECTS
    return status
