r"""What a linear readout is expected to score, given condition means and Gaussian noise.

Every condition :math:`c` has a mean :math:`\mu_c` and the same noise, independent between neurons
with variances :math:`\Sigma = \mathrm{diag}(\sigma^2)`. A readout trained on the sides
:math:`A, B` scores a trial :math:`x` by its projection on :math:`w`, measured from the point
halfway between the two sides,

.. math:: s = w \cdot (x - m), \quad m = (\bar\mu_A + \bar\mu_B) / 2,

- ``nearest_mean``: :math:`w = \bar\mu_A - \bar\mu_B`;
- ``lda``: :math:`w = S^{-1} (\bar\mu_A - \bar\mu_B)`, where the covariance within a side
  :math:`S = \Sigma + \tfrac1C \sum_c (\mu_c - \bar\mu_{side(c)}) (\mu_c - \bar\mu_{side(c)})^T`
  contains the scatter of the conditions of that side, as it does when trials are pooled.

With unlimited training trials condition :math:`c` is classified correctly with probability
:math:`\Phi(\pm w \cdot (\mu_c - m) / \sqrt{w^T \Sigma w})`. A readout without direction
(:math:`w = 0`) guesses: 0.5.

With ``n_trials`` training trials a condition the means are estimates; the score of a new trial then
has a known mean and variance over training sets and trials, and is *approximated* as Gaussian (good
for ten neurons and more). This keeps the noise in the halfway point and in the projection of the
condition, which the shorter textbook form drops.
"""

import numpy as np

__all__ = ["accuracy", "by_condition", "ccgp", "ccgp_split", "shattering"]


def accuracy(means, side, *, noise_sd=1.0, readout="nearest_mean", n_trials=None):
    """How well is a dichotomy decoded when the readout is trained on all of its conditions?

    Chance is 0.5, the range [0, 1]; conditions weigh equally.

    Parameters
    ----------
    means : array (condition, neuron)
        In any unit, that of ``noise_sd``.
    side : array (condition,) or (dichotomy, condition)
        +1 and -1 for the two sides, 0 for a condition that takes no part.
    noise_sd : float or array (neuron,)
        Standard deviation of single trials around the mean of their condition.
    readout : {"nearest_mean", "lda"}
    n_trials : int, optional
        Training trials a condition; None stands for infinitely many.

    Returns
    -------
    float, or array (dichotomy,)

    Raises
    ------
    ValueError
        Shapes do not fit, a side is empty, or ``n_trials`` is asked for LDA.

    Examples
    --------
    >>> means = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(float(accuracy(means, [1, 1, -1, -1])), 4)
    0.8413
    >>> float(accuracy(means, [1, -1, -1, 1]))  # exclusive or
    0.5
    """
    side = np.asarray(side)
    sides = np.atleast_2d(side)
    correct = by_condition(
        means, sides, sides != 0, noise_sd=noise_sd, readout=readout, n_trials=n_trials
    )
    scores = np.nanmean(correct, axis=1)
    return scores if side.ndim == 2 else scores[0]


def shattering(means, sides, *, noise_sd=1.0, readout="nearest_mean", n_trials=None):
    """How well is the average dichotomy decoded? The mean of :func:`accuracy` over ``sides``.

    Parameters and errors are those of :func:`accuracy`; ``sides`` is (dichotomy, condition).

    Examples
    --------
    >>> sides = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    >>> round(float(shattering(np.eye(4) * 8**0.5, sides)), 4)  # a simplex with sides 4 noise sd
    0.9214
    """
    scores = accuracy(
        means, np.atleast_2d(sides), noise_sd=noise_sd, readout=readout, n_trials=n_trials
    )
    return scores.mean()


def ccgp(means, side, pairs, *, noise_sd=1.0, readout="nearest_mean", n_trials=None):
    """Does a readout of a dichotomy carry over to a pair of conditions that it has not seen?

    The mean over ``pairs`` of the accuracy on a pair that was left out of training (Bernardi et
    al. 2020). Chance is 0.5; values below are findings. Over all balanced dichotomies and all pairs
    the mean is 0.5 exactly, whatever the means.

    Parameters
    ----------
    means, side, noise_sd, readout, n_trials
        As in :func:`accuracy`, with one dichotomy.
    pairs : array of int (pair, 2)
        The conditions held out together, one of each side; all others are trained.

    Returns
    -------
    float

    Examples
    --------
    >>> means = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(float(ccgp(means, [1, 1, -1, -1], [[0, 2], [1, 3]])), 4)
    0.8413
    """
    side, pairs = np.asarray(side), np.asarray(pairs)
    tested = np.zeros((len(pairs), len(side)), dtype=bool)
    np.put_along_axis(tested, pairs, True, axis=1)
    trained = ~tested & (side != 0)
    correct = by_condition(
        means, side, trained, noise_sd=noise_sd, readout=readout, n_trials=n_trials
    )
    return np.take_along_axis(correct, pairs, axis=1).mean()


