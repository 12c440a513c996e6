"""Permutation tests of the terms of an ANOVA, all neurons of a group with the same permutation.

A term is tested by the residuals of the model without it, permuted among trials, added to what that
model fits, and the whole model fitted again (Freedman & Lane 1983, J Bus Econ Stat 1:292): its
level is exact in the limit of many trials, and other terms may have any size. For all terms
together the model without them is the mean, and this is the shuffle of labels, exact for any number
of trials. Residuals change places within a group of neurons and, where there are blocks, within a
block: noise shared by neurons stays, and so does what drifts from block to block.
"""

from typing import Any, NamedTuple

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
    condition means that belongs to the term, noise removed, over that of all terms, noise included
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
    fit = _fit(population, tests, every)
    n_levels = int(level.max()) + 1
    shape = (len(tests), population.n_neurons)
    if not n_null:
        nothing = np.full(shape, np.nan)
        null = np.zeros((0, len(tests), n_levels))
        return Tests(fit.anova, nothing, np.full((len(tests), n_levels), np.nan), null, fit.testable)
    statistic = _over(*_observed(fit, tests, weight, level, n_levels))
    shuffle = LabelShuffle(population, np.zeros(population.n_conditions, int), seed)

    def task(draws):
        exceed = np.zeros(shape, np.int64)
        sums = np.zeros((2, len(draws), len(tests), n_levels))
        for i, draw in enumerate(draws):
            kernels.permuted(*fit.place, shuffle.order(draw), *fit.arrays, weight, level,
                             fit.df_error, exceed, sums[0, i], sums[1, i])  # fmt: skip
        return exceed[None], sums[0], sums[1]

    exceed, top, bottom = parallel.over(
        task, n_null, n_jobs=n_jobs, chunk=CHUNK, progress=progress
    )
    p = (1.0 + exceed.sum(axis=0)) / (1.0 + n_null)
    defined = fit.testable & np.isfinite([a.eta2 for a in fit.anova])
    return Tests(fit.anova, np.where(defined, p, np.nan), statistic, _over(top, bottom), fit.testable)


class _Fit(NamedTuple):
    place: tuple
    arrays: tuple
    anova: list
    df_error: np.ndarray
    testable: np.ndarray
    marginal: Any


def _fit(p, tests, every):
    """The full model of every neuron, and what the tests need of it."""
    patterns, pattern = np.unique(p.counts, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    mean, square = p.moments(p.everything())
    counts = p.counts_by_neuron
    variance = np.maximum(square - mean**2, 0.0) * counts / (counts - 1)
    q = np.array([np.hstack([formulas.basis(t, every, n) for t in tests]) for n in patterns])
    of_neuron = np.repeat(pattern, p.width)
    b, parts = np.zeros((q.shape[2], p.n_neurons)), [{} for _ in tests]
    for i, n in enumerate(patterns):
        own = of_neuron == i
        b[:, own] = q[i].T @ (n[:, None] * (mean[:, own] - mean[:, own].mean(axis=0)))
        for part, test in zip(parts, tests, strict=True):
            part[i] = formulas.anova(mean[:, own], variance[:, own], n, test, every)
    found = [_gathered(part, of_neuron) for part in parts]
    first = np.cumsum([0, *(t.columns.shape[1] for t in tests)])
    df_error = (counts.sum(axis=0) - p.n_conditions).astype(float)
    residual = ((counts - 1) * variance).sum(axis=0)
    own = np.add.reduceat(b**2, first[:-1], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = [a.F * a.df / (a.F * a.df + df_error) for a in found]
        share = np.where(np.isinf([a.F for a in found]), 1.0, share)
    projection = np.hstack([formulas.orthonormal(t.columns) for t in tests])
    centred = mean - mean.mean(axis=0)
    arrays = (pattern, patterns, q, projection, first, b, centred, residual + own,
              np.nan_to_num(share))  # fmt: skip
    residuals = p.shifted(-mean).values
    place = (residuals, p.start, p.width, p.column, p.trial0, p.condition)
    raw = np.add.reduceat((projection.T @ centred) ** 2, first[:-1], axis=0)
    noise = (1.0 / counts).mean(axis=0) * residual / df_error
    df = np.diff(first)[:, None]
    marginal = (raw - df * noise, (centred**2).sum(axis=0))
    return _Fit(place, arrays, found, df_error, _testable(p, tests), marginal)


def _gathered(part, of_neuron):
    """One Anova of all neurons from those of the patterns of counts."""
    first = part[0]
    fields = {f: np.empty(len(of_neuron)) for f in ("F", "eta2", "omega2", "partial_omega2")}
    df_error = np.empty(len(of_neuron), int)
    for i, found in part.items():
        for f, values in fields.items():
            values[of_neuron == i] = getattr(found, f)
        df_error[of_neuron == i] = found.df_error
    return formulas.Anova(**fields, df=first.df, df_error=df_error)


def _observed(fit, tests, weight, level, n_levels):
    top, bottom = np.zeros((2, len(tests), n_levels))
    for i in range(n_levels):
        own = level == i
        top[:, i] = (weight * fit.marginal[0])[:, own].sum(axis=1)
        bottom[:, i] = (weight * fit.marginal[1])[own].sum()
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
