"""What geometry to expect, and why."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "AbstractKernel": "meanfield_closed",
    "AbstractionProblem": "meanfield",
    "Activation": "activations",
    "MeanFieldSolution": "meanfield",
    "aligned_abstraction": "meanfield_closed",
    "anisotropic_abstraction": "meanfield_closed",
    "ceilings": "trilateration",
    "column_generation": "meanfield_solvers",
    "deep_abstraction": "meanfield_extensions",
    "frame": "trilateration",
    "kernel_geometry": "meanfield_geometry",
    "link": "trilateration",
    "link_inverse": "trilateration",
    "modular_units": "meanfield_closed",
    "optimal_logits": "trilateration",
    "optimality_gap": "meanfield_search",
    "particle_solution": "meanfield_solvers",
    "recurrent_abstraction": "meanfield_extensions",
    "recurrent_energy": "meanfield_extensions",
    "trilaterate": "trilateration",
    "whitened_abstraction": "meanfield_closed",
}

__all__ = [
    "AbstractKernel",
    "AbstractionProblem",
    "Activation",
    "MeanFieldSolution",
    "aligned_abstraction",
    "anisotropic_abstraction",
    "ceilings",
    "column_generation",
    "deep_abstraction",
    "frame",
    "kernel_geometry",
    "link",
    "link_inverse",
    "modular_units",
    "optimal_logits",
    "optimality_gap",
    "particle_solution",
    "recurrent_abstraction",
    "recurrent_energy",
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
