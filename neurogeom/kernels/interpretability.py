"""How alike the stimuli are that excite a unit most: few distances a unit, never a matrix of all.

Everywhere ``e`` is float64 (stimulus, feature), where similarity is minus the squared distance,
and ``s`` float64 (stimulus, stimulus) of given similarities; the one that is not used is empty.
"""

import numpy as np

from .jit import inner, njit

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


@njit
def two_afc(e, s, queries, references):
    """Which of two queries is like the references of an end? Mean over trials and over the ends.

    queries : int64 (unit, end, trial), end 0 the top; references : int64 (unit, end, trial, r)
    returns : float64 (unit,) probability right, and share of trials right, ties half
    """
    n_units, _, n_trials = queries.shape
    r = references.shape[3]
    probability, right = np.empty(n_units), np.empty(n_units)
    like = np.empty((2, 2, r))  # (end of the references, end of the query, reference)
    for u in range(n_units):
        p, hits = 0.0, 0.0
        for t in range(n_trials):
            total, largest = 0.0, 0.0
            for end in range(2):
                for q in range(2):
                    for i in range(r):
                        value = _similarity(e, s, references[u, end, t, i], queries[u, q, t])
                        like[end, q, i] = value
                        total += value
                        largest = max(largest, abs(value))
            mean, spread = total / (4 * r), 0.0
            for end in range(2):
                for q in range(2):
                    for i in range(r):
                        spread += (like[end, q, i] - mean) ** 2
            spread = np.sqrt(spread / (4 * r))
            if spread <= MARGIN * largest:  # all alike: no evidence
                p += 0.5
                hits += 0.5
                continue
            lead = 0.0
            for i in range(r):
                lead += like[0, 0, i] + like[1, 1, i] - like[0, 1, i] - like[1, 0, i]
            lead /= r * spread
            p += 1.0 / (1.0 + np.exp(-lead))
            if abs(lead) <= MARGIN:
                hits += 0.5
            elif lead > 0.0:
                hits += 1.0
        probability[u], right[u] = p / n_trials, hits / n_trials
    return probability, right


@inner
def _centres(e, chosen):
    """Mean of the chosen (unit, feature) and their mean squared distance from it (unit,).

    Taken from the first of them: of equal stimuli the distance is 0 to the last bit.
    """
    n_units, k = chosen.shape
    p = e.shape[1]
    centre, spread = np.empty((n_units, p)), np.zeros(n_units)
    for u in range(n_units):
        first = chosen[u, 0]
        for i in range(p):
            shift = 0.0
            for a in range(1, k):
                shift += e[chosen[u, a], i] - e[first, i]
            centre[u, i] = e[first, i] + shift / k
        for a in range(k):
            for i in range(p):
                spread[u] += (e[chosen[u, a], i] - centre[u, i]) ** 2 / k
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


@njit
def odd_one_out(e, s, chosen):
    """Share of all other stimuli that are less like the chosen ones than these are like each other.

    chosen : int64 (unit, k), k >= 2; returns float64 (unit,)
    """
    n_units, k = chosen.shape
    n = max(len(e), len(s))
    centre, spread = _centres(e, chosen)
    found = np.empty(n_units)
    for u in range(n_units):
        level = 0.0
        for a in range(k):
            level += _summed(e, s, centre, spread, chosen, u, chosen[u, a])[0]
        level /= k * (k - 1)
        level -= MARGIN * abs(level)
        below, own = 0, np.zeros(n, np.bool_)
        own[chosen[u]] = True
        for x in range(n):
            if not own[x] and _summed(e, s, centre, spread, chosen, u, x)[0] / k < level:
                below += 1
        found[u] = below / (n - k)
    return found


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
