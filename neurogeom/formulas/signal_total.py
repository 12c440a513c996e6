r"""Which directions tell data apart the most? The part of their variance that lies between data.

Rows x are repeats (or augmentations) of data. With every datum weighing the same,

.. math:: B = \mathrm{cov}_i(\bar x_i), \quad W = \mathrm{mean}_i\,\mathrm{cov}(x | i), \quad
    B v = \rho\,(B + W)\,v, \quad 1 \ge \rho_1 \ge \rho_2 \ge \ldots \ge 0,

and :math:`\rho` is the share of the variance along v that is signal: an intraclass correlation, the
square of a canonical correlation of the rows with the datum's index.

It is what a linear network learns that tells N data apart by their index alone (DIET: Ibrahim,
Klindt & Balestriero 2024, arXiv:2406.10743) by squared error. Features f = A x, centred, and a head
without bias that is eliminated leave the loss

.. math:: \min_H \frac1N \sum_i E_{x | i} |H A x - e_i|^2 = 1 - \frac1N \sum_{k} \rho_k(A),

which is lowest where A spans the first directions. The closed form is ours.

Repeats are few: :math:`\rho` at face value holds the noise of the means (1 for every direction
where neurons outnumber rows). :func:`shrinkage` guards the directions; what they are worth, new
repeats say.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Moments", "SignalTotal", "moments", "shares", "shrinkage", "signal_total"]

SINGULAR = 1e-10  # share of the largest total variance below which a direction is rounding
EQUAL = 1e-18  # ratio below which data do not differ


class Moments(NamedTuple):
    """Means of data (datum, neuron), and the covariance of rows about them (neuron, neuron)."""

    means: np.ndarray
    within: np.ndarray


class SignalTotal(NamedTuple):
    """ratios (component,), largest first, and directions (component, neuron), each with a total
    variance of 1 and none of them correlated with another."""

    ratios: np.ndarray
    directions: np.ndarray


def moments(rows, datum, n_data, *, unbiased=False) -> Moments:
    """Means and covariance within data, every datum weighing the same.

    Parameters
    ----------
    rows : array (row, neuron)
    datum : int (row,)
        0 to n_data - 1, each at least once; at least twice where `unbiased`.
    unbiased : bool
        Divide by repeats - 1: the variance of new rows, in place of that of these.

    Examples
    --------
    >>> found = moments(np.array([[0.0], [2.0], [5.0], [5.0]]), np.array([0, 0, 1, 1]), 2)
    >>> found.means.tolist(), found.within.tolist()
    ([[1.0], [5.0]], [[0.5]])
    """
    residual, means, n = _residuals(rows, datum, n_data)
    weighed = residual / np.sqrt(n_data * (n - unbiased))[datum][:, None]
    return Moments(means, weighed.T @ weighed)


def shrinkage(rows, datum, n_data, *, n_neurons=None) -> float:
    r"""How far to shrink the covariance within data towards its mean variance, 0 to 1.

    .. math:: \gamma = \min\Big(1, \frac{n^{-2} \sum_t |r_t|^4 - n^{-1} |W|^2}
        {|W|^2 - (\mathrm{tr}\,W)^2 / p}\Big)

    of the residuals r. Source: Ledoit & Wolf 2004, J Multivar Anal 88:365.

    Parameters
    ----------
    rows, datum, n_data : as in :func:`moments`
    n_neurons : int, optional
        Of the space, where rows are given by fewer coordinates that hold all of them.

    Examples
    --------
    >>> rows, datum = np.random.default_rng(0).standard_normal((400, 10)), np.arange(400) // 100
    >>> round(shrinkage(rows, datum, 4)), round(shrinkage(rows * np.arange(10), datum, 4), 1)
    (1, 0.0)
    """
    residual, _, n = _residuals(rows, datum, n_data)
    residual = residual * np.sqrt(len(rows) / (n_data * n))[datum][:, None]
    p, n_rows = n_neurons or rows.shape[1], len(rows)
    square = ((residual.T @ residual / n_rows) ** 2).sum()
    length = (residual**2).sum(axis=1)
    spread = square - (length.sum() / n_rows) ** 2 / p
    error = ((length**2).sum() / n_rows - square) / n_rows
    return float(np.clip(error / spread, 0.0, 1.0)) if spread > 1e-12 * square else 1.0


def signal_total(means, within, n_components=None) -> SignalTotal:
    r"""Directions of the largest ratio of variance between data to total variance.

    Solved in coordinates in which the total is the identity, so that a total without full rank
    (neurons that outnumber rows, copies, silent ones) does no harm: directions without variance are
    left out, and so are those in which no datum differs from another.

    Parameters
    ----------
    means : array (datum, neuron)
        Of at least two data, each weighing the same.
    within : array (neuron, neuron)
        Covariance within data, shrunk or not.
    n_components : int, optional
        As many as data - 1, or as neurons that differ in what they say, unless fewer are asked for.

    Returns
    -------
    SignalTotal
        The largest entry of a direction is positive.

    Raises
    ------
    ValueError
        Shapes that do not fit, one datum alone, or numbers that are not finite.

    Examples
    --------
    >>> found = signal_total(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.diag([1.0, 2.0]))
    >>> found.ratios.round(9).tolist(), np.abs(found.directions).round(4).tolist()
    ([0.5], [[0.7071, 0.0]])
    """
    means, within = np.asarray(means, float), np.asarray(within, float)
    if means.ndim != 2 or len(means) < 2 or within.shape != (means.shape[1],) * 2:
        raise ValueError(f"means of shape {means.shape}, covariance of shape {within.shape}: give "
                         "(datum, neuron) of two data or more, and (neuron, neuron)")  # fmt: skip
    if not (np.isfinite(means).all() and np.isfinite(within).all()):
        raise ValueError("means or covariance are not all finite; leave out rows with NaN")
    signal = (means - means.mean(axis=0)) / np.sqrt(len(means))
    size, axes = np.linalg.eigh(signal.T @ signal + within)
    kept = size > SINGULAR * max(size[-1], 0.0)
    white = axes[:, kept] / np.sqrt(size[kept])
    _, root, turn = np.linalg.svd(signal @ white, full_matrices=False)
    n = min(len(means) - 1, int((root**2 > EQUAL).sum()), n_components or len(root))
    directions = (white @ turn[:n].T).T
    largest = np.abs(directions).argmax(axis=1)
    sign = np.sign(directions[np.arange(n), largest])
    return SignalTotal(np.clip(root[:n] ** 2, 0.0, 1.0), directions * sign[:, None])


def shares(directions, means, within):
    """Signal over total variance along each direction, (component,), NaN where none varies.

    Arguments as those of :func:`signal_total`, of the same rows or of others.

    Examples
    --------
    >>> shares(np.eye(2), np.array([[1.0, 0.0], [-1.0, 0.0]]), np.eye(2)).tolist()
    [0.5, 0.0]
    """
    signal = ((means - means.mean(axis=0)) @ directions.T).var(axis=0)
    total = signal + np.einsum("kn,nm,km->k", directions, within, directions)
    return np.where(total > 0, signal / np.where(total > 0, total, 1.0), np.nan)


def _residuals(rows, datum, n_data):
    """Rows about the means of their data, these means, and repeats of each datum."""
    rows, n = np.asarray(rows, float), np.bincount(datum, minlength=n_data)
    means = np.zeros((n_data, rows.shape[1]))
    np.add.at(means, datum, rows)
    means /= n[:, None]
    return rows - means[datum], means, n
