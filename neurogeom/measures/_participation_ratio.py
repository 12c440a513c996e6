"""The participation ratio of a population: estimate, test and interval."""

import numpy as np

from ..engine.block_shuffle import few
from ..engine.intervals import Interval, random_groups, refused
from ..engine.quantities import Quantity, missing
from ..engine.resampling import fold_means, folds
from ..engine.targets import FEW_TRIALS, MIN_TRIALS, aim
from ..formulas import participation_ratio as formulas

LEAST_STIMULI = 8  # for an interval over them
N_GROUPS = 20  # of neurons, left out one at a time
LOG_FROM = 0.4  # standard error over estimate above which bounds are those of the logarithm
UNUSABLE = 0.15  # share of the variance of condition means that is no noise
TINY = np.finfo(float).tiny
WIDER = "higher is spread over more dimensions"


def repeats(s, standard, n_folds, n_splits):
    """Scaled means of disjoint sets of trials, (fold, condition, neuron), of every division."""
    for r in range(n_splits):
        yield fold_means(s.population, n_folds, r, s.seed) * standard.inverse


def participation_ratio(s, standard, stimuli, neurons, n_splits, target) -> Quantity:
    """The corrected estimate, the naive one beside it, its interval, and the test of a signal.

    s : Setting; standard : Standardised; the others as in :func:`neurogeom.dimensionality`
    """
    name, n, p = "participation_ratio", s.design.n_conditions, s.population
    shuffle = s.label_shuffle(split=False)
    most = min(n - 1 if stimuli == "fixed" else np.inf, p.n_neurons if neurons == "all" else np.inf)
    known = {
        "naive": float(formulas.naive(standard.means)),
        "least": 1.0,
        "most": float(most),
        "ceiling": float(min(n - 1, p.n_neurons)),
        "statistic": _trace(p, standard.inverse),
        "null": _shuffled_traces(s, shuffle, standard.inverse),
        "note": "; ".join(few(shuffle, "the conditions")) if s.n_null else "",
        "null_method": "signal trace, labels shuffled among all conditions within group: whether "
        "any neuron tells conditions apart; keeps counts, noise correlations and blocks",
        "tail": "greater",
    }
    share = known["statistic"] / max(float(standard.means.var(axis=0, ddof=1).sum()), TINY)
    if share < UNUSABLE:
        reason = (
            f"trial noise exceeds the signal: reliability {share:.2f} of the condition means is "
            f"below {UNUSABLE}"
        )
        return missing(name, WIDER, reason, **known)
    try:
        parts = list(repeats(s, standard, 4 if stimuli == "fixed" else 2, n_splits))
        terms = np.mean([_terms(r, stimuli) for r in parts], axis=0)
    except ValueError as error:
        return missing(name, WIDER, str(error), **known)
    estimate = float(formulas.ratio(terms, neurons))
    if not np.isfinite(estimate):
        reason = "trial noise exceeds the signal, or one neuron alone varies"
        return missing(name, WIDER, reason, **known)
    interval = _interval(s, standard, parts, estimate, stimuli, neurons, target)
    return Quantity(name, estimate, WIDER, interval=interval, **known)


def _terms(repeat, stimuli):
    return formulas.fixed(repeat) if stimuli == "fixed" else formulas.sampled(*repeat)


def _trace(population, inverse):
    """Variance of condition means, summed over neurons, without the part of trial noise."""
    mean, square = population.moments(population.everything())
    error = np.maximum(square - mean**2, 0.0) / (population.counts_by_neuron - 1)
    return float(((mean.var(axis=0, ddof=1) - error.mean(axis=0)) * inverse**2).sum())


def _shuffled_traces(s, shuffle, inverse):
    if hasattr(shuffle, "redrawn"):
        moved = (shuffle.redrawn(d)[0] for d in range(s.n_null))
    else:
        moved = (s.population.with_order(shuffle.order(d)) for d in range(s.n_null))
    return np.array([_trace(p, inverse) for p in moved])


