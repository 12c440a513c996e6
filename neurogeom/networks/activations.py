"""Nonlinearities by name: see :mod:`neurogeom.formulas.activations`."""

from __future__ import annotations

from ..formulas.activations import NAMES, activation, parsed

__all__ = ["NAMES", "activation", "parsed"]
