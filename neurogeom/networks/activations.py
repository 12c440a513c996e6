"""Nonlinearities by name, of tensors too; of arrays see :mod:`neurogeom.formulas.activations`."""

from __future__ import annotations

from collections.abc import Callable

from ..formulas.activations import NAMES, activation, parsed

__all__ = ["NAMES", "activation", "parsed", "torch_function"]


def torch_function(name: str) -> Callable:
    """The same of tensors."""
    from ..learn import lazy_torch

    torch = lazy_torch()
    kind, number = parsed(name)
    return {
        "relu": torch.relu,
        "clipped_relu": lambda h: torch.clamp(h, 0, number),
        "shifted_relu": lambda h: torch.relu(h - number),
        "leaky": lambda h: torch.nn.functional.leaky_relu(h, 0.01),
        "hardtanh": lambda h: torch.clamp(h, -1, 1),
        "tanh": torch.tanh,
        "erf": torch.erf,
        "sigmoid": torch.sigmoid,
        "softplus": torch.nn.functional.softplus,
        "gelu": torch.nn.functional.gelu,
        "linear": lambda h: h,
    }[kind]
