"""The command `padam`, for operators: media files in, reports and an exit status out.

Kedro, Lightning, scikit-learn and matplotlib are not imported here: they take longer than the scan
of a short file.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from padam import __version__
from padam.audio.media import MediaError
from padam.audio.media_folder import find_media
from padam.audio.storage import Location, as_location
from padam.detection.padam_model import PadamModel, PadamModelError
from padam.detection.reports.folder import write_reports
from padam.detection.scan import ScanConfig, scan_title

EXIT_CLEAN, EXIT_DEFECTS, EXIT_NOT_SCANNED = 0, 1, 2
CAN_BE_MENDED = (MediaError, OSError, PadamModelError, ValueError)
MODELS = Path("data") / "06_models" / "padam_model"


@click.group(name="padam")
@click.version_option(__version__, prog_name="padam")
def padam() -> None:
    """PADAM: no-reference detection of audio defects in professional media."""


@padam.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--model",
    help="PADAM model folder, a path or a URL; by default the project's newest.",
)
@click.option("--threshold", type=click.FloatRange(0.0, 1.0), help="Default: the model's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def scan(
    files: tuple[str, ...],
    out: Path,
    model: str | None,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Scan media FILES (or folders of them) for audio defects and write reports under --out.

    A file is a path or a URL that fsspec opens, such as s3://bucket/film.mkv.

    Exit status: 0 all clean, 1 defects found, 2 a file could not be scanned.
    """
    try:
        titles = media_files(files)
        scorer = PadamModel.load(as_location(model) if model else newest_model()).scorer()
    except CAN_BE_MENDED as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_NOT_SCANNED)
    config = ScanConfig(threshold=threshold)
    documents: list[dict[str, Any]] = []
    unreadable: dict[str, str] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=as_json,
    ) as bar:
        for name, title in titles.items():
            task = bar.add_task(PurePath(title).name, total=None)

            def show(done_s: float, total_s: float, task: TaskID = task) -> None:
                bar.update(task, completed=done_s, total=total_s)

            try:
                document = scan_title(title, scorer, config, progress=show)
                write_reports(out / name, document)
            except MediaError as error:
                unreadable[str(title)] = error.reason
                continue
            except OSError as error:
                click.echo(f"Error: the report of {title} cannot be written: {error}", err=True)
                sys.exit(EXIT_NOT_SCANNED)
            documents.append(document)
    if as_json:
        click.echo(json.dumps({"titles": documents, "unreadable": unreadable}))
    else:
        Console().print(results_table(documents, unreadable))
        click.echo(f"Reports: {out}")
    sys.exit(exit_status(documents, unreadable))


def media_files(paths: Iterable[str | Path]) -> dict[str, Location]:
    """Return the media files at or below paths or URLs by the name of their report folder.

    The name is the file's own below its folder; a second file of that name gets a number.
    """
    named: dict[str, Location] = {}
    for path in paths:
        found = find_media(as_location(str(path)))
        for file in found.files:
            name, number = found.name(file), 2
            while name in named:
                name, number = f"{found.name(file)}-{number}", number + 1
            named[name] = found.path(file)
    return named


def newest_model() -> Path:
    """Return the newest PADAM model of the project around the working directory."""
    here = Path.cwd()
    root = next((f / MODELS for f in (here, *here.parents) if (f / MODELS).is_dir()), MODELS)
    versions = sorted(root.glob("*/padam_model"))
    if not versions:
        raise FileNotFoundError(
            f"No PADAM model below '{root}'. Train one with `kedro run`, or name one with --model."
        )
    return versions[-1]


def exit_status(documents: list[dict[str, Any]], unreadable: dict[str, str]) -> int:
    """Return 2 where a title could not be judged, 1 where a defect was found, else 0."""
    verdicts = {document["verdict"] for document in documents}
    if unreadable or "undetermined" in verdicts:
        return EXIT_NOT_SCANNED
    return EXIT_DEFECTS if "defective" in verdicts else EXIT_CLEAN


def results_table(documents: list[dict[str, Any]], unreadable: dict[str, str]) -> Table:
    """Return the one-screen result: a row per event, and one per clean or unreadable title."""
    table = Table(title="PADAM scan", title_justify="left")
    for column in ("title", "verdict", "from", "to", "score", "likely"):
        table.add_column(column)
    for document in documents:
        title = document["title"]["file"]
        if not document["events"]:
            table.add_row(title, document["verdict"], "", "", "", "")
        for event in document["events"]:
            likely = ", ".join(
                f"{defect['defect']} {defect['probability']:.2f}" for defect in event["defects"][:2]
            )
            table.add_row(
                title,
                document["verdict"],
                event["start_timecode"],
                event["end_timecode"],
                f"{event['peak_score']:.2f}",
                likely,
            )
            title = ""
        for warning in document["warnings"]:
            table.add_row("", "warning", "", "", "", warning)
    for title, reason in unreadable.items():
        table.add_row(title, "not scanned", "", "", "", reason)
    return table


def main() -> None:
    """Run the command line."""
    padam()
