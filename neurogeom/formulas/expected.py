r"""What a linear readout is expected to score, given condition means and Gaussian noise.

Every condition :math:`c` has a mean :math:`\mu_c` and the same noise covariance :math:`\Sigma`.
A readout trained on the sides
:math:`A, B` scores a trial :math:`x` by its projection on :math:`w`, measured from the point
halfway between the two sides,

.. math:: s = w \cdot (x - m), \quad m = (\bar\mu_A + \bar\mu_B) / 2,

- ``nearest_mean``: :math:`w = \bar\mu_A - \bar\mu_B`;
- ``lda``: :math:`w = S^{-1} (\bar\mu_A - \bar\mu_B)`, where the covariance within a side
  :math:`S = \Sigma + \tfrac1C \sum_c (\mu_c - \bar\mu_{side(c)}) (\mu_c - \bar\mu_{side(c)})^T`
  contains the scatter of the conditions of that side, as it does when trials are pooled;
- ``ridge``, ``svm``: least squares, and the squared hinge, on labels of +1 and -1.

With unlimited training trials condition :math:`c` is classified correctly with probability
:math:`\Phi(\pm w \cdot (\mu_c - m) / \sqrt{w^T \Sigma w})`. A readout without direction
(:math:`w = 0`) guesses: 0.5.

With ``n_trials`` training trials a condition the means are estimates. The score of a nearest mean
then has a known mean and variance over training sets and trials, and is *approximated* as Gaussian;
the shorter textbook form drops the noise in the halfway point and in the projection of the
condition. The others follow from the equations in :mod:`.trained_readouts`; LDA is shrunk as Ledoit
& Wolf estimate it, and all are the readouts of the engine. Good for ten neurons and more.
"""

import numpy as np

from . import known_directions, trained_readouts

__all__ = [
    "accuracy",
    "by_condition",
    "ccgp",
    "ccgp_split",
    "parallelism",
    "participation_ratio",
    "shattering",
]
MANY = 1e9  # trials that stand for infinitely many


def accuracy(means, side, **options):
    """How well is a dichotomy decoded when the readout is trained on all of its conditions?

    Chance is 0.5, the range [0, 1]; conditions weigh equally.

    Parameters
    ----------
    means : array (condition, neuron)
        In any unit, that of ``noise_sd``.
    side : array (condition,) or (dichotomy, condition)
        +1 and -1 for the two sides, 0 for a condition that takes no part.
    **options
        ``noise_sd``, ``readout``, ``n_trials`` and what else :func:`by_condition` takes.

    Returns
    -------
    float, or array (dichotomy,)

    Raises
    ------
    ValueError
        Shapes do not fit, a side is empty, the noise is no covariance.

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
    correct = by_condition(means, sides, sides != 0, **options)
    scores = np.nanmean(correct, axis=1)
    return scores if side.ndim == 2 else scores[0]


def shattering(means, sides, **options):
    """How well is the average dichotomy decoded? The mean of :func:`accuracy` over ``sides``.

    Parameters and errors are those of :func:`accuracy`; ``sides`` is (dichotomy, condition).

    Examples
    --------
    >>> sides = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    >>> round(float(shattering(np.eye(4) * 8**0.5, sides)), 4)  # a simplex with sides 4 noise sd
    0.9214
    """
    return accuracy(means, np.atleast_2d(sides), **options).mean()


def ccgp(means, side, pairs, **options):
    """Does a readout of a dichotomy carry over to a pair of conditions that it has not seen?

    The mean over ``pairs`` of the accuracy on a pair that was left out of training (Bernardi et
    al. 2020). Chance is 0.5; values below are findings. Over all balanced dichotomies and all pairs
    the mean is 0.5 exactly, whatever the means.

    Parameters
    ----------
    means, side, **options
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
    correct = by_condition(means, side, trained, **options)
    return np.take_along_axis(correct, pairs, axis=1).mean()


def ccgp_split(means, side, trained, tested, **options):
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
    correct = by_condition(means, side, trained, **options)
    return correct[0, np.asarray(tested, dtype=bool)].mean()


