r"""Coding axes and planes: the cosine of two axes, and how one plane of points turns into another.

A coding axis is a contrast of condition means, :math:`v = \sum_c x_c \mu_c` with :math:`\sum_c x_c
= 0`: the difference between the mean conditions of two levels, over all contexts or in one. Trial
noise lengthens both estimated axes, so that the naive cosine shrinks towards 0; and where both
contrasts use the same conditions it adds :math:`\sum_c x_c y_c e_c` to their product (0 for two
crossed variables, if trials are as many and as noisy in every condition). Removing both,

.. math:: \cos = \frac{v \cdot w - \sum_c x_c y_c e_c}
    {\sqrt{(|v|^2 - \sum_c x_c^2 e_c)(|w|^2 - \sum_c y_c^2 e_c)}}

with e the squared standard errors summed over neurons. Means and errors are (..., condition,
neuron), contrasts (condition,).
"""

from typing import NamedTuple

import numpy as np

from .subspaces import basis, principal_angles

__all__ = [
    "PlaneGeometry",
    "Products",
    "cosine",
    "naive_cosine",
    "plane_geometry",
    "products",
    "products_of_halves",
]


class Products(NamedTuple):
    """Every neuron's part of a cosine, (..., neuron), all but the raw ones without trial noise.

    cross : product of the two axes; first, second : their squared lengths;
    raw_first, raw_second : squared lengths at face value
    """

    cross: np.ndarray
    first: np.ndarray
    second: np.ndarray
    raw_first: np.ndarray
    raw_second: np.ndarray

    @property
    def reliability(self):
        """Share of the squared lengths that is not noise, the geometric mean of both, (...).

        What the naive cosine of parallel axes would be. NaN where an axis has no length, or none
        is left without noise.
        """
        share = [
            _over(q.sum(axis=-1), raw.sum(axis=-1))
            for q, raw in ((self.first, self.raw_first), (self.second, self.raw_second))
        ]
        return _root(share[0], share[1])


def products(means, squared_error, first, second) -> Products:
    """What the cosine of the axes ``first @ means`` and ``second @ means`` is made of.

    squared_error : array (..., condition, neuron), variance over trials / trials, 0 for exact means
    first, second : array (condition,), contrasts, each with a sum of 0

    Raises
    ------
    ValueError
        A contrast does not sum to 0.

    Examples
    --------
    >>> found = products(np.eye(3), np.full((3, 3), 0.1), [1, -1, 0], [1, 0, -1])
    >>> round(float(found.cross.sum()), 9), round(float(found.first.sum()), 9)
    (0.7, 1.4)
    """
    means, squared_error = np.asarray(means, dtype=float), np.asarray(squared_error, dtype=float)
    x, y = (np.asarray(c, dtype=float) for c in (first, second))
    if max(abs(x.sum()), abs(y.sum())) > 1e-9 * max(np.abs(x).max(), np.abs(y).max()):
        raise ValueError("a contrast between conditions must sum to 0")
    v, w = np.matmul(x, means), np.matmul(y, means)
    noise = [np.matmul(c, squared_error) for c in (x * y, x * x, y * y)]
    return Products(v * w - noise[0], v**2 - noise[1], w**2 - noise[2], v**2, w**2)


def products_of_halves(halves, first, second) -> Products:
    """The same from disjoint halves of the trials, for noise that conditions share.

    Two windows of one trial share its noise, and so do conditions in one block of slow drift: no
    standard error holds that, but a product of two halves that split no trial or block is free of
    it.

    halves : array (..., half, condition, neuron), two; leading axes are divisions of the trials,
    averaged; first, second : array (condition,), contrasts, each with a sum of 0

    Examples
    --------
    >>> found = products_of_halves(np.stack([np.eye(3)] * 2), [1, -1, 0], [1, 0, -1])
    >>> found.cross.tolist(), found.first.tolist()
    ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0])
    """
    halves = np.asarray(halves, dtype=float)
    v, w = (np.matmul(np.asarray(c, dtype=float), halves) for c in (first, second))
    over = tuple(range(halves.ndim - 3))
    cross = (v[..., 0, :] * w[..., 1, :] + v[..., 1, :] * w[..., 0, :]) / 2.0
    both = (cross, *(a[..., 0, :] * a[..., 1, :] for a in (v, w)))
    raw = (a.mean(axis=-2) ** 2 for a in (v, w))
    return Products(*(a.mean(axis=over) for a in (*both, *raw)))


