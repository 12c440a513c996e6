"""An experiment without some trials or some neurons, its splits and draws unchanged.

What the intervals of accuracies stand on. Where trials are left out, hits are softened: removing a
trial flips hits near the boundary, and a jackknife of 0/1 hits counts those flips as signal (its
standard error is 1.5 to 1.9 times too large).
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..kernels import scoring
from .experiment import Draws, group_mean, side_mean
from .sample import Sample

MOST_DELETIONS = 24  # replicates without trials: below, one a trial; above, several trials at once


class Deletions(NamedTuple):
    """unit : int (trial,), what each trial is left out with; stratum : int (unit,), units that
    stand for one another: the variances of strata are added up"""

    unit: np.ndarray
    stratum: np.ndarray

    @property
    def df(self):
        """Degrees of freedom: units less strata."""
        return len(self.stratum) - int(self.stratum.max()) - 1

    def variance(self, values):
        """Jackknife variance of replicates (unit, ...)."""
        return sum(spread(values[self.stratum == s]) for s in range(self.stratum.max() + 1))


def spread(values):
    """(n - 1) / n times the sum of squared deviations of n replicates (unit, ...)."""
    n = len(values)
    return (n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0)


def deletions(condition, block) -> Deletions:
    """Single trials, or whole blocks; where there are many, some of several conditions at once.

    condition, block : int (trial,). Trials of one block are never left out apart. Blocks within
    conditions make a stratum a condition; blocks that span conditions make one stratum in all.
    """
    _, first, unit = np.unique(block, return_index=True, return_inverse=True)
    if (condition != condition[first][unit]).any():
        n = min(len(first), MOST_DELETIONS)
        return Deletions(unit % n, np.zeros(n, int))
    of_block = condition[first]
    count = np.bincount(of_block)
    rank = np.empty(len(first), int)
    for c in range(len(count)):
        rank[of_block == c] = np.arange(count[c])
    n_bundles = int(np.clip(MOST_DELETIONS // count.min(), 1, len(count)))
    bundle = of_block * n_bundles // len(count)  # conditions that lose a block each, at once
    together, stratum = np.empty(len(first), int), []
    for b in range(n_bundles):
        mine = bundle == b
        n = min(int(count[of_block[mine]].min()), MOST_DELETIONS)
        together[mine] = len(stratum) + rank[mine] % n
        stratum += [b] * n
    return Deletions(together[unit], np.array(stratum))


def trials_of(population) -> Deletions:
    """What to leave out of a population whose neurons were recorded together."""
    return deletions(population.condition, population.block)


class Jackknife:
    """Replicates of the estimates of an experiment, from its first resamples."""

    def __init__(self, experiment, n_resamples):
        draws = experiment.draws
        scale = "resample" if draws.scale == "split" else draws.scale
        self.experiment = experiment
        self.resamples = draws.resamples[:n_resamples]
        self.samples = Draws(draws.population, self.resamples, scale).samples

    @cached_property
    def decisions(self):
        """Decisions with nothing left out, one a resample."""
        return [self.experiment.decide(s) for s in self.samples]

    def without_trials(self, left_out: Deletions):
        """Softened estimates (unit, estimate); NaN where nothing would be left to train on."""
        n, problems = len(left_out.stratum), self.experiment.problems
        sums, trials = np.zeros((n, *problems.tested.shape)), np.zeros((n, *problems.tested.shape))
        for sample, resample, whole in zip(
            self.samples, self.resamples, self.decisions, strict=True
        ):
            train, test = left_out.unit[resample.train[0]], left_out.unit[resample.test[0]]
            for u in range(n):
                decisions, prepared, seen = whole, sample, test != u
                if (train == u).any():
                    prepared = of_rows(sample, train != u)
                    if prepared.n_trials.min() == 0:
                        sums[u] = np.nan
                        continue
                    decisions = self.experiment.decide(prepared)
                    seen = np.ones(len(prepared.test), bool) if sample.same else seen
                self._add(sums[u], trials[u], self._softened(decisions, prepared, seen))
        return self._mean(sums, trials)

    def without_neurons(self, unit, *, soft):
        """Estimates (unit, estimate) without the neurons of each unit, int (neuron,)."""
        n, problems = int(unit.max()) + 1, self.experiment.problems
        sums, trials = np.zeros((n, *problems.tested.shape)), np.zeros((n, *problems.tested.shape))
        score = self._softened if soft else self._hard
        for sample in self.samples:
            for u in range(n):
                fewer = of_columns(sample, unit != u)
                decisions = self.experiment.decide(fewer)
                everything = np.ones(len(fewer.test), bool)
                self._add(sums[u], trials[u], score(decisions, fewer, everything))
        return self._mean(sums, trials)

    def score_variance(self):
        """Variance that comes with the finite number of test trials, of every estimate.

        A trial's score is its mean hit, weighed as the estimate weighs it; the scores of one block
        are added up before their spread is taken.
        """
        p = self.experiment.population
        unit, stratum = _each_block(p.condition, p.block)
        scores = self._scores()  # (estimate, trial)
        n = np.bincount(p.condition)
        mean = np.array([np.bincount(p.condition, s) / n for s in scores])
        part = (scores - mean[:, p.condition]) / n[p.condition]
        size = np.bincount(stratum)[stratum]
        total = np.array([np.bincount(unit, each) for each in part])
        return (size / (size - 1) * total**2).sum(axis=1)

    def _scores(self):
        e, problems = self.experiment, self.experiment.problems
        n_trials = e.population.trial0[-1]
        weight = _test_weights(problems)  # (problem, condition)
        member = (e.group == np.arange(e.n_estimates)[:, None]).astype(float)
        member /= member.sum(axis=1, keepdims=True)
        total, count = np.zeros((e.n_estimates, n_trials)), np.zeros(n_trials)
        sets = problems.sets
        for sample, resample, decisions in zip(
            self.samples, self.resamples, self.decisions, strict=True
        ):
            hit = scoring.hits(
                np.ascontiguousarray(decisions.score), sets.which, sets.flip, problems.tested,
                problems.tested_side, sample.test_bounds,
            )  # fmt: skip
            weighed = np.nan_to_num(hit) * weight[:, sample.test_condition_of]
            total[:, resample.test[0]] += member @ weighed
            count[resample.test[0]] += 1
        return total / np.maximum(count, 1)

    def _softened(self, decisions, prepared, seen):
        problems = self.experiment.problems
        return scoring.softened(
            np.ascontiguousarray(decisions.score), problems.sets.which, problems.sets.flip,
            problems.tested, problems.tested_side, prepared.test_bounds, seen,
        )  # fmt: skip

    def _hard(self, decisions, prepared, seen):
        tested = self.experiment.problems.tested
        trials = np.where(tested, np.diff(prepared.test_bounds), 0)
        return np.nan_to_num(self.experiment.solve_from(decisions, prepared)) * trials, trials

    def _add(self, sums, trials, more):
        sums += more[0]
        trials += more[1]

    def _mean(self, sums, trials):
        # Pooled over resamples within a condition: defined when a deletion empties one test cell.
        e, problems = self.experiment, self.experiment.problems
        with np.errstate(invalid="ignore"):
            values = np.where(problems.tested & (trials > 0), sums / trials, np.nan)
        lost = np.isnan(sums).any(axis=(1, 2))
        found = group_mean(side_mean(values, problems.tested_side), e.group, e.n_estimates)
        found[lost] = np.nan
        return found


def _each_block(condition, block):
    _, first, unit = np.unique(block, return_index=True, return_inverse=True)
    nested = (condition == condition[first][unit]).all()
    return unit, condition[first] if nested else np.zeros(len(first), int)


def _test_weights(problems):
    """Weight of the mean hit of a condition in a problem: sides alike, and conditions in a side."""
    weight = np.zeros(problems.tested.shape)
    for sign in (1, -1):
        mine = problems.tested & (problems.tested_side == sign)
        weight += mine / (2.0 * np.maximum(mine.sum(axis=1, keepdims=True), 1))
    return weight


def of_rows(sample, keep) -> Sample:
    """A sample without some training rows (and test rows, where they are the same)."""
    bounds = np.concatenate([[0], np.cumsum(keep)])[sample.bounds]
    test = () if sample.same else (sample.test, sample.test_bounds)
    fewer = Sample(sample.train[keep], bounds, *test)
    if "gram" in sample.__dict__:
        fewer.gram = np.ascontiguousarray(sample.gram[np.ix_(keep, keep)])
    if not sample.same and "cross" in sample.__dict__:
        fewer.cross = np.ascontiguousarray(sample.cross[:, keep])
    return fewer


def of_columns(sample, keep) -> Sample:
    """A sample without some neurons."""
    train = np.ascontiguousarray(sample.train[:, keep])
    if sample.same:
        return Sample(train, sample.bounds)
    test = np.ascontiguousarray(sample.test[:, keep])
    return Sample(train, sample.bounds, test, sample.test_bounds)
