"""The tasks that there are, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from ..options import hint
from .task import Task

# name: (module, function, one line)
TASKS: Mapping[str, tuple[str, str, str]] = {
    "stay-shift": (
        "stay_shift", "stay_shift",
        "respond as before or the other way, as a cue says (Fascianelli et al. 2024)",
    ),
    "reversal": (
        "reversal", "reversal",
        "serial reversal: context turns action and outcome of four stimuli (Bernardi et al. 2020)",
    ),
    "evidence": (
        "evidence", "evidence",
        "many binary judgements of noisy evidence about the same latents (Vafidis et al. 2025)",
    ),
    "free-response": (
        "free_response", "free_response",
        "evidence accumulated to a bound, at a time of one's own (Vafidis et al. 2025)",
    ),
    "multitasking": (
        "multitasking", "multitasking",
        "linear classifications of latents behind a nonlinear input (Johnston & Fusi 2023)",
    ),
    "input-target": (
        "input_target", "input_target",
        "inputs and targets of a chosen alignment, parity basis (Alleman et al. 2024)",
    ),
    "random-kernel": (
        "input_target", "random_kernel",
        "random input geometry of a chosen alignment with the targets (Alleman et al. 2024)",
    ),
    "separable-xor": (
        "input_target", "separable_xor",
        "exclusive or that can be made linearly separable (Alleman et al. 2024)",
    ),
    "perceptual": (
        "decisions", "perceptual",
        "left or right, from noisy motion of several coherences",
    ),
    "contextual": (
        "decisions", "contextual",
        "motion or colour, as a context cue says (Mante et al. 2013)",
    ),
    "match-to-sample": (
        "decisions", "match_to_sample",
        "is the test the sample that was shown before the delay?",
    ),
    "match-to-category": (
        "decisions", "match_to_category",
        "is the test of the sample's category? (Freedman & Assad 2006)",
    ),
    "images": (
        "image_tasks", "images",
        "shape, size and place of generated images, for convolutional networks",
    ),
}  # fmt: skip


def tasks() -> dict[str, str]:
    """The tasks by name, with one line each.

    Examples
    --------
    >>> tasks()["reversal"].split(":")[0]
    'serial reversal'
    """
    return {name: line for name, (_, _, line) in TASKS.items()}


def make_task(name: str, **options: Any) -> Task:
    """A task by its name, with options of its own.

    Raises
    ------
    ValueError
        No task has this name, or the task no such option; the nearest are named.

    Examples
    --------
    >>> task = make_task("stay-shift")
    >>> task.variables, task.n_inputs, task.n_outputs
    (['rule', 'previous_response', 'cue_shape'], 7, 1)
    """
    make = _maker(name)
    known = list(signature(make).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"task {name!r} has no option {option!r}; {hint(option, known)}")
    task = make(**options)
    object.__setattr__(task, "made_by", (name, dict(options)))  # which no copy takes over
    return task


def options_of(name: str) -> dict[str, Any]:
    """The options of a task, and what they are by default.

    Examples
    --------
    >>> options_of("stay-shift")["noise"]
    0.2
    """
    return {k: p.default for k, p in signature(_maker(name)).parameters.items()}


def wrong_task(task: Task) -> Task:
    """The same inputs, and a rule that leaves out what makes the task what it is: a control.

    Raises
    ------
    ValueError
        The task names no such rule.
    """
    if task.made_by is None or task.wrong is None:
        raise ValueError(
            f"task {task.name!r} names no wrong rule, or was changed after make_task made it; "
            "leave that control out, or give a task"
        )
    name, options = task.made_by
    return make_task(name, **{**options, **task.wrong})


def _maker(name: str) -> Callable[..., Task]:
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"there is no task {name!r}; {hint(name, TASKS)}")
    module, function, _ = TASKS[name]
    return getattr(import_module(f"{__package__}.{module}"), function)
