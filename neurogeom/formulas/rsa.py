r"""Which conditions does a population keep apart? Distances between them, and their comparison.

A representational dissimilarity matrix (RDM) holds the squared distances between the condition
means of a population, here divided by the number of neurons. Estimated means are too far apart:
noise adds :math:`2\sigma^2/n` to every squared distance. The crossnobis distance multiplies
differences from different folds, whose noise is independent, and so has no such bias (Walther et
al. 2016). With :math:`D_f = \mu_{a,f} - \mu_{b,f}` in fold :math:`f = 1 \dots n` and the inverse
noise covariance :math:`\Sigma^{-1}`, its mean over all ordered pairs of folds is

.. math::
    d^2_{ab} = \frac{1}{N} \frac{1}{n(n-1)} \sum_{f \ne g} D_f^T \Sigma^{-1} D_g
             = \frac{1}{N} \frac{|\sum_f D_f|^2 - \sum_f |D_f|^2}{n(n-1)}

with norms in :math:`\Sigma^{-1}`: two Gram matrices of conditions, whatever the number of folds.

Distances are (..., pair): the pairs (0, 1), (0, 2), ... in the order of ``numpy.triu_indices``.
Leading axes are kept and broadcast everywhere, so that all surrogates are one call.
"""

import numpy as np

from .noise_covariance import noise_precision, within_fold_covariance

__all__ = [
    "COMPARISONS",
    "cosine",
    "crossnobis",
    "naive_distances",
    "noise_ceiling",
    "noise_precision",
    "pearson",
    "rdm_covariance",
    "relabelled",
    "tau_a",
    "whitened_cosine",
    "within_fold_covariance",
]


# --- distances ----------------------------------------------------------------------------------


def crossnobis(means, precision=None):
    r"""Squared distance of every pair of conditions, unbiased by the noise of the means.

    In squared units of the means, or in units of noise variance with ``precision``; 0 for two
    conditions with the same mean, and then negative in half of all recordings: never clip it. A
    precision estimated from the same trials must come from residuals *within* fold
    (:func:`within_fold_covariance`).

    Parameters
    ----------
    means : array (..., fold, condition, neuron)
        Condition means of disjoint sets of trials.
    precision : array (neuron, neuron) or (neuron,), optional
        Inverse of the noise covariance, or its diagonal; None for plain squared distances.

    Returns
    -------
    array (..., pair)

    Raises
    ------
    ValueError
        Fewer than two folds or two conditions; a precision of another size.

    Examples
    --------
    >>> one_fold, another = [[0.0, 0.0], [3.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]
    >>> crossnobis(np.array([one_fold, another]))
    array([2.])
    """
    means = _checked(means, "(..., fold, condition, neuron)", 3)
    n_folds = means.shape[-3]
    if n_folds < 2:
        raise ValueError("crossnobis distances need the means of two folds or more")
    root, total, within = _root(precision, means.shape[-1]), 0, 0
    for fold in np.moveaxis(means, -3, 0):  # one at a time stays in the cache
        fold = _times(_centred(fold), root)
        within = within + _gram(fold)
        total = total + fold
    across = _gram(total) - within
    return _distances(across) / (n_folds * (n_folds - 1) * means.shape[-1])


def naive_distances(means, precision=None):
    r"""Squared distance of every pair of conditions, too large by :math:`2\sigma^2/n`.

    Exact for noise-free means. Parameters as in :func:`crossnobis`, means (..., condition, neuron).

    Examples
    --------
    >>> naive_distances(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0]]))
    array([ 2.,  8., 10.])
    """
    means = _centred(_checked(means, "(..., condition, neuron)", 2))
    n = means.shape[-1]
    return _distances(_gram(_times(means, _root(precision, n)))) / n


def relabelled(distances, order):
    """Distances after condition ``order[i]`` has taken the place of condition i: for nulls.

    Parameters
    ----------
    distances : array (pair,)
    order : array of int (..., condition)

    Returns
    -------
    array (..., pair)

    Examples
    --------
    >>> relabelled(np.array([1.0, 2.0, 3.0]), [[0, 1, 2], [1, 0, 2]])
    array([[1., 2., 3.],
           [1., 3., 2.]])
    """
    distances, order = np.asarray(distances, dtype=float), np.asarray(order)
    n = _n_conditions(distances)
    a, b = np.triu_indices(n, 1)
    place = np.zeros((n, n), int)
    place[a, b] = place[b, a] = np.arange(a.size)
    return distances[place[order[..., a], order[..., b]]]


# --- comparisons --------------------------------------------------------------------------------


