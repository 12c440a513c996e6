"""Encoders that are inferred, not trained: activity and a dictionary in, sparse codes out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from .. import options
from . import _fista
from ._fista import Solution
from ._given import beside
from .dictionary import Dictionary, need_dictionary

BACKENDS = ("numba", "torch")
MOST_CHOICES = 100_000
DEPENDENT = 1e-10  # least eigenvalue of the products of atoms below which they are
ROUNDING = 1e-12  # of the power of a sample


@dataclass(frozen=True)
class FISTA:
    """The codes that minimise half the squared residual plus a penalty on their absolute sum.

    .. math:: s^*(x) = \\arg\\min_{s \\ge 0} \\tfrac12 |x - sD|^2 + \\lambda |s|_1

    by accelerated proximal gradient. A step that raises a sample's objective is taken back and its
    momentum starts anew, so that the objective never rises. A sample is done once its duality gap
    is at most ``tolerance`` times its objective.

    Parameters
    ----------
    penalty : float above 0, in units of activity
    n_iterations : int, the most steps of a sample
    tolerance : float, 0 to take all steps
    nonneg : bool
    backend : {"numba", "torch"}
        Compiled loops around BLAS, or torch, on ``device`` (the best one there is by default).
    working_set : bool, optional
        Steps over the few atoms that matter to a sample, a set that grows until the gap over all
        atoms is small; False for steps over all atoms, as where ``n_iterations`` is a budget to be
        compared. By default where the backend is numba, a tolerance is set and the atoms are
        between 128 and 4,096.

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
    working_set: bool | None = None

    def __post_init__(self):
        options.number(above=0, penalty=self.penalty)
        options.number(0, tolerance=self.tolerance)
        options.whole(1, n_iterations=self.n_iterations)
        options.switch(nonneg=self.nonneg)
        options.one_of(BACKENDS, backend=self.backend)
        if self.device is not None and self.backend != "torch":
            raise ValueError(f"device={self.device!r} has no effect here; pass backend='torch'")
        if self.working_set is not None:
            options.switch(working_set=self.working_set)
        if self.working_set and (self.backend == "torch" or not self.tolerance):
            raise ValueError(
                "a working set grows until a gap is small: pass backend='numba' and a tolerance "
                "above 0"
            )

    def encode(
        self, x: Any, dictionary: Dictionary, *, start: Any = None, n_jobs: int = 1
    ) -> np.ndarray:
        """Codes (sample, atom) of x (sample, neuron); ``start`` are codes to begin from.

        Both are in the order of x as it is given; a start with ``trial_id`` is matched by it.

        Raises
        ------
        TypeError, ValueError
            As by :meth:`solve`.
        """
        return self.solve(x, dictionary, start=start, n_jobs=n_jobs).codes

    def solve(
        self, x: Any, dictionary: Dictionary, *, start: Any = None, n_jobs: int = 1
    ) -> Solution:
        """Codes, each sample's objective and duality gap, and the steps that it took.

        Raises
        ------
        TypeError
            Samples or the start are no real numbers; the dictionary is none.
        ValueError
            Samples or the start do not fit the dictionary, or are not finite.
        """
        need_dictionary(dictionary=dictionary)
        if start is not None:
            start = dictionary.checked(beside(start, x))
        x = dictionary.centred(x)
        if start is not None:
            below = self.nonneg and (start < 0).any()
            if len(start) != len(x) or below or not np.isfinite(start).all():
                raise ValueError(
                    f"start of shape {start.shape} must be finite codes of the {len(x)} samples, "
                    "none below 0 unless nonneg=False"
                )
        options_ = {"signed": not self.nonneg, "start": start}
        solve = _fista.fista
        if self.backend == "torch":
            solve, options_["device"] = _fista.fista_torch, self.device
        else:
            options_ |= {"sets": self._sets(dictionary.n_atoms), "n_jobs": n_jobs}
        return solve(
            x, dictionary.atoms, float(self.penalty), self.n_iterations, float(self.tolerance),
            **options_,
        )  # fmt: skip

    def _sets(self, n_atoms):
        if self.working_set is not None:
            return self.working_set
        return self.tolerance > 0 and _fista.many(n_atoms)

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations of all steps (a product and a sum are 2), the most that are taken."""
        options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
        n, m = n_atoms, n_neurons
        through_gram = _fista.gram_form(m, n)
        step = (2 * n**2 if through_gram else 4 * m * n + m) + 7 * n
        return float(
            n_samples * (2 * m * n + self.n_iterations * step) + through_gram * 2 * m * n**2
        )


@dataclass(frozen=True)
class OMP:
    """Orthogonal matching pursuit: the atom most aligned with the residual joins, all are refitted.

    Its codes have either sign.

    Parameters
    ----------
    n_nonzero : int, atoms of a sample at most; as many as neurons fit anything

    Source: Pati, Rezaiifar & Krishnaprasad 1993; scikit-learn's ``orthogonal_mp_gram``.

    Examples
    --------
    >>> d = Dictionary([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]])
    >>> OMP(1).encode([[0.0, -2.0, 0.0]], d).tolist()
    [[0.0, -2.0, 0.0]]
    """

    n_nonzero: int

    def __post_init__(self):
        options.whole(1, n_nonzero=self.n_nonzero)

    def encode(self, x: Any, dictionary: Dictionary) -> np.ndarray:
        """Codes (sample, atom) of x (sample, neuron)."""
        import warnings

        from sklearn.linear_model import orthogonal_mp_gram

        need_dictionary(dictionary=dictionary)
        x, atoms = dictionary.centred(x), dictionary.atoms
        k = _fewer(self.n_nonzero, *atoms.shape)
        # scikit-learn ends where a squared drive is below 2e-16, in whatever units it is
        size = np.ldexp(1.0, np.frexp(np.abs(x).max(axis=1))[1] - 1)
        drive = atoms @ (x / size[:, None]).T
        with warnings.catch_warnings():  # it ends early where fewer atoms leave no residual
            warnings.simplefilter("ignore", RuntimeWarning)
            codes = orthogonal_mp_gram(atoms @ atoms.T, drive, n_nonzero_coefs=k)
        return np.asarray(codes).reshape(len(atoms), len(x)).T * size[:, None]

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations through the Gram matrix, the factor of the chosen atoms grown by a row."""
        options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
        n, m, k = n_atoms, n_neurons, _fewer(self.n_nonzero, n_atoms, n_neurons)
        return float(n_samples * (2 * m * n + k**2 * n + 3 * k * n + k**3) + 2 * m * n**2)


