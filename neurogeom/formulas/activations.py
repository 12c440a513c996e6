"""Nonlinearities of arrays by name, as networks and theory have them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ..options import hint

__all__ = ["NAMES", "activation", "parsed"]

_PLAIN = ("relu", "tanh", "hardtanh", "leaky", "erf", "sigmoid", "softplus", "gelu", "linear")
_WITH_NUMBER = {"clipped_relu": 1.0, "shifted_relu": 0.5}
NAMES = (*_PLAIN, *(f"{name}(x)" for name in _WITH_NUMBER))


def parsed(name: str) -> tuple[str, float | None]:
    """The name and number of an activation such as "clipped_relu(1.5)".

    Examples
    --------
    >>> parsed("clipped_relu(1.5)"), parsed("clipped_relu"), parsed("tanh")
    (('clipped_relu', 1.5), ('clipped_relu', 1.0), ('tanh', None))
    """
    pattern = r"([a-z_]+)(?:\(([-+]?\d*\.?\d+(?:e[-+]?\d+)?)\))?"
    found = re.fullmatch(pattern, name) if isinstance(name, str) else None
    if found and found[1] == "clipped_relu" and not float(found[2] or 1) > 0:
        raise ValueError(f"activation {name!r} is 0 everywhere; clip it above 0")
    if found and found[1] in _WITH_NUMBER:
        return found[1], float(found[2] or _WITH_NUMBER[found[1]])
    if found and found[1] in _PLAIN and not found[2]:
        return found[1], None
    raise ValueError(f"activation {name!r} is unknown; {hint(name, NAMES)}")


def activation(name: str) -> Callable[[np.ndarray], np.ndarray]:
    r"""A nonlinearity of arrays by its name.

    ``relu`` max(h, 0); ``clipped_relu(u)`` min(max(h, 0), u), u = 1 by default;
    ``shifted_relu(b)`` max(h - b, 0), b = 0.5 by default; ``leaky`` max(h, 0.01 h); ``hardtanh``
    h clipped to [-1, 1]; ``tanh``; ``erf``; ``sigmoid``; ``softplus`` log(1 + exp h); ``gelu``
    :math:`h \Phi(h)`; ``linear``.

    Raises
    ------
    ValueError
        The name is unknown; the nearest is named.

    Examples
    --------
    >>> activation("clipped_relu(2)")(np.array([-1.0, 1.0, 3.0])).tolist()
    [0.0, 1.0, 2.0]
    """
    from scipy import special

    kind, number = parsed(name)
    return {
        "relu": lambda h: np.maximum(h, 0),
        "clipped_relu": lambda h: np.clip(h, 0, number),
        "shifted_relu": lambda h: np.maximum(h - number, 0),
        "leaky": lambda h: np.maximum(h, 0.01 * h),
        "hardtanh": lambda h: np.clip(h, -1, 1),
        "tanh": np.tanh,
        "erf": special.erf,
        "sigmoid": special.expit,
        "softplus": lambda h: np.logaddexp(h, 0),
        "gelu": lambda h: h * special.ndtr(h),
        "linear": lambda h: h,
    }[kind]
