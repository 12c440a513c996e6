r"""Do the weights of units tell the classes apart, or the conditions within a class?

Condition means of the inputs span *inter-class* axes, along which the means of the classes differ,
and *intra-class* axes, along which conditions of one class do. Neurons of a saturating network
turn to the first, rectified ones specialise in regions and keep both: seen in the projections of
their input weights on the two kinds of axes. Source: Alleman, Lindsey & Fusi (ICLR 2024,
arXiv:2401.13558); the axes for more than two classes or conditions are ours.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Axes", "Projections", "axes", "projections"]


class Axes(NamedTuple):
    """Orthonormal axes of the input space, those of most variance first.

    inter : (axis, input), of the means of the classes about their centre; of two classes the one
    from the class that sorts first to the other; none where the class means are all alike
    intra : (axis, input), of the conditions about their classes, without the inter-class axes
    """

    inter: np.ndarray
    intra: np.ndarray


class Projections(NamedTuple):
    """Weights on the axes of :class:`Axes`, and the shares of their squared length.

    inter, intra : (..., axis); inter_share, intra_share : (...), in [0, 1], together at most 1; the
    rest is outside of the inputs. NaN where weights have no length. Where axes have the same
    variance any rotation of them would do, and only the shares have a meaning.
    """

    inter: np.ndarray
    intra: np.ndarray
    inter_share: np.ndarray
    intra_share: np.ndarray


def axes(means, classes) -> Axes:
    """Which directions tell classes apart, and which tell conditions of a class apart?

    Parameters
    ----------
    means : array (condition, input)
    classes : array (condition,)
        Labels; every class weighs as many conditions as it has.

    Raises
    ------
    ValueError
        Shapes do not fit, or there is one class only.

    Examples
    --------
    >>> found = axes([[1, 1], [1, -1], [-1, 1], [-1, -1]], [1, 1, 0, 0])
    >>> found.inter.round(9).tolist(), found.intra.round(9).tolist()
    ([[1.0, 0.0]], [[0.0, 1.0]])
    """
    means, classes = np.asarray(means, dtype=float), np.asarray(classes)
    if means.ndim != 2 or classes.shape != (len(means),):
        raise ValueError(
            f"means have shape {means.shape} and classes {classes.shape}; pass (condition, input) "
            "and one class for each condition"
        )
    names, code = np.unique(classes, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"all conditions are of class {names.tolist()}; pass two classes or more")
    centred = means - means.mean(axis=0)
    of_class = np.stack([centred[code == k].mean(axis=0) for k in range(len(names))])
    scale = np.linalg.norm(centred)
    inter = _principal(of_class[code], scale, towards=of_class[-1] - of_class[0])
    within = centred - of_class[code]
    intra = _principal(within - within @ inter.T @ inter, scale)
    return Axes(inter, intra)


def projections(weights, means, classes) -> Projections:
    """How far do the weights of each unit reach along the two kinds of axes?

    Parameters
    ----------
    weights : array (..., input)
        One row a unit; leading axes are nets or times of learning.
    means, classes : as in :func:`axes`

    Returns
    -------
    Projections

    Raises
    ------
    ValueError
        As :func:`axes`; the weights have another number of inputs.

    Examples
    --------
    >>> found = projections([[3.0, 4.0]], [[1, 1], [1, -1], [-1, 1], [-1, -1]], [1, 1, 0, 0])
    >>> found.inter.round(9).tolist(), found.intra_share.round(9).tolist()
    ([[3.0]], [0.64])
    """
    found, weights = axes(means, classes), np.asarray(weights, dtype=float)
    if weights.shape[-1:] != found.inter.shape[1:]:
        raise ValueError(
            f"weights have shape {weights.shape} and the means {found.inter.shape[1]} inputs; pass "
            "(..., input) with as many"
        )
    length = np.sum(weights**2, axis=-1)
    parts = [weights @ part.T for part in found]
    shares = [np.sum(p**2, axis=-1) / np.where(length > 0, length, np.nan) for p in parts]
    return Projections(*parts, *shares)


def _principal(points, scale, towards=None):
    """Principal axes of centred points, without what is rounding at that scale.

    An axis points the way of `towards`, or, where that does not say, to its largest component.
    """
    _, s, found = np.linalg.svd(points, full_matrices=False)
    found = found[s > 1e-10 * scale]
    sign = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)[:, 0]
    if towards is not None:
        along = found @ towards
        sign = np.where(np.abs(along) > 1e-10 * scale, along, sign)
    return found * np.sign(sign)[:, None]
