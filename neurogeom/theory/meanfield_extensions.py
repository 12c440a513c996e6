r"""The abstract kernel beyond one layer: deep and recurrent relu networks with whitened inputs.

Every layer's output is the next one's input, :math:`\tilde K_l = K_{l-1} + g 1 1^\top`; a network
at a fixed point is an input of its own, :math:`\tilde K = \tilde K_X + K`. The loss is then no
convex function, and what follows is the best of all kernels made of modular units,
:math:`K = \sum_k b_k (1 1^\top + y_k y_k^\top)`: derived here, and held against trained networks in
``tests/test_meanfield_solvers.py``. Bias-free networks of two layers or more have it as the only
minimum that we found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .meanfield_closed import _check

__all__ = ["Layers", "Recurrent", "deep_abstraction", "recurrent_abstraction", "recurrent_energy"]


class Layers(NamedTuple):
    """b : (layer,), strength of the targets in each layer's kernel b (d 11' + K_Y); loss"""

    b: np.ndarray
    loss: float


class Recurrent(NamedTuple):
    """A network at its fixed points.

    b : strength of the targets in the kernel b (d 11' + K_Y)
    loss : of the network
    eigenvalue : of the recurrent weights along the common part, the largest; below 1 is stable
    """

    b: float
    loss: float
    eigenvalue: float


def deep_abstraction(
    n_stimuli: int,
    n_targets: int,
    depth: int,
    *,
    weight_decay: float = 0.1,
    readout_decay: float = 0.1,
    bias_power: float = 1.0,
) -> Layers:
    r"""The modular kernel of every hidden layer of a deep relu network.

    .. math:: J = \frac{\lambda_v}{2} \frac{dP}{b_L P + \lambda_v} + \frac{\lambda_w}{2} \Big[
              b_1 dP \Big(1 + \frac{1}{1 + gP}\Big) + \sum_{l \ge 2} b_l d \Big(
              \frac{1}{b_{l-1} d + g} + \frac{1}{b_{l-1}} \Big) \Big]

    Raises
    ------
    ValueError
        A silent network is better than any other, so that no interior solution exists.

    Examples
    --------
    >>> found = deep_abstraction(4, 2, 2, weight_decay=0.05, readout_decay=0.05)
    >>> found.b.round(5).tolist(), round(found.loss, 6)
    ([0.34292, 0.52131], 0.267439)
    """
    from scipy.optimize import minimize

    _check(n_stimuli, n_targets, weight_decay, readout_decay, bias_power)
    if depth < 1:
        raise ValueError(f"depth={depth} has no hidden layer; pass 1 or more")
    p, d, g, lw, lv = n_stimuli, n_targets, bias_power, weight_decay, readout_decay

    def loss(log_b):
        b = np.exp(log_b)
        cost = b[0] * d * p * (1 + 1 / (1 + g * p))
        cost += np.sum(b[1:] * d * (1 / (b[:-1] * d + g) + 1 / b[:-1]))
        return lv / 2 * d * p / (b[-1] * p + lv) + lw / 2 * cost

    options = {"xatol": 1e-12, "fatol": 1e-15, "maxiter": 20_000, "maxfev": 20_000}
    found = []
    for start in np.linspace(-6, 2, 9):
        near = minimize(loss, np.full(depth, start), method="BFGS").x
        near = np.clip(near, -30, 10)
        found.append(minimize(loss, near, method="Nelder-Mead", options=options))
    best = min(found, key=lambda f: f.fun)
    if not best.fun < d * p / 2 * (1 - 1e-9):
        raise ValueError(
            f"a silent network is best at depth {depth} with these decays, so that there is no "
            "kernel to tell; lower weight_decay or readout_decay"
        )
    return Layers(np.exp(best.x), float(best.fun))


def recurrent_abstraction(
    n_stimuli: int,
    n_targets: int,
    *,
    weight_decay: float = 1.0,
    readout_decay: float = 0.02,
    bias_power: float = 1.0,
) -> Recurrent:
    r"""The modular kernel of a relu network at fixed points z = relu(Jz + Wx + bias).

    .. math:: J = \frac{\lambda_v}{2} \frac{dP}{bP + \lambda_v} + \frac{\lambda_w}{2}
              \Big[ \frac{bdP}{1 + gP + bdP} + d \frac{bP}{1 + bP} \Big]

    With a small ``readout_decay`` beside ``weight_decay`` trained networks agree with it. Where
    gain is cheap it is not the minimum: for two targets without bias, decays of 0.5 and 0.1, a
    search finds networks whose activity grows without bound, J at the edge of stability, and whose
    loss falls to :math:`d \lambda_w / 2` = 0.5, below the 0.7183 of modular units. A solution that
    is not below :math:`d \lambda_w / 2` is refused (found by search for two targets, not proven).

    Raises
    ------
    ValueError
        No interior solution: activity grows without bound, as recurrent gain costs ever less, or
        is 0.

    Examples
    --------
    >>> found = recurrent_abstraction(4, 2)
    >>> round(found.b, 5), round(found.loss, 6), found.eigenvalue < 1
    (0.07704, 0.53422, True)
    """
    from scipy.optimize import minimize_scalar

    _check(n_stimuli, n_targets, weight_decay, readout_decay, bias_power)
    p, d, g, lw, lv = n_stimuli, n_targets, bias_power, weight_decay, readout_decay

    def loss(log_b):
        b = np.exp(log_b)
        cost = b * d * p / (1 + g * p + b * d * p) + d * b * p / (1 + b * p)
        return lv / 2 * d * p / (b * p + lv) + lw / 2 * cost

    grid = np.linspace(np.log(1e-8), np.log(1e8), 4001)
    value = loss(grid)
    i = int(np.argmin(value))
    if not 0 < i < len(grid) - 1 or value[i] >= min(d * p / 2, lw / 2 * d) * (1 - 1e-9):
        raise ValueError(
            "no interior solution: the network is silent or its gain grows without bound; it "
            "exists where readout_decay is small beside weight_decay"
        )
    found = minimize_scalar(
        loss, bounds=(grid[i - 1], grid[i + 1]), method="bounded", options={"xatol": 1e-12}
    )
    b = float(np.exp(found.x))
    gain = max(b * d * p / (1 + g * p + b * d * p), b * p / (1 + b * p))
    return Recurrent(b, float(found.fun), gain)


def recurrent_energy(problem, preactivations, h):
    r"""Effective energy of units beside a recurrent network at its fixed points, (unit,).

    .. math:: E(h) = \tfrac{\lambda_w}2 [h^\top G h - \varphi^\top G C G \varphi]
              - \tfrac{\lambda_v}2 \varphi^\top M \varphi, \quad G = (\tilde K_X + K)^{-1}

    with C the second moment of the preactivations. At a minimum it is 0 on the units that there
    are; as the loss is not convex that is necessary only.

    Parameters
    ----------
    problem : AbstractionProblem, of homogeneous units
    preactivations : array (stimulus, unit), at the fixed points
    h : array (stimulus, other unit)
    """
    if not problem.homogeneous:
        raise ValueError("the recurrent energy is of homogeneous units; choose relu or linear")
    kernel, r = problem.kernel(preactivations), problem.phi.value(h)
    g = np.linalg.pinv(problem.augmented + kernel, hermitian=True)
    back = preactivations.T @ g
    seen = problem.residual(kernel).T @ r
    cost = np.einsum("in,ij,jn->n", h, g, h) - ((back @ r) ** 2).sum(axis=0)
    return (problem.weight_decay * cost - (seen**2).sum(axis=0) / problem.readout_decay) / 2
