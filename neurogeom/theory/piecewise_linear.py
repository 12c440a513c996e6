r"""How do the units of a piecewise linear network grow and turn? Their own imbalance decides.

:math:`f(x) = a^\top \sigma(W x)` with :math:`\sigma(z) = \max(z, \gamma z)`, no biases. Under
gradient flow on :math:`\frac12 \sum_i (f(x_i) - y_i)^2` each unit keeps :math:`\delta_k = \eta_w
a_k^2 - \eta_a |w_k|^2`, and with its scale :math:`\mu_k = a_k |w_k|`, its direction
:math:`\hat w_k` and the pull :math:`\xi_k = \sum_i c_{ki} x_i (f(x_i) - y_i)` of the samples,
:math:`c_{ki} = \sigma'(w_k^\top x_i)`,

.. math:: \dot\mu_k = -\kappa_k\, \hat w_k^\top \xi_k, \quad
          \dot{\hat w}_k = -\frac{\kappa_k + \delta_k}{2\mu_k}
          (I - \hat w_k \hat w_k^\top)\, \xi_k, \quad
          \kappa_k = \sqrt{\delta_k^2 + 4\eta_a\eta_w\mu_k^2}.

Downstream (delta far below 0) directions rest, no activation pattern changes and learning is lazy;
upstream they turn at the rate delta / mu, fast at small scales: patterns change at once, and
learning is rich and quick. Source: Kunin et al., "Get rich quick" (NeurIPS 2024,
arXiv:2406.06158), section 5, equation 10.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["PiecewiseFlow", "activation_slopes", "piecewise_flow", "piecewise_kernel"]


class PiecewiseFlow(NamedTuple):
    """Where the units stand, and how they move.

    mu : (unit,), scale with the sign of the readout
    direction : (unit, input), of length 1; NaN for weights of 0
    delta : (unit,), the conserved imbalance
    pull : (unit, input), what the samples in which a unit is active ask for
    mu_velocity : (unit,)
    direction_velocity : (unit, input)
    """

    mu: np.ndarray
    direction: np.ndarray
    delta: np.ndarray
    pull: np.ndarray
    mu_velocity: np.ndarray
    direction_velocity: np.ndarray


def activation_slopes(weights, inputs, *, slope=0.0):
    r"""The slope :math:`c_{ki}` of each unit at each sample, (unit, sample): 1 or ``slope``.

    Where the input of a unit is 0 it is ``slope``. The share of entries that differ between two
    times is the distance of their activation patterns.

    Examples
    --------
    >>> activation_slopes([[1.0, 0.0]], [[2.0, 1.0], [-1.0, 3.0]], slope=0.1).tolist()
    [[1.0, 0.1]]
    """
    w, x = np.asarray(weights, dtype=float), np.asarray(inputs, dtype=float)
    if w.ndim != 2 or x.ndim != 2 or w.shape[1] != x.shape[1]:
        raise ValueError(
            f"weights have shape {w.shape} and inputs {x.shape}; pass (unit, input) and "
            "(sample, input)"
        )
    return np.where(w @ x.T > 0, 1.0, slope)


def piecewise_flow(readouts, weights, inputs, targets, *, slope=0.0, eta_a=1.0, eta_w=1.0):
    """How gradient flow moves the scale and the direction of every unit; equation 10.

    Parameters
    ----------
    readouts : array (unit,)
    weights : array (unit, input)
    inputs : array (sample, input)
    targets : array (sample,)
    slope : float
        Of a unit that is not active, gamma: 0 for ReLU, 1 for a linear network.
    eta_a, eta_w : float
        Learning rates of the readouts and of the weights.

    Returns
    -------
    PiecewiseFlow

    Raises
    ------
    ValueError
        Shapes do not fit.

    Examples
    --------
    >>> flow = piecewise_flow([2.0], [[1.0, 0.0]], [[1.0, 1.0]], [1.0])
    >>> flow.delta.tolist(), flow.mu.tolist(), flow.pull.tolist()
    ([3.0], [2.0], [[1.0, 1.0]])
    >>> flow.mu_velocity.tolist(), flow.direction_velocity.tolist()
    ([-5.0], [[-0.0, -2.0]])
    """
    a, w, x, c = _network(readouts, weights, inputs, slope)
    y = np.asarray(targets, dtype=float)
    if y.shape != x.shape[:1]:
        raise ValueError(f"targets have shape {y.shape} for {len(x)} samples; pass (sample,)")
    residual = a @ (c * (w @ x.T)) - y
    pull = (c * residual) @ x
    length = np.linalg.norm(w, axis=1)
    direction = w / np.where(length > 0, length, np.nan)[:, None]
    mu, delta = a * length, eta_w * a**2 - eta_a * length**2
    along = (direction * pull).sum(axis=1)
    kappa = np.hypot(delta, 2 * np.sqrt(eta_a * eta_w) * mu)
    turning = eta_w * a / np.where(length > 0, length, np.nan)  # (kappa + delta) / 2 mu, at 0 too
    across = pull - along[:, None] * direction
    return PiecewiseFlow(mu, direction, delta, pull, -kappa * along, -turning[:, None] * across)


def piecewise_kernel(readouts, weights, inputs, *, slope=0.0, eta_a=1.0, eta_w=1.0):
    r"""The tangent kernel, each layer weighted with its learning rate, (sample, sample).

    .. math:: K_{ij} = \sum_k c_{ki}\, x_i^\top M_k x_j\, c_{kj}, \qquad
              M_k = \eta_w a_k^2 I + \eta_a w_k w_k^\top

    Parameters
    ----------
    readouts, weights, inputs, slope, eta_a, eta_w : as in :func:`piecewise_flow`

    Raises
    ------
    ValueError
        Shapes do not fit.

    Examples
    --------
    >>> piecewise_kernel([2.0], [[1.0, 0.0]], [[1.0, 1.0], [-1.0, 1.0]]).tolist()
    [[9.0, 0.0], [0.0, 0.0]]
    """
    a, w, x, c = _network(readouts, weights, inputs, slope)
    active = c * (w @ x.T)
    return eta_a * active.T @ active + eta_w * (x @ x.T) * (c.T @ (a[:, None] ** 2 * c))


def _network(readouts, weights, inputs, slope):
    c = activation_slopes(weights, inputs, slope=slope)
    a, w, x = (np.asarray(z, dtype=float) for z in (readouts, weights, inputs))
    if a.shape != w.shape[:1]:
        raise ValueError(f"readouts have shape {a.shape} for {len(w)} units; pass (unit,)")
    return a, w, x, c
