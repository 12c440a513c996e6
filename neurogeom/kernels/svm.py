"""Linear support vector machines, solved exactly, many labels at once.

A problem has m trials with labels y = +1 or -1 and K = X X' + 1 (the 1 is the intercept, penalised
like any weight, as in liblinear). It is

    min over a   a'K a / 2 + sum_i c_i max(0, 1 - y_i f_i)^2 / 2,   f = K a,   c_i = 2 C weight_i.

Let I be the trials inside the margin, y f < 1, and J the others. Then a_J = 0 and a_I solves
(K + D)_II a_I = y_I with D = diag(1 / c): *the support vector machine is ridge regression on its
support*. What is left is to find I. With P = (K + D)^-1, which knows no label and is shared by
all problems on one training set, the same solution is a system on J: P_JJ u = (P y)_J and
a = P y - P_:J u. In both forms f costs no product with K on the rows of the system,

    f_i = y_i - a_i / c_i  on I,       f_j = y_j - u_j  on J,

so each step takes the smaller of the two. Phase 1 replaces I by the set that its own solution
proposes (block principal pivoting: a few steps, but it may cycle). Phase 2 is Newton's method
with an exact line search of the piecewise quadratic objective, which cannot cycle.
"""

import numpy as np

from .jit import njit

PIVOTS = 12  # steps of phase 1; it is left before when the violations stop falling
SLACK = 1e-10  # a margin this near to its bound does not violate it
MAX_STEPS = 200


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
    """
    sign = np.where(weight > 0, sign, 0).astype(np.int8)
    coef, gap = np.zeros((len(sign), len(gram))), np.zeros(len(sign))
    steps, converged = np.zeros(len(sign), np.int64), np.zeros(len(sign), bool)
    condition = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    for problems in _same_training(sign, weight):
        rows = np.flatnonzero(sign[problems[0]][condition])
        cost = 2.0 * C * weight[problems[0]][condition[rows]]
        label = np.ascontiguousarray(sign[problems][:, condition[rows]], dtype=float)
        kernel = gram[np.ix_(rows, rows)] + 1.0
        guess = np.ones(label.shape, bool)
        if start is not None:
            guess[:] = start[np.ix_(problems, rows)]
        share = len(problems) * 20 >= len(rows)
        found = _solve_group(kernel, cost, label, guess, start is not None, share)
        coef[np.ix_(problems, rows)] = found[0]
        gap[problems], steps[problems], converged[problems] = found[1:]
    return coef, gap, steps, converged


def solve_many_primal(x, offsets, sign, weight, C):
    """Solve many two-class problems on trials that outnumber the neurons.

    The arguments and the last three results are those of ``solve_many``, with the activity x
    (trial, neuron), float64, in place of its Gram matrix.

    Returns
    -------
    w : float64 (problem, neuron + 1)
        Weights, the intercept last.
    gap, steps, converged : float64, int64, bool (problem,)
    """
    sign = np.where(weight > 0, sign, 0).astype(np.int8)
    w = np.zeros((len(sign), x.shape[1] + 1))
    gap, steps, converged = np.zeros(len(w)), np.zeros(len(w), np.int64), np.zeros(len(w), bool)
    condition = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    for problems in _same_training(sign, weight):
        rows = np.flatnonzero(sign[problems[0]][condition])
        cost = 2.0 * C * weight[problems[0]][condition[rows]]
        label = np.ascontiguousarray(sign[problems][:, condition[rows]], dtype=float)
        width = (x.shape[1] + 3) // 3 * 3
        design = np.zeros((len(rows), width))
        design[:, : x.shape[1]], design[:, x.shape[1]] = x[rows], 1.0
        found = _solve_primal_group(design, np.ascontiguousarray(design.T), cost, label)
        w[problems] = found[0][:, : w.shape[1]]
        gap[problems], steps[problems], converged[problems] = found[1:]
    return w, gap, steps, converged


def _same_training(sign, weight):
    """Problems grouped by what they are trained on: rows and their weights, not labels."""
    groups = {}
    for q, (s, w) in enumerate(zip(sign, weight, strict=True)):
        groups.setdefault(((s != 0) * w).tobytes(), []).append(q)
    return groups.values()


@njit
def _solve_group(kernel, cost, label, guess, guessed, share):
    """All problems on one training set; coefficients (problem, trial), gap, steps, converged."""
    n_problems, m = label.shape
    coef, gap = np.zeros((n_problems, m)), np.zeros(n_problems)
    steps, converged = np.zeros(n_problems, np.int64), np.zeros(n_problems, np.bool_)
    work, inverse = np.empty((m + 3) * (m + 3)), np.empty((1, 1))
    if share:
        inverse = _inverse(kernel, 1.0 / cost, work)
    for q in range(n_problems):
        y, a, f, inside = label[q], np.zeros(m), np.zeros(m), guess[q].copy()
        ridge = np.zeros(m)
        if share:
            _multiply(inverse, y, ridge)
            if not guessed:
                for i in range(m):
                    inside[i] = y[i] * ridge[i] >= 0.0
        elif not guessed:
            _coordinate_descent(kernel, cost, y, a, f, inside)
        steps[q], converged[q] = _solve(
            kernel, inverse, ridge, cost, y, a, f, inside, share, guessed or share, work
        )
        coef[q] = a
        _multiply(kernel, a, f)
        gap[q] = _gap(cost, y, a, f)
    return coef, gap, steps, converged


@njit
def _solve(kernel, inverse, ridge, cost, y, a, f, inside, share, fresh, work):
    """Find the support: phase 1, then phase 2. Leaves the solution in a (and f = K a)."""
    m = len(y)
    a_new, f_new, rows = np.empty(m), np.empty(m), np.empty(m, np.int64)
    best, stalled, violated = m + 1, 0, 0
    if fresh:
        a[:], f[:] = 0.0, 0.0
    pivoting = True
    for step in range(1, MAX_STEPS + 1):
        if not _target(kernel, inverse, ridge, cost, y, inside, share, work, rows, a_new, f_new):
            return step, False
        violated = _violations(y, f_new, inside)
        if violated == 0:
            a[:] = a_new
            return step, True
        stalled = 0 if violated < best else stalled + 1
        best = min(best, violated)
        if pivoting and (step == PIVOTS or stalled == 4):
            pivoting = False
        t = 1.0
        if not pivoting:
            linear, square = 0.0, 0.0
            for i in range(m):
                linear += (a_new[i] - a[i]) * f[i]
                square += (a_new[i] - a[i]) * (f_new[i] - f[i])
            t = _line_search(cost, y, f, f_new, linear, square)
        for i in range(m):
            a[i] += t * (a_new[i] - a[i])
            f[i] += t * (f_new[i] - f[i])
            inside[i] = y[i] * f[i] < 1.0
    return MAX_STEPS, False


@njit
def _target(kernel, inverse, ridge, cost, y, inside, share, work, rows, a, f):
    """The solution if ``inside`` were the support, from the smaller of the two systems."""
    m, n = len(y), 0
    for i in range(m):
        n += inside[i]
    outer = share and 2 * n > m
    n = 0
    for i in range(m):
        if inside[i] != outer:
            rows[n] = i
            n += 1
    matrix, right = (inverse, ridge) if outer else (kernel, y)
    padded = (n + 2) // 3 * 3
    factor = work[: padded * padded].reshape(padded, padded)
    scale, u = np.empty(padded), np.zeros(padded)
    for p in range(n):
        source, row, i = matrix[rows[p]], factor[p], rows[p]
        for q in range(p + 1):
            row[q] = source[rows[q]]
        if not outer:
            row[p] += 1.0 / cost[i]
        u[p] = right[i]
    for p in range(n, padded):
        factor[p] = 0.0
        factor[p, p] = 1.0
    if not _cholesky(factor, scale):
        return False
    _substitute(factor, scale, u)
    dense, product = np.zeros(m), np.empty(m)
    for p in range(n):
        dense[rows[p]] = u[p]
    _multiply(matrix, dense, product)
    for i in range(m):
        left = right[i] - product[i]
        if outer:
            a[i], f[i] = (left, y[i] - left / cost[i]) if inside[i] else (0.0, y[i] - dense[i])
        else:
            a[i], f[i] = dense[i], (y[i] - dense[i] / cost[i] if inside[i] else y[i] - left)
    return True


@njit
def _violations(y, f, inside):
    """How many trials lie on the wrong side of the margin that ``inside`` says."""
    count = 0
    for i in range(len(y)):
        excess = y[i] * f[i] - 1.0
        count += excess > SLACK if inside[i] else excess < -SLACK
    return count


@njit
def _line_search(cost, y, f, f_new, linear, square):
    """The step from f towards f_new at the minimum of the objective, to rounding.

    linear + t square is the slope of its quadratic part; the whole slope rises with t.
    """
    m = len(y)
    low, high, t = 0.0, np.inf, 1.0
    for _ in range(60):
        slope, curve = linear + t * square, square
        for i in range(m):
            g = f_new[i] - f[i]
            short = 1.0 - y[i] * (f[i] + t * g)
            if short > 0.0:
                slope -= cost[i] * short * y[i] * g
                curve += cost[i] * g * g
        if slope > 0.0:
            high = t
        else:
            low = t
        if curve <= 0.0:
            return t
        move = t - slope / curve
        if not low < move < high:
            if move == t or high == np.inf:
                return t
            move = 0.5 * (low + high)
        if abs(move - t) <= 1e-14 * abs(t):
            return move
        t = move
    return t


@njit
def _coordinate_descent(kernel, cost, y, a, f, inside):
    """A few sweeps over the dual coordinates, each third trial in turn; a guess of the support."""
    m = len(y)
    for sweep in range(6):
        for first in range(3):
            for i in range(first, m, 3):
                row, d = kernel[i], 1.0 / cost[i]
                old = a[i]
                new = old + (y[i] - f[i] - d * old) / (row[i] + d)
                new = new if new * y[i] > 0.0 else 0.0
                if new != old:
                    a[i] = new
                    for j in range(m):
                        f[j] += (new - old) * row[j]
    for i in range(m):
        inside[i] = y[i] * f[i] < 1.0


@njit
def _solve_primal_group(x, xt, cost, label):
    """All problems on one training set, by Newton's method on the weights."""
    n_problems, m = label.shape
    width = x.shape[1]
    w, gap = np.zeros((n_problems, width)), np.zeros(n_problems)
    steps, converged = np.zeros(n_problems, np.int64), np.zeros(n_problems, np.bool_)
    chunk = np.empty((width, 128))
    full, none = np.zeros((width, width)), np.zeros(m, np.bool_)
    _add_trials(xt, cost, np.ones(m, np.bool_), none, chunk, full)
    for q in range(n_problems):
        steps[q], converged[q] = _newton(x, xt, cost, label[q], full.copy(), chunk, w[q])
        f = np.empty(m)
        _multiply(x, w[q], f)
        gap[q] = _primal_gap(xt, cost, label[q], f, w[q])
    return w, gap, steps, converged


