"""Encoders that are inferred, not trained: activity and a dictionary in, sparse codes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import options
from . import _fista
from ._fista import Solution
from .dictionary import Dictionary

BACKENDS = ("numba", "torch")


@dataclass(frozen=True)
class FISTA:
    """The codes that minimise half the squared residual plus a penalty on their absolute sum.

    .. math:: s^*(x) = \\arg\\min_{s \\ge 0} \\tfrac12 |x - sD|^2 + \\lambda |s|_1

    by accelerated proximal gradient. A step that raises a sample's objective is taken back and its
    momentum starts anew, so that the objective never rises. A sample is done once its duality gap
    is below ``tolerance`` times its objective.

    Parameters
    ----------
    penalty : float above 0, in units of activity
    n_iterations : int, the most steps of a sample
    tolerance : float, 0 to take all steps
    nonneg : bool
    backend : {"numba", "torch"}
        Compiled loops around BLAS, or torch, on ``device`` (the best one there is by default).

    Source: Beck & Teboulle 2009, SIAM J Imaging Sci 2:183; restarts: O'Donoghue & Candes 2015,
    Found Comput Math 15:715, section 3.2.

    Examples
    --------
    >>> d = Dictionary([[1.0, 0.0], [0.6, 0.8]])
    >>> FISTA(0.1).encode([[1.2, 1.6]], d).round(3).tolist()
    [[0.0, 1.9]]
    """

    penalty: float
    n_iterations: int = 1000
    tolerance: float = 1e-6
    nonneg: bool = True
    backend: str = "numba"
    device: str | None = None

    def __post_init__(self):
        options.number(above=0, penalty=self.penalty)
        options.number(0, tolerance=self.tolerance)
        options.whole(1, n_iterations=self.n_iterations)
        options.switch(nonneg=self.nonneg)
        options.one_of(BACKENDS, backend=self.backend)
        if self.device is not None and self.backend != "torch":
            raise ValueError(f"device={self.device!r} has no effect here; pass backend='torch'")

    def encode(
        self, x: Any, dictionary: Dictionary, *, start: Any = None, n_jobs: int = 1
    ) -> np.ndarray:
        """Codes (sample, atom) of x (sample, neuron); ``start`` are codes to begin from."""
        return self.solve(x, dictionary, start=start, n_jobs=n_jobs).codes

    def solve(
        self, x: Any, dictionary: Dictionary, *, start: Any = None, n_jobs: int = 1
    ) -> Solution:
        """Codes, each sample's objective and duality gap, and the steps that it took."""
        x = dictionary.centred(x)
        if start is not None:
            start = dictionary._checked(start)
            if len(start) != len(x) or (self.nonneg and (start < 0).any()):
                raise ValueError(
                    f"start of shape {start.shape} must be codes of the {len(x)} samples, none "
                    "below 0 unless nonneg=False"
                )
        common = (
            np.ascontiguousarray(x), dictionary.atoms, float(self.penalty), self.n_iterations,
            float(self.tolerance),
        )  # fmt: skip
        if self.backend == "torch":
            return _fista.fista_torch(
                *common, signed=not self.nonneg, start=start, device=self.device
            )
        return _fista.fista(*common, signed=not self.nonneg, start=start, n_jobs=n_jobs)

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations of all steps (a product and a sum are 2), the most that are taken."""
        n, m = n_atoms, n_neurons
        through_gram = _fista.gram_form(m, n)
        step = (2 * n**2 if through_gram else 4 * m * n + m) + 7 * n
        return float(
            n_samples * (2 * m * n + self.n_iterations * step) + through_gram * 2 * m * n**2
        )
