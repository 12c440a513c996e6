"""What a task, a recording or one's own arrays ask of a network: inputs and targets of stimuli."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from .activity import from_arrays
from .design import Design, conditions
from .networks.task import Task
from .networks.work import answers
from .theory.meanfield import signs

N_TRIALS = 200  # of a condition whose trials differ
MOST = 64  # stimuli, beyond which the minimum is not found in reasonable time
SAME = 1e-9  # of the largest: what is one and the same


class Asked(NamedTuple):
    """inputs (stimulus, channel), targets (stimulus, target), of (stimulus,): condition of each,
    design: of the conditions. Stimuli are in the order of their conditions."""

    inputs: np.ndarray
    targets: np.ndarray
    of: np.ndarray
    design: Design

    @property
    def names(self):
        """Of the stimuli: their condition, numbered where it has several."""
        seen = np.zeros(self.design.n_conditions, int)
        found, several = [], len(self.of) > self.design.n_conditions
        for c in self.of:
            seen[c] += 1
            found.append(self.design.name_of(c) + (f" ({seen[c]})" if several else ""))
        return found

    def sorted(self):
        """In the order of conditions; refused where nothing can be predicted."""
        if (self.of < 0).any():
            raise ValueError("a stimulus has a level that is missing; leave it out")
        order = np.argsort(self.of, kind="stable")
        found = self._replace(
            inputs=self.inputs[order], targets=self.targets[order], of=self.of[order]
        )
        if len(order) > MOST:
            raise ValueError(
                f"{len(order)} stimuli are too many for the theory, which takes up to {MOST}; name "
                "fewer variables, or merge levels"
            )
        found._refuse_the_same_input()
        return found

    def _refuse_the_same_input(self):
        x, y = (_distances(a) for a in (self.inputs, self.targets))
        clash = (x <= SAME * max(x.max(), 1e-300)) & (y > SAME * max(y.max(), 1e-300))
        if clash.any():
            i, j = np.argwhere(clash)[0]
            raise ValueError(
                f"conditions ({self.names[i]}) and ({self.names[j]}) have the same input and "
                "different targets, which no network without memory reaches; name an input that "
                "tells them apart"
            )


def of_task(task: Task, variables, contrasts, empty, seed) -> Asked:
    """Conditions of a task: what was shown until the answer, and the answer that is wanted.

    An input is the mean over the steps of each period up to the decision, one after the other, as
    of a network that holds what it saw; noise is left out. A target is the mean answer wanted in
    the steps that count: -1 or 1 of a logit, of classes one column each, else the number itself.
    """
    if task.sequence is not None:
        raise ValueError(
            f"trials of task {task.name!r} follow one another, and what they ask for depends on "
            "what a network without memory has not seen; choose options without sequences, or pass "
            "arrays of inputs and targets"
        )
    silent = tuple(replace(d, noise=0.0) for d in task.drives)
    trials = replace(task, drives=silent).enumerate(N_TRIALS, seed=seed)
    shown = _shown(task, trials.inputs.astype(float))
    _, wanted, asked = answers(trials.targets[None].astype(float), trials)
    table = _table(trials.conditions, trials.n_trials)
    stimuli = conditions([table], list(task.factors), empty="drop")
    of = stimuli.of_trial[0]
    n = stimuli.n_conditions
    for c in range(n):
        if not asked[of == c].any(axis=0).all():
            raise ValueError(
                f"task {task.name!r} asks for no answer where {stimuli.name_of(c)}; pass arrays of "
                "inputs and targets"
            )
    inputs = np.array([shown[of == c].mean(axis=0) for c in range(n)])
    targets = np.array(
        [np.nanmean(np.where(asked, wanted, np.nan)[of == c], axis=0) for c in range(n)]
    )
    if task.loss == "bce":
        targets = 2 * targets - 1
    elif task.loss == "ce":
        targets = 2**0.5 * (targets - 1 / targets.shape[1])
    columns = {k: v for k, v in trials.conditions.items() if _constant(v, of)}
    first = [int(np.argmax(of == c)) for c in range(n)]
    each = _table({k: np.asarray(v)[first] for k, v in columns.items()}, n)
    asked_for = list(task.factors) if variables is None else variables
    design = conditions([each], asked_for, contrasts, empty=empty)
    return Asked(inputs, targets, design.of_trial[0], design).sorted()


def of_recording(sessions, variables, contrasts, inputs, targets, empty) -> Asked:
    """Conditions of a recording; of its columns some reach a network, and some are wanted of it."""
    if variables is None:
        raise ValueError("variables are missing; name the columns of the recording to be crossed")
    if targets is None or not len(targets):
        raise ValueError(
            "targets are missing; name the columns that the network is to tell, such as "
            "targets=['response']"
        )
    targets = _names("targets", targets)
    contrasts = (contrasts,) if isinstance(contrasts, str) else tuple(contrasts)
    further = [t for t in targets if t not in variables and t not in contrasts]
    design = conditions(sessions, variables, (*contrasts, *further), empty=empty)
    y = np.hstack([_target(_codes(design, "targets", name)) for name in targets])
    if inputs is None:
        x = np.eye(design.n_conditions)
    else:
        names = _names("inputs", inputs)
        x = np.hstack([_one_hot(_codes(design, "inputs", *_parts(design, n))) for n in names])
    return Asked(x, y, np.arange(design.n_conditions), design).sorted()


def of_arrays(inputs, targets, variables, contrasts, empty) -> Asked:
    """Stimuli of one's own: inputs (stimulus, channel) or None, targets as of a problem."""
    y = signs(targets)
    x = np.eye(len(y)) if inputs is None else np.asarray(inputs, dtype=float)
    if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
        raise ValueError(
            f"inputs have shape {x.shape} for {len(y)} stimuli; pass finite (stimulus, channel)"
        )
    if isinstance(targets, Mapping):
        columns = {k: np.asarray(v) for k, v in targets.items()}
    else:
        columns = {f"target_{i + 1}": column for i, column in enumerate(y.T)}
    names = list(columns) if variables is None else variables
    design = conditions([_table(columns, len(y))], names, contrasts, empty=empty)
    return Asked(x, y, design.of_trial[0], design).sorted()


