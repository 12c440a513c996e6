"""One permutation of residuals, every test of every neuron.

With all interactions in the model a fit is one mean a condition, so a surrogate is known by the
sums and sums of squares of permuted residuals over its conditions. The residuals e = r + f of the
model without a term differ from those of the full model, r, by what the term explains, f, a
constant in each condition. Sums of permuted r by the condition that they come from and go to are
made once, and those of e follow for every term.
"""

import numpy as np

from .jit import inner, njit

WIDTH = 256  # neurons at a time: their sums fit the second cache
SHRUNK = 0.5  # trials of the pooled variance, as in formulas.anova.wald


@njit
def permuted(values, start, width, column, trial0, condition, order, counts, effect, contrast, rest,
             first, floor, observed, weight, level, exceed, top, bottom):  # fmt: skip
    """Counts surrogates whose Wald statistic reaches the observed one, and sums populations.

    values : float64, flat blocks of residuals r; start, width, column : int64 (group,)
    trial0 : int64 (group + 1,); condition : int64 (flat trial,); order : int64 (flat trial,), the
    row whose residual stands at each position; counts : int64 (group, condition)
    effect : float64 (test, condition, neuron), what a test's terms explain, f
    contrast : float64 (condition, column), orthonormal; first : int64 (test + 1,), columns of each
    test; rest : float64 (test, condition, condition), orthonormal columns of all else
    floor : float64 (neuron,), least variance
    observed : float64 (test, neuron); weight : float64 (neuron,)
    level : int64 (neuron,), -1 where a neuron is of none
    exceed : int64 (test, neuron), added to; top, bottom : float64 (test, level), added to
    """
    n_tests, n_conditions = first.size - 1, counts.shape[1]
    moved = np.empty((n_conditions, n_conditions))
    for g in range(width.size):
        moved[:] = 0.0
        for i in range(trial0[g], trial0[g + 1]):
            moved[condition[i], condition[trial0[g] + order[i]]] += 1.0
        for low in range(0, width[g], WIDTH):
            w = min(WIDTH, width[g] - low)
            here = slice(column[g] + low, column[g] + low + w)
            between = np.zeros((n_conditions, n_conditions, w))
            square = np.zeros((n_conditions, w))
            for i in range(trial0[g], trial0[g + 1]):
                row, to = order[i], condition[i]
                at = start[g] + row * width[g] + low
                source, squares = values[at : at + w], square[to]
                sums = between[to, condition[trial0[g] + row]]
                for k in range(w):
                    sums[k] += source[k]
                    squares[k] += source[k] * source[k]
            mean, variance = np.empty((n_conditions, w)), np.empty((n_conditions, w))
            for t in range(n_tests):
                explained = effect[t, :, here]
                for c in range(n_conditions):
                    total, squares = mean[c], variance[c]
                    for k in range(w):
                        total[k], squares[k] = 0.0, square[c, k]
                    for a in range(n_conditions):
                        n = moved[c, a]
                        if n > 0.0:
                            sums, f = between[c, a], explained[a]
                            for k in range(w):
                                total[k] += sums[k] + n * f[k]
                                squares[k] += f[k] * (2.0 * sums[k] + n * f[k])
                    for k in range(w):
                        total[k] /= counts[g, c]
                        squares[k] -= counts[g, c] * total[k] * total[k]
                reached(mean, variance, counts[g], contrast[:, first[t] : first[t + 1]], rest[t],
                        floor[here], observed[t, here], exceed[t, here])  # fmt: skip
                add_population(mean, variance, counts[g], contrast[:, first[t] : first[t + 1]],
                               weight[here], level[here], top[t], bottom[t])  # fmt: skip


@inner
def reached(mean, squares, counts, contrast, rest, floor, observed, exceed):
    """Adds 1 where the Wald statistic is at least the observed one; squares become variances.

    The variance of a condition counts half a trial of the pooled variance beside its own.
    """
    n_conditions, w = mean.shape
    df = contrast.shape[1]
    n_rest = n_conditions - df
    direct = df <= n_rest
    size = df if direct else n_rest
    matrix, vector = np.empty((size, size)), np.empty(size)
    error = np.empty(n_conditions)
    freedom = counts.sum() - n_conditions
    for k in range(w):
        pooled, value = 0.0, 0.0
        for c in range(n_conditions):
            pooled += max(squares[c, k], 0.0)
        for c in range(n_conditions):
            own = max(squares[c, k], 0.0)
            shrunk = (own + SHRUNK * pooled / freedom) / (counts[c] - 1 + SHRUNK)
            error[c] = max(shrunk, floor[k]) / counts[c]
            squares[c, k] = own / (counts[c] - 1)
        vector[:] = 0.0
        matrix[:] = 0.0
        for c in range(n_conditions):
            weight = 1.0 if direct else 1.0 / error[c]
            spread = error[c] if direct else 1.0 / error[c]
            value += 0.0 if direct else weight * mean[c, k] ** 2
            for i in range(size):
                x = contrast[c, i] if direct else rest[c, i]
                vector[i] += weight * mean[c, k] * x
                for j in range(i + 1):
                    y = contrast[c, j] if direct else rest[c, j]
                    matrix[i, j] += spread * x * y
        form = quadratic(matrix, vector, size)
        value = form if direct else value - form
        if value >= observed[k] * (1.0 - 1e-9):
            exceed[k] += 1


@inner
def quadratic(a, x, n):
    """x' a^-1 x for a positive matrix, both overwritten."""
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            value = a[i, j]
            for m in range(j):
                value -= a[i, m] * a[j, m]
            a[i, j] = value / a[j, j] if j < i else np.sqrt(max(value, 1e-300))
        value = x[i]
        for m in range(i):
            value -= a[i, m] * x[m]
        x[i] = value / a[i, i]
        total += x[i] * x[i]
    return total


@inner
def add_population(mean, variance, counts, contrast, weight, level, top, bottom):
    """Adds the variance of the term, noise removed, and that of the noise."""
    n_conditions, w = mean.shape
    df = contrast.shape[1]
    share = df / n_conditions
    for k in range(w):
        if level[k] < 0:
            continue
        own, noise = 0.0, 0.0
        for j in range(df):
            value = 0.0
            for c in range(n_conditions):
                value += contrast[c, j] * mean[c, k]
            own += value * value
        for c in range(n_conditions):
            noise += share * variance[c, k] / counts[c]
        top[level[k]] += weight[k] * (own - noise)
        bottom[level[k]] += weight[k] * noise
