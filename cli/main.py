"""The command `neurogeom`: a list of commands, each loaded when it is called.

Nothing but click is imported here, so that `neurogeom --help` answers at once.
"""

from __future__ import annotations

import importlib

import click

from neurogeom._version import __version__
from neurogeom.cli.errors import reporting

_COMMANDS = {
    "score": "Score the geometry of a recording.",
    "inspect": "Show what an NWB file holds: tables, columns, units.",
    "simulate": "Write a recording whose geometry is known.",
    "tasks": "List the tasks that networks can learn.",
    "train": "Train networks on a task, and record them.",
    "features": "Find features of a recording, and what they mean.",
    "predict": "Predict the geometry that a task asks for.",
    "compare": "Compare a recording with networks.",
    "data": "List, check and download data sets.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of the same name, and load when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which a reader needs them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(f"neurogeom.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neurogeom")
def main() -> None:
    """A population goes in, a geometry comes out, and every number says how sure it is."""


def run(args: list[str] | None = None) -> None:
    """The console script: `main`, with errors as one sentence and an exit status."""
    with reporting():
        main(args, prog_name="neurogeom", standalone_mode=False)


if __name__ == "__main__":
    run()
