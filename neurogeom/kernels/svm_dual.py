"""The support vector machine of ``svm``, in the dual: all problems on one training set.

Coordinate descent in float32 guesses the support, ``pivoting`` makes it exact.
"""

import numpy as np

from .factor import add_products, divide
from .jit import njit
from .pivoting import (
    MAX_STEPS,
    PIVOTS,
    add_rows,
    advance,
    append,
    assess,
    count_new,
    factor_set,
    line_search,
    reduce_changes,
    slopes,
    solve_base,
    solve_changes,
)
from .workspace import (
    COLUMN,
    COST,
    F_NEW,
    FACTOR,
    INVERSE,
    LABEL,
    RIGHT,
    ROW,
    SCALE,
    VISIT,
    WHERE,
    A,
    F,
    U,
)

DIFFERENT = 0.36  # part of wrong signs in ridge regression above which P is no start
BEYOND = 0.5  # over-relaxation
SWEEPS = 40  # of coordinate descent, at most
TINY = 1e-300


@njit
def load(order, condition, cost, work):
    """Note the trials in training; how many there are, and how many runs of consecutive ones."""
    row, c, runs, trial = work.indices[ROW], work.vectors[COST], work.runs, np.empty_like(order)
    m, n, k = np.int64(0), np.int64(-1), 0
    for i in range(len(condition)):
        if cost[condition[i]] > 0.0:
            if m == 0 or row[m - 1] != i - 1:
                n += 1
                runs[n, 0], runs[n, 2] = i, m
            row[m], c[m], work.inside[m], trial[i] = i, cost[condition[i]], True, m
            runs[n, 1] = i + 1
            m += 1
    n += 1
    runs[len(runs) - 1, 0], runs[len(runs) - 1, 1], runs[len(runs) - 1, 2] = 0, m, 0
    for p in range(len(order)):
        if cost[condition[order[p]]] > 0.0:
            work.indices[VISIT, k], work.indices[WHERE, k] = trial[order[p]], p
            k += 1
    return m, n


@njit
def invert(condition, m, work):
    """P = (K + D)^-1 from the factor of K + D, and its sums over the trials of each condition."""
    width, ridge = (m + 2) // 3 * 3, work.ridge
    inverse, product = work.squares[INVERSE], work.squares[COLUMN]
    for i in range(width):
        for j in range(width):
            product[i, j] = 0.0
            inverse[i, j] = 1.0 if i == j else 0.0
    for i in range(0, width, 3):
        divide(inverse, work.squares[FACTOR], work.vectors[SCALE], i, i + 3, i, width)
    add_products(product, 1.0, inverse, np.int64(0), width, width, np.bool_(True))
    for c in range(len(ridge)):
        for j in range(m):
            ridge[c, j] = 0.0
    for i in range(m):
        total = ridge[condition[work.indices[ROW, i]]]
        for j in range(m):
            inverse[i, j] = product[max(i, j), min(i, j)]
            total[j] += inverse[i, j]
    for k in range(m):
        for j in range(m):
            work.rough[k, j] = inverse[work.indices[VISIT, k], j]


@njit
def solve_group(data, problems, m, n_runs, share, work, out):
    """The problems on the loaded trials, by phase 1 and then phase 2."""
    whole, runs = work.runs[len(work.runs) - 1 :], work.runs[:n_runs]
    u, f_new = work.vectors[U], work.vectors[F_NEW]
    for q in problems:
        outer = _guess(data, q, share, m, runs, whole, work, out)
        matrix, columns = (work.squares[INVERSE], whole) if outer else (data.gram, runs)
        n, k, known = np.int64(0), np.int64(0), np.int64(0)
        fewest, stalled, step, violated, search = m + 1, 0, 0, 1, False
        while step < MAX_STEPS and violated:
            step += 1
            new = count_new(outer, m, work) if n > 0 else m
            if n == 0 or new * (n + 2 * k) * 3 > n * n or k + new > m:
                n, k = factor_set(matrix, outer, m, work), np.int64(0)
            else:
                append(matrix, outer, m, n, k, new, work)
                k += new
            if n < 0:
                break
            count, known = reduce_changes(outer, n, k, min(known, k), work)
            solve_changes(known, count, work)
            solve_base(m, n, count, work)
            known = count
            add_rows(matrix, columns, outer, u, f_new, m, work)
            violated, leave, enter = assess(outer, m, work)
            stalled = 0 if violated < fewest else stalled + 1
            fewest, t = min(fewest, violated), 1.0
            search = search or step >= PIVOTS or stalled >= 4
            if search and violated:
                linear, square = slopes(m, work)
                leave = enter = 0.0
                f = work.vectors[F]
                t = line_search(
                    work.vectors[COST], work.vectors[LABEL], f, f_new, linear, square, m
                )
            advance(t, leave, enter, m, work)
        out.steps[q] += step
        out.converged[q] = violated == 0
        _store(data, q, outer, runs, m, work, out)