def by_condition(
    means,
    side,
    trained,
    *,
    noise_sd=1.0,
    noise_covariance=None,
    readout="nearest_mean",
    n_trials=None,
    scale=False,
    C=1.0,
    penalty=1.0,
):
    """How well does each readout of many classify each condition, trained or not?

    Parameters
    ----------
    means : array (condition, neuron)
        In any unit, that of ``noise_sd``.
    side, trained : arrays that broadcast to (problem, condition)
        Sides in {+1, -1, 0}; whether a condition takes part in training.
    noise_sd : float or array (neuron,)
        Standard deviation of single trials around the mean of their condition.
    noise_covariance : array (neuron, neuron), optional
        In its place: positive definite.
    readout : {"nearest_mean", "lda", "ridge", "svm"}
    n_trials : float, optional
        Training trials a condition; None stands for infinitely many.
    scale : bool
        Each neuron divided by its sd over trials of all conditions, as the engine does.
    C, penalty : float
        Of the SVM and of ridge.

    Returns
    -------
    array (problem, condition)
        Probability of a correct classification; NaN where the side is 0.

    Raises
    ------
    ValueError
        As in :func:`accuracy`.

    Examples
    --------
    >>> means = np.random.default_rng(0).standard_normal((2, 50)) * 0.3
    >>> options = {"n_trials": 10, "readout": "svm"}
    >>> by_condition(means, [1, -1], [True, True], **options).round(2).tolist()
    [[0.82, 0.82]]

    Source: Loureiro et al. 2021, NeurIPS 34:10144, for trained readouts; Raudys & Young 2004, J
    Multivar Anal 89:1, for the nearest mean.
    """
    from scipy.special import ndtr

    means, variance, side, trained = _checked(
        means, side, trained, noise_sd, noise_covariance, scale
    )
    labels = side * trained
    if readout not in _TRAINED:
        raise ValueError(f"readout={readout!r} is unknown here; choose from {list(_TRAINED)}")
    if n_trials is not None and not n_trials >= 1:
        raise ValueError(f"n_trials={n_trials} leaves no training; pass 1 or more")
    plus, minus = (_mean_weights(labels == sign) for sign in (1, -1))
    if readout == "nearest_mean" or (readout == "lda" and n_trials is None):
        margin, spread = known_directions.margins(
            means, variance, plus, minus, readout=readout, n_trials=n_trials
        )
    else:
        n = MANY if n_trials is None else float(n_trials)
        margin, spread = _TRAINED[readout](means, variance, labels, n, C, penalty)
        spread = spread[:, None]
    z = np.divide(side * margin, np.sqrt(spread), where=spread > 0, out=np.zeros_like(margin))
    return np.where(side == 0, np.nan, ndtr(z))


def parallelism(means, pairs, *, noise_sd=1.0, noise_covariance=None, n_trials=None):
    r"""What the naive parallelism is expected to be where means are estimated from few trials.

    Noise lengthens every coding vector :math:`v_i` by :math:`2 \mathrm{tr} \Sigma / n` and leaves
    their products as they are; the corrected estimate is that of ``n_trials=None``.

    Parameters
    ----------
    means, noise_sd, noise_covariance, n_trials
        As in :func:`by_condition`.
    pairs : array of int (pair, 2)
        Two or more coding vectors, from the second condition to the first; no condition twice.

    Returns
    -------
    float, in [-1, 1]; 0 for unrelated vectors. A ratio of expectations.

    Examples
    --------
    >>> means = np.zeros((4, 50))
    >>> means[:2, 0] = 2
    >>> round(float(parallelism(means, [[0, 2], [1, 3]], n_trials=10)), 3)  # without noise 1
    0.286

    Source: Bernardi et al. 2020, Cell 183:954; the expectation is this package's.
    """
    means, variance, *_ = _checked(means, [0], True, noise_sd, noise_covariance, False)
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or len(pairs) < 2 or len(np.unique(pairs)) < pairs.size:
        raise ValueError(f"pairs {pairs.tolist()} are no two or more disjoint pairs of conditions")
    vectors = means[pairs[:, 0]] - means[pairs[:, 1]]
    gram = vectors @ vectors.T
    length = np.sqrt(np.diag(gram) + (0.0 if n_trials is None else 2 * variance.sum() / n_trials))
    cosine = gram / np.outer(length, length)
    return cosine[np.triu_indices(len(pairs), 1)].mean()


