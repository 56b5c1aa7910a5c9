"""The command `padam corpus`: fetch the open corpus and lay it out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from padam.corpus.recipe import CorpusError, read_recipe

if TYPE_CHECKING:
    import pandas as pd

RECIPE = Path("conf") / "open" / "corpus.yml"
EXIT_INCOMPLETE, EXIT_FAILED, EXIT_INTERRUPTED = 1, 2, 130


@click.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--recipe",
    default=RECIPE,
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file of packages, kinds and splits.",
)
@click.option("--package", "packages", multiple=True, help="Only this one; may be given often.")
@click.option(
    "--lookalikes",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of clean sounds that resemble defects; they go to train.",
)
@click.option("--films/--no-films", default=True, show_default=True, help="Films of the music.")
@click.option(
    "--jobs", default=-1, show_default=True, help="Processes at work; -1: one for each core."
)
def corpus(
    target: Path,
    recipe: Path,
    packages: tuple[str, ...],
    lookalikes: Path | None,
    films: bool,
    jobs: int,
) -> None:
    """Make the open corpus (docs/open_corpus.md) in the folder TARGET; what is there is kept.

    Fetches Debian packages by apt-get, without root, so it wants Debian or Ubuntu.

    Exit status: 0 complete, 1 without a package that could not be had, 2 not made.
    """
    # what decodes takes a second to import, which `padam scan` need not wait for
    from padam.corpus.build import build_corpus

    try:
        chosen = read_recipe(recipe)
        made = build_corpus(
            chosen.only(packages) if packages else chosen,
            target,
            lookalikes=lookalikes,
            films=films,
            jobs=jobs,
        )
    except KeyboardInterrupt:
        click.echo("Interrupted: what is finished is kept.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except (CorpusError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    Console().print(_table(made.packages))
    hours = made.files["duration_s"].sum() / 3600
    click.echo(f"{hours:.1f} h of media: {target / 'media'}")
    click.echo(f"Tables in {target}: {', '.join(f'{name}.csv' for name in vars(made))}")
    missing = made.packages[made.packages["problem"] != ""]
    for name, problem in zip(missing["package"], missing["problem"], strict=True):
        click.echo(f"Missing: {name}: {problem}", err=True)
    if len(missing):
        sys.exit(EXIT_INCOMPLETE)


def _table(packages: "pd.DataFrame") -> Table:
    """Return a row per package: its split and minutes of each kind."""
    table = Table(title="Open corpus, minutes of each kind", title_justify="left")
    shown = packages.drop(columns=["version", "licence", "files", "left_out", "problem"])
    for column in shown:
        table.add_column(str(column).removesuffix("_min"), overflow="fold")
    for row in shown.astype(str).itertuples(index=False):
        table.add_row(*map(escape, row))
    return table
