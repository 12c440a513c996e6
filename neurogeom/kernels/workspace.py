"""What the kernels of the support vector machine in the dual hand to one another."""

from typing import NamedTuple

import numpy as np

# Rows of Workspace.vectors, per trial: cost c and label y; right-hand side r; coefficients and
# decision values of the present step and of the next; u. Per row of the factored system: r once
# through the factor; 1 / diagonal of the factor; and two to solve in.
COST, LABEL, RIGHT, A, F, A_NEW, F_NEW, U, REDUCED, SCALE, X, Z = range(12)
# Rows of Workspace.indices: rows of the Gram matrix; trials in the factored system, and their place
# there by trial, else -1; trials that entered or left since, and their slot by trial, else -1;
# those of them that count now; trials in the order of coordinate descent, and where their rows are;
# rows where u is not 0.
ROW, BASE, PLACE, CHANGED, SLOT, ACTIVE, VISIT, WHERE, SOME = range(9)
# Workspace.squares: P; the lower factor of the system; columns of the trials that changed, once
# through the factor; what they add to the system; the factor of that, and its signed columns.
INVERSE, FACTOR, COLUMN, SCHUR, SMALL, SIGNED = range(6)


class Workspace(NamedTuple):
    """Buffers for one training set of m trials, on their leading parts."""

    vectors: np.ndarray  # float64 (12, m + 3)
    indices: np.ndarray  # int64 (9, m + 3)
    squares: np.ndarray  # float64 (6, m + 3, m + 3); memory that is never touched costs nothing
    rough: np.ndarray  # float32 (m, m), P, rows in the order of visits
    ridge: np.ndarray  # float64 (condition, m), P times the indicator of each condition
    inside: np.ndarray  # bool (m,), I
    runs: np.ndarray  # int64 (n, 3), see add_rows; the last is that of P


class Problems(NamedTuple):
    """What the problems of one call have in common."""

    gram: np.ndarray  # float64 (trial, trial)
    rough: np.ndarray  # the same in float32, rows in the order of visits
    order: np.ndarray  # int64 (trial,), that order
    condition: np.ndarray  # int64 (trial,)
    sign: np.ndarray  # int8 (problem, condition)
    guess: np.ndarray  # bool (problem, trial), or (0, 1) for none


class Solutions(NamedTuple):
    """Results, by problem."""

    coef: np.ndarray  # float64 (problem, trial)
    gap: np.ndarray
    steps: np.ndarray
    converged: np.ndarray


def workspace(m, n_conditions):
    """Buffers for m trials."""
    return Workspace(
        np.empty((12, m + 3)),
        np.empty((9, m + 3), np.int64),
        np.empty((6, m + 3, m + 3)),
        np.empty((m, m), np.float32),
        np.empty((n_conditions, m)),
        np.empty(m, bool),
        np.empty((n_conditions + 2, 3), np.int64),
    )
