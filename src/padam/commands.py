"""The command `padam`, for operators: its parts are commands of their own."""

import click

from padam import __version__
from padam.corpus.command import corpus
from padam.model_command import model
from padam.scan_command import scan
from padam.weights.command import weights


@click.group(name="padam")
@click.version_option(__version__, prog_name="padam")
def padam() -> None:
    """PADAM: no-reference detection of audio defects in professional media."""


padam.add_command(scan)
padam.add_command(corpus)
padam.add_command(model)
padam.add_command(weights)


def main() -> None:
    """Run the command line."""
    padam()
