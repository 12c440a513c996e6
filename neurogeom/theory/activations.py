r"""Nonlinearities of arrays with their slopes, and the family of the mean-field theory of each.

With :math:`q(t) = \varphi(\sqrt t)^2` there are two families for which the modular solution is
known (derived here; Wang, Johnston & Fusi, arXiv:2510.09816, claim two without our being able to
compare them):

- one-sided: :math:`\varphi(h) = 0` for h <= 0, q concave: relu, clipped relu, tanh of relu;
- odd: :math:`\varphi(-h) = -\varphi(h)`, q concave: tanh, erf, hardtanh, linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..formulas.activations import activation
from ..options import hint

__all__ = ["Activation", "named"]


@dataclass(frozen=True)
class Activation:
    """A nonlinearity, its slope, and what follows when h is scaled.

    value, slope : functions of an array, elementwise; at a kink either slope will do
    slopes : slopes above and below 0 where value is made of two rays, so that value(c h) =
        c value(h) for c > 0; None otherwise
    """

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    slopes: tuple[float, float] | None = None

    def __post_init__(self):
        far = np.array([1e4, 1e8])
        for side in (far, -far):
            grown = np.abs(np.asarray(self.value(side), dtype=float)) / far
            if not np.isfinite(grown).all() or grown[1] > 1.01 * grown[0] + 1e-3:
                raise ValueError(
                    f"activation {self.name!r} grows faster than its input, so that no energy is "
                    "the lowest; choose one that grows at most in proportion"
                )

    @property
    def family(self) -> str | None:
        """ "one-sided", "odd", or None where the modular solution is not known.

        Examples
        --------
        >>> [named(n).family for n in ("relu", "tanh", "sigmoid", "leaky_relu")]
        ['one-sided', 'odd', None, None]
        """
        h = np.geomspace(1e-3, 1e3, 601)
        up, down = self.value(h), self.value(-h)
        if not _concave(h**2, up**2):
            return None
        if np.all(down == 0) and self.value(np.zeros(1))[0] == 0:
            return "one-sided"
        return "odd" if np.allclose(down, -up, rtol=1e-12, atol=0) else None


def named(name: str | Activation) -> Activation:
    """An activation by its name.

    Parameters
    ----------
    name : str or Activation
        "relu", "leaky_relu" (slope 0.01 below 0), "linear", "tanh", "erf", "hardtanh" (clipped to
        [-1, 1]), "clipped_relu" (to [0, 1]), "tanh_relu" (tanh of relu), "sqrt_relu",
        sqrt(1 + 2 h) - 1 above 0, "sigmoid", "softplus"; or one's own.

    Raises
    ------
    ValueError
        The name is unknown; the nearest is named.

    Examples
    --------
    >>> named("clipped_relu").value(np.array([-1.0, 0.5, 3.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    if isinstance(name, Activation):
        return name
    if name not in _SLOPES:
        raise ValueError(f"activation {name!r} is unknown; {hint(name, _SLOPES)}")
    slope, *slopes = _SLOPES[name]
    value = _VALUES.get(name) or activation("leaky" if name == "leaky_relu" else name)
    return Activation(name, value, slope, *slopes)


def _logistic(h):
    from scipy.special import expit

    return expit(h)


# name: slope, and slopes of the two rays
_SLOPES = {
    "relu": (lambda h: (h > 0) * 1.0, (1.0, 0.0)),
    "leaky_relu": (lambda h: np.where(h > 0, 1.0, 0.01), (1.0, 0.01)),
    "linear": (np.ones_like, (1.0, 1.0)),
    "tanh": (lambda h: 1 - np.tanh(h) ** 2,),
    "erf": (lambda h: 2 / np.sqrt(np.pi) * np.exp(-(h**2)),),
    "hardtanh": (lambda h: (np.abs(h) < 1) * 1.0,),
    "clipped_relu": (lambda h: ((h > 0) & (h < 1)) * 1.0,),
    "tanh_relu": (lambda h: (h > 0) * (1 - np.tanh(h) ** 2),),
    "sqrt_relu": (lambda h: (h > 0) / np.sqrt(1 + 2 * np.maximum(h, 0)),),
    "sigmoid": (lambda h: _logistic(h) * _logistic(-h),),
    "softplus": (_logistic,),
}
_VALUES = {  # those that networks have not
    "tanh_relu": lambda h: np.tanh(np.maximum(h, 0)),
    "sqrt_relu": lambda h: np.sqrt(1 + 2 * np.maximum(h, 0)) - 1,
}


def _concave(t, q):
    slope = np.diff(q) / np.diff(t)
    # Far out q saturates, and differences of it are rounding.
    rounding = 1e-13 * np.abs(q[1:]) / np.diff(t)
    return bool(np.all(np.diff(slope) <= 1e-9 * np.abs(slope[:-1]) + rounding[1:] + rounding[:-1]))
