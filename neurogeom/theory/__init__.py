"""What geometry to expect, and why."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "SingleNeuron": "richness",
    "activation_slopes": "piecewise_linear",
    "ceilings": "trilateration",
    "conserved": "linear_networks",
    "deep_implicit_bias": "implicit_bias",
    "delta_of_scale": "imbalance",
    "frame": "trilateration",
    "hyperbolic_entropy": "linear_networks",
    "implicit_bias": "implicit_bias",
    "isotropic_grams": "linear_networks",
    "link": "trilateration",
    "link_inverse": "trilateration",
    "mode_dynamics": "linear_networks",
    "optimal_logits": "trilateration",
    "piecewise_flow": "piecewise_linear",
    "piecewise_kernel": "piecewise_linear",
    "preconditioner": "linear_networks",
    "scale_of_delta": "imbalance",
    "trilaterate": "trilateration",
}

__all__ = [
    "SingleNeuron",
    "activation_slopes",
    "ceilings",
    "conserved",
    "deep_implicit_bias",
    "delta_of_scale",
    "frame",
    "hyperbolic_entropy",
    "implicit_bias",
    "isotropic_grams",
    "link",
    "link_inverse",
    "mode_dynamics",
    "optimal_logits",
    "piecewise_flow",
    "piecewise_kernel",
    "preconditioner",
    "scale_of_delta",
    "trilaterate",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


sys.modules[__name__].__class__ = Face
