r"""The abstract kernel in closed form: targets of -1 and +1 that are crossed, d of them.

For relu units (:mod:`neurogeom.theory.meanfield` has the problem) a modular unit is active on one
side of one target, :math:`r = 1 \pm y_k`. With :math:`R_k = |Y^\top r|^2 / h^\top \tilde K_X^+ h`

.. math:: K = \sum_k b_k (1 1^\top + y_k y_k^\top), \qquad
          b_k P = [\sqrt{R_k \lambda_v / \lambda_w} - \lambda_v]_+,

and with :math:`s_k = b_k P + \lambda_v` the loss is
:math:`\sum_k \tfrac{\lambda_v P}{2} (2 s_k - \lambda_v) / s_k^2`, or :math:`P / 2` of a target for
which :math:`R_k \le \lambda_v \lambda_w`: the network is silent on it. All of this is derived here;
each is held against enumerated activation patterns in ``tests/test_meanfield.py``. Without a bias
the kernel is one of many minimisers (see there); b and the loss are theirs all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .activations import named

__all__ = [
    "AbstractKernel",
    "Anisotropy",
    "aligned_abstraction",
    "anisotropic_abstraction",
    "modular_units",
    "whitened_abstraction",
]


@dataclass(frozen=True, eq=False)
class AbstractKernel:
    """A kernel that is the sum of one part a target, and the loss that it has.

    b : (target,), strength of each target
    mean : (target,), strength of the common part that comes with each: b for one-sided units, 0 for
        odd ones
    ratio : (target,), R, what a modular unit sees of the targets over what it costs, or None where
        units do not scale; at and below ``weight_decay * readout_decay`` the target is dropped
    loss : of the network
    scale : preactivation of an active unit, or None where units scale
    """

    b: np.ndarray
    mean: np.ndarray
    ratio: np.ndarray | None
    loss: float
    scale: float | None = None

    def kernel(self, targets) -> np.ndarray:
        """What the network represents, (stimulus, stimulus); targets (stimulus, target), -1 or 1.

        Examples
        --------
        >>> whitened_abstraction(2, 1).kernel([[1.0], [-1.0]]).round(4).tolist()
        [[1.1247, 0.0], [0.0, 1.1247]]
        """
        y = np.asarray(targets, dtype=float)
        if y.ndim != 2 or y.shape[1] != len(self.b) or not (np.abs(y) == 1).all():
            raise ValueError(
                f"targets have shape {y.shape}; pass (stimulus, target) of -1 and 1 with "
                f"{len(self.b)} targets"
            )
        if np.abs(
            np.column_stack([np.ones(len(y)), y]).T @ y / len(y) - _crossed(y.shape[1])
        ).any():
            raise ValueError("targets are not crossed and balanced; solve the problem instead")
        return (y * self.b) @ y.T + self.mean.sum()


def whitened_abstraction(
    n_stimuli: int,
    n_targets: int,
    *,
    weight_decay: float = 0.1,
    readout_decay: float = 0.1,
    bias_power: float = 1.0,
) -> AbstractKernel:
    r"""Every stimulus a channel of its own: :math:`R = P (1 + gP) / (2 + gP)`, and relu units.

    Latents along which the stimuli differ and that no target names are in ``n_stimuli`` and vanish
    from the kernel.

    Examples
    --------
    >>> found = whitened_abstraction(4, 2)
    >>> found.b.round(5).tolist(), round(found.loss, 8)
    ([0.43144, 0.43144], 0.42617805)
    >>> whitened_abstraction(4, 2, weight_decay=1.9, readout_decay=1.9).b.tolist()  # collapse
    [0.0, 0.0]
    """
    _check(n_stimuli, n_targets, weight_decay, readout_decay, bias_power)
    g = bias_power * n_stimuli
    ratio = np.full(n_targets, n_stimuli * (1 + g) / (2 + g))
    return _abstract(ratio, n_stimuli, weight_decay, readout_decay)


def aligned_abstraction(
    power,
    n_stimuli: int,
    *,
    weight_decay: float = 0.1,
    readout_decay: float = 0.1,
    bias_power: float = 1.0,
) -> AbstractKernel:
    r"""Inputs :math:`X X^\top = \sum_k a_k y_k y_k^\top` that vary with the targets alone; relu.

    .. math:: R_k = \frac{P^2}{4} \frac{(1 + \alpha)^2}{\alpha^2 / g + 1 / a_k}, \quad
              \alpha = \min(1, g / a_k)

    Parameters
    ----------
    power : array (target,), a_k, above 0

    Examples
    --------
    >>> found = aligned_abstraction([1.0, 0.5], 4, weight_decay=1.0, readout_decay=0.2)
    >>> found.b.round(5).tolist()
    [0.26623, 0.2082]
    """
    a = np.atleast_1d(np.asarray(power, dtype=float))
    if a.ndim != 1 or not ((a > 0) & np.isfinite(a)).all():
        raise ValueError("power is one number above 0 a target; leave out targets without input")
    _check(n_stimuli, len(a), weight_decay, readout_decay, bias_power)
    alpha = np.minimum(1.0, bias_power / a)
    # alpha^2 / g is g / a^2 where g < a, and so 0 without a bias
    mean = np.minimum(bias_power / a**2, 1 / max(bias_power, 1e-300))
    ratio = n_stimuli**2 / 4 * (1 + alpha) ** 2 / (mean + 1 / a)
    return _abstract(ratio, n_stimuli, weight_decay, readout_decay)


class Anisotropy(NamedTuple):
    """Two kinds of units for two targets where inputs vary most with their exclusive or.

    modular, conjunctive : what a unit of each kind sees of the targets over what it costs
    abstract : whether modular units win, and so the kernel is abstract
    threshold : the power of the exclusive or at which that changes
    """

    modular: float
    conjunctive: float
    abstract: bool
    threshold: float


def anisotropic_abstraction(power: float, *, bias_power: float = 1.0) -> Anisotropy:
    r"""When does structure of the inputs that no target asks for end abstraction? Sharply.

    Four whitened stimuli, two targets, and a power :math:`\alpha` along their exclusive or,
    :math:`X X^\top = I + \alpha\, x x^\top`: from :math:`\alpha = g` on units of one stimulus each
    are better. Without a bias any power does. The share of the exclusive or in the kernel jumps.
    The best unit of one stimulus has an input of 0 on the others as long as :math:`\alpha \le g`;
    beyond, it is inhibited by the two neighbours, and

    .. math:: R = \frac{4}{1 + 1 / (1 + 4g)}, \quad
              R' = \frac{8}{2 + 1 / (1 + 4g) + 1 / (1 + 4\alpha)} \;\text{or}\;
              \frac{2 + 4 (g + \alpha)}{1 + g + \alpha} \;\text{for}\; \alpha > g.

    Examples
    --------
    >>> anisotropic_abstraction(0.2, bias_power=0.25).abstract
    True
    >>> anisotropic_abstraction(0.3, bias_power=0.25).abstract
    False
    """
    if not (power >= 0 and bias_power >= 0):
        raise ValueError("powers of the exclusive or and of the bias are numbers from 0 on")
    common = 1 / (1 + 4 * bias_power)
    modular, both = 4 / (1 + common), bias_power + power
    conjunctive = 8 / (2 + common + 1 / (1 + 4 * power))
    if power > bias_power:
        conjunctive = (2 + 4 * both) / (1 + both)
    return Anisotropy(modular, conjunctive, power < bias_power, float(bias_power))


def modular_units(
    activation: str,
    n_stimuli: int,
    n_targets: int,
    *,
    weight_decay: float = 0.1,
    readout_decay: float = 0.1,
    bias_power: float = 0.0,
) -> AbstractKernel:
    r"""Units that saturate, whitened inputs, a probability measure over units.

    One-sided ones are at h = s on one side of one target and 0 on the other, odd ones at
    :math:`\pm s`; s is the one number left, and the loss is minimised over it. Then
    :math:`b = \varphi(s)^2 / 4d` with as much of the common part, or :math:`b = \varphi(s)^2 / d`
    with none. Linear units, and hardtanh units below 1, have this kernel too, but are not modular:
    any rotation of them is as good.

    Raises
    ------
    ValueError
        The activation is neither one-sided nor odd with a concave q (see
        :mod:`neurogeom.theory.activations`), or a number is out of range.

    Examples
    --------
    >>> found = modular_units("tanh", 4, 2)
    >>> round(found.scale, 4), found.b.round(5).tolist(), round(found.loss, 5)
    (0.9472, [0.27269, 0.27269], 0.51535)
    """
    phi = named(activation)
    _check(n_stimuli, n_targets, weight_decay, readout_decay, bias_power)
    if phi.family is None:
        raise ValueError(
            f"no modular solution is known for {phi.name!r}; it holds for one-sided or odd units "
            "that bend down: solve the problem with column_generation"
        )
    one_sided = phi.family == "one-sided"
    p, d, lw, lv = n_stimuli, n_targets, weight_decay, readout_decay
    g = bias_power / (1 + bias_power * p)
    cost = p / 2 - g * p**2 / 4 if one_sided else p
    share = 1 / (4 * d) if one_sided else 1 / d

    def loss(s):
        b = share * phi.value(s) ** 2
        return lv / 2 * d * p / (b * p + lv) + lw / 2 * s**2 * cost

    scale = _lowest(loss, np.sqrt(d * p / (lw * cost)))  # beyond it the cost alone is dearer
    b = np.full(d, share * float(phi.value(np.array(scale))) ** 2)
    return AbstractKernel(b, b * one_sided, None, float(loss(np.array(scale))), scale)


def _abstract(ratio, n, weight_decay, readout_decay):
    s = np.maximum(np.sqrt(ratio * readout_decay / weight_decay), readout_decay)
    b = (s - readout_decay) / n
    loss = np.sum(readout_decay * n / 2 * (2 * s - readout_decay) / s**2)
    return AbstractKernel(b, b, ratio, float(loss))


def _lowest(f, far):
    """The s > 0 at which f is lowest, 0 if none is lower than f(0)."""
    from scipy.optimize import minimize_scalar

    s = np.concatenate([[0.0], np.geomspace(1e-4 * far, far, 2000)])
    i = int(np.argmin(f(s)))
    if i == 0:
        return 0.0
    bounds = (s[i - 1], s[min(i + 1, len(s) - 1)])
    return float(minimize_scalar(f, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)


def _crossed(d):
    return np.vstack([np.zeros(d), np.eye(d)])


def _check(n_stimuli, n_targets, weight_decay, readout_decay, bias_power):
    if n_targets < 1 or n_stimuli < 2 or n_stimuli % 2**n_targets:
        raise ValueError(
            f"{n_targets} crossed targets need a multiple of {2 ** max(n_targets, 1)} stimuli, not "
            f"{n_stimuli}"
        )
    if not (0 < weight_decay < np.inf and 0 < readout_decay < np.inf and 0 <= bias_power < np.inf):
        raise ValueError("decays are above 0 and bias_power is from 0 on")
