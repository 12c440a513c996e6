"""How alike the stimuli are that excite a unit most: few distances a unit, never a matrix of all.

Everywhere ``e`` is float64 (stimulus, feature), where similarity is minus the squared distance,
and ``s`` float64 (stimulus, stimulus) of given similarities; the one that is not used is empty.
"""

import numpy as np

from .jit import inner, njit

TILE = 32  # stimuli whose embeddings are near at hand together
UNITS = 4096  # whose similarities are held at a time
MARGIN = 1e-9  # equal similarities that were summed in another order differ in the last bits


@inner
def _similarity(e, s, a, b):
    if s.size:
        return s[a, b]
    total = 0.0
    for i in range(e.shape[1]):
        total += (e[a, i] - e[b, i]) ** 2
    return -total


@njit
def largest(values, k):
    """Places of the k largest values of every row, the largest first, the earlier of equal ones.

    values : float64 (unit, stimulus), 1 <= k <= stimuli; returns int64 (unit, k)
    """
    n_units, n = values.shape
    found = np.empty((n_units, k), np.int64)
    for u in range(n_units):
        row, own = values[u], found[u]
        have = 0
        for x in range(n):
            if have == k and row[x] <= row[own[k - 1]]:
                continue
            place = min(have, k - 1)
            while place > 0 and row[own[place - 1]] < row[x]:
                own[place] = own[place - 1]
                place -= 1
            own[place] = x
            have = min(have + 1, k)
    return found


@njit
def most_exciting(order, group, place, gap, k):
    """The first k stimuli of an order, of which no two share a group or lie within the gap.

    order : int64 (unit, rank), stimuli; group : int64 (stimulus,), -1 for one of its own
    place : float64 (stimulus,); two lie within the gap where their places differ by less
    returns : int64 (unit, k), -1 where there are no more
    """
    n_units, n = order.shape
    chosen = np.full((n_units, k), -1)
    for u in range(n_units):
        found = 0
        for r in range(n):
            new, free = order[u, r], True
            for a in range(found):
                old = chosen[u, a]
                same = group[new] >= 0 and group[new] == group[old]
                if same or abs(place[new] - place[old]) < gap:
                    free = False
            if free:
                chosen[u, found] = new
                found += 1
                if found == k:
                    break
    return chosen


@njit
def mean_similarity(e, s, chosen):
    """Mean similarity of all pairs of the chosen stimuli.

    chosen : int64 (unit, k), k >= 2; returns float64 (unit,)
    """
    n_units, k = chosen.shape
    found = np.empty(n_units)
    for u in range(n_units):
        total = 0.0
        for a in range(k):
            for b in range(a):
                total += _similarity(e, s, chosen[u, a], chosen[u, b])
        found[u] = total / (k * (k - 1) / 2)
    return found


@inner
def _look(e, s, queries, references, like):
    """Similarity of every reference to the queries of its trial, one query stimulus after another.

    In the order of units each would be fetched from far away; like : (unit, trial, end of the
    references, end of the query, reference)
    """
    n_units, _, n_trials = queries.shape
    r = references.shape[3]
    first = np.zeros(max(len(e), len(s)) + 1, np.int64)
    for x in queries.flat:
        first[x + 1] += 1
    for x in range(1, first.size):
        first[x] += first[x - 1]
    order = np.empty(queries.size, np.int64)
    for u in range(n_units):
        for q in range(2):
            for t in range(n_trials):
                x = queries[u, q, t]
                order[first[x]] = (u * 2 + q) * n_trials + t
                first[x] += 1
    for place in order:
        u, q, t = place // (2 * n_trials), place // n_trials % 2, place % n_trials
        x = queries[u, q, t]
        if s.size:
            for end in range(2):
                for i in range(r):
                    like[u, t, end, q, i] = s[x, references[u, end, t, i]]
        else:
            for end in range(2):
                for i in range(r):
                    like[u, t, end, q, i] = _similarity(e, s, x, references[u, end, t, i])


