r"""Do what a layer represents, its gradients and its weights share one matrix, up to scale?

A linear layer :math:`h_b = W h_a` has three second moments on each side,

.. math:: H_c = E[h_c h_c^T], \quad G_c = E[g_c g_c^T], \qquad
          Z_a = W^T W, \quad Z_b = W W^T, \qquad c \in \{a, b\},

with :math:`h_a` what enters it, :math:`h_b` what leaves it (before the nonlinearity) and
:math:`g_c = -\partial \ell / \partial h_c` of the loss of one sample. The canonical representation
hypothesis (Ziyin et al., arXiv:2410.03006) says that they are proportional: representation and
gradient (RGA, :math:`H_c \propto G_c`), representation and weights (RWA, :math:`H_c \propto Z_c`),
gradient and weights (GWA, :math:`G_c \propto Z_c`), six relations in all.

Beware (derived here, not the paper's): two unrelated matrices align above 0 (:func:`chance`), so
that 0.5 may be nothing; some relations hold for algebraic reasons before any learning (b-RWA is
exactly 1 for a first layer with white input), so that the initial value belongs beside each; and
the alignment is blind to exponents (a matrix and its square reach 0.96), which need
:mod:`.polynomial_alignment`.
"""

from typing import NamedTuple

import numpy as np

from .participation_ratio import from_covariance

__all__ = [
    "RELATIONS",
    "alignment",
    "chance",
    "excess",
    "neural_collapse",
    "participation_ratio",
    "relations",
    "stationarity",
    "traceless",
]

RELATIONS = ("a-RGA", "a-RWA", "a-GWA", "b-RGA", "b-RWA", "b-GWA")
ROUNDING = 1e-12  # what varies less than this share of the largest entry is rounding


class Relations(NamedTuple):
    """Of the six relations, in the order of RELATIONS, (relation,) each."""

    alignment: np.ndarray
    chance: np.ndarray
    excess: np.ndarray
    traceless: np.ndarray


class Collapse(NamedTuple):
    """How far a last layer has collapsed: 1 each where it has.

    weights, outputs, gradients : alignment of :math:`Z_b`, :math:`H_b`, :math:`G_b` with the
    simplex; duality : a-RWA; rank : the participation ratio of :math:`Z_b` over K - 1
    """

    weights: float
    outputs: float
    gradients: float
    duality: float
    rank: float


def alignment(A, B):
    """Pearson correlation of the entries of two matrices (Ziyin et al., Section 2).

    Chance is :func:`chance`, not 0. It does not change with the scale of either; rotating both
    changes it slightly, because the mean entry is not invariant (:func:`traceless` is).

    Parameters
    ----------
    A, B : array (n, n)

    Returns
    -------
    float
        In [-1, 1]; NaN where the entries of one are all equal, as of a layer that is silent.

    Raises
    ------
    ValueError
        They are not two square matrices of one size, or not finite.

    Examples
    --------
    >>> A = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> float(round(alignment(A, 5 * A), 12)), float(round(alignment(A, np.linalg.inv(A)), 2))
    (1.0, 0.8)
    """
    A, B = _pair(A, B)
    return _cosine(A - A.mean(), B - B.mean())


def traceless(A, B):
    """Cosine of two matrices without their traces: chance is 0, and rotating both changes nothing.

    Parameters and errors as in :func:`alignment`; NaN where one is a multiple of the identity.

    Examples
    --------
    >>> A = np.diag([1.0, 2.0, 3.0])
    >>> float(round(traceless(A, np.diag([5.0, 6.0, 7.0])), 12))
    1.0
    """
    A, B = _pair(A, B)
    one = np.eye(len(A)) / len(A)
    return _cosine(A - np.trace(A) * one, B - np.trace(B) * one)


def chance(A, B):
    r"""The alignment to be expected of matrices with these spectra in unrelated directions.

    Where one is rotated at random it is :math:`\sqrt{\gamma_A \gamma_B} / n` with the
    participation ratios :math:`\gamma` (derived here; within 0.02 from n = 32 on). That takes the
    mean entry to be small, as it is in general position: of raw moments of rectified units it is
    not, and chance is overstated or understated there; see :func:`traceless`, whose chance is 0.

    Parameters and errors as in :func:`alignment`.

    Returns
    -------
    float
        Between 1/n and 1 for positive matrices; NaN where one is 0.

    Examples
    --------
    >>> float(chance(np.diag([1.0, 1.0, 0.0, 0.0]), np.eye(4)).round(3))
    0.707
    """
    A, B = _pair(A, B)
    return np.sqrt(from_covariance(A) * from_covariance(B)) / len(A)


