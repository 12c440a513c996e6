"""The support vector machine of ``svm``, by Newton's method on the weights.

For trials that outnumber the neurons: the Hessian 1 + sum over I of c x x' is of the size of the
neurons, and from one step to the next only the trials that cross the margin change it. An exact
line search of the piecewise quadratic objective makes the method converge from every start.
"""

import numpy as np

from .factor import add_products, backward, cholesky, forward, multiply
from .jit import inner, njit
from .pivoting import MAX_STEPS, SLACK, line_search

TINY = 1e-300
CHUNK = 256  # trials that enter the Hessian at a time


@njit
def solve_weights(x, cost, label, w, gap, steps, converged):
    """All problems on one training set; the last four arguments are the results.

    x : float64 (trial, width), 1 in the column of the intercept; label : float64 (problem, trial)
    """
    m, width = x.shape
    total, hessian = np.zeros((width + 3, width)), np.empty((width + 3, width))
    chunk, inside, before = np.empty((width, CHUNK)), np.empty(m, np.bool_), np.empty(m, np.bool_)
    f, f_new, none = np.empty(m), np.empty(m), np.empty(width)
    for i in range(m):
        inside[i], before[i] = True, False
    _update(x, cost, label[0], inside, before, chunk, total, none)
    for q in range(len(label)):
        for i in range(width):
            for j in range(i + 1):
                hessian[i, j] = total[i, j]
        steps[q], converged[q] = _newton(
            x, cost, label[q], hessian, chunk, inside, before, f, f_new, w[q]
        )
        gap[q] = _gap(x, cost, label[q], f, w[q])


@inner
def _newton(x, cost, y, hessian, chunk, inside, before, f, f_new, w):
    """One problem, from all trials inside, whose Hessian enters without its 1 on the diagonal."""
    m, width = x.shape
    factor, scale = np.empty((width, width)), np.empty(width)
    gradient, target = np.zeros(width), np.empty(width)
    for j in range(width):
        w[j] = 0.0
    for i in range(m):
        f[i], inside[i], before[i] = 0.0, True, True
        for j in range(width):
            gradient[j] += cost[i] * y[i] * x[i, j]
    for step in range(1, MAX_STEPS + 1):
        _update(x, cost, y, inside, before, chunk, hessian, gradient)
        for j in range(width):
            target[j] = gradient[j]
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
            violated += not excess <= SLACK if inside[i] else not excess >= -SLACK
        t = line_search(cost, y, f, f_new, linear, square, m) if violated else 1.0
        for j in range(width):
            w[j] = (1.0 - t) * w[j] + t * target[j]
        for i in range(m):
            f[i] = (1.0 - t) * f[i] + t * f_new[i]
            before[i], inside[i] = inside[i], y[i] * f[i] < 1.0
        if violated == 0:
            return step, True
    return MAX_STEPS, False


@inner
def _update(x, cost, y, inside, before, chunk, hessian, gradient):
    """Bring the lower half of sum c x x', and sum c y x, from trials ``before`` to ``inside``."""
    m, width = x.shape
    for enter in (True, False):
        i, factor = 0, 1.0 if enter else -1.0
        while i < m:
            n = 0
            while i < m and n < CHUNK:
                if inside[i] != before[i] and inside[i] == enter:
                    root = np.sqrt(cost[i])
                    for j in range(width):
                        chunk[j, n] = root * x[i, j]
                        gradient[j] += factor * cost[i] * y[i] * x[i, j]
                    n += 1
                i += 1
            if n > 0:
                add_products(hessian, factor, chunk, np.int64(0), width, n, np.bool_(False))


@njit
def _gap(x, cost, y, f, w):
    """Relative duality gap of weights, with the dual point that their own margins propose."""
    norm, loss, gain, dual = 0.0, 0.0, 0.0, 0.0
    image = np.zeros(len(w))
    for i in range(len(y)):
        short = 1.0 - y[i] * f[i]
        if not short <= 0.0:
            loss += cost[i] * short * short
            gain += cost[i] * short
            for j in range(len(w)):
                image[j] += cost[i] * short * y[i] * x[i, j]
    for j in range(len(w)):
        norm += w[j] * w[j]
        dual += image[j] * image[j]
    primal = 0.5 * (norm + loss)
    return (primal - gain + 0.5 * dual + 0.5 * loss) / max(primal, TINY)
