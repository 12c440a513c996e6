r"""Do two sets of points spread over the same directions? Subspaces, their angles and distances.

Points are (..., point, neuron), such as the condition means of two contexts; they are centred here.
A subspace is an orthonormal basis (..., neuron, dim). Leading axes are kept, so that splits and
surrogates are done in one call. Between two subspaces of d1 and d2 dimensions lie
:math:`d = \min(d_1, d_2)` principal angles :math:`\theta_i`, the cosines of which are the singular
values of :math:`U_1^\top U_2`.
"""

from itertools import combinations

import numpy as np

__all__ = [
    "alignment_index",
    "basis",
    "biased_basis",
    "crossvalidated",
    "distances",
    "held",
    "mean_squared_cosine",
    "principal_angles",
]

ROUNDING = 1e-10  # a singular value below this share of the largest is no dimension


def basis(points, n_dims):
    """Top principal components of the points, (..., neuron, n_dims).

    NaN where the points span fewer dimensions.

    Raises
    ------
    ValueError
        There are not so many points less one, or neurons.

    Examples
    --------
    >>> np.abs(basis([[1.0, 5.0, 0.0], [-1.0, 5.0, 0.0]], 1)).ravel().tolist()
    [1.0, 0.0, 0.0]
    """
    points = np.asarray(points, dtype=float)
    most = min(points.shape[-2] - 1, points.shape[-1])
    if not 1 <= n_dims <= most:
        raise ValueError(
            f"{points.shape[-2]} points of {points.shape[-1]} neurons span at most {most} "
            f"dimensions, not {n_dims}"
        )
    _, size, directions = np.linalg.svd(_centred(points), full_matrices=False)
    spanned = size[..., n_dims - 1] > ROUNDING * np.maximum(size[..., 0], _level(points))
    top = np.swapaxes(directions[..., :n_dims, :], -1, -2)
    return np.where(spanned[..., None, None], top, np.nan)


def biased_basis(columns):
    r"""Orthonormal bases of random columns, (..., neuron, dim), for subspaces that lean somewhere.

    With Gaussian columns :math:`F^\top Z` of covariance :math:`F^\top F` random subspaces lean
    towards what a population does (Elsayed et al. 2016, Nat Commun 7:13239: :math:`F^\top = U_C
    S_C^{1/2}`). The first k axes span the first k columns.
    """
    return np.linalg.qr(columns)[0]