def cosine(a, b):
    """Cosine between two sets of distances, (..., pair) each: in [-1, 1], NaN if one is all 0.

    Distances are positive, so that unrelated populations score far above 0: compare with a null.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return _normalised(np.sum(a * b, axis=-1), np.sum(a * a, axis=-1), np.sum(b * b, axis=-1))


def pearson(a, b):
    """Correlation of two sets of distances, (..., pair) each: chance 0; NaN if one is constant."""
    return cosine(_standardised(a), _standardised(b))


def tau_a(a, b):
    r"""Kendall's :math:`\tau_a` between two sets of distances, (..., pair) each: chance 0.

    Pairs of distances ordered alike minus those ordered oppositely, over all: of the rank
    correlations the one that does not favour models that predict ties (Nili et al. 2014). A
    constant set orders nothing and scores 0.

    Examples
    --------
    >>> float(tau_a([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]).round(3))
    0.333
    """
    from scipy.stats import kendalltau

    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    n = a.shape[-1]
    # scipy sorts (n log n); its tau_b divides by what is not tied, tau_a by all.
    untied = np.sqrt(_untied(a)) * np.sqrt(_untied(b))
    missing = np.isnan(a).any(axis=-1) | np.isnan(b).any(axis=-1)
    found = np.where(missing, np.nan, 0.0)
    for i in np.ndindex(found.shape):
        if untied[i] > 0 and not missing[i]:
            found[i] = kendalltau(a[i], b[i], method="asymptotic").statistic * untied[i]
    return found / (n * (n - 1) / 2)


def whitened_cosine(a, b, n_conditions=None):
    r"""Cosine of distances weighted by the inverse of their noise covariance, (..., pair) each.

    Two distances that share a condition share its noise. With :math:`V` from
    :func:`rdm_covariance`, :math:`a^T V^{-1} b / \sqrt{a^T V^{-1} a \; b^T V^{-1} b}` (Diedrichsen
    et al. 2020): the most sensitive comparison where noise is the same for all conditions. It is
    the linear CKA of the populations behind the distances: 1 for equal ones, and near
    :math:`p/(n + p)` for unrelated ones of p neurons and n conditions.

    Parameters
    ----------
    a, b : array (..., pair)
    n_conditions : int, optional
        Checked against the number of pairs.

    Examples
    --------
    >>> equidistant, line = [1.0, 1.0, 1.0], [1.0, 4.0, 1.0]
    >>> float(whitened_cosine(equidistant, line, 3).round(4))
    0.7071
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if n_conditions not in (None, _n_conditions(a)) or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"{a.shape[-1]} and {b.shape[-1]} distances, {n_conditions} conditions")
    inverse = _whitened(b)
    return _normalised(
        np.sum(a * inverse, axis=-1),
        np.sum(a * _whitened(a), axis=-1),
        np.sum(b * inverse, axis=-1),
    )


def rdm_covariance(n_conditions):
    r"""Covariance of the distances under noise alone, up to a factor: (pair, pair).

    :math:`V = \Xi \circ \Xi` with :math:`\Xi = C C^T` and C the differences of conditions
    (Diedrichsen et al. 2020): 4 for a distance with itself, 1 with one that shares a condition.

    Examples
    --------
    >>> rdm_covariance(3)
    array([[4., 1., 1.],
           [1., 4., 1.],
           [1., 1., 4.]])
    """
    a, b = np.triu_indices(n_conditions, 1)
    contrasts = np.zeros((a.size, n_conditions))
    contrasts[np.arange(a.size), a], contrasts[np.arange(a.size), b] = 1, -1
    return (contrasts @ contrasts.T) ** 2


def noise_ceiling(rdms, comparison="whitened_cosine"):
    """How similar would the true model be to these subjects? A lower and an upper bound.

    Upper: the mean similarity of each subject with the mean of all, made of RDMs normalised such
    that it is the highest that any one RDM can reach (for ``tau_a`` mean ranks, nearly so). Lower:
    with the mean of the *other* subjects (Nili et al. 2014).

    Parameters
    ----------
    rdms : array (..., subject, pair)
    comparison : {"whitened_cosine", "cosine", "pearson", "tau_a"}

    Returns
    -------
    lower, upper : float or array (...)

    Raises
    ------
    ValueError
        Fewer than two subjects; an unknown comparison.

    Examples
    --------
    >>> lower, upper = noise_ceiling(np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]]), "pearson")
    >>> float(lower.round(3)), float(upper.round(3))
    (0.5, 0.866)
    """
    rdms = np.asarray(rdms, dtype=float)
    if rdms.ndim < 2 or rdms.shape[-2] < 2:
        raise ValueError(f"RDMs of shape {rdms.shape}: a noise ceiling needs two subjects or more")
    if comparison not in COMPARISONS:
        raise ValueError(f"comparison={comparison!r}: choose one of {', '.join(COMPARISONS)}")
    compare, normalise = COMPARISONS[comparison]
    total = normalise(rdms).sum(axis=-2, keepdims=True)
    others = total - normalise(rdms)
    return tuple(compare(rdms, pooled).mean(axis=-1) for pooled in (others, total))


# --- parts --------------------------------------------------------------------------------------


