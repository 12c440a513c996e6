"""The support vector machine of ``svm``, in the dual: all problems on one training set.

Coordinate descent in float32 guesses the support, ``pivoting`` makes it exact. Where surrogates
move condition means no new Gram matrix is made: see ``half`` in ``workspace.Problems``.
"""

import numpy as np

from .factor import add_products, divide
from .jit import inner, njit
from .pivoting import (
    MAX_STEPS,
    PIVOTS,
    add_moves,
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
    sum_moves,
)
from .workspace import (
    COLUMN,
    COST,
    F_NEW,
    FACTOR,
    GROUP,
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
LEVELS = 32000.0  # of 16 bits, with room for rounding


@njit
def narrow(data, offsets, work):
    """K in 16 bits a number, from the rough copy of the Gram matrix and the moves of means."""
    largest, condition, turned = TINY, data.condition, np.empty(data.half.T.shape, np.float32)
    for i in range(len(condition)):
        largest = max(largest, data.gram[i, i] + 2.0 * data.half[i, condition[i]])
    unit = largest / LEVELS
    for i in range(len(condition)):
        for c in range(len(turned)):
            turned[c, i] = data.half[i, c] / unit
    work.units[0], ratio = unit, np.float32(data.unit / unit)
    for k in range(len(condition)):
        i = data.order[k]
        for c in range(len(turned)):  # over slices, which is what lets the loop use SIMD
            first, last = offsets[c], offsets[c + 1]
            row, to = data.rough[k, first:last], work.near[k, first:last]
            own, across = turned[c, i], turned[condition[i], first:last]
            for j in range(len(row)):
                to[j] = np.int16(np.rint(ratio * np.float32(row[j]) + (own + across[j])))


@njit
def load(data, cost, work):
    """Note the trials in training; how many, in how many runs, and in how many the others are."""
    row, runs, trial = work.indices[ROW], work.runs, np.empty_like(data.order)
    m, k = np.int64(0), 0
    for i in range(len(data.condition)):
        condition = data.condition[i]
        if cost[condition] > 0.0:
            row[m], work.vectors[COST, m], work.inside[m], trial[i] = i, cost[condition], True, m
            work.indices[GROUP, m] = condition
            for c in range(len(cost)):
                work.own[m, c] = work.half[c, m] = data.half[i, c]
            m += 1
    n_runs = _note_runs(data.condition, cost, True, runs)
    n_rest = _note_runs(data.condition, cost, False, runs[n_runs:])
    for p, size in ((2, len(data.condition)), (1, m)):
        runs[len(runs) - p, 0], runs[len(runs) - p, 1], runs[len(runs) - p, 2] = 0, size, 0
    for p in range(len(data.order)):
        if cost[data.condition[data.order[p]]] > 0.0:
            work.indices[VISIT, k], work.indices[WHERE, k] = trial[data.order[p]], p
            k += 1
    return m, n_runs, n_rest


@inner
def _note_runs(condition, cost, trained, runs):
    """Runs of trials in training, or of the others: from, to, and their place (others keep it)."""
    n, k = np.int64(-1), np.int64(0)
    for i in range(len(condition)):
        if (cost[condition[i]] > 0.0) == trained:
            if n < 0 or runs[n, 1] != i:
                n += 1
                runs[n, 0], runs[n, 2] = i, k if trained else i
            runs[n, 1] = i + 1
            k += 1
    return n + 1


@njit
def invert(condition, m, work):
    """P = (K + D)^-1 from the factor of K + D, its sums over conditions, and its rough copy."""
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
    unit = unit_of(inverse, m)
    work.units[1] = unit
    for k in range(m):
        row, narrow = inverse[work.indices[VISIT, k]], work.rough[k]
        for j in range(m):
            narrow[j] = np.int16(np.rint(row[j] / unit))


@njit
def solve_sets(data, cost, problems, work, out):
    """Problems by phase 1 and then phase 2; the training set is loaded where it changes."""
    u, f, f_new, before = work.vectors[U], work.vectors[F], work.vectors[F_NEW], np.int64(-1)
    m, n_runs, n_rest = np.int64(0), np.int64(0), np.int64(0)
    whole, every = work.runs[len(work.runs) - 1 :], work.runs[len(work.runs) - 2 :][:1]
    for q in problems:
        if before < 0 or (cost[q] != cost[before]).any():
            m, n_runs, n_rest = load(data, cost[q], work)
        before = q
        runs, rest = work.runs[:n_runs], work.runs[n_runs : n_runs + n_rest]
        outer = _guess(data, q, m, runs, whole, work, out)
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
            if not outer:
                add_moves(u, f_new, m, work)
            violated, leave, enter = assess(outer, m, work)
            stalled = 0 if violated < fewest else stalled + 1
            fewest, t = min(fewest, violated), 1.0
            search = search or step >= PIVOTS or stalled >= 4
            if search and violated:
                linear, square = slopes(m, work)
                leave = enter = 0.0
                t = line_search(
                    work.vectors[COST], work.vectors[LABEL], f, f_new, linear, square, m
                )
            advance(t, leave, enter, m, work)
        out.steps[q] += step
        out.converged[q] = violated == 0
        _store(data, q, outer, every if outer else rest, m, work, out)


@inner
def _guess(data, q, m, runs, whole, work, out):
    """Set up problem q and guess its support; whether the system on its complement is smaller."""
    share = work.units[1] > 0.0
    row, y, size, again = work.indices[ROW], work.vectors[LABEL], 0, out.steps[q] > 0
    guessed = again or len(data.guess) > 0
    for i in range(m):
        y[i] = data.sign[q, data.condition[row[i]]]
        work.inside[i] = out.coef[q, row[i]] != 0.0 if again else guessed and data.guess[q, row[i]]
        size += work.inside[i]
        work.vectors[A, i] = work.vectors[F, i] = 0.0
    outer = share and _ridge(data.sign[q], m, work) < DIFFERENT * m
    if not guessed:
        exact, rough = (work.squares[INVERSE], work.rough) if outer else (data.gram, work.near)
        size = _descend(exact, rough, whole if outer else runs, outer, m, work)
    outer = share and 2 * size > m
    if not outer:
        for i in range(m):
            work.vectors[RIGHT, i] = y[i]
    return outer


@inner
def _store(data, q, outer, runs, m, work, out):
    """Coefficients, gap and decision values; by K in training also where P led to them."""
    u, f, value = work.vectors[U], work.vectors[F], out.value[q]
    total, cross = work.sums[0], work.sums[1]
    for i in range(m):
        u[i] = work.vectors[A, i]
    add_rows(data.gram, runs, np.bool_(False), u, value, m, work)
    sum_moves(u, m, work)
    for run in range(len(runs)):
        for r in range(runs[run, 0], runs[run, 1]):
            moved = cross[data.condition[r]]
            for c in range(len(total)):
                moved += data.half[r, c] * total[c]
            value[r] += moved
    for i in range(m):
        row = work.indices[ROW, i]
        f[i] = value[row] if outer else f[i]
        out.coef[q, row], value[row] = u[i], f[i]
    out.gap[q] = _gap(m, work)


@inner
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


@inner
def _descend(exact, matrix, runs, outer, m, work):
    """Guess I: sweeps over min u'Mu / 2 - r'u with y u >= 0 (<= 0 with P), in float32; its size.

    Most of the time goes to reading M, so it is read in 16 bits a number. Steps reach beyond the
    minimum of their coordinate (over-relaxation), the more so the less D there is in M; that and an
    order that stays the same make a third of the sweeps. A wrong guess of one trial costs about as
    much as m / |set| sweeps do, hence the stop rule.
    """
    zero, visit, group = np.float32(0.0), work.indices[VISIT], work.indices[GROUP]
    right, side = work.vectors[RIGHT if outer else LABEL], -1.0 if outer else 1.0
    u, g, y = np.zeros(m, np.float32), np.empty(m, np.float32), np.empty(m, np.float32)
    ridge, inverse = np.empty(m, np.float32), np.empty(m, np.float32)
    for k in range(m):
        i = visit[k]
        row = i if outer else work.indices[ROW, i]
        y[i], g[i] = side * work.vectors[LABEL, i], right[i]
        ridge[i] = 0.0 if outer else 1.0 / work.vectors[COST, i]
        diagonal = exact[row, row] + (0.0 if outer else 2.0 * work.own[i, group[i]])
        beyond = 0.0 if outer else BEYOND * diagonal / (diagonal + ridge[i])
        inverse[i] = (1.0 + beyond) / (diagonal + ridge[i])
    size, unit = np.int64(0), np.float32(work.units[1 if outer else 0])
    for _ in range(SWEEPS):
        changes, size = 0, np.int64(0)
        for k in range(m):
            i = visit[k]
            old, slope = u[i], g[i]
            if old == zero and slope * y[i] <= zero:
                continue
            new = old + slope * inverse[i]
            if new * y[i] <= zero:
                new = zero
            move, row = old - new, matrix[k if outer else work.indices[WHERE, k]]
            step = move * unit
            for run in range(len(runs)):
                part, to = row[runs[run, 0] : runs[run, 1]], g[runs[run, 2] :]
                for j in range(len(part)):
                    to[j] += step * np.float32(part[j])
            u[i] = new
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
def unit_of(matrix, m):
    """The unit in which 16 bits hold a positive matrix: no entry exceeds the largest diagonal."""
    largest = TINY
    for i in range(m):
        largest = max(largest, matrix[i, i])
    return largest / LEVELS


@njit
def narrowed(gram, order, unit):
    """The rows of a matrix in another order, in 16 bits a number: one pass over memory."""
    out = np.empty(gram.shape, np.int16)
    for k in range(len(order)):
        row, narrow = gram[order[k]], out[k]
        for j in range(len(row)):
            narrow[j] = np.int16(np.rint(row[j] / unit))
    return out
