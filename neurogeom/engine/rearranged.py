r"""The same trials around other condition means: a factorised code, and one without structure.

A condition mean over trials is :math:`\bar x_c = \mu_c + \bar e_c`, its noise independent of the
residuals (for Gaussian noise exactly). So a part of the means can be replaced by another with the
same noise, and what comes out is distributed as a recording of the other geometry, with these
neurons, these residuals and their correlations, and these numbers of trials.
"""

import numpy as np

from ..formulas.anova import additive_fit

TINY = np.finfo(float).tiny


def without_interactions(population, table, rng):
    """Interactions of the variables replaced by noise of the size that means of these trials have.

    table : int (condition, variable), the level of every variable. Neurons recorded together get
    noise with the correlations of their residuals.
    """
    means = population.moments(population.everything())[0]
    moved = _noise_of_means(population, means, rng) - means
    return population.shifted(moved - additive_fit(moved, table))


def unstructured(population, rng):
    """Every neuron keeps its condition means, in an order of its own."""
    means = population.moments(population.everything())[0]
    return population.shifted(rng.permuted(means, axis=0) - means)


def _noise_of_means(population, means, rng):
    """Gaussian noise with the variances and the common factors of the noise of condition means.

    Noise in the span of the residuals themselves would tell a readout more than its means do, so
    their correlations are those of a factor model.
    """
    around, noise = population.shifted(-means), np.empty_like(means)
    for g, n in enumerate(population.counts):
        at, width, first = population.start[g], population.width[g], population.column[g]
        residual = around.values[at : at + n.sum() * width].reshape(-1, width)
        ends = np.concatenate([[0], np.cumsum(n)])
        square = np.add.reduceat(residual**2, ends[:-1], axis=0)
        z = residual / np.sqrt(np.repeat(square / (n - 1)[:, None], n, axis=0) + TINY)
        loading = _factors(z, len(z) - len(n))
        own = np.sqrt(np.maximum(1 - np.sum(loading**2, axis=0), 0.0))
        drawn = rng.standard_normal((len(n), len(loading))) @ loading
        drawn += rng.standard_normal((len(n), width)) * own
        noise[:, first : first + width] = drawn * np.sqrt(square / (n * (n - 1))[:, None])
    return noise


def _factors(z, freedom):
    """Loadings (factor, neuron) of what standardised residuals share.

    Eigenvalues of their correlations above the edge of independent noise (Marchenko & Pastur),
    corrected for it (Baik & Silverstein 2006, J Multivariate Anal 97:1382, eq. 1.10).
    """
    _, singular, axes = np.linalg.svd(z, full_matrices=False)
    value, ratio = singular**2 / freedom, z.shape[1] / freedom
    shared = value > (1 + np.sqrt(ratio)) ** 2
    total = value[shared] + 1 - ratio
    spike = (total + np.sqrt(np.maximum(total**2 - 4 * value[shared], 0.0))) / 2
    return axes[shared] * np.sqrt(np.maximum(spike - 1, 0.0))[:, None]