def _checked(means, shape, ndim):
    means = np.asarray(means, dtype=float)
    if means.ndim < ndim or means.shape[-2] < 2 or not means.shape[-1]:
        raise ValueError(
            f"means have shape {means.shape}; pass {shape}, two conditions and one neuron at least"
        )
    return means


def _centred(means):
    """Without the mean over conditions, which no distance contains and rounding would."""
    return means - means.mean(axis=-2, keepdims=True)


def _root(precision, n):
    """What means are multiplied by, so that the precision becomes the identity; None, 1 or 2 dims.

    A triangular root where there is one: half of the products with it need not be made.
    """
    if precision is None:
        return None
    precision = np.asarray(precision, dtype=float)
    if precision.shape not in ((n,), (n, n)):
        raise ValueError(f"a precision of shape {precision.shape} does not fit {n} neurons")
    if precision.ndim == 1:
        return np.sqrt(precision)
    try:
        return np.asfortranarray(np.linalg.cholesky((precision + precision.T) / 2))
    except np.linalg.LinAlgError:  # of a covariance that is singular
        value, axes = np.linalg.eigh((precision + precision.T) / 2)
        return axes * np.sqrt(np.maximum(value, 0.0))


def _times(means, root):
    """Means (..., neuron) times a root of the precision."""
    if root is None or root.ndim == 1:
        return means if root is None else means * root
    n = means.shape[-1]
    rows = np.ascontiguousarray(means).reshape(-1, n)
    if np.isfortran(root):
        from scipy.linalg.blas import dtrmm

        return dtrmm(1.0, root, rows.T, lower=1, trans_a=1).T.reshape(means.shape)
    return (rows @ root).reshape(means.shape)


def _gram(means):
    """Inner products of conditions (..., condition, condition)."""
    return means @ np.swapaxes(means, -1, -2)


def _distances(gram):
    """Squared distances (..., pair) from inner products (..., condition, condition)."""
    a, b = np.triu_indices(gram.shape[-1], 1)
    own = np.diagonal(gram, axis1=-2, axis2=-1)
    return own[..., a] + own[..., b] - gram[..., a, b] - gram[..., b, a]


def _n_conditions(distances):
    n_pairs = np.shape(distances)[-1]
    n = (1 + int(np.sqrt(1 + 8 * n_pairs))) // 2
    if n * (n - 1) // 2 != n_pairs or not n_pairs:
        raise ValueError(f"{n_pairs} distances are not those of all pairs of conditions")
    return n


def _whitened(distances):
    r"""V^-1 times distances, up to the factor 1/2: the distance matrix, centred twice.

    :math:`V = 2 I + B^T B` with B the conditions of each pair, and :math:`B B^T = (n-2) I + 1`.
    """
    n = _n_conditions(distances)
    a, b = np.triu_indices(n, 1)
    takes_part = np.zeros((a.size, n))
    takes_part[np.arange(a.size), a] = takes_part[np.arange(a.size), b] = 1
    row = distances @ takes_part / n
    return distances - row[..., a] - row[..., b] + row.mean(axis=-1, keepdims=True)


def _normalised(product, a, b):
    norm = np.sqrt(a) * np.sqrt(b)
    return product / np.where(norm == 0, np.nan, norm)


def _standardised(distances):
    """Mean 0, norm 1; 0 where constant but for rounding."""
    distances = np.asarray(distances, dtype=float)
    centred = distances - distances.mean(axis=-1, keepdims=True)
    norm = np.sqrt(np.sum(centred**2, axis=-1, keepdims=True))
    size = np.sqrt(np.sum(distances**2, axis=-1, keepdims=True))
    flat = norm <= 1e-14 * size
    return np.where(flat, 0, centred) / np.where(flat, 1, norm)


def _untied(distances):
    """Number of pairs of distances that differ (...)."""
    ordered = np.sort(distances, axis=-1)
    n = ordered.shape[-1]
    index = np.arange(n)
    starts = np.ones(ordered.shape, bool)
    starts[..., 1:] = np.diff(ordered, axis=-1) != 0
    # Every distance differs from those before its run of equals.
    return np.maximum.accumulate(np.where(starts, index, 0), axis=-1).sum(axis=-1)


def _unit(square):
    """Division by the norm whose square is given; RDMs without length stay 0."""

    def normalise(rdms):
        norm = np.sqrt(np.sum(square(rdms), axis=-1, keepdims=True))
        return rdms / np.where(norm == 0, 1, norm)

    return normalise


def _ranks(rdms):
    from scipy.stats import rankdata

    return rankdata(rdms, axis=-1)


# Each comparison, and how RDMs are normalised before they are averaged for its ceiling.
COMPARISONS = {
    "whitened_cosine": (whitened_cosine, _unit(lambda d: d * _whitened(d))),
    "cosine": (cosine, _unit(np.square)),
    "pearson": (pearson, _standardised),
    "tau_a": (tau_a, _ranks),
}
