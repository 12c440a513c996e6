r"""Wide linear networks between lazy and rich: what is conserved, and which modes are learnt when.

:math:`f(x) = A^\top W x` with readouts A (hidden, output), weights W (hidden, input) and
:math:`\beta = W^\top A` (input, output) learns by gradient flow on :math:`\frac12 |X\beta - Y|^2`
with rates :math:`\eta_a, \eta_w`. Source: Kunin et al., "Get rich quick" (NeurIPS 2024,
arXiv:2406.06158), section 4 and appendix B. Written out here: the matrix of theorem 4.1, the
branches of theorem 4.2 that its square roots leave open, and the modes of theorem B.6 in closed
form, as a mode is a linear neuron (:mod:`neurogeom.theory.richness`) with weights along its target.

Whether such a network is lazy depends on its widths: a narrow hidden layer
(min(input, output) <= hidden < max) is lazy for large delta of the sign that the smaller side
asks for, above 0 with fewer outputs than inputs, and first lazy, then rich for the other sign; a
wide one (hidden >= max) is lazy for both; delta near 0 is rich.
"""

import numpy as np

from ..formulas.imbalance import halves
from .richness import SingleNeuron

__all__ = ["conserved", "hyperbolic_entropy", "isotropic_grams", "mode_dynamics", "preconditioner"]


def conserved(readouts, weights, *, eta_a=1.0, eta_w=1.0):
    r"""What gradient flow on any loss keeps, :math:`\eta_w A A^\top - \eta_a W W^\top`.

    Of a network with a piecewise linear unit function without biases its diagonal is kept. In a
    square network with variances :math:`\sigma_a^2 / n` and :math:`\sigma_w^2 / n` the diagonal
    approaches :math:`\sigma_a^2 - \sigma_w^2`, the matrix does not: its eigenvalues stay spread
    however large n is, so that the isotropic theory needs more than a large network.

    Parameters
    ----------
    readouts : array (..., hidden, output)
    weights : array (..., hidden, input)
    eta_a, eta_w : float
        Learning rates of the readouts and of the weights.

    Returns
    -------
    array (..., hidden, hidden)
        Symmetric; the imbalance delta of each hidden unit on its diagonal.

    Raises
    ------
    ValueError
        The layers differ in hidden units, or a rate is not above 0.

    Examples
    --------
    >>> conserved([[2.0], [0.0]], [[1.0, 0.0], [1.0, 1.0]]).tolist()
    [[3.0, -1.0], [-1.0, -2.0]]
    """
    _rates(eta_a, eta_w)
    a, w = np.asarray(readouts, dtype=float), np.asarray(weights, dtype=float)
    if a.ndim < 2 or w.ndim < 2 or a.shape[-2] != w.shape[-2]:
        raise ValueError(
            f"readouts have shape {a.shape} and weights {w.shape}; pass (..., hidden, output) and "
            "(..., hidden, input) with as many hidden units"
        )
    return eta_w * a @ np.swapaxes(a, -1, -2) - eta_a * w @ np.swapaxes(w, -1, -2)


