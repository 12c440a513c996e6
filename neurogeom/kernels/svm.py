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

from typing import NamedTuple

import numpy as np

from .jit import njit

PIVOTS = 12  # steps of phase 1; it is left before when the violations stop falling
SLACK = 1e-10  # a margin this near to its bound does not violate it
MAX_STEPS = 200
DAMP = 0.7
SWEEPS = 40


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
        inverse = np.linalg.inv(kernel + np.diag(1.0 / cost)) if share else np.empty((1, 1))
        found = _solve_group(
            kernel, inverse, condition[rows], cost, label, guess, start is not None, share
        )
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


class _Work(NamedTuple):
    """Buffers of one training set; the solver of one problem leaves nothing in them for the next."""

    factor: np.ndarray  # flat: Cholesky factor of the base, then one row for each trial changed
    scale: np.ndarray  # 1 / diagonal of the factor
    base: np.ndarray  # trials of the base, in order
    place: np.ndarray  # their position in the base by trial, else -1
    changed: np.ndarray  # trials that entered or left since, in order
    slot: np.ndarray  # their position among the changed by trial, else -1
    schur: np.ndarray  # what the changed trials add to the system
    small: np.ndarray  # its factor, and the same with signed columns
    small_signed: np.ndarray
    reduced: np.ndarray  # right-hand side, once through the factor of the base
    x: np.ndarray
    z: np.ndarray
    active: np.ndarray


@njit
def _workspace(m):
    """Buffers for m trials."""
    most = m // 2 + 3
    return _Work(
        np.empty((m + 3) * (m + 3 + most + 3)),
        np.empty(m + 3),
        np.empty(m, np.uint64),
        np.empty(m, np.int64),
        np.empty(m, np.uint64),
        np.empty(m, np.int64),
        np.empty((most, most)),
        np.empty((most, most)),
        np.empty((most, most)),
        np.empty(m + 3),
        np.empty(m + 3),
        np.empty(m + 3),
        np.empty(m, np.int64),
    )


@njit
def _solve_group(kernel, inverse, condition, cost, label, guess, guessed, share):
    """All problems on one training set; coefficients (problem, trial), gap, steps, converged."""
    n_problems, m = label.shape
    coef, gap = np.zeros((n_problems, m)), np.zeros(n_problems)
    steps, converged = np.zeros(n_problems, np.int64), np.zeros(n_problems, np.bool_)
    work, f = _workspace(m), np.empty(m)
    rough = (inverse if share else kernel).astype(np.float32)
    if not share:
        for i in range(m):
            rough[i, i] += np.float32(1.0 / cost[i])
    ridge = np.zeros(m)
    for q in range(n_problems):
        y, a, inside = label[q], coef[q], guess[q].copy()
        if share:
            _multiply(inverse, y, ridge)
        if not guessed:
            if share:
                _coordinate_descent(rough, ridge, -y, inside)
                for i in range(m):
                    inside[i] = not inside[i]
            else:
                _coordinate_descent(rough, y, y, inside)
        outer = share and 2 * inside.sum() > m
        matrix, right = (inverse, ridge) if outer else (kernel, y)
        steps[q], converged[q] = _solve(matrix, right, outer, cost, y, inside, a, f, work)
        _multiply(kernel, a, f)
        gap[q] = _gap(cost, y, a, f)
    return coef, gap, steps, converged


