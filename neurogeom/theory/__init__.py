"""What geometry to expect, and why."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "AbstractKernel": "meanfield_closed",
    "AbstractionProblem": "meanfield",
    "Activation": "activations",
    "MeanFieldSolution": "meanfield",
    "SingleNeuron": "richness",
    "activation_slopes": "piecewise_linear",
    "aligned_abstraction": "meanfield_closed",
    "anisotropic_abstraction": "meanfield_closed",
    "ceilings": "trilateration",
    "column_generation": "meanfield_solvers",
    "conserved": "linear_networks",
    "deep_abstraction": "meanfield_extensions",
    "deep_implicit_bias": "implicit_bias",
    "delta_of_scale": "richness",
    "frame": "trilateration",
    "hyperbolic_entropy": "linear_networks",
    "implicit_bias": "implicit_bias",
    "isotropic_grams": "linear_networks",
    "kernel_geometry": "meanfield_geometry",
    "link": "trilateration",
    "link_inverse": "trilateration",
    "mode_dynamics": "linear_networks",
    "modular_units": "meanfield_closed",
    "optimal_logits": "trilateration",
    "optimality_gap": "meanfield_search",
    "particle_solution": "meanfield_solvers",
    "piecewise_flow": "piecewise_linear",
    "piecewise_kernel": "piecewise_linear",
    "preconditioner": "linear_networks",
    "recurrent_abstraction": "meanfield_extensions",
    "recurrent_energy": "meanfield_extensions",
    "scale_of_delta": "richness",
    "trilaterate": "trilateration",
    "whitened_abstraction": "meanfield_closed",
}

__all__ = [
    "AbstractKernel",
    "AbstractionProblem",
    "Activation",
    "MeanFieldSolution",
    "SingleNeuron",
    "activation_slopes",
    "aligned_abstraction",
    "anisotropic_abstraction",
    "ceilings",
    "column_generation",
    "conserved",
    "deep_abstraction",
    "deep_implicit_bias",
    "delta_of_scale",
    "frame",
    "hyperbolic_entropy",
    "implicit_bias",
    "isotropic_grams",
    "kernel_geometry",
    "link",
    "link_inverse",
    "mode_dynamics",
    "modular_units",
    "optimal_logits",
    "optimality_gap",
    "particle_solution",
    "piecewise_flow",
    "piecewise_kernel",
    "preconditioner",
    "recurrent_abstraction",
    "recurrent_energy",
    "scale_of_delta",
    "trilaterate",
    "whitened_abstraction",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


sys.modules[__name__].__class__ = Face
