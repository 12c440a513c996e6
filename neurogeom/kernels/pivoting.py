"""The support of one support vector machine, found by exchanging trials.

The problem and its two forms are in ``svm``. A guess of the set is given; phase 1 exchanges the
trials that contradict it most (block principal pivoting: a few steps, but it may cycle), phase 2
is Newton's method with an exact line search of the piecewise quadratic objective, which cannot.
A set that changes by a few trials is followed by their Schur complement in the factor that is
there; trials that return cost nothing.
"""

import numpy as np

from .factor import add_products, backward, cholesky, divide, forward
from .jit import inner, njit
from .workspace import (
    A_NEW,
    ACTIVE,
    BASE,
    CHANGED,
    COLUMN,
    COST,
    F_NEW,
    FACTOR,
    GROUP,
    LABEL,
    PLACE,
    REDUCED,
    RIGHT,
    ROW,
    SCALE,
    SCHUR,
    SIGNED,
    SLOT,
    SMALL,
    SOME,
    A,
    F,
    U,
    X,
    Z,
)

PIVOTS = 12  # steps of phase 1; it is left before when the violations stop falling
MAX_STEPS = 300
SLACK = 1e-10  # a margin this near to its bound does not violate it
WORSE = 0.7  # the worse violations are those above this part of their mean


@inner
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


@inner
def count_new(outer, m, work):
    """Trials that differ from the factored base and are not among its changes yet."""
    place, slot, new = work.indices[PLACE], work.indices[SLOT], np.int64(0)
    for i in range(m):
        new += (work.inside[i] != outer) != (place[i] >= 0) and slot[i] < 0
    return new


@njit
def factor_set(matrix, outer, m, work):
    """Factor the system of the set; its size, or -1 where it is not positive to rounding."""
    base, place, slot = work.indices[BASE], work.indices[PLACE], work.indices[SLOT]
    factor, reduced, n = work.squares[FACTOR], work.vectors[REDUCED], np.int64(0)
    for i in range(m):
        slot[i] = place[i] = -1
        if work.inside[i] != outer:
            base[n], place[i], reduced[n] = i, n, work.vectors[RIGHT, i]
            n += 1
    for p in range(n):
        gather(matrix, outer, base[p], p + 1, factor[p], work)
        if not outer:
            factor[p, p] += 1.0 / work.vectors[COST, base[p]]
    width = (n + 2) // 3 * 3
    for p in range(n, width):
        reduced[p] = 0.0
        for q in range(p + 1):
            factor[p, q] = 1.0 if p == q else 0.0
    if not cholesky(factor, work.vectors[SCALE], width):
        return np.int64(-1)
    forward(factor, work.vectors[SCALE], reduced, width)
    return n


@inner
def append(matrix, outer, m, n, k, new, work):
    """Add to the system the trials that entered (a column of M) or left (u = 0 at its place)."""
    place, slot = work.indices[PLACE], work.indices[SLOT]
    column, schur, changed = work.squares[COLUMN], work.squares[SCHUR], work.indices[CHANGED]
    width, last, j = (n + 2) // 3 * 3, k + (new + 2) // 3 * 3, k
    for p in range(k, last):
        for q in range(width):
            column[p, q] = 0.0
    for i in range(m):
        if (work.inside[i] != outer) != (place[i] >= 0) and slot[i] < 0:
            changed[j], slot[i] = i, j
            for p in range(j + 1):
                both = place[i] < 0 and place[changed[p]] < 0
                schur[j, p] = _entry(matrix, outer, i, changed[p], work) if both else 0.0
            if place[i] >= 0:
                column[j, place[i]] = 1.0
            else:
                gather(matrix, outer, i, n, column[j], work)
                schur[j, j] += 0.0 if outer else 1.0 / work.vectors[COST, i]
            j += 1
    divide(column, work.squares[FACTOR], work.vectors[SCALE], k, last, np.int64(0), width)
    add_products(schur, -1.0, column, k, last, width, np.bool_(False))


@inner
def reduce_changes(outer, n, k, known, work):
    """Right-hand sides of the changes that count, in z, where ``known`` changes are factored.

    Returns how many count, and how many of them are factored.
    """
    place, changed, active = work.indices[PLACE], work.indices[CHANGED], work.indices[ACTIVE]
    x, z = work.vectors[X], work.vectors[Z]
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
            known = known if active[count] == j else min(known, count)
            active[count] = j
            count += 1
    return count, min(known, count)


@inner
def solve_base(m, n, count, work):
    """Solve for u on the set, 0 off it, once the changes that count are solved in z."""
    place, changed, active = work.indices[PLACE], work.indices[CHANGED], work.indices[ACTIVE]
    x, z, u, width = work.vectors[X], work.vectors[Z], work.vectors[U], (n + 2) // 3 * 3
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


@inner
def solve_changes(known, count, work):
    """Solve the Schur system of the changes that count, in place in z, by L S L' with signs S.

    Trials that entered make a positive block and those that left a negative one: such a matrix
    (quasi-definite) has this factor in any order, without pivots.
    """
    active, z = work.indices[ACTIVE], work.vectors[Z]
    small, signed = work.squares[SMALL], work.squares[SIGNED]
    for i in range(known, count):
        row, mirror, source = small[i], signed[i], work.squares[SCHUR, active[i]]
        for j in range(i):
            other, total = signed[j], 0.0
            for p in range(j):
                total += row[p] * other[p]
            row[j] = (source[np.uint64(active[j])] - total) / other[j]
            mirror[j] = row[j] if other[j] > 0.0 else -row[j]
        total = 0.0
        for p in range(i):
            total += row[p] * mirror[p]
        total = source[active[i]] - total
        row[i] = np.sqrt(abs(total))
        mirror[i] = row[i] if total > 0.0 else -row[i]
    for i in range(count):
        row, total = small[i], 0.0
        for p in range(i):
            total += row[p] * z[p]
        z[i] = (z[i] - total) / row[i]
    for i in range(count):
        z[i] = z[i] if signed[i, i] > 0.0 else -z[i]
    for i in range(count - 1, -1, -1):
        row, value = small[i], z[i] / small[i, i]
        z[i] = value
        for j in range(i):
            z[j] -= value * row[j]


