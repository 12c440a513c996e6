"""Folds, draws and shuffles of trials, and the arrays that they pick.

A population is ragged: group g holds trials sorted by condition, a dense block (trial, neuron) of
one flat buffer. Arrays over "flat trials" run through all groups, ``trial0[g]`` to ``trial0[g+1]``.
``order`` says which row stands at each position, so a shuffle of labels is a new ``order``.
Random numbers come from splitmix64, its state a hash of (seed, draw, group, condition): no draw
depends on what was drawn before it, or by whom.
"""

import numpy as np

from .jit import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_SHUFFLES = np.uint64(1 << 32)  # a part that no draw and no fold has


@njit
def _mix(z):
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@njit
def _state(seed, draw, key, part):
    """A state of its own for each (seed, draw, group key, part); all uint64."""
    z = _mix(seed + _GOLDEN)
    z = _mix((z ^ draw) + _GOLDEN)
    z = _mix((z ^ key) + _GOLDEN)
    return _mix((z ^ part) + _GOLDEN)


@njit
def _below(state, n):
    """A whole number in [0, n) from a state."""
    return int(float(_mix(state) >> _S11) * (1.0 / 9007199254740992.0) * n)


@njit
def folds(bounds, trial0, keys, seed, repeat, n_folds):
    """Fold of every flat trial, stratified by condition within each group.

    bounds : int64 (group, condition + 1), rows of each condition in its group
    trial0 : int64 (group + 1,); keys : uint64 (group,); seed, repeat : uint64
    returns : int64 (flat trial,), and int64 (group, condition): folds used, min(n_folds, trials)
    """
    n_groups, n_conditions = bounds.shape[0], bounds.shape[1] - 1
    fold = np.zeros(trial0[n_groups], np.int64)
    used = np.empty((n_groups, n_conditions), np.int64)
    for g in range(n_groups):
        for c in range(n_conditions):
            first, n = bounds[g, c], bounds[g, c + 1] - bounds[g, c]
            used[g, c] = max(1, min(n_folds, n))
            order = np.empty(n, np.int64)
            for i in range(n):
                order[i] = i
            state = _state(seed, repeat, keys[g], np.uint64(2 * c))
            for i in range(n - 1, 0, -1):
                state += _GOLDEN
                j = _below(state, i + 1)
                order[i], order[j] = order[j], order[i]
            for i in range(n):
                fold[trial0[g] + first + order[i]] = i % used[g, c]
    return fold, used


@njit
def draws(bounds, trial0, keys, chosen, seed, draw, part, n):
    """Rows drawn with replacement from the chosen trials, n a condition and group.

    chosen : bool (flat trial,); part : uint64, tells training from test draws
    returns : int64 (group, condition * n)
    """
    n_groups, n_conditions = bounds.shape[0], bounds.shape[1] - 1
    rows = np.empty((n_groups, n_conditions * n), np.int64)
    for g in range(n_groups):
        pool = np.empty(trial0[g + 1] - trial0[g], np.int64)
        for c in range(n_conditions):
            size = 0
            for row in range(bounds[g, c], bounds[g, c + 1]):
                if chosen[trial0[g] + row]:
                    pool[size] = row
                    size += 1
            state = _state(seed, draw, keys[g], np.uint64(2 * c + 1) + np.uint64(4096) * part)
            for i in range(n):
                state += _GOLDEN
                rows[g, c * n + i] = pool[_below(state, size)]
    return rows


@njit
def shuffled(order, positions, segments, segment_key, seed, draw):
    """A new order in which the positions of each segment have exchanged their rows.

    order : int64 (flat trial,); positions : int64, flat positions sorted by segment
    segments : int64 (segment + 1,), bounds in ``positions``; segment_key : uint64 (segment,)
    """
    new = order.copy()
    for s in range(segments.size - 1):
        first = segments[s]
        state = _state(seed, draw, segment_key[s], _SHUFFLES)
        for i in range(segments[s + 1] - first - 1, 0, -1):
            state += _GOLDEN
            a, b = positions[first + i], positions[first + _below(state, i + 1)]
            new[a], new[b] = new[b], new[a]
    return new


@njit
def gather(values, start, width, column, trial0, order, rows, centre, inverse):
    """The rows of all groups side by side, (x - centre) * inverse for every neuron.

    values : float64, flat blocks; start, width, column : int64 (group,)
    rows : int64 (group, row), positions; centre, inverse : float64 (neuron,)
    returns : float64 (row, neuron)
    """
    n_groups, n_rows = rows.shape
    out = np.empty((n_rows, centre.size))
    for g in range(n_groups):
        w, c0 = width[g], column[g]
        for i in range(n_rows):
            first = start[g] + order[trial0[g] + rows[g, i]] * w
            for k in range(w):
                out[i, c0 + k] = (values[first + k] - centre[c0 + k]) * inverse[c0 + k]
    return out


@njit
def scaling(mean, square, floor):
    """Centre and inverse spread of every neuron, conditions weighing the same.

    mean, square : float64 (condition, neuron), means and mean squares; floor : float, the smallest
    share of a mean square that counts as variance; returns centre, inverse (neuron,), 0 below it
    """
    n_conditions, n_neurons = mean.shape
    centre, inverse = np.zeros(n_neurons), np.zeros(n_neurons)
    for i in range(n_neurons):
        total = 0.0
        for c in range(n_conditions):
            centre[i] += mean[c, i] / n_conditions
            total += square[c, i] / n_conditions
        variance = total - centre[i] * centre[i]
        if variance > floor * total and variance > 1e-300:
            inverse[i] = 1.0 / np.sqrt(variance)
    return centre, inverse


@njit
def moments(values, start, width, column, trial0, bounds, order, chosen):
    """Condition means and sums of squares over the chosen trials.

    chosen : bool (flat trial,), by position
    returns : mean float64 (condition, neuron), mean square (condition, neuron)
    """
    n_groups, n_conditions = bounds.shape[0], bounds.shape[1] - 1
    n_neurons = column[n_groups - 1] + width[n_groups - 1]
    mean = np.zeros((n_conditions, n_neurons))
    square = np.zeros((n_conditions, n_neurons))
    for g in range(n_groups):
        w, c0 = width[g], column[g]
        for c in range(n_conditions):
            n = 0
            for row in range(bounds[g, c], bounds[g, c + 1]):
                if not chosen[trial0[g] + row]:
                    continue
                n += 1
                first = start[g] + order[trial0[g] + row] * w
                for k in range(w):
                    v = values[first + k]
                    mean[c, c0 + k] += v
                    square[c, c0 + k] += v * v
            for k in range(w):
                mean[c, c0 + k] /= max(n, 1)
                square[c, c0 + k] /= max(n, 1)
    return mean, square
