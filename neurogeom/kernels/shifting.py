"""Gram matrices of trials whose condition means have moved."""

import numpy as np

from .jit import njit


@njit
def shifted_gram(gram, half, bounds):
    """gram[i, j] + half[i, condition j] + half[j, condition i].

    gram : float64 (row, row), symmetric; half : float64 (row, condition)
    bounds : int64 (condition + 1,), rows of each condition; returns float64 (row, row), symmetric
    """
    out = np.empty(gram.shape)
    turned = np.ascontiguousarray(half.T)  # (condition, row)
    n_conditions = bounds.size - 1
    for a in range(n_conditions):
        across = turned[a]
        for i in range(bounds[a], bounds[a + 1]):
            own, moved = gram[i], out[i]
            for b in range(n_conditions):
                mine = half[i, b]
                for j in range(bounds[b], bounds[b + 1]):
                    moved[j] = own[j] + (mine + across[j])
    return out
