"""What the axes of a population mean: sparse features, recoverable latents, slow factors."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME: dict[str, str] = {
    "FISTA": "encoders",
    "NNLS": "encoders",
    "OMP": "encoders",
    "Dictionary": "dictionary",
    "ExhaustiveL0": "encoders",
    "chance_match": "chance",
    "chance_mcc": "chance",
    "learn_dictionary": "learn_dictionary",
    "sparse": "sparse",
    "superposition": "superposition",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


sys.modules[__name__].__class__ = Face