@njit
def _solve(matrix, right, outer, cost, y, inside, a, f, work):
    """Find the support: phase 1, then phase 2. Leaves the solution in a (and f = K a)."""
    m = len(y)
    a_new, f_new, u, v = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    best, stalled, n, k = m + 1, 0, 0, 0
    a[:], f[:] = 0.0, 0.0
    pivoting = True
    for step in range(1, MAX_STEPS + 1):
        n, k = _follow(matrix, right, outer, cost, inside, n, k, work)
        if n < 0:
            return step, False
        _solve_system(right, outer, inside, n, k, u, work)
        _residual(matrix, right, outer, inside, u, v)
        for i in range(m):
            on, off = (v[i], u[i]) if outer else (u[i], v[i])
            a_new[i] = on
            f_new[i] = y[i] - off - on / cost[i]
        violated, leave, enter = _violations(y, f_new, inside)
        if violated == 0:
            a[:] = a_new
            return step, True
        stalled = 0 if violated < best else stalled + 1
        best = min(best, violated)
        if pivoting and (step == PIVOTS or stalled == 4):
            pivoting = False
        if pivoting:
            if violated <= 20:
                leave, enter = 0.0, 0.0
            a[:], f[:] = a_new, f_new
            for i in range(m):
                excess = y[i] * f[i] - 1.0
                if inside[i]:
                    inside[i] = excess <= max(leave, SLACK)
                else:
                    inside[i] = excess < -max(enter, SLACK)
        else:
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
def _follow(matrix, right, outer, cost, inside, n, k, work):
    """Bring the factored system to the set ``inside``; sizes of its base and of its changes."""
    m, new = len(inside), 0
    if n > 0:
        for i in range(m):
            new += (inside[i] != outer) != (work.place[i] >= 0) and work.slot[i] < 0
    if n == 0 or new * (n + 2 * k) * 3 > n * n or k + new > len(work.schur):
        return _start(matrix, right, outer, cost, inside, work), 0
    _append(matrix, outer, cost, inside, n, k, new, work)
    return n, k + new


@njit
def _start(matrix, right, outer, cost, inside, work):
    """Factor the system of the set; its size, or -1 where it is not positive to rounding."""
    n = 0
    for i in range(len(inside)):
        work.slot[i] = work.place[i] = -1
        if inside[i] != outer:
            work.base[n] = i
            work.place[i] = n
            n += 1
    width = (n + 2) // 3 * 3
    factor = work.factor[: width * width].reshape(width, width)
    work.reduced[:width] = 0.0
    for p in range(n):
        source, row, i = matrix[work.base[p]], factor[p], work.base[p]
        for q in range(p + 1):
            row[q] = source[work.base[q]]
        if not outer:
            row[p] += 1.0 / cost[i]
        work.reduced[p] = right[i]
    for p in range(n, width):
        factor[p] = 0.0
        factor[p, p] = 1.0
    if not _cholesky(factor, work.scale):
        return -1
    _forward(factor, work.scale, work.reduced)
    return n


@njit
def _append(matrix, outer, cost, inside, n, k, new, work):
    """Add to the system the trials that entered or left."""
    width = (n + 2) // 3 * 3
    first, last = width + k, width + k + (new + 2) // 3 * 3
    factor = work.factor[: last * width].reshape(last, width)
    factor[first:last] = 0.0
    j = k
    for i in range(len(inside)):
        if (inside[i] != outer) != (work.place[i] >= 0) and work.slot[i] < 0:
            row = factor[width + j]
            if work.place[i] >= 0:
                row[work.place[i]] = 1.0
            else:
                source = matrix[i]
                for q in range(n):
                    row[q] = source[work.base[q]]
            work.changed[j], work.slot[i] = i, j
            j += 1
    _eliminate(factor, work.scale, first, last, width)
    for j in range(k, k + new):
        row, t = factor[width + j], work.changed[j]
        for i in range(j + 1):
            other, total = factor[width + i], 0.0
            for q in range(width):
                total += row[q] * other[q]
            s = work.changed[i]
            entry = 0.0
            if work.place[t] < 0 and work.place[s] < 0:
                entry = matrix[t, s]
                if i == j and not outer:
                    entry += 1.0 / cost[t]
            work.schur[j, i] = entry - total


@njit
def _solve_system(right, outer, inside, n, k, u, work):
    """Solve for u on the set; 0 elsewhere."""
    width = (n + 2) // 3 * 3
    factor = work.factor[: (width + k) * width].reshape(width + k, width)
    x, z, count = work.x, work.z, 0
    u[:] = 0.0
    x[:width] = work.reduced[:width]
    for j in range(k):
        t = work.changed[j]
        if (inside[t] != outer) != (work.place[t] >= 0):
            row, total = factor[width + j], 0.0
            for q in range(width):
                total += row[q] * x[q]
            z[count] = (right[t] if work.place[t] < 0 else 0.0) - total
            work.active[count] = j
            count += 1
    if count > 0:
        _quasi_definite(count, work)
        for c in range(count):
            row, value = factor[width + work.active[c]], z[c]
            for q in range(width):
                x[q] -= value * row[q]
    _backward(factor, work.scale, x, width)
    for p in range(n):
        u[work.base[p]] = x[p]
    for c in range(count):
        t = work.changed[work.active[c]]
        u[t] = z[c] if work.place[t] < 0 else 0.0


