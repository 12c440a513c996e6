"""The support of one support vector machine, found by exchanging trials.

The problem and its two forms are in ``svm``. A guess of the set is given; phase 1 exchanges the
trials that contradict it most (block principal pivoting: a few steps, but it may cycle), phase 2
is Newton's method with an exact line search of the piecewise quadratic objective, which cannot.
A set that changes by a few trials is followed by their Schur complement in the factor that is
there; trials that return cost nothing.
"""

from typing import NamedTuple

import numpy as np

from .factor import add_products, backward, cholesky, divide, forward
from .jit import njit

PIVOTS = 12  # steps of phase 1; it is left before when the violations stop falling
MAX_STEPS = 300
SLACK = 1e-10  # a margin this near to its bound does not violate it
WORSE = 0.7  # the worse violations are those above this part of their mean

# Rows of Workspace.vectors, per trial: cost c and label y; right-hand side r; coefficients and
# decision values of the present step and of the next; u. Per row of the factored system: r once
# through the factor; 1 / diagonal of the factor; and two to solve in.
COST, LABEL, RIGHT, A, F, A_NEW, F_NEW, U, REDUCED, SCALE, X, Z = range(12)
# Rows of Workspace.indices: trials in training; trials in the factored system, and their place
# there by trial, else -1; trials that entered or left since, and their slot by trial, else -1;
# those of them that count now.
TRIAL, BASE, PLACE, CHANGED, SLOT, ACTIVE = range(6)
# Workspace.squares: K; P; the lower factor of the system; columns of the trials that changed, once
# through the factor; what they add to the system; the factor of that, and its signed columns.
KERNEL, INVERSE, FACTOR, COLUMN, SCHUR, SMALL, SIGNED = range(7)


class Workspace(NamedTuple):
    """Buffers for one training set of m trials, on their leading parts."""

    vectors: np.ndarray  # float64 (12, m + 3)
    indices: np.ndarray  # int64 (6, m + 3)
    squares: np.ndarray  # float64 (7, m + 3, m + 3); memory that is never touched costs nothing
    rough: np.ndarray  # float32 (m, m), K + D or P
    ridge: np.ndarray  # float64 (condition, m), P times the indicator of each condition
    inside: np.ndarray  # bool (m,), I


@njit
def pivot(matrix, outer, m, work):
    """Find the support, phase 1 and then phase 2; steps taken and whether it was found."""
    n, k, best, stalled, pivoting = np.int64(0), np.int64(0), m + 1, 0, True
    for i in range(m):
        work.vectors[A, i] = work.vectors[F, i] = 0.0
    for step in range(1, MAX_STEPS + 1):
        n, k = _follow(matrix, outer, m, n, k, work)
        if n < 0:
            return step, False
        _solve_system(outer, m, n, k, work)
        _target(matrix, outer, m, work)
        violated, leave, enter = _violations(m, work)
        if violated == 0:
            for i in range(m):
                work.vectors[A, i] = work.vectors[A_NEW, i]
            return step, True
        stalled = 0 if violated < best else stalled + 1
        best = min(best, violated)
        pivoting = pivoting and step < PIVOTS and stalled < 4
        _advance(m, pivoting, leave, enter, work)
    return MAX_STEPS, False


@njit
def _advance(m, pivoting, leave, enter, work):
    """Take the step of phase 1, or that of phase 2, and read the set off its margins."""
    y, inside, t = work.vectors[LABEL], work.inside, 1.0
    a, f, a_new, f_new = work.vectors[A], work.vectors[F], work.vectors[A_NEW], work.vectors[F_NEW]
    if not pivoting:
        linear, square, leave, enter = 0.0, 0.0, 0.0, 0.0
        for i in range(m):
            linear += (a_new[i] - a[i]) * f[i]
            square += (a_new[i] - a[i]) * (f_new[i] - f[i])
        t = line_search(work.vectors[COST], y, f, f_new, linear, square, m)
    for i in range(m):
        a[i] += t * (a_new[i] - a[i])
        f[i] += t * (f_new[i] - f[i])
        excess = y[i] * f[i] - 1.0
        inside[i] = excess <= leave if inside[i] else excess < -enter


