"""What the kernels of the support vector machine in the dual hand to one another."""

from threading import local
from typing import NamedTuple

import numpy as np

# Rows of Workspace.vectors, per trial: cost c and label y; right-hand side r; coefficients and
# decision values of the present step and of the next; u. Per row of the factored system: r once
# through the factor; 1 / diagonal of the factor; and two to solve in.
COST, LABEL, RIGHT, A, F, A_NEW, F_NEW, U, REDUCED, SCALE, X, Z = range(12)
# Rows of Workspace.indices: rows of the Gram matrix; conditions; trials in the factored system, and
# their place there by trial, else -1; trials that entered or left since, and their slot by trial,
# else -1; those of them that count now; trials in the order of coordinate descent, and where their
# rows are; rows where u is not 0.
ROW, GROUP, BASE, PLACE, CHANGED, SLOT, ACTIVE, VISIT, WHERE, SOME = range(10)
# Workspace.squares: P; the lower factor of the system; columns of the trials that changed, once
# through the factor; what they add to the system; the factor of that, and its signed columns.
INVERSE, FACTOR, COLUMN, SCHUR, SMALL, SIGNED = range(6)

MOST_KEPT = 1000  # trials, for which buffers are kept from one call to the next (50 MB at most)


class Workspace(NamedTuple):
    """Buffers for one training set of m trials, on their leading parts."""

    vectors: np.ndarray  # float64 (12, m + 3)
    indices: np.ndarray  # int64 (10, m + 3)
    squares: np.ndarray  # float64 (6, m + 3, m + 3); memory that is never touched costs nothing
    rough: np.ndarray  # int16 (m, m), P in units, rows in the order of visits
    near: np.ndarray  # int16 (trial, trial), K likewise
    units: np.ndarray  # float64 (2,), of K and of P; 0 where P was not made
    ridge: np.ndarray  # float64 (condition, m), P times the indicator of each condition
    half: np.ndarray  # float64 (condition, m), see Problems
    own: np.ndarray  # float64 (m, condition), the same
    sums: np.ndarray  # float64 (2, condition), u over each condition, and u times half
    inside: np.ndarray  # bool (m,), I
    runs: np.ndarray  # int64 (n, 3), see add_rows: trials in training, then others; last that of P


class Problems(NamedTuple):
    """What the problems of one call have in common."""

    gram: np.ndarray  # float64 (trial, trial), X X' before means moved
    rough: np.ndarray  # int16 (trial, trial), the same in units, rows in the order of visits
    unit: float
    order: np.ndarray  # int64 (trial,), that order
    half: np.ndarray  # float64 (trial, condition): K_ij is gram_ij + half[i, of j] + half[j, of i]
    condition: np.ndarray  # int64 (trial,)
    sign: np.ndarray  # int8 (problem, condition)
    guess: np.ndarray  # bool (problem, trial), or (0, 1) for none


class Solutions(NamedTuple):
    """Results, by problem."""

    coef: np.ndarray  # float64 (problem, trial)
    value: np.ndarray  # float64 (problem, trial), decision values
    gap: np.ndarray
    steps: np.ndarray
    converged: np.ndarray


class _Kept(local):
    """The last workspace of a thread: a null asks for the same one thousands of times."""

    size, work = None, None


_kept = _Kept()


def workspace(n_trials, m, n_conditions):
    """Buffers for m of n_trials, with whatever an earlier call has left in them."""
    size = n_trials, m, n_conditions
    if n_trials > MOST_KEPT:
        return _allocated(*size)
    if _kept.size != size:
        _kept.size, _kept.work = size, _allocated(*size)
    return _kept.work


def _allocated(n_trials, m, n_conditions):
    return Workspace(
        np.empty((12, m + 3)),
        np.empty((10, m + 3), np.int64),
        np.empty((6, m + 3, m + 3)),
        np.empty((m, m), np.int16),
        np.empty((n_trials, n_trials), np.int16),
        np.zeros(2),
        np.empty((n_conditions, m)),
        np.empty((n_conditions, m)),
        np.empty((m, n_conditions)),
        np.empty((2, n_conditions)),
        np.empty(m, bool),
        np.empty((2 * n_conditions + 3, 3), np.int64),
    )
