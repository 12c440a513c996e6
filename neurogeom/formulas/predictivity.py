r"""How much of one population does a linear map of the other predict? Ridge regression, held out.

For each fold, a map from the condition means of x to those of y is fitted to the other conditions,
with the penalty whose leave-one-out errors are least *among those* (nested); it predicts the
conditions of the fold. With targets :math:`t = y - \bar y` and predictions :math:`p = \hat y - \bar
y` measured from the mean :math:`\bar y` of the training conditions, and sums over all conditions,

.. math::
    R^2 = 1 - \frac{\sum (t - p)^2}{\sum t^2}, \qquad
    R^2_c = \frac{\sum t^2 - \sum (t - p)^2}{\sum t^2 - \sum e}, \qquad
    r^2_{ER} = \frac{((\sum p t)^2 - \sum p^2 e) / \sum p^2}{\sum t^2 - \sum e}

with :math:`e` the squared standard error of each mean of y. The noise of a condition is in its
target and not in its own prediction, so that it cancels from the numerator of :math:`R^2_c`, whose
numerator and denominator are both unbiased; :math:`r^2_{ER}` (Pospisil and Bair 2020) is nearly so.
Both say what would be explained of noise-free means of y. They need noise that is independent
between conditions, and of the noise of x: take the means of x and y from different trials where
the two were recorded together. Noise in x counts as a failure to predict.

Mean error of what is left, 8 to 64 conditions, 5 to 20 trials, 40 neurons with a signal-to-noise
variance ratio of 0.2 or 1 a trial (30 data sets each, a tuned latent world): with sums over neurons
first (``pooled``) at most 0.011 for :math:`R^2_c` and 0.03 for :math:`r^2_{ER}`; for the median
neuron 0.04 and 0.05. Division of :math:`r^2` by a split-half reliability (Spearman-Brown) is off by
up to 0.10 for the median neuron, and its mean over neurons by 2 (some reliabilities are near 0).
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "PENALTIES",
    "Prediction",
    "divisions",
    "held_out",
    "r",
    "r_squared",
    "r_squared_er",
    "reliability",
]

# Times the mean squared length of the training conditions of x about their mean.
PENALTIES = tuple(10.0 ** np.arange(-4, 5))


class Prediction(NamedTuple):
    """Held-out predictions of every condition, and what they are measured from.

    predicted, baseline : array (..., condition, neuron)
        Of the linear map, and the mean of the conditions that it was fitted to.
    penalty : array (..., fold)
        As chosen from the training conditions, one for all neurons.
    """

    predicted: np.ndarray
    baseline: np.ndarray
    penalty: np.ndarray


def held_out(x, y, fold, penalties=PENALTIES):
    """Predict the conditions of each fold from a ridge regression on the others.

    One penalty for all neurons of y: one for each overfits where conditions are few (mean R^2 of
    -0.44 instead of 0.13 for 8 conditions, 0.31 instead of 0.38 for 16, equal from 64), and is
    better only from 32 conditions on where most neurons are noise and a few are not. It is not
    symmetric: exchange x and y for the other direction.

    Parameters
    ----------
    x : array (condition, neuron)
    y : array (..., condition, another neuron)
        Leading axes are kept: orders of the conditions of y are surrogates.
    fold : array (condition,)
        The fold of each condition: two or more, each leaving two conditions to be fitted to.
    penalties : sequence of float
        Above 0, in units of the mean squared length of the centred training conditions of x.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        Another number of conditions or of folds; a penalty that is not above 0.

    Examples
    --------
    >>> x = np.arange(6.0)[:, None]
    >>> found = held_out(x, 2 * x + 1, np.arange(6) % 3, [1e-9])
    >>> found.predicted[:, 0].round(6)
    array([ 1.,  3.,  5.,  7.,  9., 11.])
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 2 or y.ndim < 2 or y.shape[-2] != len(x):
        raise ValueError(
            f"populations of shape {x.shape} and {y.shape}; pass (condition, neuron) and "
            "(..., condition, neuron), with the same conditions"
        )
    penalties = np.sort(np.asarray(penalties, dtype=float))
    if not (penalties.size and penalties[0] > 0):
        raise ValueError(f"penalties={penalties.tolist()}: pass numbers above 0")
    predicted, baseline, chosen = np.empty_like(y), np.empty_like(y), []
    for test in divisions(fold, len(x)):
        mean_x, mean_y = x[~test].mean(axis=0), y[..., ~test, :].mean(axis=-2, keepdims=True)
        u, s, axes = _spanned(x[~test] - mean_x)
        target = y[..., ~test, :] - mean_y
        along = np.swapaxes(u, -1, -2) @ target
        kept = s**2 / (s**2 + penalties[:, None] * np.sum(s**2) / len(u))  # (penalty, component)
        best = _least_error(u, along, target, kept)
        slope = (kept / s)[best][..., None] * along
        predicted[..., test, :] = (x[test] - mean_x) @ axes.T @ slope + mean_y
        baseline[..., test, :] = mean_y
        chosen.append(penalties[best])
    return Prediction(predicted, baseline, np.stack(chosen, axis=-1))


