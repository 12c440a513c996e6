"""How does the noise of neurons covary? Estimated within folds, and inverted.

The inverse weights the differences between conditions in :func:`.rsa.crossnobis` distances.
"""

import numpy as np

__all__ = ["noise_precision", "within_fold_covariance"]


def within_fold_covariance(values, condition, fold, shrinkage="ledoit_wolf"):
    r"""Noise covariance from the residuals about the mean of each condition in each fold.

    Residuals about the mean of *all* trials of a condition would not do: they hold the differences
    between its folds, so that the precision is small where folds differ. Equal conditions would
    then be 0.12 apart (30 neurons, 4 conditions, 12 folds of one trial, in noise variances), and
    within fold are 0 apart. What is left is the factor :math:`df/(df - N - 1)` of the inverse of a
    covariance that is not shrunk, common to all distances.

    Parameters
    ----------
    values : array (trial, neuron)
        Trials that all these neurons share.
    condition, fold : array (trial,)
    shrinkage : {"ledoit_wolf", "diagonal"}
        Towards a multiple of the identity, as far as the scatter of the trials says (Ledoit and
        Wolf 2004, with degrees of freedom in place of trials: a condition with m trials in a fold
        counts m - 1); or the variances alone.

    Returns
    -------
    array (neuron, neuron)

    Raises
    ------
    ValueError
        No condition has two trials in one fold; a value is missing; an unknown shrinkage.

    Examples
    --------
    >>> trials = np.array([[1.0, 0.0], [-1.0, 0.0], [5.0, 3.0], [5.0, -3.0]])
    >>> within_fold_covariance(trials, [0, 0, 1, 1], [0, 0, 0, 0], "diagonal")
    array([[1., 0.],
           [0., 9.]])
    """
    if shrinkage not in ("ledoit_wolf", "diagonal"):
        raise ValueError(f"shrinkage={shrinkage!r}: choose 'ledoit_wolf' or 'diagonal'")
    residual, m = _residuals(values, condition, fold)
    freedom = np.sum(1 - 1 / m)
    if shrinkage == "diagonal":
        return np.diag(np.sum(residual**2, axis=0) / freedom)
    sample = residual.T @ residual / freedom
    level = np.trace(sample) / len(sample)
    target = level * np.eye(len(sample))
    distance = np.sum((sample - target) ** 2)
    # A residual about the mean of m trials has (m - 1)/m of the noise covariance.
    fourth = np.sum(np.sum(residual**2, axis=1) ** 2 * m / (m - 1)) / freedom
    scatter = (fourth - np.sum(sample**2)) / freedom
    share = min(scatter / distance, 1.0) if distance > 0 else 0.0
    return (1 - share) * sample + share * target


def noise_precision(covariance):
    """Inverse of a noise covariance (neuron, neuron); 0 for a neuron without noise variance.

    Such a neuron is silent, or constant in every condition: it then tells no two of them apart.

    Raises
    ------
    ValueError
        The covariance of the others is not positive definite: shrink it.

    Examples
    --------
    >>> noise_precision(np.diag([4.0, 0.0]))
    array([[0.25, 0.  ],
           [0.  , 0.  ]])
    """
    covariance = np.asarray(covariance, dtype=float)
    noisy = np.flatnonzero(np.diagonal(covariance) > 0)
    inner, inverse = np.ix_(noisy, noisy), np.zeros_like(covariance)
    scale = 1 / np.sqrt(np.diagonal(covariance)[noisy])
    correlation = covariance[inner] * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    if noisy.size and values[0] <= noisy.size * np.finfo(float).eps * values[-1]:
        raise ValueError("the noise covariance has no inverse; use a shrunk or a diagonal one")
    inverse[inner] = (vectors / values) @ vectors.T * np.outer(scale, scale)
    return inverse


def _residuals(values, condition, fold):
    """Residuals about the mean of each condition in each fold, and its number of trials (> 1)."""
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("a value is missing; pass neurons that share their trials, one group")
    _, condition = np.unique(condition, return_inverse=True)
    _, fold = np.unique(fold, return_inverse=True)
    _, cell, counts = np.unique(
        condition * (fold.max() + 1) + fold, return_inverse=True, return_counts=True
    )
    if counts.max() < 2:
        raise ValueError("no condition has two trials in a fold; the noise is not estimable there")
    sums = np.zeros((counts.size, values.shape[1]))
    np.add.at(sums, cell, values)
    several = counts[cell] > 1
    return (values - (sums / counts[:, None])[cell])[several], counts[cell][several]
