"""`neurogeom predict`: the geometry that a task asks for, beside the one that was recorded."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.compare import check_figure, recording_of, write_tree
from neurogeom.cli.options import Jobs, Names, Settings, Window, each_once
from neurogeom.cli.output import claim, write_text
from neurogeom.cli.score import READOUTS, Remembering, json_path

MEASURES = ("decoding", "ccgp", "shattering", "parallelism", "dimensionality")
OF_RECORDINGS = ("align", "window", "units", "where", "inputs", "targets", "readout", "min_trials")
OF_RECORDINGS += ("n_null",)


@click.command(cls=Remembering)
@click.argument("source", nargs=-1, required=True, metavar="TASK|RECORDING...")
@click.option("--align", metavar="COL", help="Trial column with the event that is time 0 (NWB).")
@click.option("--window", type=Window(), help="Seconds from the event, such as 0.2:0.4.")
@click.option("--units", metavar="EXPR", help="Which units (NWB), such as \"quality == 'good'\".")
@click.option("--where", metavar="EXPR", help="Which trials (NWB), such as 'correct and not opto'.")
@click.option("--variables", type=Names(), help="Crossed; of a task by default its factors.")
@click.option("--contrasts", type=Names(), help="Columns that follow from them, or products a:b.")
@click.option("--inputs", type=Names(), help="Columns or products a:b that reach the network of a "
              "recording's task.  [default: a channel a condition]")  # fmt: skip
@click.option("--targets", type=Names(), help="Columns that it is to tell.")
@click.option("--set", "settings", type=Settings(), multiple=True, help="Option of the task.")
@click.option("--activation", metavar="NAME", help="relu, tanh, ...  [default: relu]")
@click.option("--weight-decay", type=click.FloatRange(0, min_open=True), help="[default: 0.1]")
@click.option("--readout-decay", type=click.FloatRange(0, min_open=True), help="[default: 0.1]")
@click.option("--no-bias", is_flag=True, help="Units without a bias: often no unique minimum.")
@click.option("--decoding", type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
              help="Of a task: mean decoding to put the noise at.  [default: none]")  # fmt: skip
@click.option("--measures", type=Names(), help=f"Of {','.join(MEASURES)}.  [default: all]")
@click.option("--readout", type=click.Choice(READOUTS), help="Linear readout.  [default: svm]")
@click.option("--min-trials", type=click.IntRange(2), help="Trials a neuron needs a condition.")
@click.option("--nulls", "n_null", type=click.IntRange(0), help="Surrogates of the recording.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", "n_jobs", type=Jobs(), default=1, show_default=True, help="Workers, or -1.")
@click.option("--out", type=click.Path(path_type=Path), help="Everything, as NetCDF.")
@click.option("--json", "json_file", metavar="FILE|-", help="Numbers as JSON; - prints only that.")
@click.option("--csv", type=click.Path(path_type=Path), help="Tidy rows, one a number.")
@click.option("--figure", type=click.Path(path_type=Path), help="Side by side, as PNG, PDF or SVG.")
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def predict(ctx: click.Context, source: tuple[str, ...], **given: Any) -> None:
    """Predict the geometry that TASK asks for, or the task of a RECORDING beside what it shows.

    TASK is a name that neurogeom tasks lists; a RECORDING is NWB files, or activity saved as .nc,
    whose --targets are to be named. The prediction is of a network of one hidden layer at the
    minimum of its loss, at the recording's neurons, trials and decoding; beside it stands what the
    inputs alone would give.
    """
    is_task = _is_task(source)
    _check_usage(given, is_task)
    files = [] if is_task else [Path(name) for name in source]
    outputs = [given[k] for k in ("out", "csv", "figure")] + [json_path(given["json_file"])]
    claim([p for p in outputs if p is not None], files, overwrite=given["overwrite"])
    asked_for = _task(source[0], given) if is_task else recording_of(files, given)
    tree = _predicted(asked_for, given)
    tree.attrs["command"] = shlex.join(ctx.meta["neurogeom.words"])
    _write(tree, given)
    if given["json_file"] != "-":
        from neurogeom.report.prediction import prediction

        click.echo(prediction(tree), nl=False)


def _is_task(source: tuple[str, ...]) -> bool:
    """Whether a task is named: one word that is no file and looks like none."""
    return len(source) == 1 and not Path(source[0]).suffix and not Path(source[0]).exists()


def _check_usage(given: dict, is_task: bool) -> None:
    """Refuse options that do not go together, before anything is read."""
    check_figure(given["figure"])
    foreign = OF_RECORDINGS if is_task else ("settings", "decoding")
    for name in foreign:
        if given[name] not in (None, ()):
            word = {"n_null": "nulls", "settings": "set"}.get(name, name).replace("_", "-")
            whose = "a recording" if is_task else "a task"
            raise click.UsageError(f"--{word} is for {whose}; leave it out")
    if not is_task:
        for name in ("variables", "targets"):
            if not given[name]:
                raise click.UsageError(f"--{name} is missing; a recording does not say it itself")
    for name in given["measures"] or ():
        if name not in MEASURES:
            raise click.UsageError(f"no measure {name!r}; choose from {', '.join(MEASURES)}")


def _task(name: str, given: dict):
    from neurogeom.networks import make_task

    return make_task(name, **each_once(given["settings"]))


def _predicted(source, given: dict):
    import neurogeom as ng
    from neurogeom.cli.progress import progress_bar

    names = ("inputs", "targets", "contrasts", "activation", "weight_decay", "readout_decay")
    names += ("decoding", "measures", "window", "readout", "min_trials", "n_null", "seed", "n_jobs")
    asked = {k: given[k] for k in names if given[k] is not None}
    if given["no_bias"]:
        asked["bias_power"] = 0.0
    with progress_bar() as progress:
        return ng.predict(source, given["variables"], progress=progress, **asked)


def _write(tree, given: dict) -> None:
    from neurogeom.report.tidy import to_json

    write_tree(tree, given)
    if given["json_file"] is not None:
        text = json.dumps(to_json(tree), allow_nan=False, indent=1) + "\n"
        path = json_path(given["json_file"])
        click.echo(text, nl=False) if path is None else write_text(text, path)