def divisions(fold, n_conditions):
    """Which conditions each fold tests: bool (fold, condition).

    Raises
    ------
    ValueError
        No fold for every condition, fewer than two folds, or fewer than two conditions to fit to.
    """
    fold = np.asarray(fold)
    if fold.shape != (n_conditions,):
        raise ValueError(f"fold has shape {fold.shape}; pass one fold for each of {n_conditions}")
    tested = np.unique(fold)[:, None] == fold
    if len(tested) < 2 or (~tested).sum(axis=1).min() < 2:
        raise ValueError(
            f"{n_conditions} conditions in {len(tested)} folds leave too few to fit to; at least "
            "two folds are needed, and two conditions outside each"
        )
    return tested


def r(prediction, y):
    """Correlation of held-out predictions and targets of each neuron: (..., neuron), in [-1, 1].

    Both are measured from the training mean, since correlation about the mean of all conditions
    punishes a prediction of the training mean: unrelated populations would get -0.89 for 8
    conditions and -0.30 for 64. They get -0.07 for 8 and 16 and -0.04 for 64 here, so compare with
    a null; and 0 in :func:`r_squared`. NaN where nothing varies.
    """
    p, t = _deviations(prediction, y)
    return _over(np.sum(p * t, axis=-2), np.sqrt(np.sum(p**2, axis=-2) * np.sum(t**2, axis=-2)))


def r_squared(prediction, y, squared_error=None, *, pooled=False):
    """Share of the variance of y that is predicted: at most 1, chance 0 or below.

    Parameters
    ----------
    prediction : Prediction
    y : array (..., condition, neuron)
    squared_error : array (..., condition, neuron), optional
        Squared standard error of each mean of y: then the share of the variance of noise-free
        means, which can exceed 1. None: of y as it is (``naive`` for noisy means).
    pooled : bool
        Sums over neurons before the division: one number for the population, with little bias.

    Returns
    -------
    array (..., neuron), or (...) if pooled
        NaN where y does not vary more than its noise.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> y = x * [[1.0, -2.0]]
    >>> r_squared(held_out(x, y, [0, 1, 2, 3], [1e-9]), y).round(6)
    array([1., 1.])
    """
    p, t = _deviations(prediction, y)
    explained = np.sum(t**2, axis=-2) - np.sum((t - p) ** 2, axis=-2)
    return _share(explained, _signal(t, 0 if squared_error is None else squared_error), pooled)


def r_squared_er(prediction, y, squared_error, *, pooled=False):
    """Squared correlation with noise-free means of y (Pospisil and Bair 2020): chance 0.

    Of the shape of the prediction only: its gain and offset are free. Negative where predictions
    follow y less than noise would. Parameters and return as in :func:`r_squared`.
    """
    p, t = _deviations(prediction, y)
    length = np.sum(p**2, axis=-2)
    noise = np.sum(p**2 * squared_error, axis=-2)
    aligned = np.sum(p * t, axis=-2) ** 2 - noise
    return _share(
        np.where(length == 0, 0, aligned) / np.where(length == 0, 1, length),
        _signal(t, squared_error),
        pooled,
    )


def reliability(prediction, y, squared_error, *, pooled=False):
    """Share of the variance of y about the training mean that is not noise: at most 1.

    Below 0.3 a neuron has too little signal for its own corrected value. Parameters and return as
    in :func:`r_squared`.
    """
    _, t = _deviations(prediction, y)
    return _share(_signal(t, squared_error), np.sum(t**2, axis=-2), pooled)


def _spanned(x):
    """Singular value decomposition without what is rounding."""
    u, s, axes = np.linalg.svd(x, full_matrices=False)
    spans = s > max(x.shape) * np.finfo(float).eps * s.max(initial=0)
    return u[:, spans], s[spans], axes[spans]


def _least_error(u, along, target, kept):
    """Index of the penalty with the least leave-one-out error, relative to each neuron's variance.

    The residual of a condition that is left out is that of the fit to all over 1 minus its leverage
    (Cook and Weisberg 1982): no other fit is needed.
    """
    variance = np.sum(target**2, axis=-2)
    varies = variance > 0
    scale = np.where(varies, 1, 0) / np.where(varies, variance, 1)
    errors = []
    for share in kept:
        leverage = 1 / len(u) + np.sum(u**2 * share, axis=1)
        residual = (target - (u * share) @ along) / (1 - leverage)[:, None]
        errors.append(np.sum(np.sum(residual**2, axis=-2) * scale, axis=-1))
    # Of equal errors the largest penalty: penalties ascend.
    return len(kept) - 1 - np.argmin(np.stack(errors)[::-1], axis=0)


def _deviations(prediction, y):
    return prediction.predicted - prediction.baseline, y - prediction.baseline


def _signal(t, squared_error):
    """Sum of squares of the targets without that of their noise (..., neuron)."""
    return np.sum(t**2 - squared_error, axis=-2)


def _share(top, bottom, pooled):
    if pooled:
        top, bottom = top.sum(axis=-1), bottom.sum(axis=-1)
    return _over(top, bottom)


def _over(top, bottom):
    """The ratio, NaN where the bottom is not above 0."""
    return top / np.where(bottom > 0, bottom, np.nan)
