"""Second moments of rows that come a batch at a time, in memory that does not grow with them.

Several sets of rows, one a map (a net, or a group of a convolution), are kept side by side.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CrossMoments", "Moments", "projection"]

SHORT = 1e-150  # rows shorter than this have no direction
BLOCK = 2048  # rows that are worked on at once
FAR = 1e-3  # share of variance in second moments below which rows are centred first


class Moments:
    r"""Second moments of rows, in float64, by the updates of Chan, Golub & LeVeque (1983).

    Parameters
    ----------
    n : int
        Length of a row.
    n_maps : int
        Sets of rows side by side.
    normalised : bool
        Each row over its length, :math:`x / |x|`; rows of length 0 have none and are left out.
    projection : array (k, n), optional
        Rows are projected (after they are normalised): matrices are (k, k).

    Notes
    -----
    ``count`` (map,), ``mean`` (map, k). Batches of 8 give what one of 64 gives, up to rounding;
    accumulators of several workers give by :meth:`merge` what one would have given.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((100, 3))
    >>> some = Moments(3)
    >>> for part in np.split(rows, 10):
    ...     some.add(part)
    >>> np.allclose(some.covariance()[0], np.cov(rows.T, bias=True))
    True
    >>> np.allclose(some.raw()[0], rows.T @ rows / 100)
    True
    """

    def __init__(self, n, *, n_maps=1, normalised=False, projection=None):
        self.n, self.normalised, self.projection = int(n), normalised, projection
        k = self.n if projection is None else len(projection)
        self.count = np.zeros(n_maps)
        self.mean = np.zeros((n_maps, k))
        self.scatter = np.zeros((n_maps, k, k))  # about the mean, summed over rows
        self._product = np.empty_like(self.scatter)  # a place to work: new ones cost more
        self._rows = np.empty((n_maps, 0, self.n))

    def add(self, rows, *, keep=None):
        """Take in rows (row, n), or (map, row, n); of these the ones of `keep` (map, row)."""
        rows = np.asarray(rows, dtype=np.float64)
        rows = rows[None] if rows.ndim == 2 else rows
        if rows.ndim != 3 or (len(rows), rows.shape[-1]) != (len(self.count), self.n):
            raise ValueError(
                f"rows have shape {rows.shape}; pass (map, row, n) of {len(self.count)} maps and "
                f"{self.n} numbers a row"
            )
        keep = np.ones(rows.shape[:2], bool) if keep is None else keep
        for first in range(0, rows.shape[1], BLOCK):
            self._add(rows[:, first : first + BLOCK], keep[:, first : first + BLOCK])

    def _add(self, rows, keep):
        if not keep.all():
            rows = np.where(keep[..., None], rows, 0.0)
        if self.normalised:
            squares = np.einsum("mri,mri->mr", rows, rows)
            keep = keep & (squares > SHORT**2)
            over = np.where(keep, 1.0 / np.sqrt(np.where(keep, squares, 1.0)), 0.0)
            rows = np.multiply(rows, over[..., None], out=self._place(rows))
        if self.projection is not None:
            rows = rows @ self.projection.T
        count = keep.sum(axis=1).astype(float)
        mean = (keep[:, None].astype(float) @ rows)[:, 0] / np.maximum(count, 1)[:, None]
        product = np.matmul(rows.swapaxes(1, 2), rows, out=self._product)
        whole = np.trace(product, axis1=1, axis2=2)
        if not np.isfinite(whole).all():
            raise ValueError("rows hold values that are not finite; leave them out by keep")
        own = count * np.einsum("mi,mi->m", mean, mean)
        # A mean far from 0 would leave the digits of nothing but itself.
        if (whole - own < FAR * whole).any():
            rows = (rows - mean[:, None]) * keep[..., None]
            product = np.matmul(rows.swapaxes(1, 2), rows, out=self._product)
            self._combine(count, mean, product, 0.0)
        else:
            self._combine(count, mean, product, count)

    def _place(self, rows):
        """A part of the array that rows are normalised into, laid out as they are."""
        if self._rows.shape[1] < rows.shape[1]:
            self._rows = np.empty_like(rows)
        return self._rows[:, : rows.shape[1]]

    def merge(self, other):
        """Take in what another accumulator of the same kind has seen."""
        same = self.scatter.shape == other.scatter.shape and self.normalised == other.normalised
        if not same or not _equal(self.projection, other.projection):
            raise ValueError("the accumulators differ in size, mode or projection; make them alike")
        self._combine(other.count, other.mean, other.scatter, 0.0)

    def raw(self):
        """E[x x^T], (map, k, k); NaN without rows."""
        return self.covariance() + self.mean[:, :, None] * self.mean[:, None]

    def covariance(self):
        """E[(x - E x)(x - E x)^T], (map, k, k), over the number of rows; NaN without rows."""
        seen = self.count > 0
        over = self.scatter / np.where(seen, self.count, 1.0)[:, None, None]
        return np.where(seen[:, None, None], over, np.nan)

    def _combine(self, count, mean, product, about_zero):
        """Take in a scatter, or products of as many rows `about_zero` whose mean is still within."""
        total = self.count + count
        share = count / np.maximum(total, 1)
        step = mean - self.mean
        self.scatter += product
        both = np.stack([mean, step], axis=1)
        weight = np.stack([-about_zero + np.zeros_like(count), self.count * share], axis=1)
        self.scatter += np.matmul(
            (weight[..., None] * both).swapaxes(1, 2), both, out=self._product
        )
        self.mean += share[:, None] * step
        self.count = total


class CrossMoments:
    """E[y x^T] of rows that belong together, (map, n_y, n_x).

    Examples
    --------
    >>> both = CrossMoments(1, 2)
    >>> both.add([[1.0], [3.0]], [[2.0, 0.0], [2.0, 2.0]])
    >>> both.value()[0].tolist()
    [[4.0, 3.0]]
    """

    def __init__(self, n_y, n_x, *, n_maps=1):
        self.count = np.zeros(n_maps)
        self.total = np.zeros((n_maps, n_y, n_x))

    def add(self, y, x, *, keep=None):
        """Take in rows (row, n_y) and (row, n_x), or (map, row, ...) of both."""
        y, x = (np.asarray(v, dtype=np.float64) for v in (y, x))
        y, x = (v[None] if v.ndim == 2 else v for v in (y, x))
        if keep is not None and not keep.all():
            y, x = (np.where(keep[..., None], v, 0.0) for v in (y, x))
        self.total += y.swapaxes(1, 2) @ x
        self.count += y.shape[1] if keep is None else keep.sum(axis=1)

    def merge(self, other):
        """Take in what another accumulator of the same sizes has seen."""
        if self.total.shape != other.total.shape:
            raise ValueError("the accumulators differ in size; make them alike")
        self.total += other.total
        self.count += other.count

    def value(self):
        """The mean; NaN without rows."""
        seen = (self.count > 0)[:, None, None]
        over = self.total / np.where(self.count > 0, self.count, 1.0)[:, None, None]
        return np.where(seen, over, np.nan)


def projection(n, k, *, seed=0):
    r"""A fixed random map of n numbers to k, (k, n), that keeps squared lengths on average.

    Traces of products survive it, :math:`E\langle RAR^T, RBR^T\rangle = \langle A, B\rangle
    (1 + 1/k) + \mathrm{tr}A\,\mathrm{tr}B / k`: participation ratios of projected matrices are
    :math:`1 / (1/\gamma + 1/k)`, and alignments must be held against the chance of the projected.

    Examples
    --------
    >>> projection(1000, 10).shape
    (10, 1000)
    """
    stream = np.random.SeedSequence(seed, spawn_key=(n, k))
    return np.random.default_rng(stream).standard_normal((k, n)) / np.sqrt(k)


def _equal(a, b):
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
