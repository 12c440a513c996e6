"""95 % intervals of a ratio of sums over neurons, G / Q, such as the corrected parallelism score.

Neurons are additive in both sums, so a neuron drawn twice does no harm and their bootstrap is sound,
unlike that of accuracies. Spread over pseudo-population draws is 0 here and says nothing.
"""

import numpy as np

from .intervals import Interval, refused
from .targets import aim

N_BOOTSTRAP = 2000
N_SHUFFLES = 3


def ratio(top, bottom, population, *, target=None, seed=0, jackknife=None) -> Interval:
    """The interval of sum(top) / sum(bottom).

    Parameters
    ----------
    top, bottom : float64 (neuron,)
        Contributions of neurons.
    population : Population
    target : str or None
    jackknife : callable(population) -> (variance, df)
        Variance of the ratio by deleting trials; used where neurons were recorded together.
    """
    goal = aim(population, target)
    if goal.reason:
        return refused(goal.reason)
    estimate = top.sum() / bottom.sum()
    name = f"{goal.kind}: {goal.text}"
    if goal.kind == "recording":
        variance, df = jackknife(population)
        return _students_t(estimate, variance, df, name, goal.note)
    if goal.kind in ("sessions", "animals"):
        top, bottom = np.bincount(goal.unit, top), np.bincount(goal.unit, bottom)
        return _students_t(estimate, closed_form(top, bottom), len(top) - 1, name, goal.note)
    together = population.n_units == 1
    if not together or population.n_neurons < 100:
        return Interval(*bca(top, bottom, seed), name, note=goal.note)
    variance = closed_form(top, bottom)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(8,)))
    apart = np.mean([jackknife(population.shuffled_neurons(rng))[0] for _ in range(N_SHUFFLES)])
    variance += max(0.0, jackknife(population)[0] - apart)
    return _students_t(estimate, variance, len(top) - 1, name, goal.note)


def closed_form(top, bottom):
    """Variance of sum(top) / sum(bottom) over independent units, by its linear terms."""
    total = bottom.sum()
    influence = (top - top.sum() / total * bottom) / total
    n = len(top)
    return n / (n - 1) * (influence**2).sum()


def bca(top, bottom, seed):
    """Bias-corrected and accelerated bootstrap over neurons (Efron 1987, JASA 82:171)."""
    from scipy.special import ndtr, ndtri

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9,)))
    n, estimate = len(top), top.sum() / bottom.sum()
    drawn = rng.multinomial(n, np.full(n, 1.0 / n), size=N_BOOTSTRAP)
    values = np.sort((drawn @ top) / (drawn @ bottom))
    influence = (top - estimate * bottom) / bottom.sum()
    acceleration = (influence**3).sum() / (6.0 * (influence**2).sum() ** 1.5)
    below = np.clip(((values < estimate).sum() + 0.5 * (values == estimate).sum()) / len(values), 1e-4, 1 - 1e-4)
    bias = ndtri(below)
    z = bias + ndtri([0.025, 0.975])
    level = ndtr(bias + z / (1.0 - acceleration * z))
    low, high = np.quantile(values, np.clip(level, 0.0, 1.0))
    return np.array([low]), np.array([high])


def _students_t(estimate, variance, df, name, note):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * np.sqrt(variance)
    return Interval(np.array([estimate - half]), np.array([estimate + half]), name, note=note)