@njit
def two_afc(e, s, queries, references):
    """Which of two queries is like the references of an end? Mean over trials and over the ends.

    queries : int64 (unit, end, trial), end 0 the top; references : int64 (unit, end, trial, r)
    returns : float64 (unit,) probability right, and share of trials right, ties half
    """
    n_units, _, n_trials = queries.shape
    r = references.shape[3]
    probability, right = np.empty(n_units), np.empty(n_units)
    looked = np.empty((min(UNITS, n_units), n_trials, 2, 2, r))
    for start in range(0, n_units, UNITS):
        stop = min(start + UNITS, n_units)
        _look(e, s, queries[start:stop], references[start:stop], looked)
        for u in range(start, stop):
            p, hits = 0.0, 0.0
            for t in range(n_trials):
                chance, own = _choice(looked[u - start, t])
                p += chance
                hits += own
            probability[u], right[u] = p / n_trials, hits / n_trials
    return probability, right


@inner
def _choice(like):
    """Probability that the right query is chosen, and whether it is: 1, 0, or 0.5 at a tie."""
    r = like.shape[2]
    total, largest = 0.0, 0.0
    for end in range(2):
        for q in range(2):
            for i in range(r):
                total += like[end, q, i]
                largest = max(largest, abs(like[end, q, i]))
    mean, spread = total / (4 * r), 0.0
    for end in range(2):
        for q in range(2):
            for i in range(r):
                spread += (like[end, q, i] - mean) ** 2
    spread = np.sqrt(spread / (4 * r))
    if spread <= MARGIN * largest:  # all alike: no evidence
        return 0.5, 0.5
    lead = 0.0
    for i in range(r):
        lead += like[0, 0, i] + like[1, 1, i] - like[0, 1, i] - like[1, 0, i]
    lead /= r * spread
    probability = 1.0 / (1.0 + np.exp(-lead))
    if abs(lead) <= MARGIN:
        return probability, 0.5
    return probability, 1.0 if lead > 0.0 else 0.0


@inner
def _centres(e, chosen):
    """Mean of the chosen (unit, feature) and their mean squared distance from it (unit,).

    Taken from the first of them: of equal stimuli the distance is 0 to the last bit.
    """
    n_units, k = chosen.shape
    p = e.shape[1]
    centre, spread = np.zeros((n_units, p)), np.empty(n_units)
    for u in range(n_units):
        first = chosen[u, 0]
        for a in range(1, k):
            for i in range(p):
                centre[u, i] += e[chosen[u, a], i] - e[first, i]
        for i in range(p):
            centre[u, i] = e[first, i] + centre[u, i] / k
        total = 0.0
        for a in range(k):
            for i in range(p):
                total += (e[chosen[u, a], i] - centre[u, i]) ** 2
        spread[u] = total / k
    return centre, spread


@inner
def _summed(e, s, centre, spread, chosen, u, x):
    """Similarity of stimulus x to unit u's chosen ones but itself: their sum, and their number."""
    k = chosen.shape[1]
    total, n = 0.0, k
    for a in range(k):
        if chosen[u, a] == x:
            n -= 1
        elif s.size:
            total += s[x, chosen[u, a]]
    if not s.size:  # a stimulus is at distance 0 of itself
        distance = 0.0
        for i in range(e.shape[1]):
            distance += (e[x, i] - centre[u, i]) ** 2
        total = -k * (distance + spread[u])
    return total, n


@inner
def _mean_to_chosen(e, s, centre, spread, chosen, u, x):
    return _summed(e, s, centre, spread, chosen, u, x)[0] / chosen.shape[1]


@njit
def levels(e, s, chosen):
    """Mean similarity of all pairs of the chosen stimuli, less a margin for equal ones, (unit,).

    chosen : int (unit, k), k >= 2
    """
    n_units, k = chosen.shape
    level = np.empty(n_units)
    for u in range(n_units):
        own = chosen[u : u + 1]
        if s.size:
            mean = mean_similarity(e, s, own)[0]
        else:  # the mean distance of pairs is twice the variance
            mean = -2 * k / (k - 1) * _centres(e, own)[1][0]
        level[u] = mean - MARGIN * abs(mean)
    return level