def excess(A, B):
    """Alignment beyond chance as a share of what is possible, 1 at best.

    Parameters and errors as in :func:`alignment`; NaN where chance is 1, as of two identities.

    Examples
    --------
    >>> A = np.diag([1.0, 2.0, 5.0])
    >>> float(round(excess(A, A), 12))
    1.0
    """
    return _beyond(alignment(A, B), chance(A, B))


def relations(W, H_a, G_a, H_b, G_b, *, project_a=None, project_b=None):
    """The six relations of a layer, each with its chance.

    Parameters
    ----------
    W : array (n_b, n_a)
    H_a, G_a : array (n_a, n_a); H_b, G_b : array (n_b, n_b)
        Second moments or covariances. NaN throughout where one is not known.
    project_a, project_b : array (k, n_a), (k, n_b), optional
        Projections, of independent normal entries of variance 1 / k, that the moments of a side
        went through; then they are (k, k), and what is returned is estimated for the whole from
        products without the bias of projection, the mean entry taken to be 0. Not clipped.

    Returns
    -------
    Relations

    Examples
    --------
    >>> W = np.diag([1.0, 2.0, 3.0])
    >>> white, Z = np.eye(3), W @ W.T
    >>> found = relations(W, white, Z, Z, white)  # b-RWA and a-GWA: p = q = 0
    >>> dict(zip(RELATIONS, found.traceless.round(2).tolist()))["b-RWA"]
    1.0
    """
    W = np.asarray(W, dtype=float)
    of_a = W.T if project_a is None else project_a @ W.T
    of_b = W if project_b is None else project_b @ W
    Z_a, Z_b = of_a @ of_a.T, of_b @ of_b.T
    pairs = ((H_a, G_a), (H_a, Z_a), (G_a, Z_a), (H_b, G_b), (H_b, Z_b), (G_b, Z_b))
    wholes = [None if project_a is None else W.shape[1]] * 3
    wholes += [None if project_b is None else W.shape[0]] * 3
    found = np.full((3, 6), np.nan)
    for i, ((A, B), n) in enumerate(zip(pairs, wholes, strict=True)):
        if np.isfinite(A).all() and np.isfinite(B).all():
            direct = alignment, chance, traceless
            found[:, i] = [f(A, B) for f in direct] if n is None else _of_the_whole(A, B, n)
    return Relations(found[0], found[1], _beyond(found[0], found[1]), found[2])


def participation_ratio(A, *, projected=False):
    """Over how many dimensions a moment is spread, also one that was projected; NaN where it is 0.

    A : array (n, n); projected : whether it went through a projection as in :func:`relations`

    Examples
    --------
    >>> float(participation_ratio(1e-200 * np.eye(3)))
    3.0
    """
    if not np.isfinite(A).all() or not np.any(A):
        return np.nan
    A = _unit(np.asarray(A, dtype=float))
    if not projected:
        return from_covariance(A)
    square, traces = _products(A, A)
    return traces / square if square > 0 else np.nan


def _products(A, B):
    r"""Of projected matrices, without bias: tr(AB) and tr(A) tr(B) of the whole.

    :math:`E\,\mathrm{tr}(A'B') = (1 + 1/k)\,\mathrm{tr}(AB) + \mathrm{tr}A\,\mathrm{tr}B / k` and
    :math:`E\,\mathrm{tr}A'\,\mathrm{tr}B' = \mathrm{tr}A\,\mathrm{tr}B + 2\,\mathrm{tr}(AB) / k`.
    """
    k = len(A)
    traces = np.trace(A) * np.trace(B)
    inner = (np.sum(A * B) - traces / k) / (1 + 1 / k - 2 / k**2)
    return inner, traces - 2 * inner / k


