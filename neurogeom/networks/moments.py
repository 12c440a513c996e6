"""Second moments of rows that come a batch at a time, in memory that does not grow with them.

Several sets of rows, one a map (a net, or a group of a convolution), are kept side by side.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CrossMoments", "Moments", "projection"]

SHORT = 1e-150  # rows shorter than this have no direction
BROKEN = "rows hold values that are not finite; leave them out by keep"
BLOCK = 2048  # rows that are worked on at once
FAR = 1e-3  # share of variance in second moments below which the mean is taken off first


class Moments:
    r"""Second moments of rows, in float64, about a reference that keeps their digits.

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
    ``count`` (map,) of rows. Batches of 8 give what one of 64 gives, up to rounding; accumulators
    of several workers give by :meth:`merge` what one would have given (Chan, Golub & LeVeque 1983).

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
        self.reference = None  # what rows are taken from, (map, k); the first batch decides
        self.total = np.zeros((n_maps, k))
        self.scatter = np.zeros((n_maps, k, k))  # both about the reference, summed over rows
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
        for first in range(0, rows.shape[1], BLOCK):
            part = slice(first, first + BLOCK)
            self._add(rows[:, part], None if keep is None else keep[:, part])

    def _add(self, rows, keep):
        if keep is not None:
            rows = np.where(keep[..., None], rows, 0.0)
        if self.normalised:
            rows, keep = self._normalised(rows, keep)
        if self.projection is not None:
            rows = rows @ self.projection.T
        if self.reference is None:
            if not np.isfinite(rows).all():
                raise ValueError(BROKEN)
            self.reference = _reference(rows, keep)
        if self.reference.any():
            rows = rows - self.reference[:, None]
            rows = rows if keep is None else rows * keep[..., None]
        product = np.matmul(rows.swapaxes(1, 2), rows, out=self._product)
        if not np.isfinite(np.trace(product, axis1=1, axis2=2)).all():
            raise ValueError(BROKEN)
        self.scatter += product
        self.total += (np.ones((1, rows.shape[1])) @ rows)[:, 0]
        self.count += rows.shape[1] if keep is None else keep.sum(axis=1)

    def _normalised(self, rows, keep):
        squares = np.einsum("mri,mri->mr", rows, rows)
        if squares.min(initial=1.0) > SHORT**2:
            over = 1.0 / np.sqrt(squares)
        else:
            keep = squares > SHORT**2 if keep is None else keep & (squares > SHORT**2)
            over = np.where(keep, 1.0 / np.sqrt(np.where(keep, squares, 1.0)), 0.0)
        if self._rows.shape[1] < rows.shape[1]:
            self._rows = np.empty_like(rows)  # laid out as they are
        place = self._rows[:, : rows.shape[1]]
        return np.multiply(rows, over[..., None], out=place), keep

    def merge(self, other):
        """Take in what another accumulator of the same kind has seen."""
        same = self.scatter.shape == other.scatter.shape and self.normalised == other.normalised
        if not same or not _equal(self.projection, other.projection):
            raise ValueError("the accumulators differ in size, mode or projection; make them alike")
        if other.reference is None:
            return
        if self.reference is None:
            self.reference = other.reference
        step = other.reference - self.reference
        n, both = other.count[:, None], _outer(other.total, step)
        self.scatter += other.scatter + both + both.swapaxes(1, 2)
        self.scatter += n[..., None] * _outer(step, step)
        self.total += other.total + n * step
        self.count = self.count + other.count

    def raw(self):
        """E[x x^T], (map, k, k); NaN without rows."""
        mean = self._about() + (0.0 if self.reference is None else self.reference)
        return self.covariance() + _outer(mean, mean)

    def covariance(self):
        """E[(x - E x)(x - E x)^T], (map, k, k), over the number of rows; NaN without rows."""
        about = self._about()
        return self.scatter / self._counted()[..., None] - _outer(about, about)

    def _counted(self):
        """(map, 1), NaN where there are no rows."""
        return np.where(self.count > 0, self.count, np.nan)[:, None]

    def _about(self):
        """The mean less the reference."""
        return self.total / self._counted()


def _reference(rows, keep):
    """The mean where it is so far from 0 that the spread would lose digits beside it; else 0."""
    keep = np.ones(rows.shape[:2]) if keep is None else keep.astype(float)
    mean = (keep[:, None] @ rows)[:, 0] / np.maximum(keep.sum(axis=1), 1)[:, None]
    spread = np.sum(keep[..., None] * (rows - mean[:, None]) ** 2, axis=(1, 2))
    whole = np.sum(keep[..., None] * rows**2, axis=(1, 2))
    return np.where((spread < FAR * whole)[:, None], mean, 0.0)


def _outer(x, y):
    return x[:, :, None] * y[:, None]


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
        return self.total / np.where(self.count > 0, self.count, np.nan)[:, None, None]


def projection(n, k, *, seed=0):
    r"""A fixed random map of n numbers to k, (k, n), that keeps squared lengths on average.

    Products of matrices grow by their traces, :math:`E\langle RAR^T, RBR^T\rangle =
    (1 + 1/k) \langle A, B\rangle + \mathrm{tr}A\,\mathrm{tr}B / k`, which
    :func:`neurogeom.formulas.matrix_alignment.relations` takes off.

    Examples
    --------
    >>> projection(1000, 10).shape
    (10, 1000)
    """
    stream = np.random.SeedSequence(seed, spawn_key=(n, k))
    return np.random.default_rng(stream).standard_normal((k, n)) / np.sqrt(k)


def _equal(a, b):
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