@njit
def line_search(cost, y, f, f_new, linear, square, m):
    """The step from f towards f_new at the minimum of the objective, to rounding.

    linear + t square is the slope of its quadratic part; the whole slope rises with t.
    """
    low, high, t = 0.0, np.inf, 1.0
    for _ in range(60):
        slope, curve = linear + t * square, square
        for i in range(m):
            g = f_new[i] - f[i]
            short = 1.0 - y[i] * (f[i] + t * g)
            if short > 0.0:
                slope -= cost[i] * short * y[i] * g
                curve += cost[i] * g * g
        if slope > 0.0:
            high = t
        else:
            low = t
        if curve <= 0.0:
            return t
        move = t - slope / curve
        if not low < move < high:
            if move == t or high == np.inf:
                return t
            move = 0.5 * (low + high)
        if abs(move - t) <= 1e-14 * abs(t):
            return move
        t = move
    return t


@njit
def _violations(m, work):
    """Trials on the wrong side of the margin: their number, and a limit for the worse of each kind.

    Moving all of them at once overshoots, for each changes the margin of the others.
    """
    leave, enter, n_leave, n_enter = 0.0, 0.0, 0, 0
    for i in range(m):
        excess = work.vectors[LABEL, i] * work.vectors[F_NEW, i] - 1.0
        if work.inside[i] and excess > SLACK:
            leave += excess
            n_leave += 1
        elif not work.inside[i] and excess < -SLACK:
            enter -= excess
            n_enter += 1
    part = WORSE if n_leave + n_enter > 20 else 0.0
    leave, enter = part * leave / max(1, n_leave), part * enter / max(1, n_enter)
    return n_leave + n_enter, max(SLACK, leave), max(SLACK, enter)


@njit
def _follow(matrix, outer, m, n, k, work):
    """Bring the factored system to the set: size of its base, and how many changes to it."""
    place, slot, new = work.indices[PLACE], work.indices[SLOT], np.int64(0)
    if n > 0:
        for i in range(m):
            new += (work.inside[i] != outer) != (place[i] >= 0) and slot[i] < 0
    if n == 0 or new * (n + 2 * k) * 3 > n * n or k + new > m:
        return start(matrix, outer, m, work), np.int64(0)
    _append(matrix, outer, m, n, k, new, work)
    return n, k + new


@njit
def start(matrix, outer, m, work):
    """Factor the system of the set; its size, or -1 where it is not positive to rounding."""
    base, place, slot = work.indices[BASE], work.indices[PLACE], work.indices[SLOT]
    factor, reduced, n = work.squares[FACTOR], work.vectors[REDUCED], np.int64(0)
    for i in range(m):
        slot[i] = place[i] = -1
        if work.inside[i] != outer:
            base[n], place[i], reduced[n] = i, n, work.vectors[RIGHT, i]
            n += 1
    for p in range(n):
        source, row = matrix[base[p]], factor[p]
        for q in range(p + 1):
            row[q] = source[np.uint64(base[q])]
        if not outer:
            row[p] += 1.0 / work.vectors[COST, base[p]]
    width = (n + 2) // 3 * 3
    for p in range(n, width):
        reduced[p] = 0.0
        for q in range(p + 1):
            factor[p, q] = 1.0 if p == q else 0.0
    if not cholesky(factor, work.vectors[SCALE], width):
        return np.int64(-1)
    forward(factor, work.vectors[SCALE], reduced, width)
    return n


