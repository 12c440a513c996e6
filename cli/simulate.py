"""`neurogeom simulate`: a recording whose geometry is known, as an NWB file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurogeom.cli.options import Names, Numbers, Window
from neurogeom.cli.output import claim


@click.command()
@click.argument("geometry")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NWB file to write.")
@click.option("--separation", type=Numbers(), help="Of the two sides, in noise sd.  [default: 2]")
@click.option("--neurons", "n_neurons", type=int, help="[default: 100]")
@click.option("--trials", "n_trials", type=int, help="Trials a condition.  [default: 20]")
@click.option("--variables", type=Names(), help="Names of the variables.  [default: a,b,c]")
@click.option("--window", type=Window(), help="Seconds from the event.  [default: 0:1]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def simulate(geometry: str, out: Path, overwrite: bool, **given: Any) -> None:
    """Write spikes of a population with GEOMETRY, and say what it should score.

    GEOMETRY is cube, cuboid, simplex, random, xor, cube_nonlinear or planes. The file holds Poisson
    spikes; neurogeom score knows how to read it, and prints the truth beside its estimates.
    """
    import neurogeom as ng

    claim([out], [], overwrite=overwrite)
    options = {k: v for k, v in given.items() if v is not None}
    x = ng.simulate(geometry, noise="poisson", **options)
    ng.write_nwb(x, out, overwrite=overwrite)
    sizes = x.attrs["simulation"]
    click.echo(f"{out}: {sizes['n_neurons']} neurons, {sizes['n_trials']} trials a condition")
    click.echo(_truths(x.attrs))


def _truths(attrs: dict) -> str:
    """All truths, one line a variable; shattering last."""
    from neurogeom.report.table import aligned

    known = {"population": attrs["truth_population"], "expected at n": attrs["truth_expected"],
             "at n": attrs["truth_at_n"]}  # fmt: skip
    known = {name: truth for name, truth in known.items() if truth}
    columns = {"decoding": "decoding", "CCGP": "ccgp_matched", "PS": "parallelism"}
    lines = [["truth", "variable", *columns, "SD"]]
    for name, truth in known.items():
        for variable in attrs["simulation"]["variables"]:
            values = [f"{truth[key][variable]:.3f}" for key in columns.values()]
            lines.append([name, variable, *values, ""])
        lines.append([name, "all dichotomies", "", "", "", f"{truth['shattering']:.3f}"])
    return aligned(lines, "llrrrr")
