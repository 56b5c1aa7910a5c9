"""The command `padam model`: putting a trained model into the package, with what is told of it."""

import sys
from pathlib import Path

import click

from padam.audio.storage import as_location, written_whole
from padam.shipped import CARD, HERE

EXIT_FAILED = 2


@click.group(name="model")
def model() -> None:
    """The model that comes with the package (docs/model.md)."""


@model.command()
@click.argument("trained")
@click.option("--name", required=True, help="What reports call it, such as padam-open-1.")
@click.option("--run", "runs", multiple=True, help="MLflow run that trained it; may be several.")
@click.option("--tracking-uri", help="Where MLflow keeps the runs; default: MLFLOW_TRACKING_URI.")
@click.option(
    "--to",
    "shipped",
    default=HERE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to ship; by default the package's own.",
)
def ship(
    trained: str, name: str, runs: tuple[str, ...], tracking_uri: str | None, shipped: Path
) -> None:
    """Ship the model folder TRAINED, a path or URL: copy it, export its runs, note all digests."""
    # torch and MLflow take seconds to import, which `padam scan` need not wait for
    from padam.detection.padam_model import PadamModelError
    from padam.hooks.exported_run import exported_run
    from padam.shipped.release import ship_model

    try:
        exported = [exported_run(run, tracking_uri) for run in runs]
        digests = ship_model(as_location(trained), name, exported, shipped)
    except (PadamModelError, OSError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    for file, digest in digests.items():
        click.echo(f"{digest}  {file}")
    click.echo(f"Shipped as {name}: {shipped}. Fill its tables: padam model tables --help")


@model.command()
@click.argument("pages", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--evaluation",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the tables of an evaluation: data/08_reporting/benchmark.",
)
@click.option(
    "--cpu-hours", required=True, type=click.FloatRange(0.0), help="CPU time of the training."
)
@click.option(
    "--watts",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.0),
    help="Power of a core under load, for an estimate of the energy.",
)
def tables(pages: tuple[Path, ...], evaluation: Path, cpu_hours: float, watts: float) -> None:
    """Make the tables in Markdown PAGES anew; by default those of the model card."""
    from padam.shipped.tables import Figures, fill_tables

    figures = Figures(evaluation, cpu_hours, watts)
    try:
        for page in pages or (HERE / CARD,):
            filled = fill_tables(page.read_text(encoding="utf-8"), figures)
            with written_whole(page) as partial:
                partial.write_text(filled, encoding="utf-8")
            click.echo(f"Filled: {page}")
    except (OSError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)
