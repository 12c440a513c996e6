"""Linear support vector machines, solved exactly, many labels at once.

A problem has m trials with labels y = +1 or -1 and K = X X' + 1 (the 1 is the intercept, penalised
like any weight, as in liblinear). It is

    min over a   a'K a / 2 + sum_i c_i max(0, 1 - y_i f_i)^2 / 2,   f = K a,   c_i = 2 C weight_i.

Let I be the trials inside the margin, y f < 1, and J the others. Then a_J = 0 and a_I solves
(K + D)_II a_I = y_I with D = diag(1 / c): *the support vector machine is ridge regression on its
support*. What is left is to find I. With P = (K + D)^-1, which knows no label and is shared by
all problems on one training set, the same solution is a system on J: P_JJ u = (P y)_J and
a = P y - P_:J u. Both are one problem, the second with I and J exchanged (``outer``):

    u on the set solves  M u = r,   v = r - M u off the set,   f = y - v - D u  or  y - u - D v.

``svm_dual`` finds the set. For trials that outnumber the neurons, ``svm_primal`` solves the same
problem for the weights.
"""

from typing import NamedTuple

import numpy as np

from .pivoting import factor_set
from .svm_dual import invert, load, narrow, narrowed, solve_sets, unit_of
from .svm_primal import solve_weights
from .workspace import Problems, Solutions, workspace

EXACT = 1e-9  # gap above which a solution by way of P is solved again without it


class Products(NamedTuple):
    """Inner products of trials, X X', and a copy in 16 bits a number with its rows in ``order``."""

    gram: np.ndarray  # float64 (trial, trial)
    rough: np.ndarray  # int16 (trial, trial), in units
    unit: float
    order: np.ndarray  # int64 (trial,)


def products(gram) -> Products:
    """What ``solve_many`` reads, made once for all calls on the same trials."""
    gram, order = np.require(gram, float, "CW"), _order(len(gram))
    unit = unit_of(gram, len(gram))
    return Products(gram, narrowed(gram, order, unit), unit, order)


def solve_many(gram, offsets, sign, weight, C, start=None, half=None):
    """Solve many two-class problems on the trials of one Gram matrix.

    Parameters
    ----------
    gram : float64 (trial, trial), or what ``products`` made of it
        X X' without the intercept; trials sorted by condition.
    offsets : int64 (condition + 1,)
        The trials of condition c are ``offsets[c]:offsets[c + 1]``.
    sign : int8 (problem, condition)
        Class of each condition, +1 or -1; 0 where the condition is not in training.
    weight : float64 (problem, condition)
        Weight of each trial of the condition in the loss.
    C : float
        Cost of a trial, the inverse of the regularisation.
    start : bool (problem, trial), optional
        A first guess of the trials inside the margin.
    half : float64 (trial, condition), optional
        For trials whose condition means have moved since ``gram`` was made: the inner product of
        trials i and j is ``gram[i, j] + half[i, condition of j] + half[j, condition of i]``.

    Returns
    -------
    coef : float64 (problem, trial)
        The decision value at x is ``sum_i coef_i (x . x_i + 1)``.
    gap : float64 (problem,)
        Relative duality gap, a bound on how far the objective is from its minimum.
    steps : int64 (problem,)
        Linear systems solved.
    converged : bool (problem,)
    value : float64 (problem, trial)
        Decision values of all trials, those in training and those that are not.

    Examples
    --------
    Two trials at +1 and -1 on a line, one a side; with C = 1 the margin is 4/5 wide:

    >>> gram = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> label, weight = np.array([[1, -1]], np.int8), np.ones((1, 2))
    >>> solve_many(gram, np.arange(3), label, weight, 1.0)[0].round(3)
    array([[ 0.4, -0.4]])
    """
    sizes = np.diff(offsets)
    sign, cost, groups = _by_training(sign, weight, C)
    # the intercept is half a unit on either side
    n_trials = int(sizes.sum())
    if half is None:
        half = np.full((n_trials, len(sizes)), 0.5)
    else:
        half = np.ascontiguousarray(half + 0.5)
    condition = np.repeat(np.arange(len(sizes)), sizes)
    guess = np.zeros((0, 1), bool) if start is None else np.ascontiguousarray(start, bool)
    gram = gram if isinstance(gram, Products) else products(gram)
    data = Problems(*gram, half, condition, sign, guess)
    shape = (len(sign), n_trials)
    out = Solutions(np.zeros(shape), np.zeros(shape), *_results(len(sign)))
    n_trained = (sign != 0) @ sizes
    work = workspace(n_trials, int(n_trained.max(initial=0)), len(sizes))
    narrow(data, offsets, work)
    # where many problems share their trials, P is worth its making
    share = [len(q) > 1 and 20 * len(q) >= n_trained[q[0]] for q in groups]
    work.units[1] = 0.0
    if not all(share):
        alone = [q for q, shared in zip(groups, share, strict=True) if not shared]
        solve_sets(data, cost, np.concatenate(alone), work, out)
    for q in (q for q, shared in zip(groups, share, strict=True) if shared):
        m, _, _ = load(data, cost[q[0]], work)
        if factor_set(data.gram, False, m, work) >= 0:
            invert(data.condition, m, work)
        solve_sets(data, cost, q, work, out)
        again = q[~(out.gap[q] <= EXACT)]  # too few digits: without P, from a fresh factor
        work.units[1] = 0.0
        if len(again):
            solve_sets(data, cost, again, work, out)
    return out.coef, out.gap, out.steps, out.converged, out.value


