"""Data and surrogates through one and the same pipeline: resample, scale, solve, score, average."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..kernels import scoring
from .problems import Problems, condition_weights
from .resampling import Resample
from .sample import Sample, sample, scaling

MOST_BYTES = 1_000_000_000


class Outcome(NamedTuple):
    """What a pipeline gives for every problem and condition, NaN where not tested.

    correct, margin : float64 (resample, problem, condition)
    failed : solutions that did not converge; gap : the largest relative duality gap
    """

    correct: np.ndarray
    margin: np.ndarray
    failed: int
    gap: float


@dataclass(frozen=True)
class Joint(Problems):
    """One k-way question: a set is one class against the rest, the largest decision value wins."""

    def score(self, decisions, bounds):
        """Share correct (1, condition) and, as margin, the lead over the best wrong class."""
        value = decisions.score[self.sets.which] * self.sets.flip[:, None]
        condition = np.repeat(np.arange(self.side.shape[1]), np.diff(bounds))
        own = self.side[:, condition] > 0
        lead = value[own.argmax(axis=0), np.arange(len(condition))] - np.where(
            own, -np.inf, value
        ).max(axis=0)
        hits = (lead > 0) + 0.5 * (lead == 0)
        n = np.diff(bounds)
        return tuple(np.add.reduceat(a, bounds[:-1])[None] / n for a in (hits.astype(float), lead))


@dataclass(frozen=True)
class Draws:
    """A population, its resamples, and how they are scaled: what all questions of a measure share.

    scale : "resample", "split" (per training set: slow, the reference) or "none"
    """

    population: Any
    resamples: list
    scale: str = "resample"

    @property
    def n_training(self):
        """Training trials of a condition in the first resample, the median over conditions."""
        return int(np.median(np.diff(self.resamples[0].train_bounds)))

    @cached_property
    def samples(self):
        """One Sample a resample, kept with its Gram matrices while they fit in memory."""
        rows = self.resamples[0].train.shape[1] + (
            0 if self.resamples[0].same else self.resamples[0].test.shape[1]
        )
        made = (sample(self.population, r, self.scale) for r in self.resamples)
        small = 8 * rows * self.population.n_neurons * len(self.resamples) < MOST_BYTES
        return list(made) if small else _Remade(self)


class _Remade:
    """Samples made again at every pass."""

    def __init__(self, draws):
        self.draws = draws

    def __len__(self):
        return len(self.draws.resamples)

    def __iter__(self):
        draws = self.draws
        return (sample(draws.population, r, draws.scale) for r in draws.resamples)


@dataclass(frozen=True)
class Experiment:
    """Problems put to draws of a population through one readout, and averages of what comes back.

    group : int (problem,), the estimate (or -1) that a problem is averaged into
    """

    draws: Draws
    problems: Problems
    group: np.ndarray
    readout: Any

    @property
    def population(self):
        """The population that was recorded."""
        return self.draws.population

    @property
    def n_estimates(self):
        """How many averages there are."""
        return int(self.group.max()) + 1

    def weight(self, n_trials):
        """Weight of a trial in every training set, (set, condition)."""
        key = n_trials.tobytes()
        if key not in self._weights:
            self._weights[key] = self._weight(n_trials)
        return self._weights[key]

    @cached_property
    def _weights(self):
        return {}

    def _weight(self, n_trials):
        if isinstance(self.problems, Joint):
            return np.where(self.problems.sets.sign != 0, n_trials.mean() / n_trials, 0.0)
        return condition_weights(self.problems.sets.sign, n_trials)

    def observe(self) -> Outcome:
        """The outcome of every resample of the data."""
        if self.draws.scale == "split":
            return self.repeat(self.population)
        return joined([self.solve(s) for s in self.draws.samples])

    def repeat(self, population, resamples=None) -> Outcome:
        """All steps again for a surrogate population, on the splits of the data or on its own."""
        resamples = self.draws.resamples if resamples is None else resamples
        return joined([self._run(population, r) for r in resamples])

    def _run(self, population, resample: Resample) -> Outcome:
        if self.draws.scale != "split":
            return self.solve(sample(population, resample, self.draws.scale))
        parts, condition, n_trials = [], population.condition, np.diff(resample.train_bounds)
        for sign, weight in zip(self.problems.sets.sign, self.weight(n_trials), strict=True):
            seen = resample.chosen & (sign[condition] != 0)
            prepared = sample(
                population, resample, "split", scaling(population, seen, "split", sign != 0)
            )
            parts.append(self.readout.decide(prepared, sign[None], weight[None]))
        decisions = type(parts[0])(
            *(np.concatenate([getattr(p, f) for p in parts]) for f in parts[0]._fields)
        )
        return self._outcome(decisions, resample.test_bounds)

    def solve(self, prepared: Sample) -> Outcome:
        """The outcome for trials that are drawn and scaled."""
        return self._outcome(self.decide(prepared), prepared.test_bounds)

    def decide(self, prepared: Sample):
        """Decision values of every training set on every test trial."""
        return self.readout.decide(
            prepared, self.problems.sets.sign, self.weight(prepared.n_trials)
        )

    def solve_from(self, decisions, prepared: Sample):
        """Share correct (problem, condition) of decisions that were made."""
        return score(self.problems, decisions, prepared.test_bounds)[0]

    def _outcome(self, decisions, bounds):
        correct, margin = score(self.problems, decisions, bounds)
        gap = float(np.fmax.reduce(decisions.gap, initial=0.0))
        failed = len(decisions.converged) - int(np.count_nonzero(decisions.converged))
        return Outcome(correct[None], margin[None], failed, gap)

    def average(self, outcome: Outcome):
        """Accuracy and margin of every estimate, (estimate,)."""
        return tuple(self.averages(a.mean(axis=0)) for a in outcome[:2])

    def by_problem(self, values):
        """(..., problem, condition) to (..., problem): the two sides weigh the same."""
        if isinstance(self.problems, Joint):
            return values.mean(axis=-1)
        return side_mean(values, self.problems.tested_side)

    def averages(self, values):
        """(..., problem, condition) to (..., estimate)."""
        return group_mean(self.by_problem(values), self.group, self.n_estimates)


def score(problems, decisions, bounds):
    """Share correct and margin (problem, condition)."""
    if isinstance(problems, Joint):
        return problems.score(decisions, bounds)
    sets = problems.sets
    return scoring.correct(
        np.ascontiguousarray(decisions.score),
        decisions.norm,
        sets.which,
        sets.flip,
        problems.tested,
        problems.tested_side,
        bounds,
    )


def side_mean(values, side):
    """Mean over the conditions of each side, then over the two sides; values (..., condition)."""
    with np.errstate(invalid="ignore"):
        present = np.isfinite(values)
        parts = []
        for sign in (1, -1):
            mine = present & (side == sign)
            parts.append(np.where(mine, values, 0.0).sum(axis=-1) / mine.sum(axis=-1))
    return 0.5 * (parts[0] + parts[1])


def group_mean(values, group, n_groups):
    """Mean over the problems of a group; values (..., problem), group (problem,), -1 left out."""
    members = (group == np.arange(n_groups)[:, None]).astype(float)
    return values @ (members / members.sum(axis=1, keepdims=True)).T


def joined(outcomes) -> Outcome:
    """Several resamples as one outcome."""
    return Outcome(
        np.concatenate([o.correct for o in outcomes]),
        np.concatenate([o.margin for o in outcomes]),
        sum(o.failed for o in outcomes),
        max(o.gap for o in outcomes),
    )
