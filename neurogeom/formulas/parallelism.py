r"""Is a variable coded along one direction, whatever the other variables? The parallelism score.

For pairs of conditions :math:`(a_i, b_i)`, :math:`i = 1 \dots m`, that differ in the variable, the
coding vectors are :math:`v_i = \mu_{a_i} - \mu_{b_i}` (Bernardi et al. 2020). The score is the mean
cosine over pairs of coding vectors. Estimated means :math:`\bar x` have squared standard errors
:math:`e`, which lengthen each vector and leave the products between them alone. Hence

.. math::
    \mathrm{PS} = \frac{\langle v_i \cdot v_j \rangle_{i<j}}{\langle q_i \rangle_i}, \quad
    q_i = |v_i|^2 - \sum_\mathrm{neurons} (e_{a_i} + e_{b_i})

whose numerator and denominator are both unbiased. Pairs must be disjoint: two vectors that share a
condition share its noise, and pure noise then has a cosine of 0.5.

Everywhere below, means and squared errors are (..., condition, neuron) and leading axes are kept,
so that surrogates are done in one call; ``pairs`` is (m, 2), or (..., m, 2) one set a surrogate.
"""

from itertools import permutations

import numpy as np

__all__ = ["best_pairing", "coding_vectors", "naive", "parallelism", "reliability"]

EXACT_UP_TO = 5  # pairs; 120 pairings are tried one by one, more are searched by swaps


def coding_vectors(means, pairs):
    """Difference of the means of each pair, first minus second: (..., m, neuron).

    Raises
    ------
    ValueError
        Fewer than two pairs, or a condition that occurs in two of them.

    Examples
    --------
    >>> coding_vectors(np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), [[0, 1], [2, 3]])
    array([[1., 0.],
           [1., 0.]])
    """
    means = np.asarray(means, dtype=float)
    first, second = _members(means, pairs)
    return first - second


def parallelism(means, squared_error, pairs):
    r"""Parallelism score corrected for the noise of the means: a ratio of means, 1 is parallel.

    Chance is 0, where coding vectors are unrelated; the truth lies in [-1/(m-1), 1], an estimate
    need not. Never clip it before averaging. With a truth of 1, coding vectors of 2 noise sd, 100
    neurons and 50 trials a condition it is 1.00 with a spread of 0.08 between recordings; with 10
    trials the spread exceeds 2 (:func:`reliability` is then below 0.2: do not use it). Needs noise
    that is independent between conditions; correlation between neurons does no harm.

    Parameters
    ----------
    means : array (..., condition, neuron)
    squared_error : array (..., condition, neuron)
        Squared standard error of each mean: variance over trials / number of trials; 0 for means
        known exactly.
    pairs : array of int (m, 2)
        Conditions whose difference is a coding vector, m >= 2.

    Returns
    -------
    float or array (...)
        NaN where a coding vector has no length at all, or the corrected mean length is 0.

    Examples
    --------
    >>> means = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    >>> float(parallelism(means, np.zeros((4, 2)), [[0, 1], [2, 3]]))
    1.0
    """
    gram = _gram(means, pairs)
    length = _length(gram, squared_error, means, pairs)
    return _over(_off_diagonal(gram), np.where(_degenerate(gram, means), 0, length))


def naive(means, pairs):
    r"""Mean cosine between estimated coding vectors, as published; too small with noisy means.

    For equal vectors of length :math:`\Delta` it is near
    :math:`\Delta^2 / (\Delta^2 + 2 N \sigma^2 / n)` instead of 1: 0.17 with 100 neurons, 10 trials
    and :math:`\Delta = 2\sigma`; 0.50 with 50 trials. Exact for noise-free means.

    Parameters and return as in :func:`parallelism`.
    """
    gram = _gram(means, pairs)
    degenerate = _degenerate(gram, means)[..., None, None]
    norm = np.sqrt(np.where(degenerate, np.nan, np.diagonal(gram, axis1=-2, axis2=-1)[..., None]))
    return _off_diagonal(gram / (norm * np.swapaxes(norm, -1, -2)))


def reliability(means, squared_error, pairs):
    """Share of the squared length of the coding vectors that is not noise: at most 1.

    Below 0.3 :func:`parallelism` is not to be used, below 0.5 with care. NaN where a vector has no
    length. Parameters as in :func:`parallelism`.

    Examples
    --------
    >>> means = np.array([[2.0], [0.0], [2.0], [0.0]])
    >>> float(reliability(means, np.full((4, 1), 0.5), [[0, 1], [2, 3]]))
    0.75
    """
    gram = _gram(means, pairs)
    raw = np.trace(gram, axis1=-2, axis2=-1) / gram.shape[-1]
    length = _length(gram, squared_error, means, pairs)
    return _over(length, np.where(_degenerate(gram, means), 0, raw))


