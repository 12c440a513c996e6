"""Decision values to the share of correct trials of every condition."""

import numpy as np

from .jit import njit


@njit
def correct(score, norm, which, flip, tested, tested_side, bounds):
    """Share correct and mean signed margin of every problem and condition.

    score : float64 (set, row), decision values, positive for side +1; norm : float64 (set,), |w|
    which, flip : int64 (problem,), set of a problem and the sign of its sides
    tested : bool (problem, condition); tested_side : int8 (problem, condition)
    bounds : int64 (condition + 1,), test rows of each condition
    returns : correct, margin float64 (problem, condition), NaN where not tested
    """
    share = np.full(tested.shape, np.nan)
    margin = np.full(tested.shape, np.nan)
    for q in range(tested.shape[0]):
        values = score[which[q]]
        scale = 1.0 / norm[which[q]] if norm[which[q]] > 0.0 else 0.0
        for c in range(tested.shape[1]):
            if not tested[q, c]:
                continue
            side = flip[q] * tested_side[q, c]
            hits, total = 0.0, 0.0
            for i in range(bounds[c], bounds[c + 1]):
                v = side * values[i]
                # A tie is half right, so that swapping the sides cannot change the score.
                hits += 1.0 if v > 0.0 else (0.5 if v == 0.0 else 0.0)
                total += v
            n = bounds[c + 1] - bounds[c]
            share[q, c] = hits / n
            margin[q, c] = scale * total / n
    return share, margin


@njit
def nearest_mean(overlap, mean_gram, sign, which, flip, tested, tested_side, bounds):
    """:func:`correct` for the nearest-mean readout, for a batch of surrogates.

    overlap : float64 (surrogate, row, condition), test trials against training means
    mean_gram : float64 (surrogate, condition, condition); sign : int8 (set, condition)
    returns : correct, margin float64 (surrogate, problem, condition)
    """
    n_null, n_rows, n_conditions = overlap.shape
    n_sets = sign.shape[0]
    share = np.empty((n_null, which.size, n_conditions))
    margin = np.empty((n_null, which.size, n_conditions))
    contrast = np.zeros((n_sets, n_conditions))
    for u in range(n_sets):
        plus, minus = 0.0, 0.0
        for c in range(n_conditions):
            plus += sign[u, c] > 0
            minus += sign[u, c] < 0
        for c in range(n_conditions):
            contrast[u, c] = (
                1.0 / plus if sign[u, c] > 0 else (-1.0 / minus if sign[u, c] < 0 else 0.0)
            )
    score = np.empty((n_sets, n_rows))
    norm = np.empty(n_sets)
    for s in range(n_null):
        for u in range(n_sets):
            length, threshold = 0.0, 0.0
            for a in range(n_conditions):
                for b in range(n_conditions):
                    product = contrast[u, a] * mean_gram[s, a, b]
                    length += product * contrast[u, b]
                    threshold += 0.5 * product * abs(contrast[u, b])
            norm[u] = np.sqrt(max(length, 0.0))
            for i in range(n_rows):
                value = -threshold
                for c in range(n_conditions):
                    value += overlap[s, i, c] * contrast[u, c]
                score[u, i] = value
        right, apart = correct(score, norm, which, flip, tested, tested_side, bounds)
        for q in range(which.size):  # by loops: arrays set at once take seconds to compile
            for c in range(n_conditions):
                share[s, q, c], margin[s, q, c] = right[q, c], apart[q, c]
    return share, margin


@njit
def softened(score, which, flip, tested, tested_side, bounds, keep):
    """Sums of softened hits, psi(m / h) with psi(z) = (1 + z / sqrt(1 + z^2)) / 2.

    h is 0.7 sd of the margins m over the tested trials of the problem. keep : bool (row,), the
    others are left out. For variances alone: a hard hit flips when a trial near the boundary is
    removed. returns : sums float64 (problem, condition), trials int64 (problem, condition)
    """
    sums = np.zeros(tested.shape)
    trials = np.zeros(tested.shape, np.int64)
    for q in range(tested.shape[0]):
        values = score[which[q]]
        n, total, square = 0, 0.0, 0.0
        for c in range(tested.shape[1]):
            if tested[q, c]:
                side = flip[q] * tested_side[q, c]
                for i in range(bounds[c], bounds[c + 1]):
                    if keep[i]:
                        v = side * values[i]
                        n += 1
                        total += v
                        square += v * v
        spread = np.sqrt(max(square / max(n, 1) - (total / max(n, 1)) ** 2, 0.0))
        h = max(0.7 * spread, 1e-300)
        for c in range(tested.shape[1]):
            if tested[q, c]:
                side = flip[q] * tested_side[q, c]
                for i in range(bounds[c], bounds[c + 1]):
                    if keep[i]:
                        z = min(max(side * values[i] / h, -1e100), 1e100)
                        sums[q, c] += 0.5 * (1.0 + z / np.sqrt(1.0 + z * z))
                        trials[q, c] += 1
    return sums, trials


@njit
def hits(score, which, flip, tested, tested_side, bounds):
    """Whether each test trial is right, 0, 0.5 or 1 (problem, row); NaN where not tested."""
    out = np.full((tested.shape[0], score.shape[1]), np.nan)
    for q in range(tested.shape[0]):
        for c in range(tested.shape[1]):
            if tested[q, c]:
                side = flip[q] * tested_side[q, c]
                for i in range(bounds[c], bounds[c + 1]):
                    v = side * score[which[q], i]
                    out[q, i] = 1.0 if v > 0.0 else (0.5 if v == 0.0 else 0.0)
    return out