def principal_angles(first, second):
    """Angles between two subspaces in radians, smallest first, (..., min(d1, d2)).

    Small angles are exact: they are read off the sines (Bjorck & Golub 1973, Math Comput 27:579).

    Examples
    --------
    >>> np.degrees(principal_angles(np.eye(3)[:, :2], np.eye(3)[:, 1:])).tolist()
    [0.0, 90.0]
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape[-1] < second.shape[-1]:
        first, second = second, first
    shared = np.swapaxes(first, -1, -2) @ second
    known = np.isfinite(shared).all(axis=(-2, -1), keepdims=True)
    rest = np.where(known, second - first @ shared, 0.0)
    cosine = np.linalg.svd(np.where(known, shared, 0.0), compute_uv=False)
    sine = np.linalg.svd(rest, compute_uv=False)[..., ::-1]
    angle = np.where(
        cosine > sine, np.arcsin(np.minimum(sine, 1.0)), np.arccos(np.minimum(cosine, 1.0))
    )
    return np.where(known[..., 0], angle, np.nan)


def mean_squared_cosine(first, second):
    r"""Mean squared cosine of the principal angles, :math:`|U_1^\top U_2|^2 / \min(d_1, d_2)`.

    1 where one subspace lies in the other, 0 where they are orthogonal; the expectation for two
    random subspaces of N neurons is :math:`\max(d_1, d_2) / N`.

    Examples
    --------
    >>> float(mean_squared_cosine(np.eye(3)[:, :2], np.eye(3)[:, 1:]))
    0.5
    """
    shared = np.swapaxes(np.asarray(first), -1, -2) @ second
    return (shared**2).sum(axis=(-2, -1)) / min(shared.shape[-2:])


def held(basis, points):
    """The points' sum of squares within a subspace, (...).

    Examples
    --------
    >>> float(held(np.eye(2)[:, :1], [[1.0, 7.0], [-1.0, 0.0]]))
    2.0
    """
    return _product(points, points, basis)


def alignment_index(basis, points):
    r"""How much of the points' variance lies in a subspace, of what as many dimensions can hold.

    :math:`\mathrm{tr}(U^\top C U) / \sum_{i \le d} \sigma_i(C)` (Elsayed et al. 2016), in [0, 1];
    it is not symmetric. At face value: noise in the points lowers it where the subspaces are the
    same (0.89 instead of 1 for 100 neurons, 4 dimensions of sd 2 and 20 trials) and raises it where
    they are not. Variance in a subspace over variance in the points' own of as many dimensions (Xie
    et al. 2022, Science 375:632) is the same number.

    basis : array (..., neuron, dim); points : array (..., point, neuron); NaN without variance

    Examples
    --------
    >>> round(float(alignment_index(np.eye(3)[:, :1], [[1.0, 2, 0], [-1.0, -2, 0]])), 9)
    0.2
    """
    n_dims = np.asarray(basis).shape[-1]
    size = np.linalg.svd(_centred(points), compute_uv=False)
    return _over(held(basis, points), (size[..., :n_dims] ** 2).sum(axis=-1))


def crossvalidated(first, second, n_dims):
    r"""Numerator and denominator of the alignment index, trial noise removed: two arrays (...).

    What a subspace holds of the second points' variance is measured as a product of two parts of
    the trials, b and c, and the axes of both subspaces are found on the other parts,

    .. math:: \frac{\mathrm{tr}(U_1^\top C_2^{bc} U_1)}{\mathrm{tr}(U_2^\top C_2^{bc} U_2)},

    so that noise turns both bases about as far, and lengthens neither. Every two parts take this
    role in turn. Average numerators and denominators over divisions of the trials, then divide.

    Parameters
    ----------
    first, second : array (part, ..., point, neuron)
        The two sets of points from the same three or more disjoint parts of the trials.
    n_dims : int or (int, int)
        Dimensions of the first subspace, and of the second's own.

    Examples
    --------
    >>> points = np.array([[[1.0, 1.0], [-1.0, -1.0]]] * 3)
    >>> top, bottom = crossvalidated(points * [1.0, 0.0], points, 1)
    >>> round(float(top / bottom), 9)
    0.5
    """
    n_parts, dims = len(first), np.broadcast_to(n_dims, 2)
    if n_parts < 3 or len(second) != n_parts:
        raise ValueError(f"{n_parts} and {len(second)} parts; pass three or more of both")
    top = bottom = 0.0
    pairs = list(combinations(range(n_parts), 2))
    for b, c in pairs:
        others = [i for i in range(n_parts) if i not in (b, c)]
        rest = [p[others].mean(axis=0) for p in (first, second)]
        theirs, ours = (basis(p, d) for p, d in zip(rest, dims, strict=True))
        top = top + _product(second[b], second[c], theirs)
        bottom = bottom + _product(second[b], second[c], ours)
    return top / len(pairs), bottom / len(pairs)


def distances(angles):
    r"""Distances between subspaces from their principal angles (..., d), as a dict of arrays (...).

    ``chordal`` :math:`|\sin\theta| / \sqrt d`, ``geodesic`` :math:`|\theta| / \sqrt d`,
    ``fubini_study`` :math:`\arccos \prod \cos\theta / \sqrt d` and ``asimov``
    :math:`\max \theta`, radians but for the first: d equal and small angles t have distance t
    whatever d is (for the largest angle without a division).

    Examples
    --------
    >>> {k: round(float(v), 4) for k, v in distances(np.array([0.1, 0.1])).items()}
    {'chordal': 0.0998, 'geodesic': 0.1, 'fubini_study': 0.0999, 'asimov': 0.1}
    """
    angles = np.asarray(angles, dtype=float)
    root = np.sqrt(angles.shape[-1])
    return {
        "chordal": np.linalg.norm(np.sin(angles), axis=-1) / root,
        "geodesic": np.linalg.norm(angles, axis=-1) / root,
        "fubini_study": np.arccos(np.clip(np.cos(angles).prod(axis=-1), -1.0, 1.0)) / root,
        "asimov": angles.max(axis=-1),
    }


def _centred(points):
    points = np.asarray(points, dtype=float)
    return points - points.mean(axis=-2, keepdims=True)


def _level(points):
    """Size of the points with their mean, so that rounding of large values is no dimension."""
    return np.abs(points).max(axis=(-2, -1)) * 1e-3


def _product(first, second, basis):
    """Sum over the axes of a basis of the products of two sets of points along them, (...)."""
    return ((_centred(first) @ basis) * (_centred(second) @ basis)).sum(axis=(-2, -1))


def _over(top, bottom):
    """The ratio, NaN where the bottom is 0."""
    bottom = np.asarray(bottom)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
