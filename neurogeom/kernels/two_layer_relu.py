"""Gradient descent of two-layer relu students."""

import numpy as np

from .jit import inner, njit

# Columns of what is recorded.
LOSS, TEST, KERNEL, PATTERN, PARAMETER, DRIFT = range(6)


@inner
def _add(total, u, w):
    """total (unit,) += u W, W (row, unit): four rows at a time, so that sums stay in registers."""
    n = u.size - u.size % 4
    for j in range(0, n, 4):
        u0, u1, u2, u3 = u[j], u[j + 1], u[j + 2], u[j + 3]
        for k in range(total.size):
            total[k] += u0 * w[j, k] + u1 * w[j + 1, k] + u2 * w[j + 2, k] + u3 * w[j + 3, k]
    for j in range(n, u.size):
        for k in range(total.size):
            total[k] += u[j] * w[j, k]


@inner
def _hidden(w, x, h):
    """relu(W x) into h (unit,); w (input, unit)."""
    for k in range(h.size):
        h[k] = 0.0
    _add(h, x, w)
    for k in range(h.size):
        h[k] = max(h[k], 0.0)


@inner
def _dot(u, v):
    total = 0.0
    for k in range(u.size):
        total += u[k] * v[k]
    return total


@inner
def _loss(w, a, x, y, h):
    total = 0.0
    for i in range(y.size):
        _hidden(w, x[i], h)
        total += (_dot(h, a) - y[i]) ** 2
    return total / y.size


@inner
def _step(w, a, x, columns, y, rate, h, grad_w, grad_a):
    """One step down the mean squared error, whose gradient has its 2.

    columns : x by inputs (input, trial); h (trial, unit), grad_w, grad_a : room
    """
    for k in range(a.size):
        grad_a[k] = 0.0
    for i in range(y.size):
        _hidden(w, x[i], h[i])
        wrong = _dot(h[i], a) - y[i]
        for k in range(a.size):
            grad_a[k] += wrong * h[i, k]
            h[i, k] = wrong * a[k] if h[i, k] > 0 else 0.0
    scale = 2.0 * rate / y.size
    for j in range(w.shape[0]):
        for k in range(a.size):
            grad_w[k] = 0.0
        _add(grad_w, columns[j], h)
        for k in range(a.size):
            w[j, k] -= scale * grad_w[k]
    for k in range(a.size):
        a[k] -= scale * grad_a[k]


@inner
def _kernel(w, a, x, z, kernel):
    """Tangent kernel (trial, trial); z (trial, unit) is room for activities."""
    n = len(x)
    for i in range(n):
        _hidden(w, x[i], z[i])
    for i in range(n):
        for m in range(i + 1):
            gain, own, overlap = 0.0, 0.0, 0.0
            for k in range(a.size):
                own += z[i, k] * z[m, k]
                both = z[i, k] > 0 and z[m, k] > 0
                gain += a[k] * a[k] if both else 0.0
            for j in range(x.shape[1]):
                overlap += x[i, j] * x[m, j]
            kernel[i, m] = kernel[m, i] = own + gain * overlap


@inner
def _distance(first, now):
    """1 - cosine of two kernels, as half the squared distance of the unit kernels."""
    n = len(first)
    own, other = 0.0, 0.0
    for i in range(n):
        for m in range(n):
            own += first[i, m] * first[i, m]
            other += now[i, m] * now[i, m]
    own, other = 1 / np.sqrt(own), 1 / np.sqrt(other)
    total = 0.0
    for i in range(n):
        for m in range(n):
            total += (first[i, m] * own - now[i, m] * other) ** 2
    return total / 2


@inner
def _motion(w, a, w0, a0):
    """How far the parameters are from the start, and the largest change of |a|^2 - |w|^2."""
    moved, drift = 0.0, 0.0
    for k in range(a.size):
        change = a[k] * a[k] - a0[k] * a0[k]
        moved += (a[k] - a0[k]) ** 2
        for j in range(w.shape[0]):
            change -= w[j, k] * w[j, k] - w0[j, k] * w0[j, k]
            moved += (w[j, k] - w0[j, k]) ** 2
        drift = max(drift, abs(change))
    return np.sqrt(moved), drift


@inner
def _turned(z0, z):
    """Share of trials and units that are active in one and silent in the other."""
    count = 0
    for i in range(z.shape[0]):
        for k in range(z.shape[1]):
            count += (z0[i, k] > 0) != (z[i, k] > 0)
    return count / z.size


@inner
def _run(x, y, x_test, y_test, w0, a0, length_in, length_out, rate, at, found):
    """One run from w0 (input, unit) and a0 (unit,) times these lengths; found (record, 6)."""
    n, n_units = x.shape[0], a0.size
    w, a = np.empty_like(w0), np.empty(n_units)
    w_start, a_start = np.empty_like(w0), np.empty(n_units)
    for k in range(n_units):
        a[k] = a_start[k] = a0[k] * length_out
        for j in range(w0.shape[0]):
            w[j, k] = w_start[j, k] = w0[j, k] * length_in
    h, grad_w, grad_a = np.empty(n_units), np.empty(n_units), np.empty(n_units)
    columns = x.T.copy()
    z0, z = np.empty((n, n_units)), np.empty((n, n_units))
    kernel0, kernel = np.empty((n, n)), np.empty((n, n))
    _kernel(w, a, x, z0, kernel0)
    step = 0
    for r in range(at.size):
        while step < at[r]:
            _step(w, a, x, columns, y, rate, z, grad_w, grad_a)
            step += 1
        _kernel(w, a, x, z, kernel)
        found[r, LOSS] = _loss(w, a, x, y, h)
        found[r, TEST] = _loss(w, a, x_test, y_test, h)
        found[r, KERNEL] = _distance(kernel0, kernel)
        found[r, PATTERN] = _turned(z0, z)
        found[r, PARAMETER], found[r, DRIFT] = _motion(w, a, w_start, a_start)


@njit
def sweep(x, y, x_test, y_test, into, sign, seed, length_in, length_out, rate, at):
    """All runs, one after another.

    x (seed, trial, input), y (seed, trial); x_test, y_test likewise
    into (seed, input, unit), unit vectors; sign (seed, unit), readouts of 1 and -1
    seed (run,), which of these; length_in, length_out, rate (run,): lengths of what comes into a
    unit and goes out of it, and the learning rate; at (record,), steps, ascending
    returns (run, record, 6): losses in training and test, kernel, pattern and parameter distance
    from the start, and the largest change of |a|^2 - |w|^2 of a unit
    """
    found = np.empty((seed.size, at.size, 6))
    for run in range(seed.size):
        s = seed[run]
        own = length_in[run], length_out[run], rate[run]
        _run(x[s], y[s], x_test[s], y_test[s], into[s], sign[s], *own, at, found[run])
    return found
