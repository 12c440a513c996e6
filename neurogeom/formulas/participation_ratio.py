r"""Over how many dimensions is variance spread? The participation ratio of a covariance.

.. math:: \gamma = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}
                 = \frac{(\mathrm{tr}\,C)^2}{\mathrm{tr}\,C^2}

with :math:`\lambda` the eigenvalues of :math:`C`. It lies between 1 and the rank; there is no
chance level.
"""

import numpy as np

__all__ = ["from_covariance", "naive"]


def from_covariance(covariance):
    """Participation ratio of a covariance matrix (neuron, neuron); NaN if it is zero.

    Examples
    --------
    >>> float(from_covariance(np.diag([1.0, 1.0, 0.0])))
    2.0
    """
    covariance = np.asarray(covariance, dtype=float)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"the covariance has shape {covariance.shape}; pass a square matrix")
    total = np.sum(covariance * covariance.T)
    return np.trace(covariance) ** 2 / total if total > 0 else np.nan


def naive(means):
    r"""Over how many dimensions do the condition means spread, taken at face value?

    Biased: with P conditions and N neurons drawn from a larger world
    :math:`E[1/\hat\gamma] \approx 1/P + 1/N + 1/\gamma` (Chun et al. 2026), and noise left in the
    means raises it. Exact for noise-free means of fixed conditions.

    Parameters
    ----------
    means : array (condition, neuron)

    Returns
    -------
    float
        Between 1 and the smaller of conditions - 1 and neurons; NaN if all means are equal.

    Examples
    --------
    >>> cube = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
    >>> float(naive(cube))
    3.0
    """
    means = np.asarray(means, dtype=float)
    if means.ndim != 2:
        raise ValueError(f"means have shape {means.shape}; pass (condition, neuron)")
    centred = means - means.mean(axis=0)
    return from_covariance(centred @ centred.T)
