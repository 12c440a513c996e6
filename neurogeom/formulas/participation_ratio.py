r"""Over how many dimensions is variance spread? The participation ratio of a covariance.

.. math:: \gamma = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}
                 = \frac{(\mathrm{tr}\,C)^2}{\mathrm{tr}\,C^2}

with :math:`\lambda` the eigenvalues of :math:`C`. It lies between 1 and the rank; there is no
chance level.

Condition means of a sample are a biased guide to it: few stimuli and few neurons lower it, trial
noise raises it. The corrected forms estimate :math:`(\mathrm{tr}\,C)^2` and
:math:`\mathrm{tr}\,C^2` without bias, each on its own, and divide last. Repeats (means of disjoint
sets of trials) remove the noise, products of distinct stimuli the sampling of stimuli, products of
distinct neurons that of neurons. Source: Chun et al. 2026 (ICLR); the closed forms are ours, from
the unbiased HSIC of Song et al. 2012, JMLR 13:1393.

They are made of three *terms*, an array (3, ...): :math:`(\mathrm{tr}\,C)^2`,
:math:`\mathrm{tr}\,C^2`, and the sum over neurons of what a neuron alone gives for either, its
squared variance. Terms of several splits of the trials are averaged before :func:`ratio` divides.
"""

import numpy as np

from .hsic import hsic_unbiased, u_centred

__all__ = [
    "fixed",
    "from_covariance",
    "gamma_both",
    "gamma_row",
    "naive",
    "ratio",
    "sampled",
    "without_neurons",
    "without_stimuli",
]

PAIRINGS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))  # of four repeats


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


def gamma_row(x, y=None):
    """Participation ratio of these neurons over all stimuli of which those at hand are a sample.

    Parameters
    ----------
    x, y : array (stimulus, neuron)
        Two repeats with independent noise; one alone where there is no trial noise.

    Returns
    -------
    float
        The truth lies between 1 and the number of neurons; an estimate may leave that range. NaN
        where noise exceeds the signal.

    Raises
    ------
    ValueError
        Fewer than four stimuli, or two repeats that differ in shape.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((400, 5))
    >>> round(float(gamma_row(x)), 1)
    5.0
    """
    return ratio(sampled(x, y), "all")


def gamma_both(x, y=None):
    """The same for all neurons of which those at hand are a sample; needs at least two of them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 400))
    >>> few = x[:, :20]
    >>> round(float(gamma_both(x))), round(float(gamma_both(few))), round(float(gamma_row(few)))
    (5, 5, 4)
    """
    return ratio(sampled(x, y), "sampled")


def ratio(terms, neurons):
    """Participation ratio from terms (3, ...); NaN where noise leaves no trace of squares.

    neurons : {"all", "sampled"}, the estimate is for these neurons, or for those that they sample
    """
    top, bottom, own = np.asarray(terms, dtype=float)
    if neurons == "sampled":
        top, bottom = top - own, bottom - own
    defined = bottom > 1e-12 * np.abs(own)  # of one neuron, rounding alone is left
    return np.where(defined, top / np.where(defined, bottom, 1.0), np.nan)[()]


def sampled(x, y=None):
    r"""Terms (3,) over stimuli that are a sample of many.

    With :math:`D_{ij} = \frac12 (x_i - x_j) \cdot (y_i - y_j)` the first is the mean of
    :math:`D_{ij} D_{kl}` over distinct i, j, k, l,

    .. math:: \frac{(\sum D)^2 - 4 \sum_i (\sum_j D_{ij})^2 + 2 \sum D_{ij}^2}
        {P (P-1) (P-2) (P-3)},

    and the second :math:`\mathrm{HSIC}_1(XX^\top, YY^\top)`.

    Parameters
    ----------
    x, y : array (stimulus, neuron)
        As in :func:`gamma_row`.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 3))
    >>> (sampled(x) / [9, 3, 3]).round(1).tolist()
    [1.0, 1.0, 1.0]
    """
    x, y = _repeats(x, y)
    half = _half_distances(x, y)
    top = _disjoint(len(x), half.sum(), (half.sum(axis=1) ** 2).sum(), (half**2).sum())
    own = _own(len(x), _powers(x, y).sum(axis=1))
    return np.array([top, hsic_unbiased(x @ x.T, y @ y.T), own.sum()])


def without_neurons(x, y=None):
    """Terms (3, neuron) of :func:`sampled` without one neuron at a time, no Gram matrix made anew.

    Parameters
    ----------
    x, y : array (stimulus, neuron)
        As in :func:`gamma_row`.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((6, 4))
    >>> bool(np.allclose(without_neurons(x)[:, 2], sampled(x[:, [0, 1, 3]])))
    True
    """
    x, y = _repeats(x, y)
    n, half = len(x), _half_distances(x, y)
    rows = half.sum(axis=1)
    # What one neuron's D has in common with that of all: sum_ij weight_ij D^a_ij.
    weight = half.sum() - 2.0 * (rows[:, None] + rows) + 2.0 * half
    np.fill_diagonal(weight, 0.0)
    shared = (weight.sum(axis=1)[:, None] * x * y - x * (weight @ y)).sum(axis=0)
    shared /= n * (n - 1) * (n - 2) * (n - 3)
    aligned = sum((a * (u_centred(b @ b.T) @ a)).sum(axis=0) for a, b in ((x, y), (y, x)))
    whole, own = sampled(x, y), _own(n, _powers(x, y).sum(axis=1))
    return np.stack(
        [
            whole[0] - 2.0 * shared + own,
            whole[1] - aligned / (n * (n - 3)) + own,
            whole[2] - own,
        ]
    )


