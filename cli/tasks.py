"""`neurogeom tasks`: the tasks that networks can be trained on."""

from __future__ import annotations

import click


@click.command()
@click.argument("task", required=False)
def tasks(task: str | None) -> None:
    """List the tasks that there are, one line each; of TASK, its periods, variables and options."""
    from neurogeom.networks import tasks as listed
    from neurogeom.report.table import aligned

    if task is None:
        click.echo(aligned([[name, line] for name, line in listed().items()], "ll"))
        return
    click.echo(_described(task))


def _described(name: str) -> str:
    from neurogeom.networks import make_task, options_of

    task = make_task(name)
    lines = [f"{name}: {task.summary}"]
    lines += [
        f"periods    {', '.join(f'{p.name} {_ms(p.ms)}' for p in task.periods)}, "
        f"time 0 at {task.align or task.periods[0].name}",
        f"inputs     {_sizes(task.inputs)}",
        f"outputs    {_sizes(task.outputs)}",
        *(f"variable   {k}: {', '.join(map(str, v))}" for k, v in task.factors.items()),
        *(f"option     {k}={v!r}" for k, v in options_of(name).items()),
    ]
    return "\n".join(lines)


def _ms(ms) -> str:
    return f"{ms[0]:g} to {ms[1]:g} ms" if isinstance(ms, tuple) else f"{ms:g} ms"


def _sizes(sizes) -> str:
    return ", ".join(name if n == 1 else f"{name} x {n}" for name, n in sizes.items())
