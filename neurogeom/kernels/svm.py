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

A guess of the set comes from coordinate descent in float32; ``pivoting`` makes it exact. For trials
that outnumber the neurons, ``svm_primal`` solves the same problem for the weights.
"""

import numpy as np

from .factor import add_products, divide
from .jit import njit
from .pivoting import (
    COLUMN,
    COST,
    FACTOR,
    INVERSE,
    LABEL,
    RIGHT,
    ROW,
    SCALE,
    VISIT,
    WHERE,
    A,
    F,
    U,
    Workspace,
    add_rows,
    pivot,
    start,
)
from .svm_primal import solve_weights

DIFFERENT = 0.36  # part of wrong signs in ridge regression above which P is no start
BEYOND = 0.5  # over-relaxation
SWEEPS = 40  # of coordinate descent, at most
EXACT = 1e-9  # gap above which a solution by way of P is solved again without it
TINY = 1e-300


def solve_many(gram, offsets, sign, weight, C, start=None):
    """Solve many two-class problems on the trials of one Gram matrix.

    Parameters
    ----------
    gram : float64 (trial, trial)
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

    Returns
    -------
    coef : float64 (problem, trial)
        The decision value at x is ``sum_i coef_i (x . x_i + 1)``.
    gap : float64 (problem,)
        Relative duality gap, a bound on how far the objective is from its minimum.
    steps : int64 (problem,)
        Linear systems solved.
    converged : bool (problem,)

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
    n_problems, n_trials = len(sign), len(gram)
    coef, gap = np.zeros((n_problems, n_trials)), np.zeros(n_problems)
    steps, converged = np.zeros(n_problems, np.int64), np.zeros(n_problems, bool)
    condition = np.repeat(np.arange(len(sizes)), sizes)
    guess = np.zeros((1, 1), bool) if start is None else np.ascontiguousarray(start, bool)
    gram, guessed = np.require(gram, float, "CW"), start is not None
    order = _order(n_trials)
    rough = gram.astype(np.float32)[order]
    work = _workspace(
        max((int(sizes[sign[q[0]] != 0].sum()) for q in groups), default=0), len(sizes)
    )
    for q in groups:
        share = 20 * len(q) >= sizes[sign[q[0]] != 0].sum()
        loaded = _load(gram, order, condition, cost[q[0]], share, work)
        problem = (gram, rough, condition, sign, q, *loaded, share, guess, guessed, work)
        _solve_group(*problem, coef, gap, steps, converged)
    return coef, gap, steps, converged


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
    >>> solve_many_primal(x, np.arange(3), sign, weight, 1.0)[0].round(3)
    array([[0.8, 0. ]])
    """
    sizes, width = np.diff(offsets), x.shape[1] + 1
    sign, cost, groups = _by_training(sign, weight, C)
    w, gap = np.zeros((len(sign), width)), np.zeros(len(sign))
    steps, converged = np.zeros(len(sign), np.int64), np.zeros(len(sign), bool)
    condition = np.repeat(np.arange(len(sizes)), sizes)
    for q in groups:
        trial = np.flatnonzero(sign[q[0], condition])
        design = np.zeros(((width + 2) // 3 * 3, len(trial)))  # (neuron, trial)
        design[: width - 1], design[width - 1] = x[trial].T, 1.0
        label = np.ascontiguousarray(sign[q][:, condition[trial]], float)
        result = np.empty((len(q), len(design)))
        found = (result, *(np.empty(len(q), r.dtype) for r in (gap, steps, converged)))
        solve_weights(
            np.ascontiguousarray(design.T), design, cost[q[0], condition[trial]], label, *found
        )
        w[q] = result[:, :width]
        gap[q], steps[q], converged[q] = found[1:]
    return w, gap, steps, converged


def _by_training(sign, weight, C):
    """Signs, costs, and the problems in groups that differ in their labels alone."""
    sign = np.where(np.asarray(weight) > 0, sign, 0).astype(np.int8)
    cost = 2.0 * C * np.where(sign != 0, weight, 0.0)
    groups = {}
    for q, row in enumerate(cost):
        groups.setdefault(row.tobytes(), []).append(q)
    return sign, cost, [np.array(group) for group in groups.values()]


def _order(n):
    """The trials in strides of the golden section: neighbours in time or condition lie apart."""
    stride = int(n * 0.6180339887) or 1
    while np.gcd(stride, n) > 1:
        stride += 1
    return np.arange(n) * stride % max(n, 1)


def _workspace(m, n_conditions):
    return Workspace(
        np.empty((12, m + 3)),
        np.empty((9, m + 3), np.int64),
        np.empty((6, m + 3, m + 3)),
        np.empty((m, m), np.float32),
        np.empty((n_conditions, m)),
        np.empty(m, bool),
        np.empty((n_conditions + 1, 3), np.int64),
    )


@njit
def _load(gram, order, condition, cost, share, work):
    """Note the trials in training; invert if problems share.

    Returns how many trials there are, and runs of consecutive ones.
    """
    row, c, runs, trial = work.indices[ROW], work.vectors[COST], work.runs, np.empty_like(order)
    m, n, k = np.int64(0), np.int64(-1), 0
    for i in range(len(condition)):
        if cost[condition[i]] > 0.0:
            if m == 0 or row[m - 1] != i - 1:
                n += 1
                runs[n, 0], runs[n, 2] = i, m
            row[m], c[m], work.inside[m], trial[i] = i, cost[condition[i]], True, m
            runs[n, 1] = i + 1
            m += 1
    n += 1
    for p in range(len(order)):
        if cost[condition[order[p]]] > 0.0:
            work.indices[VISIT, k], work.indices[WHERE, k] = trial[order[p]], p
            k += 1
    if share:
        start(gram, np.bool_(False), m, work)
        _invert(condition, m, work)
    return m, n


@njit
def _invert(condition, m, work):
    """P = (K + D)^-1 from the factor of K + D, and its sums over the trials of each condition."""
    width, ridge = (m + 2) // 3 * 3, work.ridge
    inverse, product = work.squares[INVERSE], work.squares[COLUMN]
    for i in range(width):
        for j in range(width):
            product[i, j] = 0.0
            inverse[i, j] = 1.0 if i == j else 0.0
    for i in range(0, width, 3):
        divide(inverse, work.squares[FACTOR], work.vectors[SCALE], i, i + 3, i, width)
    add_products(product, 1.0, inverse, np.int64(0), width, width, np.bool_(True))
    for c in range(len(ridge)):
        for j in range(m):
            ridge[c, j] = 0.0
    for i in range(m):
        total = ridge[condition[work.indices[ROW, i]]]
        for j in range(m):
            inverse[i, j] = product[max(i, j), min(i, j)]
            total[j] += inverse[i, j]
    for k in range(m):
        for j in range(m):
            work.rough[k, j] = inverse[work.indices[VISIT, k], j]


@njit
def _solve_group(
    gram,
    rough,
    condition,
    sign,
    problems,
    m,
    n,
    share,
    guess,
    guessed,
    work,
    coef,
    gap,
    steps,
    converged,
):
    """The problems on the loaded trials; the last four arguments are the results."""
    row, a, u = work.indices[ROW], work.vectors[A], work.vectors[U]
    whole = np.zeros((1, 3), np.int64)
    whole[0, 1] = m
    for q in problems:
        inner = 0
        for i in range(m):
            work.vectors[LABEL, i] = sign[q, condition[row[i]]]
            work.inside[i] = guessed and guess[q, row[i]]
            inner += work.inside[i]
        wrong = _right_hand_side(sign[q], share, m, work)
        if not guessed:
            ridge = share and wrong < DIFFERENT * m
            near, runs = (work.rough, whole) if ridge else (rough, work.runs[:n])
            inner = _descend(near, runs, ridge, m, work)
        outer = share and 2 * inner > m
        while True:
            if not outer:
                for i in range(m):
                    work.vectors[RIGHT, i] = work.vectors[LABEL, i]
            matrix = work.squares[INVERSE] if outer else gram
            runs = whole if outer else work.runs[:n]
            taken, converged[q] = pivot(matrix, runs, outer, m, work)
            steps[q] += taken
            if outer:
                for i in range(m):
                    u[i] = a[i]
                add_rows(gram, work.runs[:n], np.bool_(False), u, work.vectors[F], m, work)
            gap[q] = _gap(m, work)
            if not outer or (converged[q] and gap[q] <= EXACT):
                break
            outer = False
        for i in range(m):
            coef[q, row[i]] = a[i]


@njit
def _right_hand_side(sign, share, m, work):
    """r = P y where P is shared, else y; how many trials ridge regression gets wrong."""
    right, y, wrong = work.vectors[RIGHT], work.vectors[LABEL], 0
    for i in range(m):
        right[i] = 0.0 if share else y[i]
    if share:
        for c in range(len(sign)):
            row, side = work.ridge[c], float(sign[c])
            for i in range(m):
                right[i] += side * row[i]
    for i in range(m):
        wrong += right[i] * y[i] < 0.0
    return wrong


@njit
def _descend(matrix, runs, outer, m, work):
    """Guess I: sweeps over min u'Mu / 2 - r'u with y u >= 0 (<= 0 with P), in float32; its size.

    Steps reach beyond the minimum of their coordinate (over-relaxation), the more so the less D
    there is in M; that and an order that stays the same make a third of the sweeps. A wrong guess
    of one trial costs about as much as m / |set| sweeps do, hence the stop rule.
    """
    zero, shift, visit = np.float32(0.0), np.float32(0.0), work.indices[VISIT]
    right, side = work.vectors[RIGHT if outer else LABEL], -1.0 if outer else 1.0
    u, g, y = np.zeros(m, np.float32), np.empty(m, np.float32), np.empty(m, np.float32)
    ridge, inverse = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(m):
        i = visit[k]
        column, where = (i, k) if outer else (work.indices[ROW, i], work.indices[WHERE, k])
        y[i], g[i] = side * work.vectors[LABEL, i], right[i]
        ridge[i] = 0.0 if outer else 1.0 / work.vectors[COST, i]
        diagonal = matrix[where, column] + (0.0 if outer else 1.0)
        beyond = 0.0 if outer else BEYOND * diagonal / (diagonal + ridge[i])
        inverse[i] = (1.0 + beyond) / (diagonal + ridge[i])
    size, one = np.int64(0), np.float32(0.0 if outer else 1.0)
    for _ in range(SWEEPS):
        changes, size = 0, np.int64(0)
        for k in range(m):
            i = visit[k]
            old, slope = u[i], g[i] + shift
            if old == zero and slope * y[i] <= zero:
                continue
            new = old + slope * inverse[i]
            if new * y[i] <= zero:
                new = zero
            move, row = old - new, matrix[k if outer else work.indices[WHERE, k]]
            for run in range(len(runs)):
                part, to = row[runs[run, 0] : runs[run, 1]], g[runs[run, 2] :]
                for j in range(len(part)):
                    to[j] += move * part[j]
            u[i], shift = new, shift + move * one
            g[i] += move * ridge[i]
            changes += (new == zero) != (old == zero)
            size += new != zero
        if changes * size * 2 <= 3 * m:
            break
    for i in range(m):
        work.inside[i] = (u[i] != zero) != outer
    return m - size if outer else size


@njit
def _gap(m, work):
    """Relative duality gap of coefficients a with f = K a."""
    norm, loss, gain, ridge = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        a, f, cost = work.vectors[A, i], work.vectors[F, i], work.vectors[COST, i]
        y = work.vectors[LABEL, i]
        norm += a * f
        loss += cost * max(0.0, 1.0 - y * f) ** 2
        gain += y * a
        ridge += a * a / cost
    primal = 0.5 * (norm + loss)
    return (primal - gain + 0.5 * norm + 0.5 * ridge) / max(primal, TINY)
