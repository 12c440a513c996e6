r"""What a nearest mean and a linear discriminant score: readouts whose direction is known.

Both project on a direction from the midpoint of the two sides, :math:`s = w \cdot (x - m)`; margins
and variances of :math:`s` for a trial of each condition are in closed form (:mod:`.expected`).
"""

import numpy as np

__all__ = ["margins"]


def margins(means, variance, plus, minus, *, readout, n_trials=None):
    """Mean and variance of the projection of a fresh trial, threshold at 0.

    Parameters
    ----------
    means : array (condition, neuron)
        In the basis of the eigenvectors of the noise covariance, any origin.
    variance : array (neuron,)
        Its eigenvalues.
    plus, minus : array (problem, condition)
        Rows that average over the trained conditions of a side.
    readout : {"nearest_mean", "lda"}
    n_trials : float, optional
        Training trials a condition, of a nearest mean; None stands for infinitely many.

    Returns
    -------
    margin : array (problem, condition); variance : array (problem, 1) or (problem, condition), 0
    where there is no direction
    """
    middle = (plus + minus) / 2  # (problem, condition)
    direction = _lda if readout == "lda" else _nearest_mean
    dual, signal, noise = direction(means, variance, plus, minus)
    projected = dual @ signal
    margin = projected - np.sum(projected * middle, axis=1, keepdims=True)
    spread = np.sum((dual @ noise) * dual, axis=1, keepdims=True)
    if n_trials is not None:
        return _finite(margin, spread, dual, middle, noise, variance, float(n_trials))
    # Rounding leaves a direction that is exactly zero at 1e-16 of the largest variance.
    least = 1e-13 * np.sum(np.abs(dual), axis=1, keepdims=True) ** 2 * noise.max()
    return margin, np.where(spread > least, spread, 0.0)


def _nearest_mean(means, variance, plus, minus):
    """Dual weights (P, C) and the Grams (C, C) of signal and noise."""
    return plus - minus, means @ means.T, (means * variance) @ means.T


def _lda(means, variance, plus, minus):
    """The same in whitened space, w = X'a with a = (1 + B G)^-1 (plus - minus)."""
    whitened = means / np.sqrt(variance)
    gram = whitened @ whitened.T
    members = (plus > 0) | (minus > 0)
    within = members[:, :, None] * np.eye(len(means))  # (problem, condition, condition)
    for weights in (plus, minus):
        size = (weights > 0).sum(axis=1)[:, None, None]
        within = within - size * weights[:, :, None] * weights[:, None, :]
    within = within / members.sum(axis=1)[:, None, None]
    dual = np.linalg.solve(np.eye(len(means)) + within @ gram, (plus - minus)[..., None])
    return dual[..., 0], gram, gram


def _finite(margin, spread, dual, middle, noise, variance, n_trials):
    """Mean and variance of the score over training sets of n trials a condition and new trials."""
    direction, halfway, both = (
        np.sum(x * y, axis=1, keepdims=True) / n_trials
        for x, y in [(dual, dual), (middle, middle), (dual, middle)]
    )
    trace, trace_squared = variance.sum(), np.sum(variance**2)
    half = middle @ noise
    distance = np.diag(noise) - 2 * half + np.sum(half * middle, axis=1, keepdims=True)
    across = dual @ noise
    across = across - np.sum(across * middle, axis=1, keepdims=True)
    variance_of_score = (
        spread * (1 + halfway)
        + direction * distance
        - 2 * both * across
        + trace_squared * (direction * (1 + halfway) + both**2)
    )
    return margin - both * trace, variance_of_score
