r"""Which terms does a Poisson model of spike counts need? Likelihood ratios.

.. math:: y_t \sim \mathrm{Poisson}(e^{\eta_c}), \quad \eta_c = \beta_0 + \textstyle\sum_\phi
    (X_\phi \beta_\phi)_c

A neuron whose variables multiply its rate has no interactions here, and one whose variables add to
its rate has them: additivity depends on the link (McCullagh & Nelder 1989, Generalized linear
models). The model of all terms leaves to every condition its own mean, so that sums of counts over
the trials of a condition are all that is needed.
"""

import numpy as np

from .anova import without

__all__ = ["deviance", "dispersion", "likelihood_ratio", "tested"]

MOST_STEPS = 50
CLOSE = 1e-9  # of the deviance
LARGEST = 30.0  # of a log rate: a condition without a spike has none that is finite


def likelihood_ratio(sums, counts, term, every):
    """Twice the log likelihood that is lost without a term, and its degrees of freedom.

    Parameters
    ----------
    sums : array (condition, neuron)
        Spikes in all trials of the condition.
    counts : array (condition,)
        Trials.
    term, every : Term, list of Term
        As in :func:`neurogeom.formulas.anova.anova`.

    Returns
    -------
    float64 (neuron,), int
        Distributed as chi-squared where the term is not there and expected counts are not small.

    Examples
    --------
    >>> from neurogeom.formulas.anova import terms
    >>> every = terms(["rule"], [2])
    >>> value, df = likelihood_ratio(np.array([[10.0], [20.0]]), [10, 10], every[0], every)
    >>> float(value[0].round(3)), df
    (3.398, 1)
    """
    return deviance(sums, counts, without(term, every)), term.columns.shape[1]


def tested(means, counts, term, every):
    """Likelihood ratio and p by chi-squared, both (neuron,), where neurons differ in their trials.

    means : array (condition, neuron), spikes a trial; counts : int (condition, neuron)
    NaN for a neuron whose condition means are all the same.
    """
    from scipy.special import chdtrc

    value = np.empty(means.shape[1])
    patterns, which = np.unique(counts, axis=1, return_inverse=True)
    for i, n in enumerate(patterns.T):
        own = which.ravel() == i
        sums = np.round(means[:, own] * n[:, None])
        value[own], df = likelihood_ratio(sums, n, term, every)
    value = np.where(np.ptp(means, axis=0) > 0, np.maximum(value, 0.0), np.nan)
    return value, chdtrc(df, value)


def deviance(sums, counts, columns):
    """Deviance from the model in which every condition has a rate of its own, float64 (neuron,).

    Newton's method for all neurons at once, steps halved where the deviance grows.
    columns : array (condition, column), a constant among them
    """
    sums, counts = np.asarray(sums, float), np.asarray(counts, float)[:, None]
    columns = np.linalg.qr(columns)[0]
    beta = columns.T @ np.log((sums + 0.5) / counts)
    value = _deviance(sums, counts, columns @ beta)
    for _ in range(MOST_STEPS):
        mean = counts * np.exp(np.clip(columns @ beta, -LARGEST, LARGEST))
        hessian = np.einsum("ci,cn,cj->nij", columns, mean, columns)
        size = np.trace(hessian, axis1=1, axis2=2)
        hessian += (1e-10 * size + 1e-12)[:, None, None] * np.eye(len(beta))
        step = np.linalg.solve(hessian, (columns.T @ (sums - mean)).T[:, :, None])[:, :, 0].T
        before, size = value, np.ones(sums.shape[1])
        for _ in range(20):
            value = _deviance(sums, counts, columns @ (beta + size * step))
            worse = value > before + CLOSE * (1.0 + before)
            if not worse.any():
                break
            size = np.where(worse, size / 2.0, size)
        beta = beta + size * step
        if (np.abs(value - before) <= CLOSE * (1.0 + value)).all():
            break
    return value


def _deviance(sums, counts, eta):
    from scipy.special import xlogy

    mean = counts * np.exp(np.clip(eta, -LARGEST, LARGEST))
    return 2.0 * (xlogy(sums, sums / mean) - sums + mean).sum(axis=0)


def dispersion(means, variance, counts):
    """Variance of counts over their mean, within conditions: 1 for Poisson counts, (neuron,).

    Pearson's chi-squared over its degrees of freedom; conditions without a spike take no part, and
    a neuron without any is NaN. means, variance, counts : array (condition, neuron)
    """
    seen = means > 0
    df = (np.where(seen, counts - 1, 0)).sum(axis=0)
    chi2 = ((counts - 1) * variance / np.where(seen, means, 1.0)).sum(axis=0)
    return chi2 / np.where(df > 0, df, np.nan)
