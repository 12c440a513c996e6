r"""Mutual information of binned codes with factors, by counting (the plugin estimate), in nats.

.. math:: I(Z; Y) = \sum_{zy} p_{zy} \ln \frac{p_{zy}}{p_z\, p_y}

with the counted shares p. It is too high by about (bins - 1)(levels - 1) / 2n where codes and
factors are independent (:func:`independent_bias`): subtract what shuffled rows give.
"""

from __future__ import annotations

import numpy as np

from ..options import whole

BINNING = ("quantile", "equal_width")


def binned(x: np.ndarray, n_bins: int, *, binning: str = "quantile") -> np.ndarray:
    """The bin of every sample, column by column: int (sample, column) from 0.

    Quantile bins know only the order of values, so a monotone distortion changes nothing. Equal
    values share a bin, that of their mean rank, so that the zeros of a sparse code take no bin of
    others; a column of no more distinct values than bins has a bin for each.
    Equal-width bins go from the least to the largest value, as a histogram's. A column that does
    not vary is one bin.

    Parameters
    ----------
    x : (sample, column), finite
    n_bins : int, 1 or more
    binning : {"quantile", "equal_width"}

    Raises
    ------
    ValueError
        The binning is unknown, n_bins no whole number of 1 or more, or x no matrix of finite
        numbers.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [9.0]])
    >>> binned(x, 2).ravel().tolist(), binned(x, 2, binning="equal_width").ravel().tolist()
    ([0, 0, 1, 1], [0, 0, 0, 1])
    """
    x = np.asarray(x, float)
    whole(1, n_bins=n_bins)
    if binning not in BINNING:
        raise ValueError(f"binning={binning!r} is unknown; choose from {list(BINNING)}")
    if x.ndim != 2 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"x of shape {x.shape} must be a matrix of finite numbers; give (sample, "
                         "column)")  # fmt: skip
    one = _quantile_bins if binning == "quantile" else _equal_widths
    return np.column_stack([one(column, n_bins) for column in x.T])


def _quantile_bins(column, n_bins):
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(counts) <= n_bins:
        return place
    twice = 2 * np.cumsum(counts) - counts  # the mean rank, twice, in whole numbers
    return (twice * n_bins // (2 * len(column)))[place]


def _equal_widths(column, n_bins):
    inner = np.linspace(column.min(), column.max(), n_bins + 1)[1:-1]
    if column.min() == column.max():
        return np.zeros(len(column), int)
    return np.searchsorted(np.unique(inner), column, side="right")  # an edge opens a bin


def arcs(angle: np.ndarray, n_bins: int, period: float) -> np.ndarray:
    """Which of equal arcs of the circle an angle is in, int (sample,): any turns, one centred on 0.

    Examples
    --------
    >>> arcs(np.array([-10.0, 10.0, 90.0, 180.0, 350.0]), 4, 360.0).tolist()
    [0, 0, 1, 2, 0]
    """
    share = np.asarray(angle, float) / period * n_bins
    return np.floor(share + 0.5).astype(int) % n_bins


def entropy(labels: np.ndarray) -> float:
    """Entropy of labels in nats, by counting; labels : int (sample,), 0 or more.

    Examples
    --------
    >>> round(entropy(np.array([0, 1, 0, 1])), 4)
    0.6931
    """
    share = np.bincount(labels) / len(labels)
    return float(-_x_log_x(share).sum())


def mutual_information(bins: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Plugin mutual information of every code with every factor in nats, (code, factor).

    Parameters
    ----------
    bins : int (sample, code); levels : int (sample, factor), all 0 or more

    Raises
    ------
    ValueError
        They differ in samples, or are no whole numbers of 0 or more.

    Examples
    --------
    >>> y = np.array([[0], [0], [1], [1]])
    >>> mutual_information(np.column_stack([y, [0, 1, 0, 1]]), y).round(4).tolist()
    [[0.6931], [0.0]]
    """
    bins, levels = np.asarray(bins), np.asarray(levels)
    if bins.ndim != 2 or levels.ndim != 2 or len(bins) != len(levels) or not len(bins):
        raise ValueError(f"bins {bins.shape} and levels {levels.shape}: give (sample, code) and "
                         "(sample, factor) of the same samples")  # fmt: skip
    if any(own.dtype.kind not in "biu" or own.min(initial=0) < 0 for own in (bins, levels)):
        raise ValueError("bins and levels must be whole numbers of 0 or more; give those of binned")
    (n, d), width = bins.shape, int(bins.max()) + 1
    place = bins + width * np.arange(d)
    found = np.empty((d, levels.shape[1]))
    for k, level in enumerate(levels.T):
        n_levels = int(level.max()) + 1
        counts = np.bincount(
            (place * n_levels + level[:, None]).ravel(), minlength=d * width * n_levels
        )
        joint = counts.reshape(d, width, n_levels) / n
        of_codes, of_factor = joint.sum(axis=2), joint[0].sum(axis=0)
        found[:, k] = (
            _x_log_x(joint).sum(axis=(1, 2))
            - _x_log_x(of_codes).sum(axis=1)
            - _x_log_x(of_factor).sum()
        )
    return np.maximum(found, 0.0)  # the last bits of a difference


def independent_bias(n_bins: int, n_levels: int, n: int) -> float:
    """Mean of the plugin where code and factor are independent, in nats, for large n.

    (bins - 1)(levels - 1) / 2n: 2n times the plugin is the G statistic of independence, which is
    chi-squared with so many degrees of freedom (Miller 1955; Panzeri & Treves 1996, Network 7:87).

    Examples
    --------
    >>> independent_bias(20, 10, 1000)
    0.0855
    """
    return (n_bins - 1) * (n_levels - 1) / (2 * n)


def _x_log_x(p):
    return p * np.log(np.where(p > 0, p, 1.0))
