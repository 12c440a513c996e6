"""`neurogeom train`: networks on a task, and their activity as of a recording."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.options import NetCDF, Settings, Window, each_once
from neurogeom.cli.output import claim
from neurogeom.cli.score import Remembering

NETWORKS = ("mlp", "rnn", "gru", "lstm", "transformer", "conv")


@click.command(cls=Remembering)
@click.argument("task")
@click.option("--network", type=click.Choice(NETWORKS), default="gru", show_default=True)
@click.option("--hidden", type=click.IntRange(1), help="Units of its (last) hidden layer.")
@click.option("--activation", metavar="NAME", help="relu, tanh, clipped_relu(1), ... (mlp, rnn).")
@click.option("--set", "options", type=Settings(), multiple=True, help="Option of the task.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Networks.")
@click.option("--steps", type=click.IntRange(1), default=3000, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True)
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=5e-3, show_default=True)
@click.option("--until", type=click.FloatRange(0, 1), default=0.98, show_default=True,
              help="Accuracy at which a network stops.")  # fmt: skip
@click.option("--controls/--no-controls", default=True, show_default=True,
              help="Untrained, wrong task, inputs.")  # fmt: skip
@click.option("--layer", default="core", show_default=True, help="What is recorded.")
@click.option("--window", type=Window(), help="Seconds from the task's event; else all of a trial.")
@click.option("--trials", "n_trials", type=click.IntRange(2), default=50, show_default=True,
              help="Recorded a condition.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=NetCDF(), help="Activity, as NetCDF; the networks beside it as "
              ".safetensors and .json.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def train(ctx: click.Context, task: str, **given: Any) -> None:
    """Train networks on TASK (neurogeom tasks lists them), record them, and write their activity.

    The file goes to neurogeom compare beside a recording. It holds the trained networks, and as
    controls the untrained ones, networks trained on the wrong task (where the task has one) and the
    inputs. Where a training that has an --out is interrupted, the same command goes on from there.
    """
    from neurogeom.networks import make_task, wrong_task

    out, files = given["out"], _files(given["out"])
    claim(files, [], overwrite=given["overwrite"])
    made = make_task(task, **each_once(given["options"]))
    tasks = {"": made}
    if given["controls"] and made.wrong is not None:
        tasks["wrong task"] = wrong_task(made)
    _try(made, given)
    if out is None:
        click.echo("The networks are not kept: name a file with --out.", err=True)
    parts = {name: _part(out, name) for name in tasks}
    with _kept([part for part in parts.values() if part is not None]):
        trained = {}
        for name, each in tasks.items():
            trained[name] = _trained(each, given, parts[name])
            click.echo(_lines(name or made.name, trained[name]))
        if out is not None:
            _write(ctx, trained[""], trained.get("wrong task"), given)
            click.echo(f"{out}: activity of {given['layer']}; networks in {files[1].name}")


def _files(out: Path | None) -> list[Path]:
    """What is written: activity, weights, and what they mean."""
    from neurogeom.tensors import tensor_files

    return [] if out is None else [out, *tensor_files(out)]


def _part(out: Path | None, name: str) -> Path | None:
    """Where the training of a task is kept until all is written."""
    what = "".join(f".{word}" for word in name.split())
    return None if out is None else out.with_name(f"{out.stem}{what}.partial")


@contextmanager
def _kept(parts: list[Path]) -> Iterator[None]:
    """Checkpoints are kept where the work within does not end, and said to be; else removed."""
    from neurogeom.tensors import tensor_files

    files = [file for part in parts for file in tensor_files(part)]
    before = _written(files)
    try:
        yield
    except Diverged:
        _remove(files)  # nothing to go on with: it would diverge again
        raise
    except BaseException as error:
        now = _written(files)
        if now and (now != before or isinstance(error, KeyboardInterrupt)):
            names = [file.name for file in now if file.suffix == ".safetensors"]
            click.echo(f"What is trained so far is kept in {' and '.join(names)}; the same command "
                       "goes on from there.", err=True)  # fmt: skip
        raise
    _remove(files)


def _written(files: list[Path]) -> dict[Path, int]:
    """Those that exist, and when they were written."""
    return {file: file.stat().st_mtime_ns for file in files if file.exists()}


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


class Diverged(ValueError):
    """Training ended because its loss or its parameters were not finite."""


def _try(task, given: dict) -> None:
    """Record one untrained network, so that what cannot be recorded is said before the work."""
    from neurogeom import networks
    from neurogeom.tensors import lazy_safetensors

    if given["out"] is not None:
        lazy_safetensors()
    untrained = networks.train(task, _network(given), seeds=[given["seed"]], steps=0)
    untrained.record(given["layer"], n_trials=1, window=given["window"])


def _trained(task, given: dict, checkpoint: Path | None):
    from neurogeom import networks
    from neurogeom.cli.progress import training_bar

    seeds = list(range(given["seed"], given["seed"] + given["seeds"]))
    with training_bar(given["steps"]) as progress, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the (loss|state) of net")  # said below, once
        trained = networks.train(
            task,
            _network(given),
            seeds=seeds,
            steps=given["steps"],
            batch=given["batch"],
            lr=given["lr"],
            until=given["until"],
            every=50,
            keep=[0],
            checkpoint=checkpoint,
            progress=progress,
        )
    for text in trained.history["stopped"].values:
        if "is not finite" in text:
            raise Diverged(str(text))
    return trained


def _network(given: dict):
    from dataclasses import fields, replace

    from neurogeom.networks import ARCHITECTURES

    network = ARCHITECTURES[given["network"]]()
    asked = {k: given[k] for k in ("hidden", "activation") if given[k] is not None}
    known = {f.name for f in fields(network)}
    for name in asked:
        if name not in known:
            raise click.UsageError(f"--{name} is no setting of {given['network']}")
    if given["network"] == "mlp" and "hidden" in asked:
        asked["hidden"] = (asked["hidden"],)
    return replace(network, **asked)


def _lines(name: str, trained) -> str:
    steps = trained.history["n_steps"].values
    accuracy = ", ".join(f"{a:.3f}" for a in trained.accuracy)
    return f"{name}: accuracy {accuracy} after {', '.join(map(str, steps))} steps"


def _write(ctx, trained, wrong, given: dict) -> None:
    import neurogeom as ng

    asked = {"layer": given["layer"], "n_trials": given["n_trials"], "window": given["window"]}
    if given["controls"]:
        found = trained.systems(wrong=wrong, **asked)
    else:
        found = {"network": [x.assign_coords(system="network") for x in trained.record(**asked)]}
    command = shlex.join(ctx.meta["neurogeom.words"])
    every = [x.assign_attrs(command=command) for each in found.values() for x in each]
    trained.save(given["out"], overwrite=given["overwrite"])  # what took the longest, first
    ng.save(every, given["out"], overwrite=given["overwrite"])
