r"""Which alignments of three kernels can go together? A Gram determinant.

The kernel alignment of inputs and targets c, of representation and inputs i, and of representation
and targets o (CKA, `neurogeom.formulas.cka`) are cosines between three centred kernels, whose Gram
determinant is not negative:

.. math:: 1 + 2cio - c^2 - i^2 - o^2 \ge 0

A representation of a task with alignment c thus lies in an ellipse of the plane (i, o); kernels
have no negative eigenvalues, so that i and o are not negative either. Source: Alleman, Lindsey &
Fusi (ICLR 2024, arXiv:2401.13558). On the upper edge the representation is all inputs and targets;
:func:`partial` says where between the edges it lies (derived here). All arguments broadcast.
"""

import numpy as np

__all__ = ["gram_determinant", "interval", "partial"]


def gram_determinant(c, i, o):
    """From 0 on, for the alignments of three kernels at face value; 0 where they are dependent.

    Estimates without bias may leave the region, as their scatter does not know of it.

    Parameters
    ----------
    c, i, o : array (...)
        Alignment of inputs and targets, of the representation with the inputs, and with the
        targets.

    Examples
    --------
    >>> gram_determinant(0.5, [1.0, 0.5, 0.0], 0.5).tolist()
    [0.0, 0.5, 0.5]
    """
    c, i, o = (np.asarray(a, dtype=float) for a in (c, i, o))
    return 1.0 + 2.0 * c * i * o - c**2 - i**2 - o**2


def interval(c, i):
    r"""How little and how much can a representation align with the targets, given the inputs?

    .. math:: \max(0, ci - \sqrt{(1-c^2)(1-i^2)}) \le o \le ci + \sqrt{(1-c^2)(1-i^2)}

    Parameters
    ----------
    c, i : array (...), in [0, 1]
        Alignment of inputs and targets, and of the representation with the inputs.

    Returns
    -------
    array (..., 2)
        Lowest and highest alignment with the targets.

    Raises
    ------
    ValueError
        c or i is outside [0, 1].

    Examples
    --------
    >>> interval([0.6, 0.6], [0.8, 1.0]).round(12).tolist()
    [[0.0, 0.96], [0.6, 0.6]]
    """
    c, i = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (c, i)))
    if not (((c >= 0) & (c <= 1)).all() and ((i >= 0) & (i <= 1)).all()):
        raise ValueError("c or i is outside [0, 1]; pass alignments at face value (cka.naive)")
    middle, half = c * i, np.sqrt((1.0 - c**2) * (1.0 - i**2))
    return np.stack([np.maximum(middle - half, 0.0), middle + half], axis=-1)


def partial(c, i, o):
    r"""Alignment with the targets beyond what the inputs account for: a partial correlation.

    .. math:: \frac{o - ci}{\sqrt{(1 - c^2)(1 - i^2)}}

    Parameters
    ----------
    c, i, o : as in :func:`gram_determinant`
        At face value, or without bias (cka.debiased), whose partial alignment may leave [-1, 1].

    Returns
    -------
    array (...)
        1 and -1 on the edges of the region, 0 for a representation that aligns with the targets as
        the inputs do; NaN where the inputs equal the targets or the representation.

    Examples
    --------
    >>> float(partial(0.6, 0.8, 0.96).round(12)), float(partial(0.6, 0.5, 0.3))
    (1.0, 0.0)
    """
    c, i, o = (np.asarray(a, dtype=float) for a in (c, i, o))
    free = (1.0 - c**2) * (1.0 - i**2)
    defined = (free > 1e-12) & (np.abs(c) < 1) & (np.abs(i) < 1)
    return np.where(defined, (o - c * i) / np.sqrt(np.where(defined, free, 1.0)), np.nan)
