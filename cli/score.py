"""`neurogeom score`: recordings in, a table of the geometry out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.options import Bins, Jobs, Names, Window, columns_of, variables_of
from neurogeom.cli.output import claim, write_text

DEFAULT = ("decoding", "ccgp", "shattering", "parallelism")
FURTHER = ("dimensionality", "dpca", "implementable", "interaction_effect", "interference")
FURTHER += ("selectivity", "subspaces", "target_alignment")
MEASURES = DEFAULT + FURTHER
READOUTS = ("svm", "ridge", "lda", "nearest_mean")
EMBEDDED = "simulated_cube.nwb"
# Options that change what is estimated: truth_at_n of a simulated recording holds without them.
_CHANGES = ("bin_width", "units", "where", "contrasts", "bins", "across", "readout", "c")
_CHANGES += ("min_trials", "n_pseudo")


class Remembering(click.Command):
    """A command that keeps the words it was called with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words, then parse them."""
        ctx.meta["neurogeom.words"] = ["neurogeom", self.name, *args]
        return super().parse_args(ctx, args)


@click.command(cls=Remembering)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--align", metavar="COL", help="Trial column with the event that is time 0.")
@click.option("--window", type=Window(), help="Seconds from the event, such as 0.2:0.4.")
@click.option("--variables", type=Names(), help="Trial columns that are crossed.")
@click.option("--contrasts", type=Names(), help="Columns that follow from them, or products a:b.")
@click.option("--bins", type=Bins(), multiple=True, help="Levels of a number: [edge, edge).")
@click.option("--table", metavar="NAME", help="Interval table with the trials.  [default: trials]")
@click.option("--signal", type=click.Choice(["units", "roi"]), help="Spikes or imaging.")
@click.option("--units", metavar="EXPR", help="Which units, such as \"quality == 'good'\".")
@click.option("--where", metavar="EXPR", help="Which trials, such as 'correct and not opto'.")
@click.option("--bin", "bin_width", type=float, metavar="S", help="Score every S seconds apart.")
@click.option(
    "--measures",
    type=Names(),
    help=f"all, or some of {', '.join(MEASURES)}.  [default: the first four]",
)
@click.option(
    "--held-out",
    type=click.Choice(["matched", "any", "across"]),
    help="CCGP: which conditions are held out.",
)
@click.option("--across", metavar="VAR", help="CCGP: generalise over the levels of this variable.")
@click.option("--readout", type=click.Choice(READOUTS), help="Linear readout.  [default: svm]")
@click.option("--C", "c", type=click.FloatRange(0, min_open=True), help="Cost of the SVM.")
@click.option("--min-trials", type=click.IntRange(2), help="Trials a neuron needs a condition.")
@click.option("--pseudo-trials", "n_pseudo", type=click.IntRange(2), help="Trials drawn a cell.")
@click.option("--resamples", "n_resamples", type=click.IntRange(1), help="Splits averaged.")
@click.option("--nulls", "n_null", type=click.IntRange(0), help="Surrogates; 0 for none.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", "n_jobs", type=Jobs(), default=1, show_default=True, help="Workers, or -1.")
@click.option("--out", type=click.Path(path_type=Path), help="Everything, as NetCDF.")
@click.option("--json", "json_file", metavar="FILE|-", help="Numbers as JSON; - prints only that.")
@click.option("--csv", type=click.Path(path_type=Path), help="Tidy rows, one a number.")
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def score(ctx: click.Context, files: tuple[Path, ...], **given: Any) -> None:
    """Score the geometry of one or several recordings (NWB files, one a session).

    Prints decoding, cross-condition generalisation (CCGP), parallelism (PS) and shattering
    dimensionality (SD), each with its null, p and interval, and what they stand on; --measures all
    adds single neurons, subspaces, dimensionality and demixed components. Without FILE, an embedded
    simulated recording is scored beside its known truth.
    """
    _check_usage(given)
    inputs = list(files) or [_embedded()]
    outputs = [given["out"], given["csv"], json_path(given["json_file"])]
    claim([p for p in outputs if p is not None], inputs, overwrite=given["overwrite"])
    recording = _read(inputs, given)
    names = given["variables"] or _simulated_variables(recording)
    tree = _score(recording, variables_of(names, given["bins"]), given)
    tree.attrs["command"] = shlex.join(ctx.meta["neurogeom.words"])
    _write(tree, given)
    if given["json_file"] != "-":
        from neurogeom.report.table import table

        click.echo(table(tree, truth=_truth(recording, names, given)), nl=False)


def _check_usage(given: dict) -> None:
    """Refuse options that do not go together, before anything is read."""
    if given["c"] is not None and given["readout"] not in (None, "svm"):
        raise click.UsageError(f"--C is the cost of the SVM; {given['readout']} has none")
    if (given["across"] is not None) != (given["held_out"] == "across"):
        raise click.UsageError("--held-out across and --across VAR go together")
    for name in given["measures"] or ():
        if name not in (*MEASURES, "all"):
            raise click.UsageError(f"no measure {name!r}; choose from {', '.join(MEASURES)}, all")
    if given["bins"] and not given["variables"]:
        raise click.UsageError("--bins needs --variables, which names its column")


def _embedded() -> Path:
    from importlib.resources import files

    return Path(str(files("neurogeom.data_manifests"))) / EMBEDDED


def json_path(name: str | None) -> Path | None:
    """The file of --json; None where there is none, or what is written goes to the screen."""
    return None if name in (None, "-") else Path(name)


def _asked(given: dict, *names: str, **renamed: str) -> dict:
    """The options that were given, under the names of the public face."""
    found = {name: given[name] for name in names} | {k: given[v] for k, v in renamed.items()}
    return {k: v for k, v in found.items() if v is not None}


def _read(inputs: list[Path], given: dict):
    import neurogeom as ng

    asked = _asked(given, "align", "window", "table", "signal", "units", "where", "bin_width")
    if given["variables"]:
        asked["variables"] = columns_of(given["variables"], given["contrasts"] or [])
    return ng.read_nwb(inputs if len(inputs) > 1 else inputs[0], **asked)


def _simulated_variables(recording) -> list[str]:
    """The variables of a simulated recording, which says so itself."""
    attrs = _first(recording).attrs
    if "simulation" not in attrs:
        raise click.UsageError("--variables is missing; neurogeom inspect FILE lists the columns")
    return list(attrs["simulation"]["variables"])


def _first(recording):
    return recording[0] if isinstance(recording, list) else recording


def _score(recording, variables, given: dict):
    import neurogeom as ng
    from neurogeom.cli.progress import progress_bar

    asked = _asked(given, "contrasts", "held_out", "across", "readout", "min_trials", "n_pseudo")
    asked |= _asked(given, "n_resamples", "n_null", "seed", "n_jobs")
    if given["c"] is not None:
        asked["readout"] = ng.SVM(C=given["c"])
    if given["measures"]:
        chosen = tuple(m for m in MEASURES if m in given["measures"])
        asked["measures"] = "all" if "all" in given["measures"] else chosen
    with progress_bar() as progress:
        if progress is not None and "decoding" in _chosen(asked):
            _first_look(recording, variables, asked)
        return ng.score(recording, variables, progress=progress, **asked)


def _chosen(asked: dict) -> tuple:
    named = asked.get("measures", DEFAULT)
    return MEASURES if named == "all" else named


def _first_look(recording, variables, asked: dict) -> None:
    """Decoding of the data alone, for whoever watches: surrogates and intervals take longer.

    By the nearest mean, which the first run after an installation need not wait for.
    """
    import neurogeom as ng

    foreign = ("n_null", "held_out", "across", "measures", "readout")
    options = {k: v for k, v in asked.items() if k not in foreign}
    options |= {"readout": "nearest_mean", "n_null": 0, "target": "none"}
    found = ng.decoding(recording, variables, **options)
    if "time" not in found.dims:
        words = (
            f"{v} {e:.2f}"
            for v, e in zip(found["variable"].values, found["estimate"].values, strict=True)
        )
        click.echo(f"first look, decoding by nearest mean: {', '.join(words)}", err=True)


def _write(tree, given: dict) -> None:
    import json

    import neurogeom as ng
    from neurogeom.report.tidy import to_json

    if given["out"] is not None:
        ng.save(tree, given["out"])
    if given["csv"] is not None:
        write_text(ng.to_dataframe(tree).to_csv(index=False), given["csv"])
    if given["json_file"] is not None:
        text = json.dumps(to_json(tree), allow_nan=False, indent=1) + "\n"
        path = json_path(given["json_file"])
        click.echo(text, nl=False) if path is None else write_text(text, path)


def _truth(recording, names: list[str], given: dict) -> dict | None:
    """truth_at_n of a simulated recording as the table takes it, where it holds."""
    attrs = _first(recording).attrs
    known, simulated = attrs.get("truth_at_n"), attrs.get("simulation", {})
    if not known:
        return None
    changed = any(given[name] for name in _CHANGES)
    changed |= set(names) != set(simulated["variables"])
    changed |= list(attrs["window"]) != list(simulated["window"])
    if changed:
        click.echo("The truth at n is not shown: it is known for the defaults only.", err=True)
        return None
    held_out = given["held_out"] or "matched"
    return {
        "decoding": known["decoding"],
        "ccgp": known[f"ccgp_{held_out}"],
        "parallelism": known["parallelism"],
        "shattering": {"": known["shattering"]},
    }
