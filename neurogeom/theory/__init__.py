"""What geometry to expect, and why."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "ceilings": "trilateration",
    "frame": "trilateration",
    "link": "trilateration",
    "link_inverse": "trilateration",
    "optimal_logits": "trilateration",
    "trilaterate": "trilateration",
}

__all__ = [
    "ceilings",
    "frame",
    "link",
    "link_inverse",
    "optimal_logits",
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