def solve_many_primal(x, offsets, sign, weight, C):
    """Solve many two-class problems on trials that outnumber the neurons.

    Parameters
    ----------
    x : float64 (trial, neuron)
        Activity; trials sorted by condition.
    offsets, sign, weight, C
        As in ``solve_many``.

    Returns
    -------
    w : float64 (problem, neuron + 1)
        Weights, the intercept last.
    gap, steps, converged : float64, int64, bool (problem,)
        As in ``solve_many``.

    Examples
    --------
    >>> x, sign, weight = np.array([[1.0], [-1.0]]), np.array([[1, -1]], np.int8), np.ones((1, 2))
    >>> solve_many_primal(x, np.arange(3), sign, weight, 1.0)[0].round(3) + 0.0
    array([[0.8, 0. ]])
    """
    sizes, width = np.diff(offsets), x.shape[1] + 1
    sign, cost, groups = _by_training(sign, weight, C)
    w, results = np.zeros((len(sign), width)), _results(len(sign))
    condition = np.repeat(np.arange(len(sizes)), sizes)
    for q in groups:
        trial = np.flatnonzero(sign[q[0], condition])
        design = np.zeros((len(trial), (width + 2) // 3 * 3))
        design[:, : width - 1], design[:, width - 1] = x[trial], 1.0
        label = np.ascontiguousarray(sign[q][:, condition[trial]], float)
        result = np.empty((len(q), design.shape[1]))
        found = _results(len(q))
        each = cost[q[0], condition[trial]]
        solve_weights(design, each, label, result, *found)
        w[q] = result[:, :width]
        for r, part in zip(results, found, strict=True):
            r[q] = part
    return w, *results


def _by_training(sign, weight, C):
    """Signs, costs, and the problems in groups that differ in their labels alone."""
    sign = np.where(np.asarray(weight) > 0, sign, 0).astype(np.int8)
    cost = 2.0 * C * np.where(sign != 0, weight, 0.0)
    groups = {}
    for q, row in enumerate(cost):
        groups.setdefault(row.tobytes(), []).append(q)
    return sign, cost, [np.array(group) for group in groups.values()]


def _results(n):
    """Gaps, steps and convergence of n problems."""
    return np.zeros(n), np.zeros(n, np.int64), np.zeros(n, bool)


def _order(n):
    """The trials in strides of the golden section: neighbours in time or condition lie apart."""
    stride = int(n * 0.6180339887) or 1
    while np.gcd(stride, n) > 1:
        stride += 1
    return np.arange(n) * stride % max(n, 1)
