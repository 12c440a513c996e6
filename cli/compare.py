"""`neurogeom compare`: a recording and networks, the same measures, one table and one figure."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.options import Jobs, Names, Window, columns_of
from neurogeom.cli.output import claim, write_text
from neurogeom.cli.score import MEASURES, READOUTS, Remembering

FIGURES = (".png", ".pdf", ".svg")


@click.command(cls=Remembering)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path),
                metavar="RECORDING... NETWORK")  # fmt: skip
@click.option("--align", metavar="COL", help="Trial column with the event that is time 0 (NWB).")
@click.option("--window", type=Window(), help="Seconds from the event, such as 0.2:0.4.")
@click.option("--variables", type=Names(), required=True, help="Columns that both have.")
@click.option("--contrasts", type=Names(), help="Columns that follow from them, or products a:b.")
@click.option("--units", metavar="EXPR", help="Which units (NWB), such as \"quality == 'good'\".")
@click.option("--where", metavar="EXPR", help="Which trials (NWB), such as 'correct and not opto'.")
@click.option("--measures", type=Names(), help="As in neurogeom score.")
@click.option("--match", type=Names(), help="Of neurons,trials,noise.  [default: all]")
@click.option("--readout", type=click.Choice(READOUTS), help="Linear readout.  [default: svm]")
@click.option("--min-trials", type=click.IntRange(2), help="Trials a neuron needs a condition.")
@click.option("--nulls", "n_null", type=click.IntRange(0), help="Surrogates; 0 for none.")
@click.option("--draws", "n_draws", type=click.IntRange(1), help="Subsamples a net.  [default: 3]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", "n_jobs", type=Jobs(), default=1, show_default=True, help="Workers, or -1.")
@click.option("--out", type=click.Path(path_type=Path), help="Everything, as NetCDF.")
@click.option("--figure", type=click.Path(path_type=Path), help="Side by side, as PNG, PDF or SVG.")
@click.option("--csv", type=click.Path(path_type=Path), help="Tidy rows, one a number.")
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def compare(ctx: click.Context, files: tuple[Path, ...], **given: Any) -> None:
    """Compare a RECORDING (NWB files, or activity saved as .nc) with the activity of a NETWORK.

    NETWORK is the .nc file that neurogeom train wrote, or saved activity of your own. Networks are
    brought to the recording's number of neurons and trials, and to its decoding by private noise;
    then the same measures are taken of all.
    """
    import neurogeom as ng
    from neurogeom.cli.progress import progress_bar

    *first, last = files
    if not first:
        raise click.UsageError("two things are compared: name a recording and a network")
    check_figure(given["figure"])
    outputs = [given[k] for k in ("out", "figure", "csv") if given[k] is not None]
    claim(outputs, list(files), overwrite=given["overwrite"])
    network = _activity(last)
    recording = recording_of(first, given)
    names = ("contrasts", "measures", "match", "readout", "min_trials", "n_null", "n_draws")
    asked = {k: given[k] for k in (*names, "window", "seed", "n_jobs") if given[k] is not None}
    if asked.get("measures") == ["all"]:
        asked["measures"] = "all"
    else:
        for name in asked.get("measures", ()):
            if name not in MEASURES:
                known = ", ".join(MEASURES)
                raise click.UsageError(f"no measure {name!r}; choose from {known}, or all alone")
    with progress_bar() as progress:
        tree = ng.compare(recording, network, given["variables"], progress=progress, **asked)
    tree.attrs["command"] = shlex.join(ctx.meta["neurogeom.words"])
    write_tree(tree, given)
    from neurogeom.report.comparison import comparison

    click.echo(comparison(tree), nl=False)


def _activity(path: Path):
    import neurogeom as ng

    found = ng.load(path)
    if type(found).__name__ in ("DataArray", "list"):
        return found
    raise ValueError(f"{path} holds a result and no activity; name what neurogeom train wrote")


def check_figure(path: Path | None) -> None:
    """Refuse a figure of a kind that is not drawn."""
    if path is not None and path.suffix.lower() not in FIGURES:
        raise click.UsageError(f"--figure {path} has no ending of {', '.join(FIGURES)}")


def recording_of(files: list[Path], given: dict):
    """The recording in NWB files, or in one .nc file of activity that was cut out.

    given : the options align, window, units, where, variables and contrasts; where a command has
    them table, signal and bin_width, and columns that it names elsewhere
    """
    import neurogeom as ng

    if files[0].suffix == ".nc":
        if len(files) > 1:
            raise click.UsageError("a recording is one .nc file, or several NWB files")
        for option in ("align", "units", "where", "table", "signal", "bin_width"):
            if given.get(option) is not None:
                word = "bin" if option == "bin_width" else option
                raise click.UsageError(
                    f"--{word} is for NWB files; {files[0]} holds activity that is cut out"
                )
        return _activity(files[0])
    names = ("align", "window", "units", "where", "table", "signal", "bin_width")
    asked = {k: given[k] for k in names if given.get(k) is not None}
    further = [n for k in ("contrasts", "inputs", "targets", "probes") for n in given.get(k) or []]
    further += [given[k] for k in ("datum", "stimulus") if given.get(k)]
    asked["variables"] = columns_of(given["variables"] or [], further)
    return ng.read_nwb(files if len(files) > 1 else files[0], **asked)


def write_tree(tree, given: dict) -> None:
    """What --out, --csv and --figure ask for."""
    import neurogeom as ng

    if given["out"] is not None:
        ng.save(tree, given["out"], overwrite=given["overwrite"])
    if given["csv"] is not None:
        write_text(ng.to_dataframe(tree).to_csv(index=False), given["csv"])
    if given["figure"] is not None:
        ng.side_by_side(tree).savefig(given["figure"], dpi=150)
