"""Several tasks in one network, told apart by a rule cue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..options import shown
from .task import Drive, Period, Task, Trials, place

_LIKE = ("loss", "dt", "length")


@dataclass(frozen=True)
class Embedded(Task):
    """One of several tasks, in the channels of all: what `Shared.only` gives."""

    own: Task | None = None
    shared: Shared | None = None

    def trials(self, columns, rng, *, longest=False) -> Trials:
        """Trials of the task in the channels that all tasks share."""
        trials = self.own.trials(columns, rng, longest=longest)
        return self.shared.embedded(self.own.name, trials)

    def time(self) -> np.ndarray:
        """Of the task, and on to the end of the longest."""
        first = self.own.time()[0]
        return first + np.arange(len(self.shared.time())) * self.dt / 1000


@dataclass(frozen=True)
class Shared(Task):
    """Tasks of one network; see :func:`share`."""

    members: Mapping[str, Task] | None = None

    def sample(self, n: int, rng: np.random.Generator) -> Trials:
        """`n` trials, the task of each at random."""
        counts = rng.multinomial(n, np.full(len(self.members), 1 / len(self.members)))
        parts = [
            self.embedded(name, task.sample(int(count), rng))
            for (name, task), count in zip(self.members.items(), counts, strict=True)
            if count
        ]
        return _joined(parts)

    def enumerate(self, n_trials: int = 20, *, seed: int = 0) -> Trials:
        """All conditions of all tasks."""
        return _joined([self.only(name).enumerate(n_trials, seed=seed) for name in self.members])

    def only(self, name: str) -> Task:
        """One of the tasks, in the shared channels: to record the network while it does that one.

        Raises
        ------
        ValueError
            There is no such task.
        """
        if name not in self.members:
            raise ValueError(f"no task {name!r} is shared; choose from {list(self.members)}")
        own = self.members[name]
        given = {k: getattr(own, k) for k in ("name", "summary", "periods", "factors", "loss",
                                              "derive", "latents", "sequence", "length", "dt",
                                              "align", "decision")}  # fmt: skip
        return Embedded(**given, inputs=self.inputs, outputs=self.outputs, drives=(), targets=(),
                        passing=self.passing, own=own, shared=self)  # fmt: skip

    def embedded(self, name: str, trials: Trials) -> Trials:
        """A member's trials in the channels that all share, with its rule cue."""
        own = self.members[name]
        steps = len(self.time())
        shape = trials.inputs.shape[:2]
        inputs = np.zeros((shape[0], steps, self.n_inputs), np.float32)
        rule = place(self.inputs, "rule").start + list(self.members).index(name)
        inputs[:, : shape[1], rule] = 1
        _into(inputs, self.inputs, trials.inputs, own.inputs)
        targets = np.zeros((shape[0], steps, self.n_outputs), np.float32)
        mask = np.zeros_like(targets)
        _into(targets, self.outputs, trials.targets, own.outputs)
        _into(mask, self.outputs, trials.mask, own.outputs)
        decided = np.zeros((shape[0], steps), bool)
        decided[:, : shape[1]] = trials.decided
        conditions = {"task": np.full(trials.n_trials, name), **trials.conditions}
        return Trials(inputs, targets, mask, conditions, decided)


def share(tasks: Sequence[Task] | Mapping[str, Task]) -> Shared:
    """Let several tasks share one network, told apart by a rule cue.

    Channels of one name are one channel; a one-hot input ``rule`` is on through every trial. Trials
    are as long as the longest. Every batch holds trials of all tasks; ``only(name)`` is one of
    them, to record it.

    Raises
    ------
    ValueError
        What is given is no task; channels of one name differ in size; the tasks differ in loss,
        step or sequence; a name comes twice.

    Source: Yang et al. 2019, Nat Neurosci 22:297 (many tasks, one network, rule cues).

    Examples
    --------
    >>> from neurogeom.networks import make_task
    >>> both = share([make_task("perceptual"), make_task("match-to-sample")])
    >>> both.inputs["rule"], both.only("perceptual").variables
    (2, ['direction', 'coherence'])
    """
    several = isinstance(tasks, Iterable) and not isinstance(tasks, str)
    given = list(tasks.values() if isinstance(tasks, Mapping) else tasks) if several else [tasks]
    for other in given:
        if not isinstance(other, Task):
            raise ValueError(
                f"{shown(other)} is no task to share; pass what make_task makes, as "
                "make_task('perceptual')"
            )
    names = list(tasks) if isinstance(tasks, Mapping) else [t.name for t in given]
    if len(given) < 2 or len(set(names)) < len(names):
        raise ValueError(f"tasks {names} cannot share a network; give two or more different names")
    for what in _LIKE:
        if len({getattr(t, what) for t in given}) > 1:
            raise ValueError(f"tasks {names} differ in {what}; make them alike to share a network")
    if any(t.sequence is not None for t in given):
        raise ValueError("tasks whose trials follow one another cannot share a network; leave out")
    if any("rule" in t.inputs for t in given):
        raise ValueError("an input named 'rule' is the cue of shared tasks; rename yours")
    members = {n: replace(t, name=n) for n, t in zip(names, given, strict=True)}
    inputs = _union([t.inputs for t in given], "input") | {"rule": len(given)}
    longest = max(given, key=lambda t: len(t.time()))
    return Shared(
        name=" + ".join(names),
        summary="several tasks in one network",
        periods=(Period("trial", len(longest.time()) * longest.dt),),
        inputs=inputs,
        outputs=_union([t.outputs for t in given], "output"),
        factors={"task": tuple(names)},
        drives=(Drive("rule", ("trial",), 0.0),),
        targets=(),
        loss=given[0].loss,
        dt=given[0].dt,
        passing=1 if next(iter(inputs)) == "fixation" else 0,
        members=members,
    )


def _union(sizes, what):
    found: dict[str, int] = {}
    for each in sizes:
        for name, size in each.items():
            if found.setdefault(name, size) != size:
                raise ValueError(
                    f"{what} {name!r} has {found[name]} channels in one task and {size} in "
                    "another; rename it"
                )
    return found


def _into(whole, sizes, part, own):
    for name in own:
        whole[:, : part.shape[1], place(sizes, name)] = part[..., place(own, name)]


def _joined(parts):
    """Trials end to end; a condition that a task has not is "" or NaN there."""
    names = list(dict.fromkeys(k for p in parts for k in p.conditions))
    columns = {}
    for name in names:
        kinds = {p.conditions[name].dtype.kind for p in parts if name in p.conditions}
        numeric = kinds <= set("iufb")
        columns[name] = np.concatenate([
            _column(p.conditions.get(name), p.n_trials, numeric) for p in parts
        ])  # fmt: skip
    arrays = (np.concatenate([getattr(p, k) for p in parts]) for k in ("inputs", "targets", "mask"))
    return Trials(*arrays, columns, np.concatenate([p.decided for p in parts]))


def _column(values, n, numeric):
    if values is None:
        return np.full(n, np.nan) if numeric else np.full(n, "")
    return values.astype(float) if numeric else values.astype(str)
