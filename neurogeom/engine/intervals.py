"""95 % intervals of accuracies, each with the value that it is an interval for.

All are centred on the ordinary estimate and use a quantile of Student's t. Their variances:

- recording: softened jackknife over trials (or blocks);
- population, neurons recorded together: softened jackknife over groups of neurons plus the spread
  of the test trials' scores; where conditions are held out, no less than that of the recording,
  which alone holds noise that neurons share (where trials are, coverage does not need it);
- population of neurons recorded apart, sessions, animals: ordinary jackknife over these units,
  all draws unchanged. The sum of squared deviations, without the factor (n - 1) / n, is on average
  no smaller than the variance (Efron & Stein 1981, Ann Stat 9:586), and that of a pseudo-population
  hardly falls with the number of units, since its test trials do not become more.

None is an interval for the accuracy with endless training trials. Not offered: the standard error
over resamples, a binomial over all splits, percentiles of a bootstrap, which cover 0 to 80 %; nor
the spread over draws with replacement, which covers 99 %.
"""

from typing import NamedTuple

import numpy as np

from .experiment import Joint
from .jackknife import Jackknife, spread, trials_of
from .resampling import N_FOLDS
from .targets import FEW_TRIALS, MIN_HELD_OUT, MIN_NEURONS, aim

N_NEURON_GROUPS = 20
MOST_UNITS = 10  # groups to which more sessions, or neurons recorded apart, are dealt
MOST_SPLITS = 12  # resamples in a jackknife of real trials
MOST_DRAWS = 20  # and elsewhere
LEAST_DRAWS = 6


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
    held_out = _conditions_held_out(experiment)
    goal = aim(experiment.population, target, MIN_HELD_OUT if held_out else MIN_NEURONS)
    reason = goal.reason or _unfit(experiment)
    if reason:
        return refused(reason, len(estimate))
    variance, df = _variance(experiment, goal, seed)
    if not np.isfinite(variance).all():
        return refused("one block holds all that a split trains on for a condition", len(estimate))
    return _around(estimate, variance, df, goal, experiment.population)


def _unfit(experiment):
    n, real = len(experiment.draws.resamples), experiment.population.real_trials
    if isinstance(experiment.problems, Joint):
        return "a k-way accuracy has no interval whose coverage is known"
    if not real and n < LEAST_DRAWS:
        return f"n_resamples={n} is too few for an interval; give at least {LEAST_DRAWS}"
    if real and not experiment.draws.resamples[0].same and n < N_FOLDS:
        return f"n_resamples={n} leaves trials untested; give at least {N_FOLDS}"
    return ""


def _variance(experiment, goal, seed):
    if goal.kind == "recording":
        return _of_trials(experiment)
    if goal.kind == "population" and experiment.population.real_trials:
        return _of_neurons(experiment, seed)
    unit = goal.unit
    if goal.kind != "animals" and unit.max() >= MOST_UNITS:
        unit = random_groups(int(unit.max()) + 1, MOST_UNITS, seed)[unit]
    values = Jackknife(experiment, MOST_DRAWS).without_neurons(unit, soft=False)
    return ((values - values.mean(axis=0)) ** 2).sum(axis=0), len(values) - 1


def _of_trials(experiment):
    left_out = trials_of(experiment.population)
    values = Jackknife(experiment, _n_splits(experiment)).without_trials(left_out)
    return left_out.variance(values), left_out.df


def _of_neurons(experiment, seed):
    group = random_groups(experiment.population.n_neurons, N_NEURON_GROUPS, seed)
    values = Jackknife(experiment, _n_splits(experiment)).without_neurons(group, soft=True)
    variance = spread(values) + Jackknife(experiment, MOST_DRAWS).score_variance()
    enough = (
        experiment.population.counts.min() >= FEW_TRIALS
    )  # below, that over trials is too large
    if enough and _conditions_held_out(experiment):
        variance = np.maximum(variance, _of_trials(experiment)[0])
    return variance, len(values) - 1


def _conditions_held_out(experiment):
    return not (experiment.problems.trained & experiment.problems.tested).any()


def _n_splits(experiment):
    return MOST_SPLITS if experiment.population.counts.min() >= FEW_TRIALS else MOST_DRAWS


def random_groups(n, n_groups, seed):
    """Units dealt to groups of equal size as far as possible, int (unit,)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,)))
    return rng.permutation(np.arange(n) % min(n_groups, n))


def _around(estimate, variance, df, goal, population):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * np.sqrt(variance)
    low, high = np.clip(estimate - half, 0.0, 1.0), np.clip(estimate + half, 0.0, 1.0)
    # All trials right, or all wrong: at least as far as Wilson's one-sided bound for them.
    bound = 1.0 / (1.0 + 1.645**2 / population.counts.sum(axis=1).min())
    low = np.where(estimate == 1, np.minimum(low, bound), low)
    high = np.where(estimate == 0, np.maximum(high, 1.0 - bound), high)
    return Interval(low, high, f"{goal.kind}: {goal.text}", note=goal.note)


def add(result, intervals, dim):
    """Put intervals into a result: ``interval`` (dim, bound) and what each is for."""
    low, high = (
        np.concatenate([np.atleast_1d(getattr(i, f)) for i in intervals]) for f in ("low", "high")
    )
    dims = (dim,) if dim else ()
    values = np.stack([low, high], axis=-1)
    result["interval"] = (*dims, "bound"), values if dim else values[0]
    result.coords["bound"] = ["low", "high"]
    target = [i.target for i in intervals]
    result["interval_target"] = dims, target if dim else target[0]


def attrs(intervals, names):
    """Reasons why there is no interval, by name, and the notes to read the others with."""
    reasons = zip(names, (i.reason for i in intervals), strict=True)
    return {
        "interval_reasons": {name: reason for name, reason in reasons if reason},
        "interval_notes": sorted({i.note for i in intervals if i.note}),
        "interval_level": 0.95,
    }
