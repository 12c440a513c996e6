"""A package whose names load at first use, and stay what they are."""

from __future__ import annotations

from types import ModuleType


class Face(ModuleType):
    """`score` is a module and a function of it: in a package with a `_HOME` it stays the function.

    The import system binds a submodule to its package under its own name, so that
    `from neurogeom.score import score` anywhere would turn `ng.score` into a module.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__.get("_HOME", ()) and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)
