r"""Which part of population activity follows which variable? Marginalisations and demixed axes.

Means :math:`X` (neuron, point), a point being a combination of levels of the factors (time is one
of them), centred. Averaging over some factors and centring over the others splits them into
orthogonal parts, :math:`X = \sum_\phi X_\phi` and :math:`|X|^2 = \sum_\phi |X_\phi|^2`. Demixed
principal components (Kobak et al. 2016, eLife 5:e10989, Methods) reconstruct one part from all the
activity, through few components:

.. math:: \min_{F, D} |X_\phi - F D X|^2 + \mathrm{tr}(F D G D^\top F^\top) + \mu |F D|^2

with :math:`G` the scatter of single trials about their means, so that without a penalty this is
least squares on single trials. It is reduced-rank regression:
:math:`A = X_\phi X^\top (X X^\top + G + \mu I)^{-1}`, :math:`F` the first left singular vectors of
:math:`A X`, :math:`D = F^\top A`.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Axes", "Demixer", "explained", "marginalisation", "noise"]


def marginalisation(means, factors):
    """The part of means that follows some factors together, and no fewer of them.

    Parameters
    ----------
    means : array (level of the first factor, ..., level of the last, neuron)
        One axis a factor, neurons on the last; every combination of levels is there.
    factors : sequence of int
        Axes; none of them gives the grand mean.

    Returns
    -------
    array like ``means``
        Over all sets of factors they sum to ``means``, and are orthogonal.

    Raises
    ------
    ValueError
        An axis that is no factor.

    Examples
    --------
    >>> means = np.array([[[0.0], [2.0]], [[4.0], [6.0]]])  # two levels by two, one neuron
    >>> marginalisation(means, [0])[..., 0]
    array([[-2., -2.],
           [ 2.,  2.]])
    """
    means = np.asarray(means, dtype=float)
    if wrong := set(factors) - set(range(means.ndim - 1)):
        raise ValueError(f"axis {min(wrong)} is none of the {means.ndim - 1} factors")
    part = means
    for axis in range(means.ndim - 1):
        average = part.mean(axis=axis, keepdims=True)
        part = part - average if axis in factors else average
    return np.broadcast_to(part, means.shape)


def noise(error, levels, factors):
    r"""Expected squared length that trial noise adds to a marginalisation of estimated means.

    Noise of one trial goes on over time, and is independent between conditions:

    .. math:: E |E_\phi|^2 = \prod_{k \in \phi} (1 - 1/L_k) \prod_{k \notin \phi} (1 / L_k) \;
        \mathrm{tr}(P S),

    with S the covariance over time of the errors of means, and P centring over time where time is
    in :math:`\phi`, averaging where it is not.

    Parameters
    ----------
    error : array (time, time)
        Covariance over time of the error of means, summed over neurons and conditions: that of
        single trials / number of trials. (1, 1) without time.
    levels : sequence of int
        Numbers of levels of the factors but time.
    factors : sequence of int
        As in :func:`marginalisation`; time is the axis after the others.

    Examples
    --------
    >>> noise([[4.0]], [2, 2], [0])
    1.0
    """
    error = np.asarray(error, dtype=float)
    share = np.prod([1 - 1 / k if i in factors else 1 / k for i, k in enumerate(levels)])
    constant = error.sum() / len(error)
    return float(share * (np.trace(error) - constant if len(levels) in factors else constant))


class Axes(NamedTuple):
    """Demixed axes: encoder F float64 (neuron, component), orthonormal; decoder D (component,
    neuron)."""

    encoder: np.ndarray
    decoder: np.ndarray


class Demixer:
    """Reduced-rank ridge regression of parts of the activity on all of it.

    Parameters
    ----------
    x : array (neuron, point)
        Centred means.
    scatter : array (neuron, neuron), optional
        Covariance of single trials about their means, summed over points: the scale of ``x @ x.T``.

    Examples
    --------
    >>> x = np.array([[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]])  # a neuron a variable
    >>> axes = Demixer(x).fit(x * [[1], [0]], 0.0, 1)
    >>> axes.encoder.ravel().tolist(), axes.decoder.ravel().tolist()
    ([1.0, 0.0], [1.0, 0.0])
    """

    def __init__(self, x, scatter=None):
        x = np.asarray(x, dtype=float)
        self._value, self._vector = np.linalg.eigh(x @ x.T + (0.0 if scatter is None else scatter))
        self._along = self._vector.T @ x
        # What is below is rounding: directions in which there is no activity at all.
        self._least = self._value.max() * len(x) * np.finfo(float).eps

    def fit(self, part, penalty, n_components) -> Axes:
        """Axes of one part (neuron, point) at one penalty, sorted by what they capture.

        Fewer than ``n_components`` where the part has a lower rank. Of each axis the largest entry
        of the encoder is positive. Without penalty the smallest solution is taken.
        """
        return next(self.path(part, [penalty], n_components))

    def path(self, part, penalties, n_components):
        """Axes of one part at each of several penalties, one after the other."""
        left, size, right = np.linalg.svd(part, full_matrices=False)
        rank = int((size > size.max(initial=0.0) * max(part.shape) * np.finfo(float).eps).sum())
        basis = left[:, :rank]  # the fitted part lies in it, whatever the penalty
        cross = (size[:rank, None] * right[:rank]) @ self._along.T
        for penalty in penalties:
            bottom = self._value + penalty
            solution = cross * np.where(bottom > self._least, 1.0 / np.maximum(bottom, 1e-300), 0.0)
            fitted = solution @ self._along
            chosen = np.linalg.eigh(fitted @ fitted.T)[1][:, ::-1][:, :n_components]
            encoder, decoder = basis @ chosen, chosen.T @ solution @ self._vector.T
            sign = np.sign(encoder[np.abs(encoder).argmax(axis=0), np.arange(encoder.shape[1])])
            yield Axes(encoder * sign, decoder * sign[:, None])


def explained(part, encoder, activity):
    r"""Squared length of a part that each component reproduces, (component,).

    .. math:: |X_\phi|^2 - |X_\phi - f z|^2 = 2 \langle X_\phi, f z \rangle - |f|^2 |z|^2

    Its bound is the squared length of the part, it is negative where the component is worse than
    nothing, and with orthogonal encoders it adds up. It is linear in the part: where that is an
    estimate from trials that neither f nor z have seen, its noise does no harm.

    Parameters
    ----------
    part : array (neuron, point)
    encoder : array (neuron, component)
    activity : array (component, point)

    Examples
    --------
    >>> explained(np.array([[1.0, -1.0]]), np.array([[1.0]]), np.array([[0.5, -0.5]]))
    array([1.5])
    """
    along = (encoder.T @ part * activity).sum(axis=1)
    return 2.0 * along - (encoder**2).sum(axis=0) * (activity**2).sum(axis=1)
