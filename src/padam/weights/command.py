"""The command `padam weights`: which published weights there are, and fetching them."""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from padam.quality.installed_weights import WeightsError
from padam.weights.fetch import Fetched, fetch_weights
from padam.weights.known import KNOWN, KnownWeights, cache_folder

EXIT_FAILED, EXIT_INTERRUPTED = 2, 130


@click.group()
def weights() -> None:
    """Published weights that no package ships (docs/evaluation.md)."""


@weights.command(name="list")
def list_weights() -> None:
    """Name the weights, their licences, and where they lie or would."""
    table = Table(title="Published weights", title_justify="left")
    for column in ("name", "what", "licence", "MB", "sha256", "where"):
        table.add_column(column, overflow="fold")
    for each in KNOWN.values():
        digest = f"{each.sha256[:12]}…" if each.sha256 else "not known: recorded when fetched"
        cells = (each.name, each.what, each.licence, f"{each.megabytes:g}", digest, _where(each))
        table.add_row(*map(escape, cells))
    console = Console()
    Console(width=max(console.width, 120)).print(table)


@weights.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; by default PADAM_WEIGHTS, or one in the user's cache.",
)
@click.option("--url", help="Address of a mirror; for a single NAME.")
@click.option("--again", is_flag=True, help="Also what is there.")
def fetch(names: tuple[str, ...], folder: Path | None, url: str | None, again: bool) -> None:
    """Fetch the weights of each NAME; a download that broke off goes on.

    Mind their licences: `padam weights list`. Exit status: 0 all there, 2 one could not be had.
    """
    if url is not None and len(names) != 1:
        raise click.UsageError("--url is the address of one file: give a single NAME")
    failed = False
    for name in names:
        try:
            with _bar() as bar:
                task = bar.add_task(name, total=None)
                found = fetch_weights(
                    name,
                    folder,
                    again=again,
                    url=url,
                    progress=lambda done, total, bar=bar, task=task: bar.update(  # type: ignore[misc]
                        task, completed=done, total=total
                    ),
                )
        except KeyboardInterrupt:
            click.echo("Interrupted: what has come is kept for the next time.", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except (WeightsError, OSError) as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
            continue
        click.echo(_told(name, found))
    if failed:
        sys.exit(EXIT_FAILED)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _told(name: str, found: Fetched) -> str:
    how = "fetched" if found.downloaded else "there already"
    text = f"{name}: {how}: {found.path}\n  sha256 {found.sha256}"
    if found.compared:
        return f"{text}, as expected"
    return f"{text}: no digest was known to compare it with; it is recorded beside the file"


def _where(each: KnownWeights) -> str:
    if each.package is not None:
        return f"in the package {each.package}"
    path = cache_folder() / each.file
    return str(path) if path.is_file() else f"absent: padam weights fetch {each.name}"
