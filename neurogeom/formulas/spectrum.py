"""Spectra of neural activity, and the dimensions that can be read off them or off its points.

- :func:`cvpca` and :func:`power_law`: how fast does variance fall with the rank of a dimension?
- :func:`bi_cross_validation`: how many dimensions can be told from noise?
- :func:`twonn` and :func:`twonn_scale`: what dimension has the cloud of points, curved or not?
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "TwoNN",
    "bi_cross_validation",
    "cvpca",
    "power_law",
    "twonn",
    "twonn_scale",
    "variances",
]

DISCARDED = 0.1  # of the largest ratios, in the slope form of TwoNN
LEAST_AT_A_SCALE = 20  # points in a subset
LEAST_POINTS = 5  # with fewer after this there is no line to fit
BLOCK = 4_000_000  # distances held at once


def variances(x):
    """Variance along each principal component, (rank,), largest first.

    Parameters
    ----------
    x : array (stimulus, neuron)

    Returns
    -------
    array (rank,)
        One number for each of the smaller of stimuli - 1 and neurons. Trial noise adds to it.

    Examples
    --------
    >>> variances(np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).round(4).tolist()
    [2.6667, 0.6667]
    """
    return cvpca(x, x)


def cvpca(x, y):
    r"""Cross-validated variance along each principal component: cvPCA.

    Components :math:`u_k` are those of one repeat; the other says how much of the variance along
    them comes back,

    .. math:: s_k = \frac{1}{P-1} \sum_i (x_i \cdot u_k) (y_i \cdot u_k),

    without bias for the components found, which noise has turned away from the true ones: the sum
    falls short of the true variance. Source: Stringer et al. 2019, Nature 571:361.

    Parameters
    ----------
    x, y : array (stimulus, neuron)
        Two repeats with independent noise.

    Returns
    -------
    array (rank,)
        In the order of the components of x; any sign.

    Raises
    ------
    ValueError
        The repeats differ in shape or have fewer than two stimuli.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((500, 2)) @ np.eye(2, 20) * 3
    >>> x, y = signal + rng.standard_normal((2, 500, 20))
    >>> (cvpca(x, y)[:4] / 9).round(1).tolist()
    [1.0, 0.9, -0.0, -0.0]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2:
        raise ValueError(
            f"repeats have shapes {x.shape} and {y.shape}; pass (stimulus, neuron) twice"
        )
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    n, few = len(x), len(x) <= x.shape[1]
    own, shared = (x @ x.T, x @ y.T) if few else (x.T @ x, x.T @ y)
    u = np.linalg.eigh(own)[1][:, ::-1][:, : min(n - 1, x.shape[1])]
    return (u * (shared @ u)).sum(axis=0) / (n - 1)


def power_law(spectrum, ranks):
    r"""Exponent of :math:`s_k \propto k^{-\alpha}` over a range of ranks.

    Least squares of log variance on log rank, each weighted by 1 / rank so that every octave of
    ranks counts alike. Source: Stringer et al. 2019, Nature 571:361.

    Parameters
    ----------
    spectrum : array (rank,)
    ranks : (int, int)
        First and last rank, counted from 1, both included.

    Returns
    -------
    float
        NaN where a variance in that range is not above 0 and has no logarithm.

    Raises
    ------
    ValueError
        The range has fewer than two ranks or leaves the spectrum.

    Examples
    --------
    >>> round(float(power_law(1.0 / np.arange(1.0, 101.0) ** 2, (10, 100))), 6)
    2.0
    """
    first, last = ranks
    if not 1 <= first < last <= len(spectrum):
        raise ValueError(
            f"ranks={tuple(ranks)} is no range of two or more ranks within the {len(spectrum)} "
            "of the spectrum"
        )
    k = np.arange(first, last + 1)
    s = np.asarray(spectrum, dtype=float)[k - 1]
    if not (s > 0).all():
        return np.nan
    weight = 1.0 / k
    at = np.log(k) - np.average(np.log(k), weights=weight)
    return -(weight * at * np.log(s)).sum() / (weight * at**2).sum()


