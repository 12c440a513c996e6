"""A task as data: periods, channels, factors, and what drives inputs and targets when.

Every trial that a task makes carries its condition under the names that a recording would use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np

from ..options import is_number, number, one_of, whole

Columns = Mapping[str, np.ndarray]
LOSSES = ("bce", "ce", "mse")
LAWS = ("gaussian", "gumbel")
KEY = 42  # of random streams
_MOST_DRAWS = 200  # batches drawn to fill every condition of a task with continuous variables
_MOST_TIMES = 40  # sequences drawn at once, over those that a fair share of conditions takes


@dataclass(frozen=True)
class Period:
    """A stretch of a trial: its name, and its length in ms or (shortest, longest), uniform.

    Lengths are whole numbers of the task's steps.
    """

    name: str
    ms: float | tuple[float, float]


@dataclass(frozen=True)
class Drive:
    """What a channel of the input carries during some periods.

    value : a number, or a function of the trials' columns to (trial,) or (trial, size)
    noise : sd a step of Gaussian noise, during these periods only; a number, or one a channel
    memory : correlation of the noise of neighbouring steps (AR(1), the sd unchanged)
    law : "gaussian", or "gumbel" (centred, of this sd)
    """

    channel: str
    during: tuple[str, ...]
    value: float | Callable[[Columns], np.ndarray] = 1.0
    noise: float | tuple[float, ...] = 0.0
    memory: float = 0.0
    law: str = "gaussian"


@dataclass(frozen=True)
class Target:
    """What an output should be during some periods, and how much that weighs in the loss."""

    output: str
    during: tuple[str, ...]
    value: float | Callable[[Columns], np.ndarray] = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Trials:
    """Trials of a task, ready for a network.

    inputs : (trial, step, channel); targets, mask : (trial, step, output), float32
    conditions : {name: (trial,)}, and where a trial is one of a sequence that the network runs
    through without a pause, arrays are (sequence, trials * steps, ...) and conditions
    (sequence * trials,), sequence by sequence
    decided : (trial, step) bool, the steps by which an answer is judged
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    conditions: dict[str, np.ndarray]
    decided: np.ndarray

    @property
    def n_trials(self) -> int:
        """How many trials."""
        return len(next(iter(self.conditions.values())))

    @property
    def per_sequence(self) -> int:
        """Trials that the network runs through without a pause."""
        return self.n_trials // len(self.inputs)