def ccgp_split(
    means, side, trained, tested, *, noise_sd=1.0, readout="nearest_mean", n_trials=None
):
    """How well does a readout trained on some conditions do on others?

    One split, named by its conditions. Parameters as in :func:`accuracy`; ``trained`` and
    ``tested`` are bool (condition,), and the result is the mean over the tested conditions.

    Examples
    --------
    >>> means = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])  # exclusive or
    >>> trained = np.array([True, False, True, False])
    >>> round(float(ccgp_split(means, [1, 1, -1, -1], trained, ~trained)), 4)
    0.1587
    """
    correct = by_condition(
        means, side, trained, noise_sd=noise_sd, readout=readout, n_trials=n_trials
    )
    return correct[0, np.asarray(tested, dtype=bool)].mean()


def by_condition(means, side, trained, *, noise_sd=1.0, readout="nearest_mean", n_trials=None):
    """How well does each readout of many classify each condition, trained or not?

    Parameters
    ----------
    means, noise_sd, readout, n_trials
        As in :func:`accuracy`.
    side, trained : arrays that broadcast to (problem, condition)
        Sides in {+1, -1, 0}; whether a condition takes part in training.

    Returns
    -------
    array (problem, condition)
        Probability of a correct classification; NaN where the side is 0.
    """
    from scipy.special import ndtr

    means, variance, side, trained = _checked(means, side, trained, noise_sd)
    if readout not in _DIRECTIONS:
        raise ValueError(f"readout={readout!r} is unknown here; choose from {sorted(_DIRECTIONS)}")
    if readout == "lda" and n_trials is not None:
        raise ValueError(
            "n_trials has a formula for readout='nearest_mean' alone; simulate for 'lda'"
        )
    labels = side * trained
    plus, minus = (_mean_weights(labels == sign) for sign in (1, -1))
    middle = (plus + minus) / 2  # (problem, condition)
    dual, signal, noise = _DIRECTIONS[readout](means, variance, plus, minus)
    projected = dual @ signal
    margin = projected - np.sum(projected * middle, axis=1, keepdims=True)
    spread = np.sum((dual @ noise) * dual, axis=1, keepdims=True)
    # Rounding leaves a direction that is exactly zero at 1e-16 of the largest variance.
    directed = spread > 1e-13 * np.sum(np.abs(dual), axis=1, keepdims=True) ** 2 * noise.max()
    if n_trials is not None:
        margin, spread = _finite(margin, spread, dual, middle, noise, variance, n_trials)
        directed = True
    z = np.divide(side * margin, np.sqrt(np.abs(spread)), where=directed, out=np.zeros_like(margin))
    return np.where(side == 0, np.nan, ndtr(z))


def _checked(means, side, trained, noise_sd):
    """Centred means (C, N), noise variances (N,), sides and training sets (P, C)."""
    means = np.asarray(means, dtype=float)
    if means.ndim != 2 or not np.isfinite(means).all():
        raise ValueError(f"means have shape {means.shape}; pass finite (condition, neuron) values")
    sd = np.broadcast_to(np.asarray(noise_sd, dtype=float), means.shape[1:])
    if not (sd > 0).all():
        raise ValueError(f"noise_sd has a value of {sd.min():g}; every neuron needs some noise")
    side, trained = np.broadcast_arrays(np.atleast_2d(side), np.atleast_2d(trained))
    if side.shape[1] != len(means):
        raise ValueError(f"side names {side.shape[1]} conditions, means have {len(means)}")
    return means - means.mean(axis=0), sd**2, side, trained


def _mean_weights(members):
    """Rows that average over the members: bool (P, C) to float (P, C)."""
    count = members.sum(axis=1, keepdims=True)
    if not count.all():
        raise ValueError("a training set lacks one of the two sides; train on conditions of both")
    return members / count


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


_DIRECTIONS = {"nearest_mean": _nearest_mean, "lda": _lda}


def _finite(margin, spread, dual, middle, noise, variance, n_trials):
    """Mean and variance of the score over training sets of n trials a condition and new trials."""
    n = float(n_trials)
    if n < 1:
        raise ValueError(f"n_trials={n_trials} leaves no training; pass 1 or more")
    direction, halfway, both = (
        np.sum(x * y, axis=1, keepdims=True) / n
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
