"""Colourings of conditions by two colours: which can a linear readout implement?"""

from itertools import combinations

import numpy as np

__all__ = ["balanced", "separable"]


def separable(means, sides):
    """Is there a hyperplane with one colour on either side of it? By linear programming.

    Of the 256 colourings of the corners of a cube 104 are implementable, of those of a simplex all.
    For noise-free means: where noise has moved them nearly all colourings are.

    Parameters
    ----------
    means : array (condition, neuron)
    sides : array (colouring, condition)
        Colours +1 and -1. One colour alone is always implementable.

    Returns
    -------
    bool array (colouring,)

    Raises
    ------
    ValueError
        The shapes do not fit.

    Examples
    --------
    >>> square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    >>> separable(square, np.array([[-1, -1, -1, 1], [-1, 1, 1, -1]])).tolist()  # and, xor
    [True, False]
    """
    from scipy.optimize import linprog

    means, sides = np.asarray(means, dtype=float), np.atleast_2d(sides)
    if means.ndim != 2 or sides.shape[1] != len(means):
        raise ValueError(
            f"means have shape {means.shape} and sides {sides.shape}; pass (condition, neuron) and "
            "(colouring, condition)"
        )
    centred = means - means.mean(axis=0)
    u, size, _ = np.linalg.svd(centred, full_matrices=False)
    kept = size > 1e-9 * max(size[0], 1e-300)
    at = np.column_stack([u[:, kept], np.ones(len(means))])  # a readout lies in their span
    free, found = np.zeros(at.shape[1]), []
    for side in sides:
        solved = linprog(
            free, A_ub=-side[:, None] * at, b_ub=-np.ones(len(at)), bounds=(None, None)
        )
        found.append(solved.status == 0)
    return np.array(found)


def balanced(n):
    """All ways of colouring half of n conditions, one of each pair of opposites.

    Returns int8 (colouring, condition) of 1 and -1; half is rounded down for an odd n, which then
    has no opposites.

    Examples
    --------
    >>> balanced(4).tolist()
    [[-1, -1, 1, 1], [-1, 1, -1, 1], [-1, 1, 1, -1]]
    >>> len(balanced(8)), len(balanced(5))
    (35, 10)
    """
    chosen = list(combinations(range(n), n // 2))
    if n % 2 == 0:
        chosen = [c for c in chosen if c[0] == 0]
    found = np.ones((len(chosen), n), dtype=np.int8)
    np.put_along_axis(found, np.array(chosen, dtype=int).reshape(len(chosen), -1), -1, axis=1)
    return found