@njit
def _guess(data, q, share, m, runs, whole, work, out):
    """Set up problem q and guess its support; whether the system on its complement is smaller."""
    row, y, inner, again = work.indices[ROW], work.vectors[LABEL], 0, out.steps[q] > 0
    guessed = again or len(data.guess) > 0
    for i in range(m):
        y[i] = data.sign[q, data.condition[row[i]]]
        work.inside[i] = out.coef[q, row[i]] != 0.0 if again else guessed and data.guess[q, row[i]]
        inner += work.inside[i]
        work.vectors[A, i] = work.vectors[F, i] = 0.0
    outer = share and _ridge(data.sign[q], m, work) < DIFFERENT * m
    if not guessed:
        near = work.rough if outer else data.rough
        inner = _descend(near, whole if outer else runs, outer, m, work)
    outer = share and 2 * inner > m
    if not outer:
        for i in range(m):
            work.vectors[RIGHT, i] = y[i]
    return outer


@njit
def _store(data, q, outer, runs, m, work, out):
    """Coefficients and gap, with decision values by K also where P led to them."""
    if outer:
        for i in range(m):
            work.vectors[U, i] = work.vectors[A, i]
        add_rows(data.gram, runs, np.bool_(False), work.vectors[U], work.vectors[F], m, work)
    out.gap[q] = _gap(m, work)
    for i in range(m):
        out.coef[q, work.indices[ROW, i]] = work.vectors[A, i]


@njit
def _ridge(sign, m, work):
    """Set r = P y, the coefficients of ridge regression; how many trials it gets wrong."""
    right, wrong = work.vectors[RIGHT], 0
    for i in range(m):
        right[i] = 0.0
    for c in range(len(sign)):
        row, side = work.ridge[c], float(sign[c])
        for i in range(m):
            right[i] += side * row[i]
    for i in range(m):
        wrong += right[i] * work.vectors[LABEL, i] < 0.0
    return wrong


@njit
def _descend(matrix, runs, outer, m, work):
    """Guess I: sweeps over min u'Mu / 2 - r'u with y u >= 0 (<= 0 with P), in float32; its size.

    Steps reach beyond the minimum of their coordinate (over-relaxation), the more so the less D
    there is in M; that and an order that stays the same make a third of the sweeps. A wrong guess
    of one trial costs about as much as m / |set| sweeps do, hence the stop rule.
    """
    zero, shift, visit = np.float32(0.0), np.float32(0.0), work.indices[VISIT]
    right, side = work.vectors[RIGHT if outer else LABEL], -1.0 if outer else 1.0
    u, g, y = np.zeros(m, np.float32), np.empty(m, np.float32), np.empty(m, np.float32)
    ridge, inverse = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(m):
        i = visit[k]
        column, where = (i, k) if outer else (work.indices[ROW, i], work.indices[WHERE, k])
        y[i], g[i] = side * work.vectors[LABEL, i], right[i]
        ridge[i] = 0.0 if outer else 1.0 / work.vectors[COST, i]
        diagonal = matrix[where, column] + (0.0 if outer else 1.0)
        beyond = 0.0 if outer else BEYOND * diagonal / (diagonal + ridge[i])
        inverse[i] = (1.0 + beyond) / (diagonal + ridge[i])
    size, one = np.int64(0), np.float32(0.0 if outer else 1.0)
    for _ in range(SWEEPS):
        changes, size = 0, np.int64(0)
        for k in range(m):
            i = visit[k]
            old, slope = u[i], g[i] + shift
            if old == zero and slope * y[i] <= zero:
                continue
            new = old + slope * inverse[i]
            if new * y[i] <= zero:
                new = zero
            move, row = old - new, matrix[k if outer else work.indices[WHERE, k]]
            for run in range(len(runs)):
                part, to = row[runs[run, 0] : runs[run, 1]], g[runs[run, 2] :]
                for j in range(len(part)):
                    to[j] += move * part[j]
            u[i], shift = new, shift + move * one
            g[i] += move * ridge[i]
            changes += (new == zero) != (old == zero)
            size += new != zero
        if changes * size * 2 <= 3 * m:
            break
    for i in range(m):
        work.inside[i] = (u[i] != zero) != outer
    return m - size if outer else size


@njit
def _gap(m, work):
    """Relative duality gap of coefficients a with f = K a."""
    norm, loss, gain, ridge = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        a, f, cost = work.vectors[A, i], work.vectors[F, i], work.vectors[COST, i]
        y = work.vectors[LABEL, i]
        norm += a * f
        loss += cost * max(0.0, 1.0 - y * f) ** 2
        gain += y * a
        ridge += a * a / cost
    primal = 0.5 * (norm + loss)
    return (primal - gain + 0.5 * norm + 0.5 * ridge) / max(primal, TINY)


@njit
def narrowed(gram, order):
    """The rows of a matrix in another order, as float32: one pass over memory."""
    out = np.empty(gram.shape, np.float32)
    for i in range(len(order)):
        row, narrow = gram[order[i]], out[i]
        for j in range(len(row)):
            narrow[j] = row[j]
    return out
