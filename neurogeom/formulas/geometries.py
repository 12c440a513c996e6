r"""Arrangements of condition means with known properties, for binary variables that are crossed.

Each function takes ``levels``, an array (condition, variable) of -1 and +1 with all combinations,
and a separation, and returns centroids (condition, axis) on orthogonal axes. In all of them but
``exclusive_or`` the sides of each variable have centroids ``separation`` apart, so that with noise
of unit variance a nearest-mean readout of each variable scores :math:`\Phi(separation / 2)`.
"""

from itertools import combinations, product

import numpy as np

__all__ = [
    "crossed_levels",
    "cube",
    "cube_nonlinear",
    "exclusive_or",
    "planes",
    "simplex",
    "simplex_distance",
]


def crossed_levels(n_variables):
    """All combinations of -1 and +1, the last variable changing fastest.

    Examples
    --------
    >>> crossed_levels(2).tolist()
    [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    """
    return np.array(list(product([-1, 1], repeat=n_variables)))


def cube(levels, separation):
    """Each variable on an axis of its own; with one separation a variable, a cuboid.

    Examples
    --------
    >>> cube(crossed_levels(2), (4.0, 2.0))[0].tolist()
    [-2.0, -1.0]
    """
    return levels * np.asarray(separation, dtype=float) / 2


def cube_nonlinear(levels, separation):
    """A cube, and every interaction on an axis of its own with half the separation."""
    n_variables = levels.shape[1]
    mixed = [
        levels[:, list(group)].prod(axis=1)
        for size in range(2, n_variables + 1)
        for group in combinations(range(n_variables), size)
    ]
    return np.column_stack([cube(levels, separation), *(np.array(mixed) * separation / 4)])


def exclusive_or(levels, separation):
    """The product of the first two variables on one axis, neither alone; others as in a cube."""
    product_of_two = levels[:, :1] * levels[:, 1:2]
    return cube(np.hstack([product_of_two, levels[:, 2:]]), separation)


def planes(levels, separation):
    """Two planes, one a level of the first variable, in which the others have axes of their own.

    The coding direction of a later variable is the same within a plane and orthogonal between the
    planes, where its conditions are sqrt(2) separations apart: decodable, half generalising.
    """
    own = [levels[:, 1:] * (levels[:, :1] == side) for side in (-1, 1)]
    return np.hstack([cube(levels[:, :1], separation), *(x * separation / 2**0.5 for x in own)])


def simplex(levels, separation):
    """Every condition as far from each other one: all balanced dichotomies alike."""
    n_conditions = len(levels)
    return np.eye(n_conditions) * simplex_distance(n_conditions, separation) / 2**0.5


def simplex_distance(n_conditions, separation):
    """Distance between conditions for which balanced sides have centroids ``separation`` apart.

    Examples
    --------
    >>> simplex_distance(8, 2.0)
    4.0
    """
    return separation * (n_conditions / 2) ** 0.5