@njit
def _newton(x, xt, cost, y, hessian, chunk, w):
    """Newton's method with exact line search; hessian enters as X' diag(cost) X of all trials."""
    m, width = x.shape
    f, f_new, scale = np.zeros(m), np.empty(m), np.empty(width)
    inside, before = np.ones(m, np.bool_), np.ones(m, np.bool_)
    w[:] = 0.0
    for step in range(1, MAX_STEPS + 1):
        _add_trials(xt, cost, inside, before, chunk, hessian)
        factor, target = hessian.copy(), np.zeros(width)
        for j in range(width):
            row = xt[j]
            factor[j, j] += 1.0
            for i in range(m):
                target[j] += cost[i] * y[i] * row[i] * inside[i]
        if not _cholesky(factor, scale):
            return step, False
        _substitute(factor, scale, target)
        _multiply(x, target, f_new)
        if _violations(y, f_new, inside) == 0:
            w[:] = target
            return step, True
        linear, square = 0.0, 0.0
        for j in range(width):
            linear += (target[j] - w[j]) * w[j]
            square += (target[j] - w[j]) ** 2
        t = _line_search(cost, y, f, f_new, linear, square)
        w += t * (target - w)
        for i in range(m):
            f[i] += t * (f_new[i] - f[i])
            before[i], inside[i] = inside[i], y[i] * f[i] < 1.0
    return MAX_STEPS, False


