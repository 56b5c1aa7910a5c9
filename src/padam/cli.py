"""The commands: `padam scan` for operators, and `kedro run` with errors a person can act on."""

import json
import logging
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.utils import find_kedro_project
from kedro.validation.exceptions import ParameterValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from padam import __version__
from padam.audio.media import MediaError
from padam.datasets.media_folder import MediaFolderDataset
from padam.detection.padam_model import PadamModel, PadamModelError
from padam.detection.reports.folder import write_reports
from padam.detection.scan import ScanConfig, scan_title

logger = logging.getLogger(__name__)

EXIT_CLEAN, EXIT_DEFECTS, EXIT_NOT_SCANNED = 0, 1, 2
CAN_BE_MENDED = (
    DatasetError,
    MediaError,
    PadamModelError,
    ParameterValidationError,
    ValueError,
    FileNotFoundError,
)


@click.group(name="padam")
@click.version_option(__version__, prog_name="padam")
def cli() -> None:
    """PADAM: no-reference detection of audio defects in professional media."""


def with_clear_errors(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an error that its reader can mend into one message and exit status 1.

    The traceback is kept at debug level; anything else is a fault of ours and keeps its own.
    """

    @wraps(callback)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except CAN_BE_MENDED as error:
            logger.debug("The run stopped", exc_info=True)
            raise click.ClickException(str(error)) from error

    return guarded


# Kedro takes a project's own `run` before its own.
cli.add_command(
    click.Command(
        name="run",
        params=kedro_run.params,
        callback=with_clear_errors(kedro_run.callback),  # type: ignore[arg-type]
        help=kedro_run.help,
    )
)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="PADAM model folder; by default the project's newest.",
)
@click.option("--threshold", type=click.FloatRange(0.0, 1.0), help="Default: the model's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def scan(
    files: tuple[Path, ...],
    out: Path,
    model: Path | None,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Scan media FILES (or folders of them) for audio defects and write reports under --out.

    Exit status: 0 all clean, 1 defects found, 2 a file could not be scanned.
    """
    try:
        titles = [path for file in files for path in media_files(file)]
        scorer = PadamModel.load(model or newest_model()).scorer()
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
        for title in titles:
            task = bar.add_task(title.name, total=None)

            def show(done_s: float, total_s: float, task: TaskID = task) -> None:
                bar.update(task, completed=done_s, total=total_s)

            try:
                document = scan_title(title, scorer, config, progress=show)
            except MediaError as error:
                unreadable[str(title)] = error.reason
                continue
            write_reports(out / title.name, document)
            documents.append(document)
    if as_json:
        click.echo(json.dumps({"titles": documents, "unreadable": unreadable}))
    else:
        Console().print(results_table(documents, unreadable))
        click.echo(f"Reports: {out}")
    sys.exit(exit_status(documents, unreadable))


def media_files(path: Path) -> list[Path]:
    """Return the media files that ``path`` names: itself, or those below it."""
    found = MediaFolderDataset(filepath=str(path)).load()
    return [found.path(file) for file in found.files]


def newest_model() -> Path:
    """Return the newest PADAM model of the project around the working directory."""
    project = find_kedro_project(Path.cwd())
    root = Path(project or Path.cwd()) / "data" / "06_models" / "padam_model"
    versions = sorted(root.glob("*/padam_model"))
    if not versions:
        raise FileNotFoundError(
            f"No PADAM model below '{root}'. Train one with `kedro run`, or name one with --model."
        )
    return versions[-1]


def exit_status(documents: list[dict[str, Any]], unreadable: dict[str, str]) -> int:
    """Return 2 where a file could not be scanned, 1 where a defect was found, else 0."""
    if unreadable:
        return EXIT_NOT_SCANNED
    defective = any(document["verdict"] == "defective" for document in documents)
    return EXIT_DEFECTS if defective else EXIT_CLEAN


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
    for title, reason in unreadable.items():
        table.add_row(title, "not scanned", "", "", "", reason)
    return table


def main() -> None:
    """Run the command line."""
    cli()