def participation_ratio(means, *, noise_sd=1.0, noise_covariance=None, n_trials=None):
    r"""What the naive participation ratio of condition means is expected to be at few trials.

    The ratio of :math:`E (\mathrm{tr} \hat C)^2` and :math:`E\, \mathrm{tr} \hat C^2`, both exact
    for Gaussian noise, where :math:`\hat C` is the covariance of estimated means.

    Parameters
    ----------
    means, noise_sd, noise_covariance, n_trials
        As in :func:`by_condition`.

    Returns
    -------
    float, from 1 to the smaller of conditions - 1 and neurons

    Examples
    --------
    >>> cube = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]) * 0.5
    >>> cube = np.hstack([cube, np.zeros((8, 47))])
    >>> round(float(participation_ratio(cube)), 2)
    3.0
    >>> round(float(participation_ratio(cube, n_trials=5)), 2)
    6.03
    """
    means, variance, *_ = _checked(means, [0], True, noise_sd, noise_covariance, False)
    variance = variance * (0.0 if n_trials is None else 1.0 / n_trials)
    contrasts = np.linalg.qr(np.column_stack([np.ones(len(means)), np.eye(len(means))]))[0][
        :, 1 : len(means)
    ]
    rows = contrasts.T @ means  # independent noise of the same covariance
    gram, along = rows @ rows.T, (rows**2 @ variance)
    trace, squared = variance.sum(), (variance**2).sum()
    length = np.diag(gram) + trace
    own = 2 * squared + 4 * along  # variance of the squared length of a row
    products = gram**2 + along[:, None] + along[None, :] + squared
    np.fill_diagonal(products, length**2 + own)
    return (length.sum() ** 2 + own.sum()) / products.sum()


def _ridge(means, variance, labels, n, C, penalty):
    return trained_readouts.square(means, variance, labels, n, penalty=penalty)


def _svm(means, variance, labels, n, C, penalty):
    return trained_readouts.hinge(means, variance, labels, n, C=C)


def _shrunk_lda(means, variance, labels, n, C, penalty):
    penalty = trained_readouts.lda_penalty(means, variance, labels, n)
    return trained_readouts.square(means, variance, labels, n, penalty=penalty, intercept="midway")


_TRAINED = {"nearest_mean": None, "lda": _shrunk_lda, "ridge": _ridge, "svm": _svm}


def _checked(means, side, trained, noise_sd, noise_covariance, scale):
    """Centred means (C, N) and noise variances (N,) along its axes; sides, training sets (P, C)."""
    means = np.asarray(means, dtype=float)
    if means.ndim != 2 or not np.isfinite(means).all():
        raise ValueError(f"means have shape {means.shape}; pass finite (condition, neuron) values")
    side, trained = np.broadcast_arrays(np.atleast_2d(side), np.atleast_2d(trained))
    if side.shape[1] not in (1, len(means)):
        raise ValueError(f"side names {side.shape[1]} conditions, means have {len(means)}")
    means = means - means.mean(axis=0)
    if noise_covariance is None:
        sd = np.broadcast_to(np.asarray(noise_sd, dtype=float), means.shape[1:])
        if not (sd > 0).all():
            raise ValueError(f"noise_sd has a value of {sd.min():g}; every neuron needs some noise")
        total = np.sqrt(sd**2 + (means**2).mean(axis=0)) if scale else np.ones(means.shape[1])
        return means / total, (sd / total) ** 2, side, trained
    covariance = np.asarray(noise_covariance, dtype=float)
    if covariance.shape != 2 * means.shape[1:] or not np.allclose(covariance, covariance.T):
        raise ValueError(
            f"noise_covariance has shape {covariance.shape}; pass a symmetric one of "
            f"{means.shape[1]} neurons"
        )
    if scale:
        total = np.sqrt(np.diag(covariance) + (means**2).mean(axis=0))
        means, covariance = means / total, covariance / np.outer(total, total)
    variance, axes = np.linalg.eigh(covariance)
    if not variance[0] > 1e-12 * variance[-1]:
        raise ValueError(
            f"noise_covariance has an eigenvalue of {variance[0]:g}; every direction needs noise"
        )
    return means @ axes, variance, side, trained


def _mean_weights(members):
    """Rows that average over the members: bool (P, C) to float (P, C)."""
    count = members.sum(axis=1, keepdims=True)
    if not count.all():
        raise ValueError("a training set lacks one of the two sides; train on conditions of both")
    return members / count
