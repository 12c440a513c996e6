"""95 % intervals of a ratio of sums over neurons, G / Q, such as the corrected parallelism score.

Neurons are additive in both sums, so that a neuron drawn twice does no harm and their bootstrap is
sound, unlike that of accuracies. Spread over pseudo-population draws is 0 here and says nothing.

- recording: the variance of both sums over trials, in closed form. They are quadratic in trials,
  and a jackknife counts the part that is a product of two trials' noise twice (and covers 0.98 to
  1.00);
- population: bias-corrected and accelerated bootstrap over neurons (Efron 1987, JASA 82:171),
  longer by what noise shared by neurons adds to that variance;
- sessions, animals: squared influences of these units, their sums taken first, each divided by
  what the unit leaves to the others (HC2 of MacKinnon & White 1985, J Econometrics 29:305): between
  the linear variance and the jackknife's.
"""

import numpy as np

from .intervals import Interval, refused
from .targets import FEW_TRIALS, aim

N_BOOTSTRAP = 2000
LEAST_LEFT = 0.1  # of the denominator to the other sessions; noise can leave less than nothing


def ratio(top, bottom, population, *, forms, inverse, target=None, seed=0) -> Interval:
    """The interval of sum(top) / sum(bottom).

    Parameters
    ----------
    top, bottom : float64 (neuron,)
        Contributions of neurons.
    population : Population
    forms : (float64 (condition, condition), float64 (condition, condition))
        Matrices A and B such that without trial noise top = m' A m and bottom = m' B m, m the
        condition means of a neuron.
    inverse : float64 (neuron,)
        What activity was multiplied by before its means were taken.
    target : str or None
    """
    goal = aim(population, target)
    if goal.reason:
        return refused(goal.reason)
    n = population.counts.min()
    if not bottom.sum() > 0:
        return refused("trial noise exceeds the signal, and the score is undefined")
    if goal.kind == "recording" and n < FEW_TRIALS:
        return refused(f"{n} trials in a condition are fewer than the {FEW_TRIALS} that it needs")
    if goal.kind in ("sessions", "animals"):
        return _over_units(np.bincount(goal.unit, top), np.bincount(goal.unit, bottom), goal)
    estimate = top.sum() / bottom.sum()
    together = apart = 0.0
    if population.real_trials:
        if population.has_blocks:
            return refused("trials in blocks leave the noise of this score unknown")
        trials = population.gather(np.arange(population.trial0[-1])[None]) * inverse
        form = (forms[0] - estimate * forms[1]) / bottom.sum()
        together, apart = quadratic_variance(trials, population.bounds[0], form)
    if goal.kind == "recording":
        return _students_t(estimate, together, len(trials) - population.n_conditions, goal)
    low, high = bca(top, bottom, seed)
    longer = np.sqrt(1.0 + max(0.0, together - apart) / closed_form(top, bottom))
    bounds = estimate + longer * (np.array([[low], [high]]) - estimate)
    return Interval(*bounds, _name(goal), note=goal.note)


def quadratic_variance(trials, bounds, form):
    """Variance over trials of sum_ab form_ab m_a'm_b, m the condition means, unbiased for products.

    trials : float64 (trial, neuron), sorted by condition; bounds : int (condition + 1,)
    returns : the variance as it is, and as it were without covariance between neurons. Each is its
    linear part, 4 sum_a (form m)_a' S_a (form m)_a / n_a with S the covariances, in which estimated
    means count the product part twice, less that part, 2 sum_ab form_ab^2 tr(S_a S_b) / (n_a n_b).
    """
    n = np.diff(bounds)
    means = np.add.reduceat(trials, bounds[:-1], axis=0) / n[:, None]
    residual = trials - means.repeat(n, axis=0)
    gradient = form @ means
    along = (residual * gradient.repeat(n, axis=0)).sum(axis=1)
    variance = np.add.reduceat(residual**2, bounds[:-1], axis=0) / (n - 1)[:, None]
    linear = 4.0 * np.array([
        (np.add.reduceat(along**2, bounds[:-1]) / ((n - 1) * n)).sum(),
        ((gradient**2 * variance).sum(axis=1) / n).sum(),
    ])  # fmt: skip
    weight = 2.0 * form**2 / np.outer(n, n)
    products = np.array([(weight * t).sum() for t in _traces(residual, variance, bounds)])
    # The linear part holds the products twice, so that half of it is a lower bound.
    return np.maximum(linear - products, 0.5 * linear)


def _traces(residual, variance, bounds):
    """tr(S_a S_b), and the same of the diagonals alone, (condition, condition), unbiased.

    Two conditions are independent. Within one, tr(S^2) is too large by chance covariances: the
    correction is exact for Gaussian noise (Srivastava 2005, J Japan Stat Soc 35:251).
    """
    df = np.diff(bounds) - 1.0
    squares = (residual @ residual.T) ** 2
    full = np.add.reduceat(np.add.reduceat(squares, bounds[:-1], axis=0), bounds[:-1], axis=1)
    full, diagonal = full / np.outer(df, df), variance @ variance.T
    own = np.diag_indices(len(df))
    shrunk = full[own] - variance.sum(axis=1) ** 2 / df
    full[own] = np.maximum(df**2 / ((df - 1) * (df + 2)) * shrunk, 0.0)
    diagonal[own] *= df / (df + 2)
    return full, diagonal


def closed_form(top, bottom):
    """Variance of sum(top) / sum(bottom) over independent units, by its linear terms."""
    influence = (top - top.sum() / bottom.sum() * bottom) / bottom.sum()
    n = len(top)
    return n / (n - 1) * (influence**2).sum()


def bca(top, bottom, seed):
    """Bounds of the bias-corrected and accelerated bootstrap over neurons."""
    from scipy.special import ndtr, ndtri

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9,)))
    n, estimate = len(top), top.sum() / bottom.sum()
    drawn = rng.multinomial(n, np.full(n, 1.0 / n), size=N_BOOTSTRAP)
    values = (drawn @ top) / (drawn @ bottom)
    influence = (top - estimate * bottom) / bottom.sum()
    acceleration = (influence**3).sum() / (6.0 * max((influence**2).sum() ** 1.5, 1e-300))
    below = ((values < estimate).sum() + 0.5 * (values == estimate).sum()) / N_BOOTSTRAP
    bias = ndtri(np.clip(below, 1e-4, 1 - 1e-4))
    z = bias + ndtri([0.025, 0.975])
    level = ndtr(bias + z / (1.0 - acceleration * z))
    return np.quantile(values, np.clip(level, 0.0, 1.0))


def _over_units(top, bottom, goal):
    share = bottom / bottom.sum()
    estimate = top.sum() / bottom.sum()
    influence = top / bottom.sum() - estimate * share
    variance = (influence**2 / np.maximum(1.0 - share, LEAST_LEFT)).sum()
    return _students_t(estimate, variance, len(top) - 1, goal)


def _students_t(estimate, variance, df, goal):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * np.sqrt(variance)
    bounds = np.array([[estimate - half], [estimate + half]])
    return Interval(*bounds, _name(goal), note=goal.note)


def _name(goal):
    return f"{goal.kind}: {goal.text}"
