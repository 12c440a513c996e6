"""`neurogeom inspect`: what an NWB file holds, and a first command to score it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def inspect(file: Path) -> None:
    """Show the tables, columns, levels and units of FILE, and a command that scores it."""
    import neurogeom as ng

    click.echo(ng.inspect_nwb(file))
