r"""Which part of population activity follows which variable? Marginalisations and demixed axes.

Means :math:`X` (neuron, point), a point being a combination of levels of the factors (time is one
of them), centred. Averaging over some factors and centring over the others splits them into
orthogonal parts, :math:`X = \sum_\phi X_\phi` and :math:`|X|^2 = \sum_\phi |X_\phi|^2`. Demixed
principal components (Kobak et al. 2016, eLife 5:e10989, Methods) reconstruct one part from all the
activity, through few components:

.. math:: \min_{F, D} |X_\phi - F D X|^2 + \mathrm{tr}(F D G D^\top F^\top) + \mu |F D|^2

with :math:`G` the scatter of single trials about their means, so that without a penalty this is
least squares on single trials. It is reduced-rank regression: with
:math:`S = X X^\top + G + \mu I` and :math:`A = X_\phi X^\top S^{-1}`, :math:`F` are the first
eigenvectors of :math:`A S A^\top`, and :math:`D = F^\top A`.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Axes", "Demixer", "contrasts", "explained", "marginalisation", "noise"]

SINGULAR = 1e-6  # ratio of pivots below which a direction is rounding


def contrasts(levels, factors):
    """Orthonormal patterns over points that follow some factors together, and no fewer of them.

    Parameters
    ----------
    levels : sequence of int
        Numbers of levels of all factors; points are their combinations, the last changing fastest.
    factors : sequence of int
        Positions in ``levels``; none of them gives the constant.

    Returns
    -------
    array (point, pattern)
        As many patterns as degrees of freedom, product of levels - 1. Those of all sets of factors
        together are an orthonormal basis.

    Raises
    ------
    ValueError
        A position that is no factor.

    Examples
    --------
    >>> contrasts([2, 2], [0, 1]).ravel().round(9).tolist()
    [0.5, -0.5, -0.5, 0.5]
    """
    from scipy.linalg import helmert

    if wrong := set(factors) - set(range(len(levels))):
        raise ValueError(f"{min(wrong)} is none of the {len(levels)} factors")
    patterns = np.ones((1, 1))
    for i, k in enumerate(levels):
        own = helmert(k).T if i in factors else np.full((k, 1), k**-0.5)
        patterns = np.kron(patterns, own)
    return patterns


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

    Examples
    --------
    >>> means = np.array([[[0.0], [2.0]], [[4.0], [6.0]]])  # two levels by two, one neuron
    >>> marginalisation(means, [0])[..., 0].round(9)
    array([[-2., -2.],
           [ 2.,  2.]])
    """
    means = np.asarray(means, dtype=float)
    patterns = contrasts(means.shape[:-1], factors)
    flat = means.reshape(-1, means.shape[-1])
    return (patterns @ (patterns.T @ flat)).reshape(means.shape)


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
    parts : mapping of name to array (point, pattern)
        Orthonormal patterns B; what is to be reconstructed is ``x @ B @ B.T``.
    scatter : array (neuron, neuron), optional
        Covariance of single trials about their means, summed over points: the scale of ``x @ x.T``.

    Examples
    --------
    >>> x = np.array([[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]])  # a neuron a variable
    >>> axes = Demixer(x, {"a": contrasts([2, 2], [0])}).fit(0.0, 1)["a"]
    >>> axes.encoder.shape, axes.decoder.shape, float((axes.encoder @ axes.decoder)[0, 0].round(9))
    ((2, 1), (1, 2), 1.0)
    """

    def __init__(self, x, parts, scatter=None):
        self.x = np.asarray(x, dtype=float)
        self._square = self.x @ self.x.T + (0.0 if scatter is None else scatter)
        self._parts = {name: self._part(b) for name, b in parts.items()}

    def _part(self, patterns):
        """Orthonormal columns that span a part, and the part in these coordinates."""
        left, size, right = np.linalg.svd(self.x @ patterns, full_matrices=False)
        least = size.max(initial=0.0) * max(self.x.shape) * np.finfo(float).eps
        rank = int((size > least).sum())
        return left[:, :rank], size[:rank, None] * (right[:rank] @ patterns.T)

    def fit(self, penalty, n_components):
        """Axes of every part, {name: Axes}, sorted by how much they lessen the loss.

        Fewer than ``n_components`` where the part has a lower rank. Of each axis the largest entry
        of the encoder is positive. The smallest solution is taken where there are several.
        """
        solved = self._solved(penalty)
        return {n: self._axes(part, solved, n_components) for n, part in self._parts.items()}

    def _axes(self, part, solved, n_components):
        basis, rows = part  # what is fitted lies in the basis, whatever the penalty
        solution = rows @ solved.T
        chosen = np.linalg.eigh(solution @ (self.x @ rows.T))[1][:, ::-1][:, :n_components]
        encoder = basis @ chosen
        sign = np.sign(encoder[np.abs(encoder).argmax(axis=0), np.arange(encoder.shape[1])])
        return Axes(encoder * sign, (chosen * sign).T @ solution)

    def _solved(self, penalty):
        """(x x' + G + penalty)^-1 x, (neuron, point)."""
        from scipy.linalg import cho_solve

        square = self._square + penalty * np.eye(len(self.x))
        try:
            root = np.linalg.cholesky(square)
        except np.linalg.LinAlgError:
            root = np.zeros((1, 1))
        pivots = np.diagonal(root)
        if pivots.min() <= SINGULAR * pivots.max():  # more neurons than directions with activity
            return np.linalg.pinv(square, rcond=SINGULAR**2, hermitian=True) @ self.x
        return cho_solve((root, True), self.x)


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
