r"""Do two populations hold the same variables, in any mixture? Canonical correlations (CCA).

Directions :math:`a_i` of one population and :math:`b_i` of the other whose projections of the
conditions correlate most, each uncorrelated with those before. Nothing is invariant under more: any
invertible mixture of neurons is allowed, and with as many neurons as conditions any two populations
are the same. Independent data have

.. math:: \langle \rho_i^2 \rangle_i = \frac{\max(p_x, p_y)}{n - 1}

for :math:`p` neurons and :math:`n` conditions, and a largest :math:`\rho` of 0.57, 0.85 and 0.99
for 20, 50 and 90 neurons and 200 conditions (Hotelling 1936). :func:`cross_validated` therefore
reduces both populations to a few components (SVCCA, Raghu et al. 2017) and learns directions and
weights on some conditions, to correlate on others.
"""

from typing import NamedTuple

import numpy as np

from .predictivity import divisions

__all__ = ["HeldOut", "canonical_correlations", "cross_validated"]


class HeldOut(NamedTuple):
    """What :func:`cross_validated` returns.

    correlations : array (..., component)
        Of the i-th pair of canonical variates over held-out conditions. Chance is 0 and the range
        [-1, 1].
    weights_x, weights_y : array (..., component)
        How much each canonical variate of the training conditions says about the neurons of x, and
        of y (projection weights, Morcos et al. 2018): positive, of sum 1.
    """

    correlations: np.ndarray
    weights_x: np.ndarray
    weights_y: np.ndarray

    @property
    def mean(self):
        """Mean over components: cross-validated SVCCA."""
        return self.correlations.mean(axis=-1)

    @property
    def projection_weighted(self):
        """Mean over components, weighted by their share of x: cross-validated PWCCA."""
        return np.sum(self.weights_x * self.correlations, axis=-1)


def canonical_correlations(x, y):
    """Canonical correlations at face value: from the first down, in [0, 1].

    Biased upwards: see the head of this file. Exact for the conditions and neurons at hand.

    Parameters
    ----------
    x : array (..., condition, neuron)
    y : array (..., condition, another neuron)

    Returns
    -------
    array (..., min(neurons of x, neurons of y, conditions - 1))
        NaN beyond the rank of either population (constant or collinear neurons).

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> canonical_correlations(x, x @ [[2.0, 1.0], [0.0, 1.0]]).round(6)
    array([1., 1.])
    """
    x, y = _paired(x, y)
    (u, rank_x), (v, rank_y) = _basis(x), _basis(y)
    found = np.linalg.svd(np.swapaxes(u, -1, -2) @ v, compute_uv=False)
    k = min(x.shape[-1], y.shape[-1], x.shape[-2] - 1)
    rank = np.minimum(rank_x, rank_y)[..., None]
    return np.where(np.arange(k) < rank, found[..., :k], np.nan)


def cross_validated(x, y, fold, *, n_components, ridge=0.0):
    """Canonical correlations over conditions that neither components nor directions were fitted to.

    For each fold: principal components and canonical directions of the other conditions; scores of
    the conditions of the fold, from the mean of the others and in units of their sd. Products of
    scores are summed over all folds, so that a fold may be one condition.

    Parameters
    ----------
    x : array (..., condition, neuron)
    y : array (..., condition, another neuron)
        Leading axes broadcast: orders of the conditions of y are surrogates.
    fold : array (condition,)
        The fold of each condition, two or more of them.
    n_components : int
        Principal components kept of each population: far fewer than training conditions.
    ridge : float
        Added to the variance of each component, in units of their mean variance: 0 is CCA, many
        times 1 approaches partial least squares.

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        Another number of conditions or of folds; more components than a population spans.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((12, 3))
    >>> found = cross_validated(x, x[:, ::-1] * 2, np.arange(12) % 4, n_components=3)
    >>> found.correlations.round(6)
    array([1., 1., 1.])
    """
    x, y = _paired(x, y)
    tested = divisions(fold, x.shape[-2])
    products = squares_x = squares_y = weights_x = weights_y = 0
    for test in tested:
        (fit_x, u, train_x), (fit_y, v, train_y) = (
            _components(z, ~test, n_components, ridge, name) for z, name in ((x, "x"), (y, "y"))
        )
        left, _, right = np.linalg.svd(np.swapaxes(fit_x, -1, -2) @ fit_y)
        right = np.swapaxes(right, -1, -2)
        u, v = u @ left, v @ right
        products = products + np.sum(u * v, axis=-2)
        squares_x = squares_x + np.sum(u**2, axis=-2)
        squares_y = squares_y + np.sum(v**2, axis=-2)
        weights_x = weights_x + _projection(train_x, fit_x @ left)
        weights_y = weights_y + _projection(train_y, fit_y @ right)
    n_folds = len(tested)
    correlations = products / np.sqrt(squares_x * squares_y)
    return HeldOut(correlations, weights_x / n_folds, weights_y / n_folds)


def _paired(x, y):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if min(x.ndim, y.ndim) < 2 or x.shape[-2] != y.shape[-2] or x.shape[-2] < 2:
        raise ValueError(
            f"populations of shape {x.shape} and {y.shape}; pass (condition, neuron) twice, with "
            "the same conditions, at least two"
        )
    return x, y


def _centred(x):
    return x - x.mean(axis=-2, keepdims=True)


def _spans(values, shape):
    """Which singular values are not rounding."""
    tolerance = max(shape[-2:]) * np.finfo(float).eps
    return values > tolerance * np.max(values, axis=-1, keepdims=True)


def _basis(x):
    """Orthonormal basis (..., condition, direction), 0 beyond the rank, and the rank."""
    u, values, _ = np.linalg.svd(_centred(x), full_matrices=False)
    spans = _spans(values, x.shape)
    return u * spans[..., None, :], spans.sum(axis=-1)


def _components(x, train, n_components, ridge, name):
    """Whitened components of training and of other conditions, and the training data centred."""
    mean = x[..., train, :].mean(axis=-2, keepdims=True)
    fit, other = x[..., train, :] - mean, x[..., ~train, :] - mean
    _, values, axes = np.linalg.svd(fit, full_matrices=False)
    rank = int(_spans(values, fit.shape).sum(axis=-1).min())
    if not 1 <= n_components <= rank:
        raise ValueError(
            f"n_components={n_components}, but {name} spans {rank} dimensions in the training "
            "conditions of a fold; keep fewer components"
        )
    variance = values[..., :n_components] ** 2
    variance = variance + ridge * variance.mean(axis=-1, keepdims=True)
    weights = np.swapaxes(axes[..., :n_components, :], -1, -2) / np.sqrt(variance)[..., None, :]
    return fit @ weights, other @ weights, fit


def _projection(neurons, variates):
    """Share of each variate in the neurons, by the sum of |products|: (..., component), sum 1."""
    norm = np.sqrt(np.sum(variates**2, axis=-2, keepdims=True))
    loads = np.abs(np.swapaxes(variates / norm, -1, -2) @ neurons).sum(axis=-1)
    return loads / loads.sum(axis=-1, keepdims=True)
