"""Permutation tests of the terms of an ANOVA, all neurons of a group with the same permutation.

A term is tested by the residuals of the model without it, permuted among trials, added to what that
model fits, and the whole model fitted again (Freedman & Lane 1983, J Bus Econ Stat 1:292): its
level is exact in the limit of many trials, and other terms may have any size. For all terms
together the model without them is the mean, and this is the shuffle of labels, exact for any number
of trials. What is compared is the Wald statistic, not F: a permutation spreads the variance of one
condition over all, and F then rejects up to a third of true nulls where spike counts with few
trials are the large ones. Residuals change places within a group of neurons and, where there are
blocks, within a block: noise shared by neurons stays, and what drifts from block to block.
"""

from typing import NamedTuple

import numpy as np

from ..formulas import anova as formulas
from ..kernels import freedman_lane as kernels
from . import parallel
from .nulls import LabelShuffle

CHUNK = 32  # surrogates a task


class Tests(NamedTuple):
    """What the tests of all neurons, and of levels of neurons, found.

    anova : list of Anova, one a test, each (neuron,)
    p : float64 (test, neuron), upper-tailed, NaN where there is nothing to permute
    statistic : float64 (test, level); null : float64 (surrogate, test, level): variance of the
    condition means that belongs to the term, noise removed, over that of the noise. Residuals that
    are permuted are a little smaller than noise, and a ratio does not see it.
    testable : bool (test, neuron)
    """

    anova: list
    p: np.ndarray
    statistic: np.ndarray
    null: np.ndarray
    testable: np.ndarray


def freedman_lane(
    population, tests, every, *, weight, level, n_null, seed, n_jobs=1, progress=None
) -> Tests:
    """Test terms of the ANOVA of every neuron.

    Parameters
    ----------
    population : Population
    tests : list of Term
        Terms of the model, or several of them joined.
    every : list of Term
        All terms of the model, interactions included.
    weight : float64 (neuron,)
        How much the variance of a neuron weighs in the statistic of its level.
    level : int (neuron,)
        Which level the neuron belongs to, -1 for none; 0 to the largest number that occurs.
    """
    mean, variance = condition_moments(population)
    found, effect = _fitted(population, tests, every, mean, variance)
    shape, n_levels = (len(tests), population.n_neurons), int(level.max()) + 1
    testable = _testable(population, tests)
    statistic = _over(*_observed(tests, mean, variance, population, weight, level, n_levels))
    if not n_null:
        return Tests(
            found, np.full(shape, np.nan), statistic, np.zeros((0, *statistic.shape)), testable
        )
    floor = formulas.TINY * ((mean - mean.mean(axis=0)) ** 2 + variance).mean(axis=0)
    observed = np.array(
        [formulas.wald(mean, variance, population.counts_by_neuron, t, floor) for t in tests]
    )
    arrays = (
        population.counts,
        effect,
        *_columns(tests),
        floor,
        np.nan_to_num(observed),
        weight,
        level,
    )
    p = population
    residuals = p.shifted(-mean).values
    place = (residuals, p.start, p.width, p.column, p.trial0, p.condition)
    shuffle = LabelShuffle(p, np.zeros(p.n_conditions, int), seed)

    def task(draws):
        exceed = np.zeros(shape, np.int64)
        top, bottom = np.zeros((2, len(draws), len(tests), n_levels))
        for i, draw in enumerate(draws):
            kernels.permuted(*place, shuffle.order(draw), *arrays, exceed, top[i], bottom[i])
        return exceed[None], top, bottom

    exceed, top, bottom = parallel.over(task, n_null, n_jobs=n_jobs, chunk=CHUNK, progress=progress)
    p_value = (1.0 + exceed.sum(axis=0)) / (1.0 + n_null)
    defined = testable & np.isfinite(observed)
    return Tests(found, np.where(defined, p_value, np.nan), statistic, _over(top, bottom), testable)


def condition_moments(population):
    """Means and variances over the trials of each condition, both float64 (condition, neuron)."""
    mean, square = population.moments(population.everything())
    n = population.counts_by_neuron
    return mean, np.maximum(square - mean**2, 0.0) * n / (n - 1)


def _fitted(p, tests, every, mean, variance):
    """One Anova a test, and what its terms explain in each condition (test, condition, neuron)."""
    patterns, pattern = np.unique(p.counts, axis=0, return_inverse=True)
    of_neuron = np.repeat(pattern.ravel(), p.width)
    effect = np.empty((len(tests), *mean.shape))
    fields = np.empty((len(tests), 5, p.n_neurons))
    for i, n in enumerate(patterns):
        own = of_neuron == i
        for t, test in enumerate(tests):
            q = formulas.basis(test, every, n)
            centred = mean[:, own] - mean[:, own].mean(axis=0)
            effect[t][:, own] = q @ (q.T @ (n[:, None] * centred))
            found = formulas.anova(mean[:, own], variance[:, own], n, test, every)
            fields[t][:, own] = np.vstack([*found[:4], np.full(own.sum(), found.df_error)])
    return [
        formulas.Anova(*f[:4], df=t.columns.shape[1], df_error=f[4].astype(int))
        for f, t in zip(fields, tests, strict=True)
    ], effect


def _columns(tests):
    """Contrasts of the tests side by side, those orthogonal to each, and where each begins."""
    contrast = [formulas.orthonormal(t.columns) for t in tests]
    rest = np.zeros((len(tests), len(contrast[0]), len(contrast[0])))
    for one, p in zip(rest, contrast, strict=True):
        one[:, : len(p) - p.shape[1]] = np.linalg.qr(p, mode="complete")[0][:, p.shape[1] :]
    first = np.cumsum([0, *(p.shape[1] for p in contrast)])
    return np.hstack(contrast), rest, first


def _observed(tests, mean, variance, population, weight, level, n_levels):
    error = variance / population.counts_by_neuron
    own = formulas.partition(mean, error, tests)
    raw = formulas.partition(mean, error, tests, corrected=False)
    top, bottom = np.zeros((2, len(tests), n_levels))
    for i in range(n_levels):
        here = level == i
        top[:, i] = (weight * own)[:, here].sum(axis=1)
        bottom[:, i] = (weight * (raw - own))[:, here].sum(axis=1)
    return top, bottom


def _over(top, bottom):
    return top / np.where(bottom > 0, bottom, np.nan)


def _testable(p, tests):
    """Whether trials of different levels of a term can change places, bool (test, neuron)."""
    able = np.ones((len(tests), p.n_groups), bool)
    if p.has_blocks:
        for g in range(p.n_groups):
            span = slice(*p.trial0[g : g + 2])
            pairs = np.unique(np.stack([p.block[span], p.condition[span]]), axis=1)
            able[:, g] = [_varies(*pairs, t.columns) for t in tests]
    return np.repeat(able, p.width, axis=1)


def _varies(block, condition, columns):
    held = columns[condition]
    return any(np.ptp(held[block == b], axis=0).any() for b in np.unique(block))