def best_pairing(means, side):
    """Which pairing of the two sides makes the coding vectors most parallel?

    Maximises :func:`naive`: over all pairings up to five pairs; above, by swaps of two partners
    from m starting points, the best local maximum (a quadratic assignment: the Hungarian method is
    not exact). The maximum is above 0 for unrelated means too (0.03 for 8 random conditions and 100
    neurons): its null must search in the same way.

    Parameters
    ----------
    means : array (..., condition, neuron)
    side : array (condition,)
        As many +1 as -1; 0 takes no part.

    Returns
    -------
    array of int (..., m, 2)
        The +1 conditions in their order, each with its partner. Pairings with a coding vector of
        length 0 are avoided; if all have one, the partners are in their order.

    Raises
    ------
    ValueError
        The sides differ in size.

    Examples
    --------
    >>> means = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    >>> best_pairing(means, [1, 1, -1, -1])
    array([[0, 3],
           [1, 2]])
    """
    means, side = np.asarray(means, dtype=float), np.asarray(side)
    plus, minus = np.flatnonzero(side > 0), np.flatnonzero(side < 0)
    if plus.size != minus.size or plus.size < 2:
        raise ValueError(f"sides of {plus.size} and {minus.size} conditions have no pairing")
    leading = means.shape[:-2]
    cosines = _all_cosines(means.reshape(-1, *means.shape[-2:]), plus, minus)
    if plus.size <= EXACT_UP_TO:
        partner = _enumerate(cosines)
    else:
        partner = np.stack([_climb(one) for one in cosines])
    pairs = np.stack([np.broadcast_to(plus, partner.shape), minus[partner]], axis=-1)
    return pairs.reshape(*leading, plus.size, 2)


def _members(values, pairs):
    """The rows of both members of each pair, two arrays (..., m, neuron)."""
    pairs = np.asarray(pairs)
    if pairs.ndim < 2 or pairs.shape[-1] != 2 or pairs.shape[-2] < 2:
        raise ValueError(f"pairs have shape {pairs.shape}; pass at least two pairs of conditions")
    flat = np.sort(pairs.reshape(*pairs.shape[:-2], -1), axis=-1)
    if (np.diff(flat, axis=-1) == 0).any():
        raise ValueError("two pairs share a condition and so its noise; pass disjoint pairs")
    if pairs.ndim == 2:
        return values[..., pairs[:, 0], :], values[..., pairs[:, 1], :]
    return tuple(np.take_along_axis(values, pairs[..., i, None], axis=-2) for i in (0, 1))


def _gram(means, pairs):
    """Inner products of coding vectors (..., m, m)."""
    vectors = coding_vectors(means, pairs)
    return vectors @ np.swapaxes(vectors, -1, -2)


def _off_diagonal(gram):
    """Mean over pairs i < j of a symmetric (..., m, m)."""
    m = gram.shape[-1]
    return (gram.sum(axis=(-2, -1)) - np.trace(gram, axis1=-2, axis2=-1)) / (m * (m - 1))


def _length(gram, squared_error, means, pairs):
    """Mean squared length of the coding vectors without that of their noise (...)."""
    squared_error = np.broadcast_to(squared_error, np.shape(means))
    first, second = _members(squared_error, pairs)
    noise = (first + second).sum(axis=-1).mean(axis=-1)
    return np.trace(gram, axis1=-2, axis2=-1) / gram.shape[-1] - noise


def _degenerate(gram, means):
    """Whether any coding vector is zero but for rounding (...)."""
    scale = np.max(np.sum(np.square(means), axis=-1), axis=-1)
    return np.diagonal(gram, axis1=-2, axis2=-1).min(axis=-1) <= 1e-28 * scale


def _over(top, bottom):
    """The ratio, NaN where the bottom is 0."""
    return top / np.where(bottom == 0, np.nan, bottom)


def _all_cosines(means, plus, minus):
    """Cosine of a_i - b_k with a_j - b_l as (surrogate, i, k, j, l); NaN if one has no length."""
    vectors = means[:, plus, None, :] - means[:, None, minus, :]
    vectors = vectors.reshape(len(means), -1, means.shape[-1])
    squared = np.sum(vectors**2, axis=-1)
    scale = np.max(np.sum(np.square(means), axis=-1), axis=-1)[:, None]
    norm = np.sqrt(np.where(squared <= 1e-28 * scale, np.nan, squared))
    vectors = vectors / norm[..., None]
    m = plus.size
    return (vectors @ np.swapaxes(vectors, 1, 2)).reshape(-1, m, m, m, m)


def _enumerate(cosines):
    """The best of all m! pairings: partners (surrogate, m)."""
    m = cosines.shape[1]
    every, own = np.array(list(permutations(range(m)))), np.arange(m)
    totals = cosines[:, own[:, None], every[:, :, None], own[None, :], every[:, None, :]]
    totals = totals.sum(axis=(2, 3))  # (surrogate, pairing)
    # Equal pairings differ in the last bits: the first in order wins, on every machine.
    totals = np.where(np.isnan(totals), -np.inf, totals).round(12)
    return every[np.argmax(totals, axis=1)]


def _climb(cosines):
    """Swaps of two partners while they help, from the m rotations of the order: partners (m,)."""
    m = cosines.shape[0]
    own = np.arange(m)

    def total(partner):
        value = cosines[own[:, None], partner[:, None], own[None, :], partner[None, :]].sum()
        return -np.inf if np.isnan(value) else value

    best, highest = own, total(own)
    for shift in own:
        partner = np.roll(own, shift)
        value, improved = total(partner), True
        while improved:
            improved = False
            for i in range(m - 1):
                for j in range(i + 1, m):
                    swapped = partner.copy()
                    swapped[[i, j]] = partner[[j, i]]
                    new = total(swapped)
                    if new > value + 1e-12:
                        partner, value, improved = swapped, new, True
        if value > highest + 1e-12:
            best, highest = partner, value
    return best