@dataclass(frozen=True)
class NNLS:
    """Non-negative least squares: the limit of no penalty, sparse by the sign of codes alone.

    Source: Lawson & Hanson 1974, chapter 23; ``scipy.optimize.nnls``.

    Examples
    --------
    >>> NNLS().encode([[1.0, -1.0]], Dictionary([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [[1.0, 0.0]]
    """

    def encode(self, x: Any, dictionary: Dictionary) -> np.ndarray:
        """Codes (sample, atom) of x (sample, neuron)."""
        from scipy.optimize import nnls

        need_dictionary(dictionary=dictionary)
        columns = np.ascontiguousarray(dictionary.atoms.T)
        return np.array([nnls(columns, row)[0] for row in dictionary.centred(x)])

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """NaN: the number of exchanges depends on the samples."""
        options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
        return float("nan")


@dataclass(frozen=True)
class ExhaustiveL0:
    """The best non-negative fit by so many atoms at most, over all choices of them.

    The truth that other encoders are held against where the problem is small.

    Parameters
    ----------
    n_nonzero : int

    Examples
    --------
    >>> d = Dictionary([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> ExhaustiveL0(1).encode([[0.5, 0.9]], d).round(2).tolist()
    [[0.0, 0.0, 1.02]]
    """

    n_nonzero: int

    def __post_init__(self):
        options.whole(1, n_nonzero=self.n_nonzero)

    def encode(self, x: Any, dictionary: Dictionary) -> np.ndarray:
        """Codes (sample, atom) of x (sample, neuron).

        Raises
        ------
        TypeError
            Samples are no real numbers; the dictionary is none.
        ValueError
            Samples do not fit; there are more choices of atoms than can be gone through.
        """
        need_dictionary(dictionary=dictionary)
        x, atoms = dictionary.centred(x), dictionary.atoms
        k, n = _fewer(self.n_nonzero, *atoms.shape), len(atoms)
        n_choices = sum(comb(n, size) for size in range(1, k + 1))
        if n_choices > MOST_CHOICES:
            raise ValueError(
                f"{k} of {n} atoms can be chosen in {n_choices:.3g} ways, more than "
                f"{MOST_CHOICES}; give a smaller n_nonzero, or use OMP or FISTA"
            )
        gram, drive = atoms @ atoms.T, x @ atoms.T
        codes, best = np.zeros_like(drive), np.zeros(len(x))
        least = ROUNDING * np.square(x).sum(axis=1)  # which no atom joins for
        # A fit with a part below 0 is none: the best one without it is among the smaller choices.
        for size in range(1, k + 1):
            for choice in combinations(range(n), size):
                own = list(choice)
                among = gram[np.ix_(own, own)]
                if np.linalg.eigvalsh(among)[0] < DEPENDENT:
                    continue  # a smaller choice fits as well
                fit = drive[:, own] @ np.linalg.inv(among)
                explained = np.where((fit >= 0).all(axis=1), (fit * drive[:, own]).sum(axis=1), 0.0)
                better = np.flatnonzero(explained > best + least)
                best[better] = explained[better]
                codes[better] = 0.0
                codes[np.ix_(better, own)] = fit[better]
        return codes

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations of the fits of all choices."""
        options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
        n, m, most = n_atoms, n_neurons, _fewer(self.n_nonzero, n_atoms, n_neurons)
        fits = sum(comb(n, k) * (2 * k**2 + 2 * k) for k in range(1, most + 1))
        return float(n_samples * (2 * m * n + fits) + 2 * m * n**2)


def _fewer(n_nonzero, n_atoms, n_neurons):
    """No more atoms than there are, or than neurons, which that many already fit."""
    return min(n_nonzero, n_atoms, n_neurons)