@njit
def _append(matrix, outer, m, n, k, new, work):
    """Add to the system the trials that entered (a column of M) or left (u = 0 at its place)."""
    base, place, slot = work.indices[BASE], work.indices[PLACE], work.indices[SLOT]
    column, schur, changed = work.squares[COLUMN], work.squares[SCHUR], work.indices[CHANGED]
    width, last, j = (n + 2) // 3 * 3, k + (new + 2) // 3 * 3, k
    for p in range(k, last):
        for q in range(width):
            column[p, q] = 0.0
    for i in range(m):
        if (work.inside[i] != outer) != (place[i] >= 0) and slot[i] < 0:
            row, source, entry = column[j], matrix[i], schur[j]
            changed[j], slot[i] = i, j
            for p in range(j + 1):
                other = np.uint64(changed[p])
                entry[p] = source[other] if max(place[i], place[other]) < 0 else 0.0
            if place[i] >= 0:
                row[place[i]] = 1.0
            else:
                for q in range(n):
                    row[q] = source[np.uint64(base[q])]
                entry[j] += 0.0 if outer else 1.0 / work.vectors[COST, i]
            j += 1
    divide(column, work.squares[FACTOR], work.vectors[SCALE], k, last, np.int64(0), width)
    add_products(schur, -1.0, column, k, last, width, np.bool_(False))


@njit
def _solve_system(outer, m, n, k, work):
    """Solve for u on the set; 0 off it."""
    place, changed, active = work.indices[PLACE], work.indices[CHANGED], work.indices[ACTIVE]
    x, z, u = work.vectors[X], work.vectors[Z], work.vectors[U]
    width, count = (n + 2) // 3 * 3, np.int64(0)
    for q in range(width):
        x[q] = work.vectors[REDUCED, q]
    for j in range(k):
        i = changed[j]
        if (work.inside[i] != outer) != (place[i] >= 0):
            row, total = work.squares[COLUMN, j], 0.0
            for q in range(width):
                total += row[q] * x[q]
            z[count] = (work.vectors[RIGHT, i] if place[i] < 0 else 0.0) - total
            active[count] = j
            count += 1
    _solve_changes(count, work)
    for c in range(count):
        row, value = work.squares[COLUMN, active[c]], z[c]
        for q in range(width):
            x[q] -= value * row[q]
    backward(work.squares[FACTOR], work.vectors[SCALE], x, width)
    for i in range(m):
        u[i] = x[place[i]] if place[i] >= 0 else 0.0
    for c in range(count):
        i = changed[active[c]]
        u[i] = z[c] if place[i] < 0 else 0.0


@njit
def _solve_changes(count, work):
    """Solve the Schur system of the changes that count, in place in z, by L S L' with signs S.

    Trials that entered make a positive block and those that left a negative one: such a matrix
    (quasi-definite) has this factor in any order, without pivots.
    """
    active, z = work.indices[ACTIVE], work.vectors[Z]
    small, signed = work.squares[SMALL], work.squares[SIGNED]
    for i in range(count):
        row, mirror, source = small[i], signed[i], work.squares[SCHUR, active[i]]
        for j in range(i):
            other, total = signed[j], 0.0
            for p in range(j):
                total += row[p] * other[p]
            row[j] = (source[np.uint64(active[j])] - total) / other[j]
            mirror[j] = row[j] if other[j] > 0.0 else -row[j]
        total, known = 0.0, 0.0
        for p in range(i):
            total += row[p] * mirror[p]
            known += row[p] * z[p]
        total = source[active[i]] - total
        row[i] = np.sqrt(abs(total))
        mirror[i] = row[i] if total > 0.0 else -row[i]
        z[i] = (z[i] - known) / row[i]
    for i in range(count):
        z[i] = z[i] if signed[i, i] > 0.0 else -z[i]
    for i in range(count - 1, -1, -1):
        row, value = small[i], z[i] / small[i, i]
        z[i] = value
        for j in range(i):
            z[j] -= value * row[j]


@njit
def _target(matrix, outer, m, work):
    """Coefficients and decision values if the set were the support: v off it, and f, from u."""
    u = work.vectors[U]
    for i in range(m):
        set_here, other = u[i], 0.0
        if work.inside[i] == outer:
            row, total = matrix[i], 0.0
            for j in range(m):
                total += row[j] * u[j]
            other = work.vectors[RIGHT, i] - total
        on, off = (other, set_here) if outer else (set_here, other)
        work.vectors[A_NEW, i] = on
        work.vectors[F_NEW, i] = work.vectors[LABEL, i] - off - on / work.vectors[COST, i]
