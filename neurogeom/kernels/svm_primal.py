"""The support vector machine of ``svm``, by Newton's method on the weights.

For trials that outnumber the neurons: the Hessian 1 + sum over I of c x x' is of the size of the
neurons, and from one step to the next only the trials that cross the margin change it. An exact
line search of the piecewise quadratic objective makes the method converge from every start.
"""

import numpy as np

from .factor import add_products, backward, cholesky, forward, multiply
from .jit import njit
from .pivoting import MAX_STEPS, SLACK, line_search

TINY = 1e-300
CHUNK = 128  # trials that enter the Hessian at a time


@njit
def solve_weights(x, xt, cost, label, w, gap, steps, converged):
    """All problems on one training set; the last four arguments are the results."""
    m, width = x.shape
    total, hessian = np.zeros((width + 3, width)), np.empty((width + 3, width))
    chunk, inside, before = np.empty((width, CHUNK)), np.empty(m, np.bool_), np.empty(m, np.bool_)
    f, f_new = np.empty(m), np.empty(m)
    for i in range(m):
        inside[i], before[i] = True, False
    _update(xt, cost, inside, before, chunk, total)
    for q in range(len(label)):
        for i in range(width):
            for j in range(i + 1):
                hessian[i, j] = total[i, j]
        for i in range(m):
            inside[i] = before[i] = True
        steps[q], converged[q] = _newton(
            x, xt, cost, label[q], hessian, chunk, inside, before, f, f_new, w[q]
        )
        multiply(x, w[q], f, m, width)
        gap[q] = _gap(xt, cost, label[q], f, f_new, w[q])


@njit
def _newton(x, xt, cost, y, hessian, chunk, inside, before, f, f_new, w):
    """One problem; the Hessian enters without its 1 on the diagonal, for all trials inside."""
    m, width = x.shape
    factor, scale, target = np.empty((width, width)), np.empty(width), np.empty(width)
    for j in range(width):
        w[j] = 0.0
    for i in range(m):
        f[i] = 0.0
    for step in range(1, MAX_STEPS + 1):
        _update(xt, cost, inside, before, chunk, hessian)
        for j in range(width):
            row, total = xt[j], 0.0
            for i in range(m):
                total += cost[i] * y[i] * row[i] if inside[i] else 0.0
            target[j] = total
            for k in range(j + 1):
                factor[j, k] = hessian[j, k]
            factor[j, j] += 1.0
        if not cholesky(factor, scale, width):
            return step, False
        forward(factor, scale, target, width)
        backward(factor, scale, target, width)
        multiply(x, target, f_new, m, width)
        linear, square, violated = 0.0, 0.0, 0
        for j in range(width):
            linear += (target[j] - w[j]) * w[j]
            square += (target[j] - w[j]) ** 2
        for i in range(m):
            excess = y[i] * f_new[i] - 1.0
            violated += excess > SLACK if inside[i] else excess < -SLACK
        t = line_search(cost, y, f, f_new, linear, square, m) if violated else 1.0
        for j in range(width):
            w[j] += t * (target[j] - w[j])
        if violated == 0:
            return step, True
        for i in range(m):
            f[i] += t * (f_new[i] - f[i])
            before[i], inside[i] = inside[i], y[i] * f[i] < 1.0
    return MAX_STEPS, False


@njit
def _update(xt, cost, inside, before, chunk, hessian):
    """Bring the lower half of the sum of c x x' from the trials ``before`` to those ``inside``."""
    width, m = xt.shape
    for enter in (True, False):
        i = 0
        while i < m:
            n = 0
            while i < m and n < CHUNK:
                if inside[i] != before[i] and inside[i] == enter:
                    root = np.sqrt(cost[i])
                    for j in range(width):
                        chunk[j, n] = root * xt[j, i]
                    n += 1
                i += 1
            if n > 0:
                factor = 1.0 if enter else -1.0
                add_products(hessian, factor, chunk, np.int64(0), width, n, np.bool_(False))


@njit
def _gap(xt, cost, y, f, alpha, w):
    """Relative duality gap of weights, with the dual point that their own margins propose."""
    norm, loss, gain, dual = 0.0, 0.0, 0.0, 0.0
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
    return (primal - gain + 0.5 * dual + 0.5 * loss) / max(primal, TINY)
