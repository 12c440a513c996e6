"""The odd-one-out index of many sets of stimuli, their similarities summed from a shared table."""

from __future__ import annotations

import numpy as np

from ..kernels import interpretability as kernels

SINGLE, DOUBLE = (np.finfo(kind).eps / 2 for kind in (np.float32, float))  # of one rounding
WIDTH = 96  # columns of a table that are summed at a time


def odd_one_out(e: np.ndarray, s: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Share of all other stimuli less like the chosen ones than these are like each other, (unit,).

    e, s : as in the kernels; chosen : int64 (unit, k)
    """
    n, k = max(len(e), len(s)), chosen.shape[1]
    many = 8 * len(chosen) >= n  # else the table would take longer
    return (_counted if many else kernels.odd_one_out)(e, s, chosen) / (n - k)


def _counted(e, s, chosen):
    r"""The numbers of ``kernels.odd_one_out``, whose work is units x stimuli x features.

    From a table of :math:`g_{cx} = e_c \cdot e_x - |e_x|^2 / 2` the mean similarity of x to the k
    chosen ones is :math:`(2 \sum_c g_{cx} - \sum_c |e_c|^2) / k`: k additions, in single precision
    and of so many columns at a time as a cache holds. Where rounding could decide, a similarity is
    computed as the kernel does.
    """
    n, k = max(len(e), len(s)), chosen.shape[1]
    columns, square, scale, doubtful = _table(e, s)
    level = kernels.levels(e, s, chosen)
    height = (k * level + square[chosen].sum(axis=1)) / (2 * scale)
    # entries of 1 at most: k of them, k - 1 sums of k at most and both ends are rounded once each
    slack = 1.01 * SINGLE * (k**2 + 1 + np.abs(height)) + k * (k + e.shape[1]) * doubtful
    low, high = (height - slack).astype(np.float32), (height + slack).astype(np.float32)
    below, sets = np.zeros(len(chosen), np.int64), chosen.astype(np.int32)
    for start in range(0, n, WIDTH):
        block = (columns(slice(start, start + WIDTH)) / scale).astype(np.float32)
        kernels.count_below(block, start, e, s, sets, level, low, high, below)
    return below


def _table(e, s):
    """Columns of the table, squares (stimulus,), the largest entry, and what doubles may be off."""
    if len(s):
        scale = np.abs(s).max(initial=0.0) / 2 or 1.0
        return lambda own: s[:, own] / 2, np.zeros(len(s)), scale, 16 * DOUBLE
    away = e - e.mean(axis=0)  # distances stay
    square = (away**2).sum(axis=1)
    scale = 1.5 * square.max(initial=0.0) or 1.0
    # the kernel's centre of the chosen ones is rounded at the size of the embedding
    offset = np.sqrt((e**2).sum(axis=1).max(initial=0.0) / scale)
    return (
        lambda own: away @ away[own].T - square[own] / 2,
        square,
        scale,
        16 * DOUBLE * (1 + offset),
    )