def _of_the_whole(A, B, n):
    """Alignment, chance and traceless cosine of the (n, n) matrices that A and B project."""
    A, B = _pair(A, B)
    (ab, t_ab), (aa, t_aa), (bb, t_bb) = _products(A, B), _products(A, A), _products(B, B)
    free = aa - t_aa / n, bb - t_bb / n
    if min(aa, bb, t_aa, t_bb) <= 0:
        return np.full(3, np.nan)
    cosine = (ab - t_ab / n) / np.sqrt(free[0] * free[1]) if min(free) > 0 else np.nan
    return ab / np.sqrt(aa * bb), np.sqrt(t_aa / aa * t_bb / bb) / n, cosine


def stationarity(W, cross, weight_decay):
    r"""How far a layer is from where its gradient is held by weight decay alone, 0 at best.

    At a minimum of :math:`L + \frac\gamma2 |W|^2` the mean :math:`E[g_b h_a^T] = \gamma W`,
    so that :math:`E[g_b h_b^T] = \gamma Z_b` is symmetric (derived here).

    Parameters
    ----------
    W, cross : array (n_b, n_a)
        cross is :math:`E[g_b h_a^T]`, minus the gradient of the loss without weight decay.
    weight_decay : float
        Gamma, coupled as in SGD; positive.

    Returns
    -------
    float
        :math:`|E[g_b h_a^T] - \gamma W| / |\gamma W|`; NaN where W is 0.

    Examples
    --------
    >>> W = np.array([[1.0, 2.0]])
    >>> stationarity(W, 0.1 * W, 0.1), stationarity(W, 0 * W, 0.1)
    (0.0, 1.0)
    """
    if not weight_decay > 0:
        raise ValueError(
            f"weight_decay={weight_decay} holds nothing in balance; pass the positive decay of the "
            "training"
        )
    W, cross = np.asarray(W, dtype=float), np.asarray(cross, dtype=float)
    held = weight_decay * W
    return float(_norm(cross - held) / _norm(held)) if W.any() else np.nan


def neural_collapse(W, H_a, H_b, G_b):
    r"""Has the last layer of a classifier collapsed onto a simplex?

    With :math:`S = I - 1 1^T / K`: where the gradients of the K logits are isotropic,
    :math:`G_b \propto S`, so that b-GWA is :math:`W W^T \propto S` (an equiangular frame), b-RWA
    the same of the centred logits, and a-RWA the duality of features and weights, of rank K - 1
    (Ziyin et al., Theorem 3, as it was derived here from accounts of it).

    Parameters
    ----------
    W : array (K, n_a), of the layer whose outputs are the logits; two classes at least
    H_a : array (n_a, n_a); H_b, G_b : array (K, K)
        Covariances: the mean of features is no part of collapse.

    Returns
    -------
    Collapse

    Examples
    --------
    >>> S = np.eye(3) - 1 / 3
    >>> [round(float(x), 9) for x in neural_collapse(S, S, S, S)]
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    W = np.asarray(W, dtype=float)
    k = len(W)
    if k < 2:
        raise ValueError(f"the layer has {k} outputs; collapse is of two classes at least")
    simplex, Z_b = np.eye(k) - 1 / k, W @ W.T
    return Collapse(
        alignment(Z_b, simplex),
        alignment(H_b, simplex),
        alignment(G_b, simplex),
        alignment(H_a, W.T @ W),
        from_covariance(_unit(Z_b)) / (k - 1),
    )


def _pair(A, B):
    A, B = np.asarray(A, dtype=float), np.asarray(B, dtype=float)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape != B.shape:
        raise ValueError(
            f"the matrices have shapes {A.shape} and {B.shape}; pass two square ones of one size"
        )
    if not (np.isfinite(A).all() and np.isfinite(B).all()):
        raise ValueError("a matrix holds values that are not finite; mend the moments first")
    return _unit(A), _unit(B)


def _unit(A):
    """Largest entry 1, so that squares neither vanish nor overflow; the scale never matters."""
    largest = np.abs(A).max(initial=0)
    return A / largest if largest > 0 else A


def _norm(A):
    return np.sqrt(np.sum(A * A))


def _cosine(A, B):
    """NaN where nothing but rounding is left of one; the largest entry was 1."""
    lengths = _norm(A), _norm(B)
    if min(lengths) <= ROUNDING * len(A):
        return np.nan
    return np.sum(A * B) / (lengths[0] * lengths[1])


def _beyond(found, expected):
    room = 1.0 - np.asarray(expected)
    open_ = room > 1e-9
    return np.where(open_, (found - expected) / np.where(open_, room, 1.0), np.nan)[()]
