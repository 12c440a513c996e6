"""An index of how alike the stimuli are that excite each unit, and of surrogate units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import options
from ..kernels import interpretability as kernels
from ._odd_one_out import odd_one_out
from ._responses import responses
from .similarity_metrics import Percept, classes, in_order, percept

KINDS = ("mei", "2afc", "ooo")
SIGNS = {
    "mei": "mean similarity, minus a squared distance: 0 is identical, more negative less alike; "
    "papers that give the distance have its negative",
    "2afc": "probability that the right query is chosen",
    "ooo": "share of stimuli that are the odd one out",
}
OF_GIVEN = "mean of the similarities that were given: larger is more alike"
RANGES = {"mei": [-np.inf, 0.0], "2afc": [0.0, 1.0], "ooo": [0.0, 1.0]}
KEY = 73  # of random streams
TIES, SUBSET, QUERIES, NULL = range(4)
SETS = 2**20  # sets of stimuli that are held at a time
TABLE = 2**30  # bytes: 11,585 stimuli


class Task(NamedTuple):
    """Which index, and of how many stimuli.

    k : most exciting ones; n_trials, n_references, quantile : of the two-alternative choice
    group, place, gap : of which stimuli only one may be chosen (see the kernel)
    """

    kind: str
    k: int
    n_trials: int
    n_references: int
    quantile: float
    group: np.ndarray
    place: np.ndarray
    gap: float

    def of(self, stimuli: np.ndarray) -> Task:
        """The same of some stimuli."""
        return self._replace(group=self.group[stimuli], place=self.place[stimuli])

    @property
    def constrained(self) -> bool:
        """Whether not every stimulus may stand beside every other."""
        return self.gap > 0 or bool((self.group >= 0).any())


def indexed(
    x, stimuli, *, kind="ooo", stimulus=None, metric=None, n_exciting=9, n_trials=20,
    n_references=9, quantile=0.0, groups=None, min_gap=0.0, least_reliability=0.3, n_stimuli=None,
    seed=0,
):  # fmt: skip
    """Responses, the stimuli that are used, int (stimulus,), and the Index of these."""
    found = responses(x, stimulus, least_reliability, seed)
    n = len(found.labels)
    task = checked(kind, n_exciting, n_trials, n_references, quantile, n, groups, min_gap)
    task = _constrained(task, groups, min_gap, found.labels)
    seen = percept(stimuli, metric, found.labels, stimulus or "trial")
    rows = _subset(n, n_stimuli, seed)
    return found, rows, Index(task.of(rows), found.values[rows], seen.of(rows), seed)


def checked(kind, k, n_trials, n_references, quantile, n, groups=None, min_gap=0.0):
    """A task of n stimuli, any of which may stand beside any; refuses options without effect."""
    options.one_of(KINDS, kind=kind)
    options.whole(2, n_exciting=k)
    options.whole(1, n_trials=n_trials, n_references=n_references)
    options.number(0, below=0.5, quantile=quantile)
    options.number(0, min_gap=min_gap)
    if kind == "2afc" and (groups is not None or min_gap > 0):
        raise ValueError('groups and min_gap have no effect on kind="2afc"; choose "mei" or "ooo"')
    if kind != "2afc" and quantile > 0:
        raise ValueError(f'quantile has no effect on kind="{kind}"; choose "2afc"')
    return Task(kind, k, n_trials, n_references, quantile, np.full(n, -1), np.zeros(n), 0.0)


class Index:
    """The index of units whose responses are (stimulus, unit), and of surrogates of them.

    order : int64 (unit, rank), stimuli from the most exciting down, as far as they are needed
    chosen : int64 (unit, k); enough : bool (unit,), whether they are more than a choice among ties
    """

    def __init__(self, task: Task, values: np.ndarray, seen: Percept, seed: int):
        self.task, self.seen, self.seed = task, seen, seed
        n = len(values)
        _check_number(task, n)
        tie = self._rng(TIES).permutation(n)  # an alphabetical order of ties would favour a class
        needed = task.k
        if task.kind == "2afc":
            needed = int(task.quantile * n) + task.n_trials * (task.n_references + 1)
        shuffled = np.ascontiguousarray(values[tie].T)
        if task.kind == "2afc" or task.constrained:
            order = np.argsort(-shuffled, axis=1, kind="stable")
        else:
            order = kernels.largest(shuffled, needed)
        last = np.take_along_axis(shuffled, order[:, needed - 1 : needed], 1)[:, 0]
        alone = (values == 0).sum(axis=0) == 1
        self.needed, self.enough = needed, (last > values.min(axis=0)) & ((last != 0) | alone)
        self.order = tie[order]
        self.chosen = self._choose(self.order)
        self.enough &= (self.chosen >= 0).all(axis=1)
        if task.kind == "2afc":
            self.queries, self.references = (self.order[:, ranks] for ranks in self._trials(n))

    def _rng(self, *key):
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(KEY, *key)))

    def _choose(self, order):
        task = self.task
        if not task.constrained:
            return order[:, : task.k]
        return kernels.most_exciting(order, task.group, task.place, task.gap, task.k)

    def _trials(self, n):
        """Ranks of queries (end, trial) and references (end, trial, r)."""
        task, rng = self.task, self._rng(QUERIES)
        cut = int(task.quantile * n)
        t, r = np.arange(task.n_trials), np.arange(task.n_references)
        references = cut + task.n_trials * (1 + r) + t[:, None]
        top, bottom = (cut + rng.permutation(task.n_trials) for _ in range(2))
        return np.stack([top, n - 1 - bottom]), np.stack([references, n - 1 - references])

    def scored(self):
        """Index and accuracy of every unit, (unit,), the latter of "2afc" alone."""
        ((value, accuracy, _),) = self._scored([np.arange(self.seen.n_stimuli)], self.seen)
        return value, accuracy

    def dealt(self, n_null):
        """Index (unit,) and chosen stimuli of each surrogate: stimuli in one another's place."""
        seen, step = self._quick(n_null), max(1, SETS // max(1, len(self.order)))
        for i in range(0, n_null, step):
            deals = [
                self._rng(NULL, j).permutation(self.seen.n_stimuli)
                for j in range(i, min(i + step, n_null))
            ]
            for value, _, chosen in self._scored(deals, seen):
                yield value, chosen

    def null(self, n_null):
        """Index of surrogates (surrogate, unit)."""
        return np.array([own for own, _ in self.dealt(n_null)]).reshape(n_null, len(self.order))

    def _quick(self, n_null):
        """All similarities, where "2afc" asks for each more than once and they are no burden."""
        e = self.seen.embedding
        if self.task.kind != "2afc" or not 0 < 8 * len(e) ** 2 <= TABLE:
            return self.seen
        asked = n_null * 2 * self.references.size
        return Percept(e, kernels.similarities(e)) if asked > len(e) ** 2 else self.seen

    def _scored(self, deals, seen):
        """Index, accuracy and chosen stimuli of every unit, for each deal (stimulus,)."""
        e, s = seen
        if self.task.kind == "2afc":
            for deal in deals:
                found = kernels.two_afc(e, s, deal[self.queries], deal[self.references])
                yield *found, deal[self.chosen]
            return
        each = [self._choose(deal[self.order]) for deal in deals]
        chosen = np.concatenate(each)
        full = (chosen >= 0).all(axis=1)
        chosen = np.ascontiguousarray(np.where(full[:, None], chosen, np.arange(self.task.k)))
        kernel = kernels.mean_similarity if self.task.kind == "mei" else odd_one_out
        value = np.where(full, kernel(e, s, chosen), np.nan)
        nothing = np.full(len(self.order), np.nan)
        for own, which in zip(value.reshape(len(deals), -1), each, strict=True):
            yield own, nothing, which


def _constrained(task, groups, min_gap, labels):
    if groups is not None:
        group = classes("groups", in_order(groups, labels, "groups"), labels)
        task = task._replace(group=np.unique(group, return_inverse=True)[1])
    if min_gap > 0:
        if labels.dtype.kind not in "iuf":
            raise ValueError(f"min_gap={min_gap:g} is between labels that are numbers, and "
                             f"{labels[0]} is none; give groups")  # fmt: skip
        task = task._replace(place=labels.astype(float), gap=float(min_gap))
    return task


def _check_number(task, n):
    if task.kind == "2afc":
        between = n - 2 * int(task.quantile * n)
        least = 4 * task.n_trials * (task.n_references + 1)
        if between < least:
            raise ValueError(f"{between} stimuli are fewer than 4 n_trials (n_references + 1) = "
                             f"{least}; lower n_trials or n_references")  # fmt: skip
    elif n <= task.k:
        raise ValueError(f"n_exciting={task.k} of {n} stimuli leaves none to compare; lower it")


def _subset(n, n_stimuli, seed):
    if n_stimuli is None:
        return np.arange(n)
    options.whole(1, n_stimuli=n_stimuli)
    if n_stimuli > n:
        raise ValueError(f"n_stimuli={n_stimuli} is more than the {n} that there are; lower it")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, SUBSET)))
    return np.sort(rng.choice(n, n_stimuli, replace=False))


def meaning(kind, seen):
    """Sign and range of an index, for the attributes of a result."""
    if kind != "mei" or not seen.similarity.size:
        return {"sign": SIGNS[kind], "range": RANGES[kind]}
    most = np.inf if seen.similarity.max() > 0 else 0.0  # else they are minus a distance
    return {"sign": OF_GIVEN, "range": [-np.inf, most]}


def size(task):
    """The numbers of a task, in words."""
    if task.kind == "2afc":
        return f"T = {task.n_trials}, R = {task.n_references}, quantile {task.quantile:g}"
    return f"K = {task.k}"