def bi_cross_validation(train, test, held_out):
    r"""Squared error with which k components predict neurons and trials that they were not made of.

    The components :math:`U_k`, profiles over conditions, are those of the other neurons in the
    training trials. They reconstruct the held-out neurons, :math:`U_k U_k^\top` times their means
    in the training trials, and these are held against their means in the test trials. A component
    lowers the error if its signal exceeds the noise that comes with it. Source: Owen & Perry 2009,
    Ann Appl Stat 3:564; that trials are held out instead of conditions is ours: the conditions of a
    factorial design do not predict one another.

    Parameters
    ----------
    train, test : array (condition, neuron)
        Means of disjoint sets of trials.
    held_out : bool array (neuron,)

    Returns
    -------
    array (condition,)
        The error with 0, 1, ... conditions - 1 components; the rank is where it is smallest.

    Raises
    ------
    ValueError
        No neuron is held out, or every one.

    Examples
    --------
    >>> plane = np.array([[1.0, 1, 1, 1], [1, -1, 1, -1], [-1, 1, -1, 1], [-1, -1, -1, -1]])
    >>> bi_cross_validation(plane, plane, np.array([True, False, False, True])).round(6).tolist()
    [8.0, 4.0, 0.0, 0.0]
    """
    held_out = np.asarray(held_out, dtype=bool)
    if not 0 < held_out.sum() < len(held_out):
        raise ValueError(
            f"{held_out.sum()} of {len(held_out)} neurons are held out; leave some on each side"
        )
    train, test = (np.asarray(x, float) - np.mean(x, axis=0) for x in (train, test))
    most = len(train) - 1
    u, size, _ = np.linalg.svd(train[:, ~held_out], full_matrices=False)
    u = u[:, size > 1e-10 * max(size[0], 1e-300)][:, :most]
    found, there = u.T @ train[:, held_out], u.T @ test[:, held_out]
    gain = np.zeros(most + 1)
    gain[1 : 1 + len(found)] = (2.0 * found * there - found**2).sum(axis=1)
    return (test[:, held_out] ** 2).sum() - np.cumsum(gain)


class TwoNN(NamedTuple):
    """mle, slope : two estimates of the dimension, NaN if undefined; n_points that were used and
    n_duplicates that were left out."""

    mle: float
    slope: float
    n_points: int
    n_duplicates: int


def twonn(points) -> TwoNN:
    r"""Dimension of a cloud of points from the distances to its two nearest neighbours.

    Where points lie evenly at the scale of these neighbours the ratio :math:`\mu = r_2 / r_1` has
    the distribution :math:`F(\mu) = 1 - \mu^{-d}`: the likelihood gives
    :math:`d = (n-1) / \sum \ln\mu`, a line through 0 of :math:`-\ln(1-F)` on :math:`\ln\mu` without
    the largest tenth the slope form. Above 5 dimensions edges make both too small (8.5 for uniform
    points in a cube of 10, 1000 points); noise, which fills all neurons, makes them too large.
    Source: Facco et al. 2017, Sci Rep 7:12140.

    Parameters
    ----------
    points : array (point, neuron)
        Equal points count once.

    Raises
    ------
    ValueError
        Not a matrix.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 2)) @ np.eye(2, 50)
    >>> found = twonn(np.vstack([x, x[:3]]))
    >>> round(found.mle, 1), found.n_points, found.n_duplicates
    (2.0, 1000, 3)
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2:
        raise ValueError(f"points have shape {points.shape}; pass (point, neuron)")
    different = np.unique(points, axis=0)
    n, lost = len(different), len(points) - len(different)
    kept = int(n * (1.0 - DISCARDED))
    if kept < LEAST_POINTS:
        return TwoNN(np.nan, np.nan, n, lost)
    near = _nearest_two(different)
    mu = np.sort(np.log(near[:, 1] / near[:, 0]))
    if not mu[kept - 1] > 0:  # a lattice: every second neighbour as near as the first
        return TwoNN(np.nan, np.nan, n, lost)
    rise = -np.log1p(-np.arange(1, kept + 1) / n)
    slope = (mu[:kept] @ rise) / (mu[:kept] @ mu[:kept])
    return TwoNN(float((n - 1) / mu.sum()), float(slope), n, lost)


def twonn_scale(points, order):
    """Dimension at larger and larger distances: of ever smaller subsets of the points.

    A dimension that falls as points become fewer is that of noise at small distances.

    Parameters
    ----------
    points : array (point, neuron)
    order : int array (point,)
        The points in this order are divided into 1, 2, 4, ... subsets, as long as they have 20.

    Returns
    -------
    n_points : int array (scale,); dimension : array (scale,), the mean over subsets

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> n_points, dimension = twonn_scale(x, np.arange(200))
    >>> n_points.tolist(), dimension.round().tolist()
    ([200, 100, 50, 25], [2.0, 2.0, 2.0, 2.0])
    """
    points = np.asarray(points, dtype=float)[order]
    different = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
    n_points, dimension, parts = [], [], 1
    while parts == 1 or len(different) // parts >= LEAST_AT_A_SCALE:
        found = [twonn(different[i::parts]).mle for i in range(parts)]
        n_points.append(len(different) // parts)
        dimension.append(np.mean(found))
        parts *= 2
    return np.array(n_points), np.array(dimension)


def _nearest_two(points):
    """Distances to the nearest and the second nearest other point, (point, 2)."""
    from scipy.spatial.distance import cdist

    n = len(points)
    step = max(1, BLOCK // n)
    found = [
        np.partition(cdist(points[i : i + step], points), 2, axis=1)[:, 1:3]
        for i in range(0, n, step)
    ]
    return np.concatenate(found)