def preconditioner(beta, delta, *, eta_a=1.0, eta_w=1.0):
    r"""How does one hidden unit bend the gradient of the function? Theorem 4.1.

    :math:`\mathrm{vec}(\dot\beta) = -\sum_k M_k \mathrm{vec}(X^\top (X\beta - Y))` with columns
    stacked, :math:`\beta_k = w_k a_k^\top` and :math:`\kappa = \sqrt{\delta_k^2 + 4\eta_a\eta_w
    |\beta_k|^2}`,

    .. math:: M_k = \frac{\kappa + \delta_k}{2}
                    \frac{\beta_k^\top\beta_k}{|\beta_k|^2} \otimes I
                  + \frac{\kappa - \delta_k}{2} I \otimes
                    \frac{\beta_k\beta_k^\top}{|\beta_k|^2}

    Parameters
    ----------
    beta : array (..., input, output)
        Functions of single hidden units; a leading axis of units is summed by the caller.
    delta : array (...)
        Their imbalances.
    eta_a, eta_w : float

    Returns
    -------
    array (..., input * output, input * output)
        NaN for a unit with beta = 0 whose larger layer has a direction that beta does not tell.

    Raises
    ------
    ValueError
        Shapes do not fit, or a rate is not above 0.

    Examples
    --------
    >>> preconditioner([[0.0], [2.0]], 3.0).tolist()  # |a| = 2, |w| = 1: 4 I + w w'
    [[4.0, 0.0], [0.0, 5.0]]
    """
    _rates(eta_a, eta_w)
    beta, delta = np.asarray(beta, dtype=float), np.asarray(delta, dtype=float)
    if beta.ndim < 2 or delta.shape != beta.shape[:-2]:
        raise ValueError(
            f"beta has shape {beta.shape} and delta {delta.shape}; pass (..., input, output) and "
            "(...)"
        )
    d, c = beta.shape[-2:]
    length = np.linalg.norm(beta, axis=(-2, -1))
    large, small = halves(delta, np.sqrt(eta_a * eta_w) * length)
    unit = beta / np.where(length > 0, length, 1.0)[..., None, None]
    inward = np.swapaxes(unit, -1, -2) @ unit, unit @ np.swapaxes(unit, -1, -2)
    parts = []
    for size, projection, n in zip((large, small), inward, (c, d), strict=True):
        unknown = 1.0 if n == 1 else np.nan  # one direction only, or none that is told
        gone = np.where(size > 0, unknown, 0.0)[..., None, None]
        parts.append(
            size[..., None, None] * np.where((length > 0)[..., None, None], projection, gone)
        )
    return _kron(parts[0], np.eye(d)) + _kron(np.eye(c), parts[1])


def isotropic_grams(beta, delta, *, n_hidden, eta_a=1.0, eta_w=1.0):
    r"""Both layers of a network whose conserved matrix is delta times the identity: theorem 4.2.

    .. math:: \eta_w A^\top A = \tfrac12\Big(\sqrt{\delta^2 I + 4\eta_a\eta_w\beta^\top\beta}
              + \delta I\Big), \quad \eta_a W^\top W
              = \tfrac12\Big(\sqrt{\delta^2 I + 4\eta_a\eta_w\beta\beta^\top} - \delta I\Big)

    The roots are right where there are as many hidden units as outputs (delta > 0) or inputs
    (delta < 0). With fewer, directions outside the function have 0 in place of :math:`|\delta|`,
    which is settled where the function has the rank of the hidden layer; with more, no network has
    this matrix.

    Parameters
    ----------
    beta : array (input, output)
    delta : float
    n_hidden : int
    eta_a, eta_w : float

    Returns
    -------
    tuple of arrays
        :math:`\eta_w A^\top A` (output, output) and :math:`\eta_a W^\top W` (input, input).

    Raises
    ------
    ValueError
        There is no such network, or the function does not settle its layers.

    Examples
    --------
    >>> of_a, of_w = isotropic_grams([[2.0, 0.0], [0.0, 0.0]], 3.0, n_hidden=2)
    >>> of_a.round(12).tolist(), of_w.round(12).tolist()
    ([[4.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 0.0]])
    """
    _rates(eta_a, eta_w)
    beta = np.asarray(beta, dtype=float)
    if beta.ndim != 2 or np.ndim(delta) != 0:
        raise ValueError(f"beta has shape {beta.shape}; pass (input, output), and one delta")
    d, c = beta.shape
    u, size, v = np.linalg.svd(beta, full_matrices=False)
    rank = int((size > max(d, c) * np.finfo(float).eps * size.max(initial=0.0)).sum())
    u, size, v = u[:, :rank], size[:rank], v[:rank]
    if rank > n_hidden:
        raise ValueError(f"beta has rank {rank} and there are {n_hidden} hidden units; add units")
    n, side = (c, "outputs") if delta > 0 else (d, "inputs")
    if delta != 0 and n_hidden > n:
        raise ValueError(
            f"{n_hidden} hidden units and {n} {side}: no conserved matrix of theirs is {delta} "
            "times the identity; take fewer units or the other sign"
        )
    if delta != 0 and rank < n_hidden < n:
        raise ValueError(
            f"beta has rank {rank}, fewer than {n_hidden} hidden units, which are fewer than {n} "
            f"{side}: it does not tell where the others point"
        )
    rest = abs(delta) if n_hidden == n else 0.0
    large, small = halves(np.full(rank, float(delta)), np.sqrt(eta_a * eta_w) * size)
    outside = np.eye(c) - v.T @ v, np.eye(d) - u @ u.T
    of_a = (v.T * large) @ v + (rest if delta > 0 else 0.0) * outside[0]
    of_w = (u * small) @ u.T + (rest if delta < 0 else 0.0) * outside[1]
    return of_a, of_w