def _interval(s, standard, parts, estimate, stimuli, neurons, target):
    """Jackknife over what is random: stimuli and neurons, their groups, or trials."""
    goal, reason = _goal(s, stimuli, neurons, target)
    if reason:
        return refused(reason)
    variance, df = 0.0, np.inf
    if stimuli == "sampled":
        left = np.mean([formulas.without_stimuli(*r) for r in parts], axis=0)
        variance, df = _spread(formulas.ratio(left, neurons)), left.shape[1] - 1
    if neurons == "sampled":
        values = _without_units(goal.unit, parts, stimuli, s.seed)
        variance, df = variance + _spread(values), min(df, len(values) - 1)
    elif stimuli == "fixed":
        variance, df = _over_trials(s, standard, parts)
    if not np.isfinite(variance):
        return refused("without one of its parts the participation ratio is undefined")
    return _around(estimate, np.sqrt(variance), df, goal)


def _goal(s, stimuli, neurons, target):
    n, least = s.design.n_conditions, 2 if stimuli == "sampled" else MIN_TRIALS
    if stimuli == "sampled" and n < LEAST_STIMULI:
        return None, f"{n} sampled stimuli are fewer than the {LEAST_STIMULI} that it needs"
    if neurons == "all" and target in (None, "recording"):
        goal = aim(s.population, "recording", least_trials=least)
        if not goal.reason and stimuli == "fixed" and s.population.counts.min() < FEW_TRIALS:
            return None, f"a jackknife over trials needs {FEW_TRIALS} of them in each condition"
        if not goal.reason and stimuli == "fixed" and s.population.has_blocks:
            return None, "trials in blocks have no interval whose coverage is known"
        return goal, goal.reason
    goal = aim(s.population, target, least_trials=least)
    if not goal.reason and neurons == "all":
        return None, "neurons='all' stand for themselves; give target='recording'"
    if not goal.reason and goal.kind == "recording":
        return None, "these neurons cannot stand for their population; give neurons='all'"
    return goal, goal.reason


def _without_units(unit, parts, stimuli, seed):
    """Participation ratio without each neuron, session or group of neurons."""
    single = len(np.unique(unit)) == len(unit)
    if stimuli == "sampled" and single:
        left = np.mean([formulas.without_neurons(*r) for r in parts], axis=0)
        return formulas.ratio(left, "sampled")
    if single:
        unit = random_groups(len(unit), N_GROUPS, seed)[unit]
    left = [
        np.mean([_terms(r[..., unit != u], stimuli) for r in parts], axis=0)
        for u in np.unique(unit)
    ]
    return formulas.ratio(np.transpose(left), "sampled")


def _spread(values):
    """Jackknife variance."""
    return (len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()


def _over_trials(s, standard, parts):
    """Jackknife variance over the trials of fixed conditions, and its degrees of freedom."""
    p = s.population
    rows = p.gather(np.arange(p.trial0[-1])[None]) * standard.inverse
    terms = np.zeros((len(rows), 3))
    for r, repeat in enumerate(parts):
        fold = folds(p, r, s.seed, 4)[0]
        for t, c in enumerate(p.condition):
            fewer, size = repeat.copy(), ((fold == fold[t]) & (p.condition == c)).sum()
            fewer[fold[t], c] += (repeat[fold[t], c] - rows[t]) / (size - 1)
            terms[t] += formulas.fixed(fewer) / len(parts)
    values = formulas.ratio(terms.T, "all")
    parts = [values[p.condition == c] for c in range(p.n_conditions)]
    return sum(_spread(v) for v in parts), len(values) - len(parts)


def _around(estimate, error, df, goal):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * error
    bounds = np.array([[estimate - half], [estimate + half]])
    if estimate > 0 and (bounds[0] < 1 or error > LOG_FROM * estimate):
        bounds = estimate * np.exp(np.array([[-half], [half]]) / estimate)
    return Interval(*bounds, f"{goal.kind}: {goal.text}", note=goal.note)