def without_stimuli(x, y=None):
    """Terms (3, stimulus) of :func:`sampled` without one stimulus at a time; five are needed.

    Parameters
    ----------
    x, y : array (stimulus, neuron)
        As in :func:`gamma_row`.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((6, 4))
    >>> bool(np.allclose(without_stimuli(x)[:, 2], sampled(x[[0, 1, 3, 4, 5]])))
    True
    """
    x, y = _repeats(x, y, least=5)
    n, half = len(x) - 1, _half_distances(x, y)
    rows, squares = half.sum(axis=1), (half**2).sum(axis=1)
    shared = (rows**2).sum() - rows**2 - 2.0 * half @ rows + squares
    top = _disjoint(n, half.sum() - 2.0 * rows, shared, squares.sum() - 2.0 * squares)
    powers = _powers(x, y)
    own = _own(n, powers.sum(axis=1, keepdims=True) - powers)
    return np.stack([top, _hsic_without(x @ x.T, y @ y.T), own.sum(axis=-1)])


def fixed(quarters):
    """Terms (3,) over conditions that are all there are, such as those of a factorial design.

    Products of four repeats with independent noise are unbiased, whatever the number of
    conditions, and so they are in each of the three ways to pair the repeats.

    Parameters
    ----------
    quarters : array (4, condition, neuron)
        Condition means of four disjoint sets of trials. Four times the same noise-free means give
        the terms of :func:`naive`.

    Raises
    ------
    ValueError
        Not four repeats, or fewer than two conditions.

    Examples
    --------
    >>> cube = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
    >>> float(ratio(fixed([cube] * 4), "all"))
    3.0
    """
    quarters = np.asarray(quarters, dtype=float)
    if quarters.ndim != 3 or len(quarters) != 4 or quarters.shape[1] < 2:
        raise ValueError(f"repeats have shape {quarters.shape}; pass (4, condition, neuron)")
    q = quarters - quarters.mean(axis=1, keepdims=True)
    gram = np.einsum("ica,jda->ijcd", q, q, optimize=True)
    gram = 0.5 * (gram + gram.swapaxes(2, 3))
    length = np.einsum("ica,jca->ija", q, q)
    ways = [
        (
            length[i, j].sum() * length[k, m].sum(),
            (gram[i, j] * gram[k, m]).sum(),
            length[i, j] @ length[k, m],
        )
        for i, j, k, m in PAIRINGS
    ]
    return np.mean(ways, axis=0) / q.shape[1] ** 2


def _repeats(x, y, least=4):
    x = np.asarray(x, dtype=float)
    y = x if y is None else np.asarray(y, dtype=float)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(
            f"repeats have shapes {x.shape} and {y.shape}; pass (stimulus, neuron) twice"
        )
    if len(x) < least:
        raise ValueError(f"{len(x)} stimuli are too few; at least {least} are needed")
    return x - x.mean(axis=0), y - y.mean(axis=0)


def _half_distances(x, y):
    """D (stimulus, stimulus)."""
    gram = x @ y.T
    own = np.diagonal(gram)
    return 0.5 * (own[:, None] + own - gram - gram.T)


def _disjoint(n, total, rows, squares):
    """Mean of D_ij D_kl over distinct stimuli, from sums of D, of squared row sums, of squares."""
    return (total**2 - 4.0 * rows + 2.0 * squares) / (n * (n - 1) * (n - 2) * (n - 3))


def _powers(x, y):
    """What the terms of single neurons are made of, (8, stimulus, neuron)."""
    xy = x * y
    return np.stack([x, y, x * x, xy, y * y, x * xy, y * xy, xy * xy])


def _own(n, sums):
    """The squared variance of every neuron alone, from sums (8, ...) over n stimuli.

    One number for both terms: of one neuron, the means over distinct stimuli are the same.
    """
    x, y, xx, xy, yy, xxy, xyy, xxyy = sums
    a, b = x / n, y / n
    fourth = (
        xxyy - 2 * b * xxy - 2 * a * xyy + b**2 * xx + a**2 * yy + 4 * a * b * xy
        - 3 * n * (a * b) ** 2
    )  # fmt: skip
    xx, xy, yy = xx - n * a * a, xy - n * a * b, yy - n * b * b
    squared = xy**2 - n * fourth / (n - 2) + xx * yy / ((n - 1) * (n - 2))
    return squared / (n * (n - 3))


def _hsic_without(K, L):
    """Unbiased HSIC without one stimulus at a time, (stimulus,)."""
    K, L = K.copy(), L.copy()
    np.fill_diagonal(K, 0.0)
    np.fill_diagonal(L, 0.0)
    n, k, m = len(K) - 1, K.sum(axis=1), L.sum(axis=1)
    both = (K * L).sum(axis=1)
    chain = k @ m - k * m - L @ k - K @ m + both
    totals = (k.sum() - 2.0 * k) * (m.sum() - 2.0 * m)
    value = both.sum() - 2.0 * both + totals / ((n - 1) * (n - 2)) - 2.0 * chain / (n - 2)
    return value / (n * (n - 3))