def mode_dynamics(t, lambda0, target, delta, *, eta_a=1.0, eta_w=1.0):
    r"""A singular value of a network aligned with its task, over time.

    .. math:: \dot\lambda = \sqrt{\delta^2 + 4\eta_a\eta_w\lambda^2}\, (s - \lambda)

    for whitened inputs and an isotropic conserved matrix (theorem B.6): exponential for large
    :math:`|\delta|`, sigmoidal near 0. In closed form here.

    Parameters
    ----------
    t : float or array (time,)
    lambda0 : array (...)
        At the start; 0 and delta = 0 together stay there.
    target : array (...)
        Singular values s of :math:`X^\top Y`.
    delta : array (...)
    eta_a, eta_w : array (...)

    Returns
    -------
    array (..., time)

    Raises
    ------
    ValueError
        Shapes do not broadcast, values are not finite, or a rate is not above 0.

    Examples
    --------
    >>> mode_dynamics([0.0, 1.0, 50.0], 0.1, [1.0, 3.0], 0.0).round(3).tolist()
    [[0.1, 0.451, 1.0], [0.1, 2.799, 3.0]]
    """
    lambda0, target, delta = (np.asarray(x, dtype=float) for x in (lambda0, target, delta))
    # A start of 0 has weights of either sign, and both learn the same function.
    sign = np.where(lambda0 < 0, -1.0, 1.0)
    size = np.sqrt(np.asarray(eta_a, dtype=float) * eta_w) * np.abs(lambda0)
    large, small = halves(*np.broadcast_arrays(delta, size))
    neuron = SingleNeuron(
        np.sqrt(large / eta_w),
        (sign * np.sqrt(small / eta_a))[..., None],
        target[..., None],
        eta_a=eta_a,
        eta_w=eta_w,
    )
    return neuron.beta(t)[..., 0]


def hyperbolic_entropy(x, delta, *, eta_a=1.0, eta_w=1.0):
    r"""The potential whose mirror flow the modes follow; theorem B.6.

    .. math:: q(x) = \tfrac14\Big(2 x \operatorname{asinh}\tfrac{2x}{|\delta|}
              - \sqrt{4x^2 + \delta^2} + |\delta|\Big), \qquad
              q''(x) = \frac{1}{\sqrt{\delta^2 + 4x^2}}

    With rates it is that of :math:`\sqrt{\eta_a\eta_w}\, x`, over :math:`\eta_a\eta_w`. Close to
    :math:`x^2 / 2|\delta|` for small x, where modes are learnt evenly; close to
    :math:`\frac12 |x| \ln |x|` for large ones.

    Parameters
    ----------
    x : array (...)
    delta : array (...)
        Not 0, where the potential has no finite scale.
    eta_a, eta_w : float

    Returns
    -------
    array (...)
        From 0 on.

    Raises
    ------
    ValueError
        delta is 0, or a rate is not above 0.

    Examples
    --------
    >>> hyperbolic_entropy([0.0, 0.01, 1.0], 1.0).round(6).tolist()
    [0.0, 5e-05, 0.412801]
    """
    _rates(eta_a, eta_w)
    x, size = np.asarray(x, dtype=float), np.abs(np.asarray(delta, dtype=float))
    if (size == 0).any():
        raise ValueError("delta is 0, where the entropy has no finite scale; pass one that is not")
    x = 2 * np.sqrt(eta_a * eta_w) * x
    root = np.hypot(x, size)
    angle = np.sign(x) * (np.log(np.abs(x) + root) - np.log(size))
    angle = np.where(np.abs(x) < size, np.arcsinh(x / np.maximum(size, np.abs(x))), angle)
    return x * (angle - x / (root + size)) / (4 * eta_a * eta_w)


def _kron(a, b):
    """Of the last two axes."""
    product = a[..., :, None, :, None] * b[..., None, :, None, :]
    rows, columns = a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1]
    return product.reshape(*product.shape[:-4], rows, columns)


def _rates(eta_a, eta_w):
    if not (eta_a > 0 and eta_w > 0):
        raise ValueError("eta_a or eta_w is not above 0; a layer that rests has no such theory")
