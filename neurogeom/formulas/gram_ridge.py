"""Ridge regression of latents on units, learnt and tested on unions of groups of trials.

Everything that a fit and its squared errors need of a set of trials is the Gram matrix of (units,
latents, 1) over them, and that of a union is a sum. Each way of holding groups out then costs one
eigendecomposition of unit x unit and no pass over the trials. Centre and scale the units first:
digits of a large common offset would be lost in the squares.
"""

import numpy as np

__all__ = ["covariance", "grams", "ridge", "squared_errors"]


def grams(units, latents, group):
    """Gram matrices of (units, latents, 1) of all trials, and of each group by its number.

    units : (trial, unit); latents : (trial, latent); group : int (trial,), below 0 for none

    Examples
    --------
    >>> total, parts = grams(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), np.array([0, -1]))
    >>> total.tolist(), list(parts)
    ([[5.0, 11.0, 3.0], [11.0, 25.0, 7.0], [3.0, 7.0, 2.0]], [0])
    """
    a = np.column_stack([units, latents, np.ones(len(units))])
    groups = np.unique(group[group >= 0])
    return a.T @ a, {int(g): a[group == g].T @ a[group == g] for g in groups}


def covariance(gram):
    """Covariance of (units, latents) over the trials of a Gram matrix, with 1 / n.

    Examples
    --------
    >>> covariance(grams(np.array([[1.0], [3.0]]), np.array([[3.0], [4.0]]), np.zeros(2))[0])
    array([[1.  , 0.5 ],
           [0.5 , 0.25]])
    """
    mean = gram[-1, :-1] / gram[-1, -1]
    return gram[:-1, :-1] / gram[-1, -1] - np.outer(mean, mean)


def ridge(gram, n_units, penalties):
    """Regression of latents on units, as the matrix that makes errors of (units, latents, 1).

    gram : (unit + latent + 1, the same); penalties : array (penalty,), in units of the number of
    trials times the mean variance of a unit; with 0 what the trials do not span has no weight

    Returns
    -------
    array (penalty, unit + latent + 1, latent): weights, minus the identity, constants

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> total, _ = grams(x, 2 * x + 1, np.zeros(3))
    >>> ridge(total, 1, np.array([0.0, 1.0]))[..., 0].round(9).tolist()
    [[2.0, -1.0, 1.0], [1.0, -1.0, 2.0]]
    """
    mean, joint = gram[-1, :-1] / gram[-1, -1], covariance(gram)
    spread, axes = np.linalg.eigh(joint[:n_units, :n_units])
    spread = np.maximum(spread, 0.0)
    damped = spread + penalties[:, None] * spread.mean()
    known = damped > 1e-13 * spread[-1]
    along = axes.T @ joint[:n_units, n_units:]
    weights = axes @ (np.where(known, 1.0 / np.where(known, damped, 1.0), 0.0)[..., None] * along)
    minus = np.broadcast_to(-np.eye(weights.shape[2]), (len(penalties), *(weights.shape[2],) * 2))
    constant = mean[n_units:] - mean[:n_units] @ weights
    return np.concatenate([weights, minus, constant[:, None]], axis=1)


def squared_errors(error, gram):
    """Sums of squared errors over the trials of a Gram matrix, (penalty, latent).

    error : as :func:`ridge` returns it

    Examples
    --------
    >>> x = np.array([[0.0], [1.0]])
    >>> total, parts = grams(x, np.array([[0.0], [3.0]]), np.array([0, 1]))
    >>> squared_errors(np.array([[[1.0], [-1.0], [0.0]]]), total).tolist()  # predicts x
    [[4.0]]
    """
    return np.maximum(np.sum(error * (gram @ error), axis=1), 0.0)
