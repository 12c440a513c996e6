"""95 % intervals of accuracies, each with the value that it is an interval for.

All are centred on the ordinary estimate, with a variance from jackknives whose 0/1 hits are softened
(a hard hit counts flips near the boundary as signal) and a quantile of Student's t:

- recording: delete a trial; - population: delete a group of neurons, plus the variance of the test
trials' scores, plus what noise shared by neurons adds; - sessions: delete a session, plus the scores;
- animals: delete an animal, hits hard.

None is an interval for the accuracy with endless training trials. Never shipped: the spread over
resamples, a binomial over all splits, percentiles of a bootstrap: they cover 0 to 80 %.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..kernels import scoring
from .experiment import Draws, Joint, group_mean, side_mean
from .sample import Sample
from .targets import aim

N_GROUPS = 20  # of neurons; as many groups of sessions at most
MOST_SPLITS = 8  # resamples in a jackknife
MOST_DELETIONS = 40
LEAST_PAIRINGS = 6


class Interval(NamedTuple):
    """low, high : float64 (estimate,), NaN where refused; target, reason, note : words"""

    low: np.ndarray
    high: np.ndarray
    target: str
    reason: str = ""
    note: str = ""


def refused(reason, n_estimates=1) -> Interval:
    """No interval, and why."""
    nan = np.full(n_estimates, np.nan)
    return Interval(nan, nan, "none", reason)


def accuracy(experiment, outcome, *, target=None, seed=0) -> Interval:
    """The interval of every average of an experiment (see the module for what it covers)."""
    estimate = experiment.average(outcome)[0]
    population = experiment.population
    goal = aim(population, target)
    if isinstance(experiment.problems, Joint):
        goal = goal._replace(reason="a k-way accuracy has no interval whose coverage is known")
    if not goal.reason and not population.real_trials and len(experiment.draws.resamples) < LEAST_PAIRINGS:
        goal = goal._replace(reason=f"fewer than {LEAST_PAIRINGS} resamples give no interval")
    if goal.reason:
        return refused(goal.reason, len(estimate))
    jackknife = _Jackknife(experiment)
    variance, df = {"recording": _recording, "population": _population}.get(goal.kind, _units)(jackknife, goal, seed)
    return _around(estimate, variance, df, goal, population)


def _around(estimate, variance, df, goal, population):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * np.sqrt(variance)
    low, high = np.clip(estimate - half, 0.0, 1.0), np.clip(estimate + half, 0.0, 1.0)
    # All trials right (or wrong) in every replicate: Wilson's one-sided bound for as many trials.
    bound = 1.0 / (1.0 + 1.645**2 / population.counts.sum(axis=1).min())
    low = np.where((variance == 0) & (estimate == 1), bound, low)
    high = np.where((variance == 0) & (estimate == 0), 1.0 - bound, high)
    return Interval(low, high, f"{goal.kind}: {goal.text}", note=goal.note)


def _recording(jackknife, goal, seed):
    return jackknife.trials()


def _population(jackknife, goal, seed):
    units = _random_groups(jackknife.experiment.population.n_neurons, N_GROUPS, seed)
    variance, df = jackknife.neurons(units, soft=True)
    variance = variance + jackknife.score_variance()
    if jackknife.experiment.population.real_trials:
        together, _ = jackknife.trials()
        apart, _ = _Jackknife(_shuffled_neurons(jackknife.experiment, seed)).trials()
        variance = variance + np.maximum(0.0, together - apart)
    return variance, df


def _units(jackknife, goal, seed):
    unit, soft = goal.unit, goal.kind == "sessions"
    n = int(unit.max()) + 1
    if n > N_GROUPS:
        unit = _random_groups(n, N_GROUPS, seed)[unit]
    variance, df = jackknife.neurons(unit, soft=soft)
    return (variance + jackknife.score_variance() if soft else variance), df


def _random_groups(n, n_groups, seed):
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,)))
    return rng.permutation(np.arange(n) % min(n_groups, n))


class _Jackknife:
    """Replicates of an experiment without some trials or some neurons, splits and draws unchanged."""

    def __init__(self, experiment):
        self.experiment = experiment
        draws = experiment.draws
        few = draws.resamples[:MOST_SPLITS]
        scale = "resample" if draws.scale == "split" else draws.scale
        self.samples = list(Draws(draws.population, few, scale).samples)
        self.resamples = few
        self.decisions = [experiment.decide(s) for s in self.samples]

    def trials(self):
        """Variance by deleting trials of one group of neurons recorded together, and its df."""
        p = self.experiment.population
        n = p.counts[0]
        condition = p.condition
        within = np.concatenate([np.arange(k) for k in n])
        if n.min() > 12:
            n_groups = int(min(n.min(), MOST_DELETIONS))
            values = np.array([self._without_trials(within % n_groups == j) for j in range(n_groups)])
            return _jackknife_variance(values), n_groups - 1
        values = np.array([self._without_trials(np.arange(len(within)) == t) for t in range(len(within))])
        parts = [(k - 1) / k * _squares(values[condition == c]) for c, k in enumerate(n)]
        return np.sum(parts, axis=0), int((n - 1).sum())

    def neurons(self, unit, *, soft):
        """Variance by deleting the neurons of each unit, and its df; unit int (neuron,)."""
        n_units = int(unit.max()) + 1
        values = np.array([self._without_neurons(unit != u, soft) for u in range(n_units)])
        return _jackknife_variance(values), n_units - 1

    def score_variance(self):
        """Variance of the mean score over test trials, conditions apart, as many as were recorded."""
        e, p = self.experiment, self.experiment.population
        n_real = np.median(p.counts_by_neuron, axis=1)
        rows = [self._scores(d, s) for d, s in zip(self.decisions, self.samples, strict=True)]
        if p.real_trials:
            which = np.concatenate([r.test[0] for r in self.resamples])
            scores = np.concatenate(rows, axis=1)  # (estimate, row)
            total = np.array([np.bincount(which, s, p.trial0[-1]) for s in np.nan_to_num(scores)])
            count = np.array([np.bincount(which, np.isfinite(s).astype(float), p.trial0[-1]) for s in scores])
            with np.errstate(invalid="ignore"):
                return self._variance_of(total / count, p.condition, n_real)
        parts = [self._variance_of(s, x.test_condition_of, n_real) for s, x in zip(rows, self.samples, strict=True)]
        return np.mean(parts, axis=0)

    def _variance_of(self, scores, condition, n_real):
        variance = np.zeros(len(scores))
        for k, score in enumerate(scores):
            seen = np.isfinite(score)
            conditions = np.unique(condition[seen])
            spread = [np.var(score[seen & (condition == c)], ddof=1) / n_real[c] for c in conditions if (seen & (condition == c)).sum() > 1]
            variance[k] = np.sum(spread) / len(conditions) ** 2
        return variance

    def _scores(self, decisions, prepared):
        """Mean hit of every test trial over the problems of each estimate, (estimate, row)."""
        e = self.experiment
        pr = e.problems
        hit = scoring.hits(np.ascontiguousarray(decisions.score), pr.sets.which, pr.sets.flip, pr.tested, pr.tested_side, prepared.test_bounds)
        seen, filled = np.isfinite(hit), np.nan_to_num(hit)
        member = (e.group == np.arange(e.n_estimates)[:, None]).astype(float)
        with np.errstate(invalid="ignore"):
            return (member @ filled) / (member @ seen)

    def _without_trials(self, gone):
        sums = trials = 0.0
        for prepared, resample, decisions in zip(self.samples, self.resamples, self.decisions, strict=True):
            train, test = ~gone[resample.train[0]], ~gone[resample.test[0]]
            if not train.all():
                kept = _of_rows(prepared, train)
                decisions, prepared, test = self.experiment.decide(kept), kept, test[test] if prepared.same else test
            a, b = self._soft(decisions, prepared, test)
            sums, trials = sums + a, trials + b
        return self._mean(sums, trials)

    def _without_neurons(self, kept, soft):
        sums = trials = 0.0
        for prepared in self.samples:
            test = () if prepared.same else (np.ascontiguousarray(prepared.test[:, kept]), prepared.test_bounds)
            fewer = Sample(np.ascontiguousarray(prepared.train[:, kept]), prepared.bounds, *test)
            decisions = self.experiment.decide(fewer)
            everything = np.ones(len(fewer.test), bool)
            if soft:
                a, b = self._soft(decisions, fewer, everything)
            else:
                b = np.where(self.experiment.problems.tested, np.diff(fewer.test_bounds), 0)
                a = np.nan_to_num(self.experiment.solve_from(decisions, fewer)) * b
            sums, trials = sums + a, trials + b
        return self._mean(sums, trials)

    def _soft(self, decisions, prepared, keep):
        pr = self.experiment.problems
        return scoring.softened(
            np.ascontiguousarray(decisions.score), pr.sets.which, pr.sets.flip, pr.tested, pr.tested_side, prepared.test_bounds, keep
        )

    def _mean(self, sums, trials):
        # Pooled over splits within a condition, then averaged: defined when a deletion empties a cell.
        with np.errstate(invalid="ignore"):
            values = np.where(self.experiment.problems.tested & (trials > 0), sums / trials, np.nan)
        return group_mean(side_mean(values, self.experiment.problems.tested_side), self.experiment.group, self.experiment.n_estimates)


def _squares(values):
    return ((values - values.mean(axis=0)) ** 2).sum(axis=0)


def _jackknife_variance(values):
    return (len(values) - 1) / len(values) * _squares(values)


def _of_rows(prepared, keep):
    """A sample without some training rows (and, where they are the same, test rows)."""
    counts = np.add.reduceat(keep.astype(int), prepared.bounds[:-1])
    bounds = np.concatenate([[0], np.cumsum(counts)])
    test = () if prepared.same else (prepared.test, prepared.test_bounds)
    fewer = Sample(prepared.train[keep], bounds, *test)
    if "gram" in prepared.__dict__:
        fewer.gram = np.ascontiguousarray(prepared.gram[np.ix_(keep, keep)])
        if not prepared.same and "cross" in prepared.__dict__:
            fewer.cross = prepared.cross[:, keep]
    return fewer


def _shuffled_neurons(experiment, seed):
    """The same experiment with trials permuted within condition, for every neuron on its own."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7,)))
    draws = replace(experiment.draws, population=experiment.population.shuffled_neurons(rng))
    return replace(experiment, draws=draws)


def add(result, intervals, dim):
    """Put intervals into a result: ``interval`` (dim, bound) and what each is for."""
    low, high = (np.concatenate([np.atleast_1d(getattr(i, f)) for i in intervals]) for f in ("low", "high"))
    dims = (dim,) if dim else ()
    values = np.stack([low, high], axis=-1)
    result["interval"] = (*dims, "bound"), values if dim else values[0]
    result.coords["bound"] = ["low", "high"]
    target = [i.target for i in intervals]
    result["interval_target"] = dims, target if dim else target[0]


def attrs(intervals, names):
    """Reasons why there is no interval, by name, and the notes to read the others with."""
    return {
        "interval_reasons": {n: i.reason for n, i in zip(names, intervals, strict=True) if i.reason},
        "interval_notes": sorted({i.note for i in intervals if i.note}),
        "interval_level": 0.95,
    }