@njit
def _add_trials(xt, cost, inside, before, chunk, hessian):
    """Bring the lower half of X_I' diag(cost_I) X_I from the trials ``before`` to ``inside``."""
    width, m = xt.shape
    for enter in (True, False):
        i = 0
        while i < m:
            n = 0
            while i < m and n < chunk.shape[1]:
                if inside[i] != before[i] and inside[i] == enter:
                    root = np.sqrt(cost[i])
                    for j in range(width):
                        chunk[j, n] = root * xt[j, i]
                    n += 1
                i += 1
            for j in range(width):
                for k in range(j + 1):
                    total = 0.0
                    for r in range(n):
                        total += chunk[j, r] * chunk[k, r]
                    hessian[j, k] += total if enter else -total


@njit
def _primal_gap(xt, cost, y, f, w):
    """Relative duality gap of weights, with the dual point that their own margins propose."""
    norm, loss, gain, dual = 0.0, 0.0, 0.0, 0.0
    alpha = np.zeros(len(y))
    for i in range(len(y)):
        short = max(0.0, 1.0 - y[i] * f[i])
        alpha[i] = cost[i] * short * y[i]
        loss += cost[i] * short * short
        gain += cost[i] * short
    for j in range(len(w)):
        row, total = xt[j], 0.0
        for i in range(len(y)):
            total += row[i] * alpha[i]
        norm += w[j] * w[j]
        dual += total * total
    primal = 0.5 * (norm + loss)
    return (primal - gain + 0.5 * dual + 0.5 * loss) / max(primal, 1e-300)