@dataclass(frozen=True)
class Task:
    """What is shown, what is asked, and when.

    Attributes
    ----------
    name, summary : str
    periods : tuple of Period
    inputs, outputs : {name: size}
        Channels in order.
    factors : {name: levels}
        Crossed to conditions; all equally likely.
    drives, targets : tuples of Drive and Target
        Later ones add to earlier inputs, and replace earlier targets.
    loss : {"bce", "ce", "mse"}
        "bce": each output a logit; "ce": outputs are classes; "mse".
    derive : callable(columns) -> {name: (trial,)}, optional
        The rule: columns that follow from the factors, such as the right response.
    latents : callable(rng, n) -> {name: (n,)}, optional
        Continuous variables; then `factors` name columns that `derive` makes from them.
    sequence : callable(rng, n, length) -> {name: (n, length)}, optional
        Trials that depend on those before; `length` of them make a sequence.
    dt : float
        ms a step.
    align, decision : str
        The period whose onset is time 0; that in which the answer is judged.
    passing : int
        First channels that go by a fixed encoder.
    made_by : (name, options), or None
        How `make_task` makes it again; a copy with other fields (``dataclasses.replace``) has
        None: it is a task of your own. `wrong` are the options of the same inputs with another
        rule.
    """

    name: str
    summary: str
    periods: tuple[Period, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    factors: Mapping[str, tuple]
    drives: tuple[Drive, ...]
    targets: tuple[Target, ...]
    loss: str = "bce"
    derive: Callable[[Columns], Columns] | None = None
    latents: Callable[[np.random.Generator, int], Columns] | None = None
    sequence: Callable[[np.random.Generator, int, int], Columns] | None = None
    length: int = 1
    dt: float = 100.0
    align: str = ""
    decision: str = ""
    passing: int = 0
    made_by: tuple[str, Mapping[str, Any]] | None = field(default=None, init=False)
    wrong: Mapping[str, Any] | None = field(default=None)

    def __post_init__(self):
        """Refuse what does not fit together, in one sentence."""
        names = [p.name for p in self.periods]
        one_of(LOSSES, loss=self.loss)
        number(above=0, dt=self.dt)
        whole(1, length=self.length)
        for event in {self.align, self.decision} - {"", *names}:
            raise ValueError(f"task {self.name!r} has no period {event!r}, only {names}")
        for period in self.periods:
            _check_length(period, self.dt)
        for part in (*self.drives, *self.targets):
            for period in part.during:
                if period not in names:
                    raise ValueError(f"task {self.name!r} has no period {period!r}, only {names}")
        for drive in self.drives:
            if drive.channel not in self.inputs:
                raise ValueError(f"task {self.name!r} has no input {drive.channel!r}")
            for sd in drive.noise if np.ndim(drive.noise) else (drive.noise,):
                number(0, noise=sd)
            number(0, below=1, memory=drive.memory)
            one_of(LAWS, law=drive.law)
        for target in self.targets:
            if target.output not in self.outputs:
                raise ValueError(f"task {self.name!r} has no output {target.output!r}")
            number(0, weight=target.weight)
        if self.sequence and any(np.ndim(p.ms) for p in self.periods):
            raise ValueError(f"trials of task {self.name!r} follow one another: fix its periods")

    @property
    def n_inputs(self) -> int:
        """Channels of the input."""
        return sum(self.inputs.values())

    @property
    def n_outputs(self) -> int:
        """Channels of the output."""
        return sum(self.outputs.values())

    @property
    def variables(self) -> list[str]:
        """The factors, whose crossing makes the conditions."""
        return list(self.factors)

    def sample(self, n: int, rng: np.random.Generator) -> Trials:
        """`n` random trials (or sequences of trials)."""
        if self.sequence is not None:
            columns = self.sequence(rng, n, self.length)
            return self.trials({k: np.asarray(v).reshape(-1) for k, v in columns.items()}, rng)
        if self.latents is not None:
            return self.trials(self.latents(rng, n), rng)
        drawn = {k: np.asarray(v)[rng.integers(len(v), size=n)] for k, v in self.factors.items()}
        return self.trials(drawn, rng)

    def enumerate(self, n_trials: int = 20, *, seed: int = 0) -> Trials:
        """All conditions, `n_trials` of each (of a sequence: at least as many, as they come).

        Periods of random length have their longest, so that ``time`` and ``window`` hold.

        Raises
        ------
        ValueError
            A condition never comes, or hardly ever.
        """
        whole(1, n_trials=n_trials)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0)))
        if self.sequence is not None:
            return self._sequences(n_trials, rng)
        if self.latents is not None:
            return self.trials(self._balanced(n_trials, rng), rng, longest=True)
        crossed = list(zip(*product(*self.factors.values()), strict=True))
        columns = {
            name: np.repeat(np.array(values), n_trials)
            for name, values in zip(self.factors, crossed, strict=True)
        }
        return self.trials(columns, rng, longest=True)

    def trials(
        self, columns: Columns, rng: np.random.Generator, *, longest: bool = False
    ) -> Trials:
        """Trials with these columns: inputs with fresh noise, targets, mask.

        longest : whether periods of random length have their longest
        """
        columns = self.complete(columns)
        n = len(next(iter(columns.values())))
        during, n_steps = self._during(n, rng, longest)
        inputs = np.zeros((n, n_steps, self.n_inputs), np.float32)
        for drive in self.drives:
            own = inputs[..., place(self.inputs, drive.channel)]
            active = during(drive.during)
            own += active[..., None] * _per_step(drive.value, columns, n)
            if np.any(drive.noise):
                own += active[..., None] * _noise(drive, own.shape, rng)
        targets = np.zeros((n, n_steps, self.n_outputs), np.float32)
        mask = np.zeros_like(targets)
        for target in self.targets:
            own = place(self.outputs, target.output)
            active = during(target.during)[..., None]
            value = _per_step(target.value, columns, n)
            targets[..., own] = np.where(active, value, targets[..., own])
            mask[..., own] = np.where(active, target.weight, mask[..., own])
        mask[np.isnan(targets)] = 0  # a label that is missing
        np.nan_to_num(targets, copy=False)
        decided = during((self.decision or self.periods[-1].name,))
        if self.sequence is not None:
            whole = (-1, self.length * n_steps)
            inputs, targets, mask = (
                a.reshape(*whole, a.shape[-1]) for a in (inputs, targets, mask)
            )
            decided = decided.reshape(whole)
        return Trials(inputs, targets, mask, dict(columns), decided)

    def complete(self, columns: Columns) -> dict[str, np.ndarray]:
        """The columns and those that the rule adds."""
        columns = {k: np.asarray(v) for k, v in columns.items()}
        return columns | {k: np.asarray(v) for k, v in (self.derive or _nothing)(columns).items()}

    def time(self) -> np.ndarray:
        """Centres of the steps, in seconds from the onset of the period `align`.

        Of a period of random length its longest counts.
        """
        steps = [_steps(np.max(p.ms), self.dt) for p in self.periods]
        names = [p.name for p in self.periods]
        start = sum(steps[: names.index(self.align)]) if self.align else 0
        return (np.arange(sum(steps)) - start + 0.5) * self.dt / 1000

    def window(self, period: str) -> tuple[float, float]:
        """A period's start and stop in seconds from the onset of `align`."""
        edges = np.cumsum([0, *[_steps(np.max(p.ms), self.dt) for p in self.periods]])
        names = [p.name for p in self.periods]
        if period not in names:
            raise ValueError(f"task {self.name!r} has no period {period!r}; choose from {names}")
        origin = edges[names.index(self.align)] if self.align else 0
        at = names.index(period)
        return tuple(float((e - origin) * self.dt / 1000) for e in edges[at : at + 2])

    def _during(self, n, rng, longest):
        """(names) -> (trial, step) bool, and the number of steps."""
        if longest or not any(np.ndim(p.ms) for p in self.periods):
            ends = np.cumsum([_steps(np.max(p.ms), self.dt) for p in self.periods])[None]
        else:
            drawn = [
                np.array([_steps(ms, self.dt) for ms in rng.uniform(*p.ms, n)])
                if np.ndim(p.ms)
                else np.full(n, _steps(p.ms, self.dt))
                for p in self.periods
            ]
            ends = np.cumsum(drawn, axis=0).T
        starts = np.hstack([np.zeros((len(ends), 1), int), ends[:, :-1]])
        n_steps = sum(_steps(np.max(p.ms), self.dt) for p in self.periods)
        clock = np.arange(n_steps)
        names = [p.name for p in self.periods]

        def during(which):
            active = np.zeros((len(ends), n_steps), bool)
            for name in which:
                i = names.index(name)
                active |= (clock >= starts[:, i, None]) & (clock < ends[:, i, None])
            return np.broadcast_to(active, (n, n_steps))

        return during, n_steps

    def _balanced(self, n_trials, rng):
        """Columns of continuous variables with as many trials in every condition."""
        cells = list(product(*self.factors.values()))
        rows = {cell: [] for cell in cells}
        for _ in range(_MOST_DRAWS):
            drawn = self.complete(self.latents(rng, max(64, 2 * n_trials * len(cells))))
            of_row = zip(*[drawn[name].tolist() for name in self.factors], strict=True)
            for i, cell in enumerate(of_row):
                if cell in rows and len(rows[cell]) < n_trials:
                    rows[cell].append({k: v[i] for k, v in drawn.items()})
            if all(len(found) == n_trials for found in rows.values()):
                every = [row for cell in cells for row in rows[cell]]
                return {k: np.array([row[k] for row in every]) for k in every[0]}
        self._rare(next(cell for cell in cells if len(rows[cell]) < n_trials))

    def _sequences(self, n_trials, rng):
        """Sequences, until every condition has come often enough."""
        cells = list(product(*self.factors.values()))
        n = fair = max(1, -(-n_trials * len(cells) // self.length))
        while n <= _MOST_TIMES * fair:
            found = self.sample(n, rng)
            rows = Counter(zip(*[found.conditions[k].tolist() for k in self.factors], strict=True))
            if min(rows[cell] for cell in cells) >= n_trials:
                return found
            n = n + max(1, n // 4)
        self._rare(min(cells, key=lambda cell: rows[cell]))

    def _rare(self, cell):
        where = ", ".join(f"{k} {v}" for k, v in zip(self.factors, cell, strict=True))
        raise ValueError(
            f"task {self.name!r} hardly ever makes a trial with {where}; drop a factor"
        )


def _nothing(columns):
    return {}


def _steps(ms, dt):
    return round(float(ms) / dt)


def _check_length(period, dt):
    """Whether a period has a length, of whole steps: else other trials than asked would be made."""
    ends = list(period.ms) if np.ndim(period.ms) else [period.ms]
    possible = len(ends) == 1 + np.ndim(period.ms) and all(map(is_number, ends))
    if not possible or ends[0] < 0 or ends[0] > ends[-1]:
        raise ValueError(f"period {period.name!r} of {period.ms!r} ms is not possible; give ms, or "
                         "(shortest, longest)")  # fmt: skip
    for steps in (ms / dt for ms in ends):
        if abs(steps - round(steps)) > 1e-6:  # of rounding, where dt is no whole number
            near = " or ".join(f"{s * dt:g}" for s in (floor(steps), ceil(steps)) if s)
            raise ValueError(
                f"period {period.name!r} of {steps * dt:g} ms is no whole number of steps of "
                f"dt={dt:g} ms; give {near} ms, or another dt"
            )


def place(sizes: Mapping[str, int], name: str) -> slice:
    """Where the channels of a name stand."""
    start = 0
    for other, size in sizes.items():
        if other == name:
            return slice(start, start + size)
        start += size
    raise KeyError(name)


def _per_step(value, columns, n):
    """A drive's or target's value as (trial, 1, size)."""
    found = np.asarray(value(columns) if callable(value) else value, np.float32)
    return found.reshape(n, 1, -1) if found.ndim else found


def _noise(drive, shape, rng):
    """Noise (trial, step, size) of the sd that the drive says."""
    if drive.law == "gumbel":
        drawn = (rng.gumbel(size=shape) - np.euler_gamma) / (np.pi / 6**0.5)
    else:
        drawn = rng.standard_normal(shape, np.float32)
    if drive.memory:
        for t in range(1, shape[1]):
            drawn[:, t] = (
                drive.memory * drawn[:, t - 1] + (1 - drive.memory**2) ** 0.5 * drawn[:, t]
            )
    return (np.asarray(drive.noise, np.float32) * drawn).astype(np.float32)