def cosine(means, squared_error, first, second):
    """Cosine of two coding axes, trial noise removed, (...); arguments of :func:`products`.

    Chance is 0 and the truth lies in [-1, 1], an estimate need not. For a truth of 0.5, axes of 2
    noise sd, 100 neurons and 40 trials its median is 0.5 where the naive mean is 0.22. NaN where
    noise exceeds a squared length.

    Examples
    --------
    >>> float(cosine(np.eye(3), np.zeros((3, 3)), [1, -1, 0], [1, 0, -1])).__round__(9)
    0.5
    """
    p = products(means, squared_error, first, second)
    return _over(p.cross.sum(axis=-1), _root(p.first.sum(axis=-1), p.second.sum(axis=-1)))


def naive_cosine(means, first, second):
    """Cosine of two coding axes at face value, (...); NaN where one has no length.

    Examples
    --------
    >>> round(float(naive_cosine(np.eye(3), [1, -1, 0], [1, 0, -1])), 9)
    0.5
    """
    p = products(means, np.zeros_like(np.asarray(means, dtype=float)), first, second)
    return _over(p.cross.sum(axis=-1), _root(p.first.sum(axis=-1), p.second.sum(axis=-1)))


class PlaneGeometry(NamedTuple):
    """How the points of one plane lie to those of another, each (...) but the angles.

    angles : (..., 2), the principal angles between the planes in radians, smallest first
    rotation : radians in (-pi, pi], the turn within the plane that brings the first points closest
    to the second, once the planes are laid onto each other by the shortest way; positive in the
    direction in which the first three points of the first plane follow one another
    reflected : whether a reflection brings them closer than any rotation
    """

    angles: np.ndarray
    rotation: np.ndarray
    reflected: np.ndarray


def plane_geometry(first, second) -> PlaneGeometry:
    """Two planes of matched points: angles between them, and the rotation within.

    Each set is projected on its own two top components; principal vectors of the two planes are
    the coordinates, which lays one plane onto the other by the shortest way (where the planes are
    orthogonal there are two such ways, and rotation and reflection mean nothing). The rotation is
    that of a Procrustes fit in two dimensions (after Panichello & Buschman 2021, Nature 592:601).

    first, second : array (..., point, neuron), at least three points in the same order

    Raises
    ------
    ValueError
        Fewer than three points.

    Examples
    --------
    >>> triangle = np.array([[1.0, 0.0, 0.0], [-0.5, 0.9, 0.0], [-0.5, -0.9, 0.0]])
    >>> found = plane_geometry(triangle, triangle[[1, 2, 0]])
    >>> np.degrees(found.rotation).round(1).item(), bool(found.reflected)
    (120.0, False)
    """
    sets = [np.asarray(p, dtype=float) for p in (first, second)]
    if min(p.shape[-2] for p in sets) < 3:
        raise ValueError("a plane needs at least three points")
    sets = [p - p.mean(axis=-2, keepdims=True) for p in sets]
    planes = [basis(p, 2) for p in sets]
    shared = np.swapaxes(planes[0], -1, -2) @ planes[1]
    known = np.isfinite(shared).all(axis=(-2, -1))
    left, _, right = np.linalg.svd(np.where(known[..., None, None], shared, np.eye(2)))
    a = sets[0] @ (planes[0] @ left)
    b = sets[1] @ (planes[1] @ np.swapaxes(right, -1, -2))
    fit = np.swapaxes(a, -1, -2) @ b
    along, across = fit[..., 0, 0] + fit[..., 1, 1], fit[..., 0, 1] - fit[..., 1, 0]
    mirrored = np.hypot(fit[..., 0, 0] - fit[..., 1, 1], fit[..., 0, 1] + fit[..., 1, 0])
    rotation = np.arctan2(across, along) * _orientation(a)
    reflected = np.where(known, mirrored > np.hypot(along, across), np.nan)
    return PlaneGeometry(principal_angles(*planes), np.where(known, rotation, np.nan), reflected)


def _orientation(points):
    """Whether the first three points follow one another counter-clockwise (1) or not (-1)."""
    u, v = (points[..., i, :] - points[..., 0, :] for i in (1, 2))
    return np.where(u[..., 0] * v[..., 1] < u[..., 1] * v[..., 0], -1.0, 1.0)


def _root(first, second):
    """Geometric mean, NaN where one of the two is not above 0."""
    both = (np.asarray(first) > 0) & (np.asarray(second) > 0)
    return np.where(both, np.sqrt(np.where(both, first * second, 1.0)), np.nan)


def _over(top, bottom):
    """The ratio, NaN where the bottom is 0 or NaN."""
    bottom = np.asarray(bottom)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
