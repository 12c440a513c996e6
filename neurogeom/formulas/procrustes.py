r"""Can one population be turned into the other? Procrustes similarity and shape distances.

With condition means :math:`X` (condition, neuron) of one population and :math:`Y` of another, both
centred over conditions,

.. math:: \cos\theta = \frac{\max_Q \mathrm{tr}(Q^T X^T Y)}{\|X\| \|Y\|}
                     = \frac{\|X^T Y\|_*}{\|X\| \|Y\|},

Q any rotation or reflection; :math:`\theta` is a metric (Williams et al. 2021, NeurIPS 34:4738).
Populations of unequal size are filled up with silent neurons, which changes nothing here. A family
of metrics lies between this one and canonical correlation: :math:`\alpha = 1` compares X as it is,
:math:`\alpha = 0` with its axes stretched to the same length.

The alignment is fitted on the conditions that it is scored on, so that unrelated populations look
alike: :math:`\cos\theta` is 0.88 for 50 conditions of 100 independent Gaussian neurons, and chance
rises to 1 with more neurons. Hold it against a permutation of conditions, or score the alignment on
other conditions than those it was fitted on: :func:`held_out`, whose chance level is 0.
"""

import numpy as np

__all__ = ["aligned", "angle", "coordinates", "held_out", "rotation", "similarity", "spread"]

RANK = 1e-10  # singular values below this share of the largest are rounding


def similarity(x, y, *, alpha=1.0):
    r"""Cosine of the Procrustes angle, :math:`\cos\theta`; not corrected for chance or noise.

    Parameters
    ----------
    x, y : array (..., condition, neuron)
        As many conditions in the same order; numbers of neurons may differ.
    alpha : float
        From 1 (Procrustes) to 0 (canonical correlation): singular values become
        :math:`\alpha \sigma_i / \sigma + (1 - \alpha)` with :math:`\sigma` their root mean square,
        so that units do not matter. Where neurons are as many as conditions or more, all
        populations are alike at 0.

    Returns
    -------
    float or array (...)
        Between 0 and 1; NaN where all conditions of a population are alike.

    Raises
    ------
    ValueError
        ``alpha`` is outside [0, 1], or x and y differ in conditions.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> turned = 3.0 * np.column_stack([x[:, 1], -x[:, 0], np.zeros(3)]) + 5.0
    >>> round(float(similarity(x, turned)), 12)
    1.0
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} is outside [0, 1]; 1 is Procrustes, 0 is CCA")
    x, y = _matched(x, y)
    x, y = _whitened(x, alpha), _whitened(y, alpha)
    nuclear = np.linalg.svd(np.swapaxes(x, -1, -2) @ y, compute_uv=False).sum(axis=-1)
    length = np.sqrt((x**2).sum(axis=(-2, -1)) * (y**2).sum(axis=(-2, -1)))
    return nuclear / np.where(length > 0, length, np.nan)


def angle(x, y, *, alpha=1.0):
    r"""The shape distance :math:`\theta` in radians: 0 for the same shape, at most :math:`\pi/2`.

    A metric: symmetric, and no detour over a third population is shorter. Parameters, return and
    errors as in :func:`similarity`.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> y = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    >>> round(float(angle(x, y)), 4)
    1.5708
    """
    return np.arccos(np.minimum(similarity(x, y, alpha=alpha), 1.0))


def rotation(x, y):
    """The turn Q (..., neuron of x, neuron of y) for which x Q is nearest to y.

    x, y : array (..., condition, neuron), centred. Only directions that both share are turned into
    one another (a partial isometry): what x or y does not span, the data say nothing about.
    """
    u, s, v = np.linalg.svd(np.swapaxes(x, -1, -2) @ y, full_matrices=False)
    # Rounding of a product of sums, not of the product alone.
    scale = np.sqrt((x**2).sum(axis=(-2, -1)) * (y**2).sum(axis=(-2, -1)))[..., None]
    return (u * (s > RANK * scale)[..., None, :]) @ v


def held_out(x, y, fold):
    """Cosine between one population, turned as other conditions say, and the other.

    Parameters
    ----------
    x, y : array (..., condition, neuron)
    fold : array of int (condition,)
        Conditions that are scored together, by an alignment fitted on all the others.

    Returns
    -------
    float or array (...)
        At most 1; 0 on average for unrelated populations. Trial noise in x and y lowers it:
        divide :func:`aligned` by :func:`spread` of two sets of trials to be rid of that part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((12, 3))
    >>> turned = x @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    >>> round(float(held_out(x, turned, np.arange(12))), 12)
    1.0
    """
    length = spread(x, x, fold) * spread(y, y, fold)
    return aligned(x, y, fold) / np.sqrt(np.where(length > 0, length, np.nan))


def aligned(x, y, fold):
    """Sum over held-out conditions of the inner products of y and x turned, (...).

    Parameters as in :func:`held_out`. Both are centred on the conditions that the turn was fitted
    on. Unbiased, for the turn that was found, where noise in x and y is independent.
    """
    x, y = _matched(x, y)
    total = 0.0
    for f in np.unique(fold):
        (x_in, x_out), (y_in, y_out) = (_divided(z, fold == f) for z in (x, y))
        total = total + ((x_out @ rotation(x_in, y_in)) * y_out).sum(axis=(-2, -1))
    return total


def spread(first, second, fold):
    """Sum of the inner products of two estimates of the held-out conditions of one population.

    first, second : array (..., condition, neuron), means over the same or other trials. With other
    trials noise is not in it. Centred as in :func:`aligned`.
    """
    return sum(
        (_divided(first, fold == f)[1] * _divided(second, fold == f)[1]).sum(axis=(-2, -1))
        for f in np.unique(fold)
    )


def coordinates(*estimates):
    """Several estimates (condition, neuron) of a population on axes that span all of them.

    The same distances with at most as many axes as there are conditions in all: what a turn is
    found from does not change, and is found sooner.
    """
    means = [x - x.mean(axis=0) for x in estimates]
    stacked = np.concatenate(means)
    if stacked.shape[1] <= len(stacked):
        return means
    u, s, _ = np.linalg.svd(stacked, full_matrices=False)
    return np.split(u * s, len(means))


def _matched(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-2] != y.shape[-2]:
        raise ValueError(
            f"x and y have shapes {x.shape} and {y.shape}; pass (condition, neuron) with as many "
            "conditions"
        )
    return x, y


def _whitened(x, alpha):
    """Axes of the centred x, each as long as alpha says, (..., condition, axis)."""
    scale = np.abs(x).max(axis=(-2, -1), keepdims=True)
    x = x - x.mean(axis=-2, keepdims=True)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    s = np.where(s > np.maximum(RANK * s[..., :1], 1e-13 * scale[..., 0]), s, 0.0)
    there = s > 0
    n = np.maximum(there.sum(axis=-1, keepdims=True), 1)
    typical = np.sqrt((s**2).sum(axis=-1, keepdims=True) / n)
    length = alpha * s / np.where(typical > 0, typical, 1.0) + (1 - alpha)
    return u * np.where(there, length, 0.0)[..., None, :]


def _divided(x, out):
    """The conditions that stay and those that are held out, centred on those that stay."""
    x = np.asarray(x, float)
    centre = x[..., ~out, :].mean(axis=-2, keepdims=True)
    return x[..., ~out, :] - centre, x[..., out, :] - centre