@njit
def _gap(cost, y, a, f):
    """Relative duality gap of coefficients a with f = K a."""
    norm, loss, gain, ridge = 0.0, 0.0, 0.0, 0.0
    for i in range(len(y)):
        norm += a[i] * f[i]
        loss += cost[i] * max(0.0, 1.0 - y[i] * f[i]) ** 2
        gain += y[i] * a[i]
        ridge += a[i] * a[i] / cost[i]
    primal = 0.5 * (norm + loss)
    return (primal - gain + 0.5 * norm + 0.5 * ridge) / max(primal, 1e-300)


@njit
def _multiply(matrix, x, out):
    """out = matrix @ x, row by row."""
    for i in range(len(out)):
        row, total = matrix[i], 0.0
        for j in range(len(x)):
            total += row[j] * x[j]
        out[i] = total


@njit
def _inverse(kernel, diagonal, work):
    """(kernel + diag(diagonal))^-1."""
    full = kernel + np.diag(diagonal)
    return np.linalg.inv(full)


@njit
def _cholesky(a, scale):
    """Lower Cholesky factor in place, rows a multiple of 3; scale holds 1 / diagonal.

    Blocks of 12 rows, tiles of 3 x 3 inner products: a tile reads six rows for nine products and
    its sums fit the registers.
    """
    n = len(a)
    for top in range(0, n, 12):
        bottom = min(n, top + 12)
        _eliminate(a, scale, top, bottom, top)
        for i in range(top, bottom):
            row = a[i]
            for j in range(top, i + 1):
                other, total = a[j], 0.0
                for k in range(j):
                    total += row[k] * other[k]
                total = row[j] - total
                if i > j:
                    row[j] = total * scale[j]
                elif total > 0.0:
                    row[i] = np.sqrt(total)
                    scale[i] = 1.0 / row[i]
                else:
                    return False
    return True


@njit
def _eliminate(a, scale, top, bottom, width):
    """Rows top to bottom of a, divided from the right by the factor in its first width rows."""
    for j in range(0, width, 3):
        b0, b1, b2 = a[j], a[j + 1], a[j + 2]
        for i in range(top, bottom, 3):
            a0, a1, a2 = a[i], a[i + 1], a[i + 2]
            s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = 0.0
            for k in range(j):
                x0, x1, x2 = a0[k], a1[k], a2[k]
                y0, y1, y2 = b0[k], b1[k], b2[k]
                s00 += x0 * y0
                s01 += x0 * y1
                s02 += x0 * y2
                s10 += x1 * y0
                s11 += x1 * y1
                s12 += x1 * y2
                s20 += x2 * y0
                s21 += x2 * y1
                s22 += x2 * y2
            _divide(a0, b1, b2, scale, j, s00, s01, s02)
            _divide(a1, b1, b2, scale, j, s10, s11, s12)
            _divide(a2, b1, b2, scale, j, s20, s21, s22)


@njit
def _divide(row, b1, b2, scale, j, s0, s1, s2):
    """Three entries of a row, once the products with the columns before them are known."""
    row[j] = (row[j] - s0) * scale[j]
    row[j + 1] = (row[j + 1] - s1 - row[j] * b1[j]) * scale[j + 1]
    row[j + 2] = (row[j + 2] - s2 - row[j] * b2[j] - row[j + 1] * b2[j + 1]) * scale[j + 2]


@njit
def _substitute(a, scale, x):
    """Solve L L' x = x in place."""
    n = len(a)
    for i in range(n):
        row, total = a[i], 0.0
        for j in range(i):
            total += row[j] * x[j]
        x[i] = (x[i] - total) * scale[i]
    for i in range(n - 1, -1, -1):
        x[i] *= scale[i]
        row, value = a[i], x[i]
        for j in range(i):
            x[j] -= value * row[j]
