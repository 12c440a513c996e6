"""`neurogeom train`: networks on a task, and their activity as of a recording."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.options import Settings, Window
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
@click.option("--out", type=click.Path(path_type=Path), help="Activity, as NetCDF; the networks "
              "beside it as .safetensors and .json.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def train(ctx: click.Context, task: str, **given: Any) -> None:
    """Train networks on TASK (neurogeom tasks lists them), record them, and write their activity.

    The file goes to neurogeom compare beside a recording. It holds the trained networks, and as
    controls the untrained ones, networks trained on the wrong task (where the task has one) and the
    inputs.
    """
    from neurogeom.networks import make_task

    out, kept = given["out"], _files(given["out"])
    claim(kept, [], overwrite=given["overwrite"])
    made = make_task(task, **dict(given["options"]))
    if out is None:
        click.echo("The networks are not kept: name a file with --out.", err=True)
    trained = _trained(made, given)
    click.echo(_lines(made.name, trained))
    wrong = _wrong(made, given) if given["controls"] else None
    if wrong is not None:
        click.echo(_lines("wrong task", wrong))
    if out is not None:
        _write(ctx, trained, wrong, given)
        click.echo(f"{out}: activity of {given['layer']}; networks in {kept[1].name}")


def _files(out: Path | None) -> list[Path]:
    return [] if out is None else [out, *(out.with_suffix(s) for s in (".safetensors", ".json"))]


def _trained(task, given: dict):
    from neurogeom import networks
    from neurogeom.cli.progress import training_bar

    seeds = list(range(given["seed"], given["seed"] + given["seeds"]))
    with training_bar(given["steps"]) as progress:
        return networks.train(
            task,
            _network(given),
            seeds=seeds,
            steps=given["steps"],
            batch=given["batch"],
            lr=given["lr"],
            until=given["until"],
            every=50,
            keep=[0],
            progress=progress,
        )


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


def _wrong(task, given: dict):
    """Networks trained on the wrong task; None where the task has none."""
    from neurogeom.networks import wrong_task

    return None if task.wrong is None else _trained(wrong_task(task), given)


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
    ng.save(every, given["out"], overwrite=given["overwrite"])
    trained.save(given["out"], overwrite=given["overwrite"])