@njit
def odd_one_out(e, s, chosen):
    """How many other stimuli are less like the chosen ones than these are like each other.

    chosen : int64 (unit, k), k >= 2; returns int64 (unit,)
    """
    n_units = len(chosen)
    n = max(len(e), len(s))
    level = levels(e, s, chosen)
    found = np.zeros(n_units, np.int64)
    for u in range(n_units):
        own = chosen[u : u + 1]
        centre, spread = _centres(e, own)
        among = np.zeros(n, np.bool_)
        among[own[0]] = True
        for x in range(n):
            if not among[x] and _mean_to_chosen(e, s, centre, spread, own, 0, x) < level[u]:
                found[u] += 1
    return found


@njit
def count_below(block, start, e, s, chosen, level, low, high, below):
    """Stimuli of a block that are less like a unit's chosen ones than its level, added to below.

    block : float32 (stimulus, width), numbers whose sum over the chosen ones tells their similarity
    to stimulus start, start + 1, ... up to rounding
    chosen : int32 (unit, k); level : float64 (unit,), of :func:`levels`
    low, high : float32 (unit,): a sum less than low is below the level and one from high on is not;
    between them the similarity is computed as in :func:`odd_one_out`
    below : int64 (unit,)
    """
    n_units, k = chosen.shape
    width = block.shape[1]  # known here only, which is what lets the loops use SIMD
    total = np.empty(width, np.float32)
    for u in range(n_units):
        least, most = low[u], high[u]
        row, other = np.uint32(chosen[u, 0]), np.uint32(chosen[u, 1])
        for j in range(width):
            total[j] = block[row, j] + block[other, j]
        for a in range(2, k - 1, 2):
            row, other = np.uint32(chosen[u, a]), np.uint32(chosen[u, a + 1])
            for j in range(width):
                total[j] += block[row, j] + block[other, j]
        if k % 2:
            row = np.uint32(chosen[u, k - 1])
            for j in range(width):
                total[j] += block[row, j]
        for a in range(k):
            place = chosen[u, a] - start
            if 0 <= place < width:
                total[place] = np.inf
        certain, possible = np.int32(0), np.int32(0)
        for j in range(width):
            certain += np.int32(total[j] < least)
            possible += np.int32(total[j] < most)
        below[u] += certain
        if possible > certain:
            own = chosen[u : u + 1]
            centre, spread = _centres(e, own)
            for j in range(width):
                if least <= total[j] < most:
                    value = _mean_to_chosen(e, s, centre, spread, own, 0, start + j)
                    below[u] += value < level[u]


@njit
def similarities(e):
    """Similarity of all pairs, float64 (stimulus, stimulus)."""
    n = len(e)
    s = np.zeros((n, n))
    none = np.empty((0, 0))
    for i in range(0, n, TILE):
        for j in range(0, i + 1, TILE):
            for a in range(i, min(i + TILE, n)):
                for b in range(j, min(j + TILE, a)):
                    s[a, b] = s[b, a] = _similarity(e, none, a, b)
    return s


@njit
def cross_odd_one_out(e, s, chosen):
    """Share of two units' chosen stimuli that are more like their own unit's others than the other.

    chosen : int64 (unit, k), k >= 2; returns float64 (unit, unit), the diagonal 0.5
    A stimulus is never held against itself; ties count half.
    """
    n_units, k = chosen.shape
    centre, spread = _centres(e, chosen)
    own = np.empty((n_units, k))
    for u in range(n_units):
        for a in range(k):
            total, n = _summed(e, s, centre, spread, chosen, u, chosen[u, a])
            own[u, a] = total / n
    found = np.full((n_units, n_units), 0.5)
    for u in range(n_units):
        for v in range(u):
            wins = 0.0
            for a in range(k):
                for mine, other in ((u, v), (v, u)):
                    total, n = _summed(e, s, centre, spread, chosen, other, chosen[mine, a])
                    lead = own[mine, a] - total / n
                    if abs(lead) <= MARGIN * abs(own[mine, a]):
                        wins += 0.5
                    elif lead > 0.0:
                        wins += 1.0
            found[u, v] = found[v, u] = wins / (2 * k)
    return found
