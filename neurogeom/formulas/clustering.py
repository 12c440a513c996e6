r"""Are neurons of a few kinds, or spread out? Nearest neighbours and clusters of selectivity.

The selectivity of a neuron is a vector: its condition means, the mean over neurons taken away, in
the frame of their principal components. Neurons of a few kinds have near neighbours in direction:
PAIRS (Raposo et al. 2014, Nat Neurosci 17:1784) compares the angle to the nearest ones with that
among isotropic random vectors, ePAIRS (Hirokawa et al. 2019, Nature 576:446) with that among
Gaussian vectors of the same covariance, since directions of an elongated cloud are near one another
without being of a kind. Angles are signed: opposite vectors are 180 degrees apart, not neighbours.
"""

import numpy as np

from ..kernels import clustering as kernels

__all__ = [
    "best_clustering",
    "correlation_space",
    "index",
    "kmeans",
    "nearest_angles",
    "scores",
    "silhouette",
]

MOST_TURNS = 100
FLOOR = 1e-10  # of the largest axis: below it is rounding


def scores(profiles, *, whiten=False):
    """Principal component scores (neuron, dim), axes without variance left out.

    profiles : array (neuron, condition); the covariance of the scores is diagonal, and with
    ``whiten`` the same along all axes.

    Examples
    --------
    >>> scores([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0], [0.5, 0.5, 5.0]]).shape
    (3, 1)
    """
    profiles = np.asarray(profiles, float)
    u, s, _ = np.linalg.svd(profiles - profiles.mean(axis=0), full_matrices=False)
    keep = s > FLOOR * max(s.max(initial=0.0), np.abs(profiles).max(initial=0.0))
    return u[:, keep] if whiten else u[:, keep] * s[keep]


def nearest_angles(vectors, k=3):
    """Mean angle of every vector to its k nearest others, in radians, between 0 and pi.

    Parameters
    ----------
    vectors : array (neuron, dim)
    k : int

    Returns
    -------
    float64 (neuron,)

    Raises
    ------
    ValueError
        There are not more than k vectors, or one has no length and so no direction.

    Examples
    --------
    >>> nearest_angles([[1, 0], [2, 0], [0, 1]], k=1).round(4).tolist()
    [0.0, 0.0, 1.5708]
    """
    vectors = np.asarray(vectors, float)
    if not 1 <= k < len(vectors):
        raise ValueError(f"{len(vectors)} vectors have no {k} nearest others; pass more of them")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (length > 0).all():
        raise ValueError("a vector has no length and so no direction; leave it out")
    return kernels.nearest_angles(np.ascontiguousarray((vectors / length).T), k)


def index(angle, null):
    """How much nearer neighbours are than by chance: 1 - angle / mean of the null's angles.

    0 is chance, 1 means that all vectors have exact neighbours, below 0 they are spread evenly.
    angle : float; null : array (surrogate,)
    """
    return 1.0 - angle / np.mean(null)


def kmeans(points, uniform):
    """Cluster of every point by k-means, int64 (point,), k the length of ``uniform``.

    points : array (point, dim); uniform : array (k,) of random numbers in [0, 1), by which the
    first centres are chosen (k-means++)

    Examples
    --------
    >>> kmeans([[0.0], [0.1], [5.0], [5.1]], [0.0, 0.5]).tolist()
    [0, 0, 1, 1]
    """
    points, uniform = np.ascontiguousarray(points, dtype=float), np.asarray(uniform, float)
    return kernels.kmeans(points, uniform, MOST_TURNS)[0]


def silhouette(points, labels):
    """Mean silhouette of labelled points: near 1 for clusters far apart, 0 for none, -1 at worst.

    points : array (point, dim), Euclidean; labels : int (point,), or (labelling, point) for several

    Examples
    --------
    >>> float(silhouette([[0.0], [0.1], [5.0], [5.1]], [0, 0, 1, 1]).round(2))
    0.98
    """
    points, labels = np.asarray(points, float), np.asarray(labels)
    several = np.atleast_2d(labels).astype(np.int64)
    found = kernels.silhouettes(np.ascontiguousarray(points.T), several, int(several.max()) + 1)
    return found if labels.ndim > 1 else found[0]


def best_clustering(points, uniform):
    """The clustering with the largest silhouette, and its silhouette among correlations.

    Posani et al. ("Rarely categorical"): profiles are clustered by k-means for each k, the k with
    the largest silhouette of the profiles is kept, and what is reported is the silhouette of the
    rows of the matrix of correlations between profiles.

    Parameters
    ----------
    points : array (neuron, condition)
        No profile constant.
    uniform : sequence of array (k,)
        Random numbers for each k that is tried.

    Returns
    -------
    float, int64 (neuron,)

    Examples
    --------
    >>> points = np.repeat(np.eye(3), 4, axis=0) + 0.01 * np.arange(36).reshape(12, 3) % 0.02
    >>> value, label = best_clustering(points, [np.full(k, 0.5) for k in (2, 3, 4)])
    >>> int(label.max()) + 1
    3
    """
    labels = np.array([kmeans(points, u) for u in uniform])
    best = labels[int(np.argmax(silhouette(points, labels)))]
    return silhouette(correlation_space(points), best), best


def correlation_space(profiles):
    """Points whose distances are those of the rows of the correlation matrix of the profiles.

    Rows of a matrix of N neurons, in as few dimensions as there are conditions.
    """
    z = profiles - profiles.mean(axis=1, keepdims=True)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    return u * s**2