@njit
def _quasi_definite(count, work):
    """Solve the Schur system of the changes in place in z: L S L' with signs S.

    Trials that entered make a positive block, those that left a negative one, so that every order
    of elimination has a factor and none needs pivots.
    """
    low, signed, z = work.small, work.small_signed, work.z
    for i in range(count):
        row, source = low[i], work.schur[work.active[i]]
        for j in range(i + 1):
            other, total = signed[j], 0.0
            for p in range(j):
                total += row[p] * other[p]
            total = source[work.active[j]] - total
            if j < i:
                row[j] = total / other[j]
                signed[i, j] = row[j] if low[j, j] * signed[j, j] > 0.0 else -row[j]
            else:
                row[i] = np.sqrt(abs(total))
                signed[i, i] = row[i] if total > 0.0 else -row[i]
        total = 0.0
        for p in range(i):
            total += row[p] * z[p]
        z[i] = (z[i] - total) / row[i]
        # z holds L^-1 of the right-hand side; its signs are applied on the way back
        if False:
            pass
    for i in range(count):
        if low[i, i] * signed[i, i] < 0.0:
            z[i] = -z[i]
    for i in range(count - 1, -1, -1):
        z[i] /= low[i, i]
        for p in range(i):
            z[p] -= z[i] * low[i, p]


@njit
def _residual(matrix, right, outer, inside, u, v):
    """right - matrix @ u off the set; 0 on it."""
    for i in range(len(u)):
        v[i] = 0.0
        if inside[i] == outer:
            row, total = matrix[i], 0.0
            for j in range(len(u)):
                total += row[j] * u[j]
            v[i] = right[i] - total


@njit
def _violations(y, f, inside):
    """Trials on the wrong side of the margin: their number, and a limit for the worse of each kind.

    Moving all of them at once overshoots, for each changes the margin of the others.
    """
    leave, enter, n_leave, n_enter = 0.0, 0.0, 0, 0
    for i in range(len(y)):
        excess = y[i] * f[i] - 1.0
        if inside[i] and excess > SLACK:
            leave += excess
            n_leave += 1
        elif not inside[i] and excess < -SLACK:
            enter -= excess
            n_enter += 1
    return n_leave + n_enter, DAMP * leave / max(1, n_leave), DAMP * enter / max(1, n_enter)


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
def _coordinate_descent(matrix, right, side, inside):
    """Guess the set where u != 0 by sweeps over min u'Mu / 2 - right'u, side u >= 0, in float32.

    A wrong guess of one trial costs about as much as m / |set| sweeps cost, hence the stop rule.
    """
    m = len(side)
    zero = np.float32(0.0)
    u, g, order = np.zeros(m, np.float32), np.empty(m, np.float32), np.empty(m, np.uint32)
    for i in range(m):
        g[i], order[i] = right[i], i
    state = np.uint32(1)
    for _ in range(SWEEPS):
        changes, size = 0, 0
        for i in range(m - 1, 0, -1):
            state = np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))
            j = np.uint32((np.uint64(state) * np.uint64(i + 1)) >> np.uint64(32))
            order[i], order[j] = order[j], order[i]
        for i in order:
            old, y = u[i], np.float32(side[i])
            if old == zero and g[i] * y <= zero:
                continue
            row = matrix[i]
            new = old + g[i] / row[i]
            if new * y <= zero:
                new = zero
            step = new - old
            if step != zero:
                u[i] = new
                for j in range(m):
                    g[j] -= step * row[j]
            changes += (new == zero) != (old == zero)
            size += new != zero
        if changes * size * 2 <= 3 * m:
            break
    for i in range(m):
        inside[i] = u[i] != zero


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
        _forward(factor, scale, target)
        _backward(factor, scale, target, width)
        _multiply(x, target, f_new)
        if _violations(y, f_new, inside)[0] == 0:
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
def _forward(a, scale, x):
    """Solve L x = x in place."""
    for i in range(a.shape[1]):
        row, total = a[i], 0.0
        for j in range(i):
            total += row[j] * x[j]
        x[i] = (x[i] - total) * scale[i]


@njit
def _backward(a, scale, x, n):
    """Solve L' x = x in place."""
    for i in range(n - 1, -1, -1):
        row, value = a[i], x[i] * scale[i]
        x[i] = value
        for j in range(i):
            x[j] -= value * row[j]