def _shown(task, inputs):
    """(trial, period * channel): the mean of every period up to the decision."""
    last = task.decision or task.periods[-1].name
    names = [p.name for p in task.periods]
    time, found = task.time(), []
    for name in names[: names.index(last) + 1]:
        start, stop = task.window(name)
        inside = (time > start) & (time < stop)
        if inside.any():
            found.append(inputs[:, inside].mean(axis=1))
    return np.hstack(found)


def _table(columns, n):
    return from_arrays(np.zeros((n, 1)), trial=dict(columns), session="stimuli")


def _constant(values, of):
    values = np.asarray(values)
    return all(np.unique(values[of == c]).size == 1 for c in np.unique(of))


def _names(name, given):
    given = [given] if isinstance(given, str) else list(given)
    if not given or len(set(given)) < len(given):
        raise ValueError(f"{name}={given} names nothing, or a column twice; name each once")
    return given


def _parts(design, name):
    """The columns of a product a:b, each combination of whose levels is an input."""
    parts = [p.strip() for p in name.split(":")]
    whole = name in design.labels and not all(p in design.labels for p in parts)
    return [name] if whole else parts


def _codes(design, name, *parts):
    """Combinations of the levels of columns as int (condition,)."""
    for part in parts:
        if part not in design.labels:
            raise KeyError(
                f"{part!r} in {name} is neither a variable nor a contrast; choose from "
                f"{list(design.labels)}, or products a:b of them"
            )
    levels = list(zip(*(map(str, design.labels[p]) for p in parts), strict=True))
    known = sorted(set(levels))
    return np.array([known.index(level) for level in levels])


def _one_hot(codes):
    return np.eye(codes.max() + 1)[codes]


def _target(codes):
    """A column a level, whose inner products are those of -1 and 1 where there are two."""
    hot = _one_hot(codes)
    return 2**0.5 * (hot - 1 / hot.shape[1])


def _distances(a):
    return ((a[:, None] - a[None]) ** 2).sum(axis=2)


def is_recording(source):
    """Whether a source is activity: a DataArray, or a list of them."""
    several = isinstance(source, list | tuple) and len(source) > 0
    return isinstance(source, xr.DataArray) or (
        several and all(isinstance(x, xr.DataArray) for x in source)
    )