@inner
def _entry(matrix, outer, i, j, work):
    """M between two trials, without D: P as it is, or the Gram matrix and the intercept."""
    if outer:
        return matrix[i, j]
    row, group = work.indices[ROW], work.indices[GROUP]
    return matrix[row[i], row[j]] + (work.own[i, group[j]] + work.own[j, group[i]])


@inner
def gather(matrix, outer, i, n, out, work):
    """M between trial i and the first n of the base, without D."""
    base, row = work.indices[BASE], work.indices[ROW]
    if outer:
        source = matrix[i]
        for q in range(n):
            out[q] = source[np.uint64(base[q])]
    else:
        source, own, group = matrix[row[i]], work.own[i], work.indices[GROUP]
        half = work.half[group[i]]
        for q in range(n):
            j = np.uint64(base[q])
            out[q] = source[np.uint64(row[j])] + (own[np.uint64(group[j])] + half[j])


@inner
def add_rows(matrix, runs, outer, u, out, m, work):
    """out = matrix u, by the rows where u is not 0, four at a time.

    runs : int64 (run, 3), columns of the matrix from, to, and where in ``out`` they go
    """
    some, x, n = work.indices[SOME], work.vectors[X], 0
    for run in range(len(runs)):
        for i in range(runs[run, 2], runs[run, 2] + runs[run, 1] - runs[run, 0]):
            out[i] = 0.0
    for i in range(m):
        if u[i] != 0.0:
            some[n] = i if outer else work.indices[ROW, i]
            x[n] = u[i]
            n += 1
    for p in range(n, n + 3):
        some[p], x[p] = some[0], 0.0
    for p in range(0, n, 4):
        r0, r1, r2, r3 = (
            matrix[some[p]],
            matrix[some[p + 1]],
            matrix[some[p + 2]],
            matrix[some[p + 3]],
        )
        x0, x1, x2, x3 = x[p], x[p + 1], x[p + 2], x[p + 3]
        for run in range(len(runs)):
            low, high, first = runs[run, 0], runs[run, 1], runs[run, 2]
            b0, b1, b2, b3, to = r0[low:high], r1[low:high], r2[low:high], r3[low:high], out[first:]
            for j in range(high - low):
                to[j] += x0 * b0[j] + x1 * b1[j] + x2 * b2[j] + x3 * b3[j]


@inner
def sum_moves(u, m, work):
    """Sums of u over each condition, and of u times half."""
    group, total, cross = work.indices[GROUP], work.sums[0], work.sums[1]
    for c in range(len(total)):
        total[c], product, half = 0.0, 0.0, work.half[c]
        for i in range(m):
            product += half[i] * u[i]
        cross[c] = product
    for i in range(m):
        total[group[i]] += u[i]


@inner
def add_moves(u, out, m, work):
    """Add to out = gram u what makes it K u: the intercept, and the moves of condition means."""
    sum_moves(u, m, work)
    group, total, cross = work.indices[GROUP], work.sums[0], work.sums[1]
    for c in range(len(total)):
        value, half = total[c], work.half[c]
        for i in range(m):
            out[i] += half[i] * value
    for i in range(m):
        out[i] += cross[group[i]]


@inner
def assess(outer, m, work):
    """Coefficients and decision values if the set were the support, from M u in F_NEW.

    Returns how many trials lie on the wrong side of the margin then, and for each kind the limit
    of the worse half: moving all at once overshoots, for each changes the margin of the others.
    """
    y, u, a, f = work.vectors[LABEL], work.vectors[U], work.vectors[A_NEW], work.vectors[F_NEW]
    leave, enter, n_leave, n_enter = 0.0, 0.0, 0, 0
    for i in range(m):
        a[i] = u[i]
        if outer:
            a[i] = work.vectors[RIGHT, i] - f[i] if work.inside[i] else 0.0
            f[i] = y[i] - u[i] - a[i] / work.vectors[COST, i]
        excess = y[i] * f[i] - 1.0
        if work.inside[i] and not excess <= SLACK:  # so that NaN is a violation
            leave += excess
            n_leave += 1
        elif not work.inside[i] and not excess >= -SLACK:
            enter -= excess
            n_enter += 1
    part = WORSE if n_leave + n_enter > 20 else 0.0
    leave, enter = part * leave / max(1, n_leave), part * enter / max(1, n_enter)
    return n_leave + n_enter, max(SLACK, leave), max(SLACK, enter)


@inner
def slopes(m, work):
    """The half square of the weights from f to f_new: its slope, and what that gains a unit."""
    linear, square = 0.0, 0.0
    for i in range(m):
        move = work.vectors[A_NEW, i] - work.vectors[A, i]
        linear += move * work.vectors[F, i]
        square += move * (work.vectors[F_NEW, i] - work.vectors[F, i])
    return linear, square


@inner
def advance(t, leave, enter, m, work):
    """Move by t of the way to the new values, and read the set off the margins there."""
    a, f, inside = work.vectors[A], work.vectors[F], work.inside
    for i in range(m):
        a[i] = (1.0 - t) * a[i] + t * work.vectors[A_NEW, i]
        f[i] = (1.0 - t) * f[i] + t * work.vectors[F_NEW, i]
        excess = work.vectors[LABEL, i] * f[i] - 1.0
        inside[i] = excess <= leave if inside[i] else excess < -enter
