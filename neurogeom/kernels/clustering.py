"""Nearest neighbours, k-means and silhouettes of points, without a matrix of all distances."""

import numpy as np

from .jit import njit


@njit
def nearest_angles(units, k):
    """Mean angle of every vector to its k nearest others, in radians.

    units : float64 (dim, point), columns of length 1; 1 <= k < points; returns float64 (point,)
    """
    d, n = units.shape
    found = np.empty(n)
    cosine, best = np.empty(n), np.empty(k)
    for i in range(n):
        cosine[:] = 0.0
        for a in range(d):
            row, mine = units[a], units[a, i]
            for j in range(n):
                cosine[j] += mine * row[j]
        cosine[i] = -2.0
        best[:] = -2.0
        least = -2.0
        for j in range(n):
            if cosine[j] > least:  # rare once the nearest are found
                place = k - 1
                while place > 0 and best[place - 1] < cosine[j]:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = cosine[j]
                least = best[k - 1]
        total = 0.0
        for a in range(k):
            total += np.arccos(min(1.0, max(-1.0, best[a])))
        found[i] = total / k
    return found


@njit
def kmeans(points, uniform, most_turns):
    """Labels by Lloyd's algorithm from k-means++ centres (Arthur & Vassilvitskii 2007).

    points : float64 (point, dim); uniform : float64 (k,) in [0, 1), chooses the first centres
    returns : int64 (point,), and the sum of squared distances to the centres
    """
    n, d = points.shape
    k = uniform.size
    centre, label = np.empty((k, d)), np.zeros(n, np.int64)
    nearest = np.full(n, np.inf)
    chosen = int(uniform[0] * n)
    for c in range(k):
        centre[c] = points[chosen]
        total = 0.0
        for i in range(n):
            distance = 0.0
            for a in range(d):
                distance += (points[i, a] - centre[c, a]) ** 2
            nearest[i] = min(nearest[i], distance)
            total += nearest[i]
        if c + 1 < k:
            goal = uniform[c + 1] * total
            chosen = n - 1
            for i in range(n):
                goal -= nearest[i]
                if goal < 0.0:
                    chosen = i
                    break
    inertia = 0.0
    for turn in range(most_turns):
        changed, inertia = turn == 0, 0.0
        for i in range(n):
            least, best = np.inf, 0
            for c in range(k):
                distance = 0.0
                for a in range(d):
                    distance += (points[i, a] - centre[c, a]) ** 2
                if distance < least:
                    least, best = distance, c
            inertia += least
            if best != label[i]:
                label[i], changed = best, True
        if not changed:
            break
        sums, size = np.zeros((k, d)), np.zeros(k)
        for i in range(n):
            size[label[i]] += 1.0
            for a in range(d):
                sums[label[i], a] += points[i, a]
        for c in range(k):
            if size[c] > 0.0:
                for a in range(d):
                    centre[c, a] = sums[c, a] / size[c]
    return label, inertia


@njit
def silhouettes(points, labels, k):
    """Mean silhouette of every labelling, distances computed once (Rousseeuw 1987).

    points : float64 (dim, point); labels : int64 (labelling, point), below k
    returns : float64 (labelling,); a point alone in its cluster counts as 0
    """
    d, n = points.shape
    m = len(labels)
    size = np.zeros((m, k))
    for r in range(m):
        for i in range(n):
            size[r, labels[r, i]] += 1.0
    total, distance, sums = np.zeros(m), np.empty(n), np.empty(k)
    for i in range(n):
        distance[:] = 0.0
        for a in range(d):
            row, mine = points[a], points[a, i]
            for j in range(n):
                distance[j] += (row[j] - mine) ** 2
        for j in range(n):
            distance[j] = np.sqrt(distance[j])
        for r in range(m):
            own = labels[r, i]
            if size[r, own] < 2.0:
                continue
            sums[:] = 0.0
            for j in range(n):
                sums[labels[r, j]] += distance[j]
            within, other = sums[own] / (size[r, own] - 1.0), np.inf
            for c in range(k):
                if c != own and size[r, c] > 0.0:
                    other = min(other, sums[c] / size[r, c])
            largest = max(within, other)
            if np.isfinite(other) and largest > 0.0:
                total[r] += (other - within) / largest
    return total / n
