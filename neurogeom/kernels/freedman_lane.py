"""One permutation of residuals, every test of every neuron.

With all interactions in the model a fit is one mean a condition, so a surrogate is known by the
sums of permuted residuals over its conditions. The residuals e = r + q b of the model without a
term differ from those of the full model, r, by what the term explains, a constant in each
condition: sums of permuted r are made once for all terms, and what they lack is a product of small
matrices (K q) b, K the numbers of trials that came from one condition to another.
"""

import numpy as np

from .jit import njit


@njit
def permuted(values, start, width, column, trial0, condition, order, pattern, counts,
             q, p, first, b, means, total, observed, weight, level, df_error,
             exceed, top, bottom):  # fmt: skip
    """Counts surrogates whose share of variance reaches the observed one, and sums populations.

    values : float64, flat blocks of residuals r; start, width, column : int64 (group,)
    trial0 : int64 (group + 1,); condition : int64 (flat trial,); order : int64 (flat trial,), the
    row whose residual stands at each position
    pattern : int64 (group,), which counts (pattern, condition) and q (pattern, condition, df) its
    neurons have; p : float64 (condition, df), orthonormal; first : int64 (test + 1,), columns of
    each test in q and p
    b : float64 (df, neuron); means : float64 (condition, neuron); total, observed : (test, neuron)
    weight : float64 (neuron,); level : int64 (neuron,), -1 where a neuron is of none
    exceed : int64 (test, neuron), added to; top, bottom : float64 (test, level), added to
    """
    n_tests, n_conditions = first.size - 1, counts.shape[1]
    for g in range(width.size):
        w, c0, n = width[g], column[g], counts[pattern[g]]
        basis = q[pattern[g]]
        sums = np.zeros((n_conditions, w))
        moved = np.zeros((n_conditions, n_conditions))
        for i in range(trial0[g], trial0[g + 1]):
            row = order[i]
            to = condition[i]
            moved[to, condition[trial0[g] + row]] += 1.0
            source = values[start[g] + row * w : start[g] + (row + 1) * w]
            target = sums[to]
            for k in range(w):
                target[k] += source[k]
        inverse = 0.0
        for c in range(n_conditions):
            inverse += 1.0 / n[c] / n_conditions
        all_sums = np.empty((n_conditions, w))
        for t in range(n_tests):
            df = first[t + 1] - first[t]
            coming = np.zeros((n_conditions, df))
            for c in range(n_conditions):
                for a in range(n_conditions):
                    if moved[c, a] > 0.0:
                        for j in range(df):
                            coming[c, j] += moved[c, a] * basis[a, first[t] + j]
            model = np.zeros(w)
            for c in range(n_conditions):
                mine = all_sums[c]
                for k in range(w):
                    mine[k] = sums[c, k]
                for j in range(df):
                    f, coefficient = coming[c, j], b[first[t] + j, c0 : c0 + w]
                    for k in range(w):
                        mine[k] += f * coefficient[k]
                for k in range(w):
                    model[k] += mine[k] * mine[k] / n[c]
            own = np.zeros(w)
            raw = np.zeros(w)
            for j in range(first[t], first[t + 1]):
                explained = np.zeros(w)
                marginal = np.zeros(w)
                for c in range(n_conditions):
                    f, m = basis[c, j], p[c, j] / n[c]
                    for k in range(w):
                        explained[k] += f * all_sums[c, k]
                        marginal[k] += m * all_sums[c, k]
                for k in range(w):
                    own[k] += explained[k] * explained[k]
                    raw[k] += marginal[k] * marginal[k]
            spread = np.zeros(w)
            centre = np.zeros(w)
            for c in range(n_conditions):
                mine = all_sums[c]
                for k in range(w):
                    mine[k] = means[c, c0 + k] + mine[k] / n[c]
                for j in range(first[t], first[t + 1]):
                    f, coefficient = basis[c, j], b[j, c0 : c0 + w]
                    for k in range(w):
                        mine[k] -= f * coefficient[k]
                for k in range(w):
                    spread[k] += mine[k] * mine[k]
                    centre[k] += mine[k]
            for k in range(w):
                residual = max(total[t, c0 + k] - model[k], 0.0)
                whole = own[k] + residual
                share = own[k] / whole if whole > 0.0 else 0.0
                if share >= observed[t, c0 + k] - 1e-10:
                    exceed[t, c0 + k] += 1
                if level[c0 + k] >= 0:
                    noise = df * inverse * residual / df_error[c0 + k]
                    top[t, level[c0 + k]] += weight[c0 + k] * (raw[k] - noise)
                    variance = spread[k] - centre[k] * centre[k] / n_conditions
                    bottom[t, level[c0 + k]] += weight[c0 + k] * variance
