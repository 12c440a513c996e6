"""The exact trajectory of a linear neuron as a sum of two exponentials over a norm.

The numerator of the readout is A = A+ exp(P t / 2) + A- exp(-M t / 2), that of the weight along the
target U alike, and N^2 = 1 + 2 int A^2; P - M = 2 delta. All are divided by exp(P t / 2 - h), which
neither overflows nor, with h the logarithm of 1 / A+ where A+ is small, dies out before A+ counts.
"""

import numpy as np

from .jit import inner, njit

LARGEST = 700.0  # exp of it is finite
NEGLIGIBLE = 1e-20  # of a sum


@njit
def trajectories(p, m, delta, a_plus, a_minus, u_plus, u_minus, t, unit, along, across, a, w):
    """Readout and weights at every time.

    p, m, delta, a_plus, a_minus, u_plus, u_minus, unit : float64 (trajectory,); p, m >= 0
    t : float64 (time,), >= 0
    along, across : float64 (trajectory, input), the direction of the target in units of w, and the
    part of the first weights across it
    a : float64 (trajectory, time), w : float64 (trajectory, time, input), written
    """
    for i in range(p.size):
        late, most = np.inf, 1.0  # nothing rises
        if a_plus[i] != 0.0:
            late = min(max(-np.log(abs(a_plus[i])), 0.0), LARGEST)
            most = np.exp(late)
        for j in range(t.size):
            rise = 0.5 * p[i] * t[j]
            one, grown = 1.0, most
            if rise > late:
                one = np.exp(late - rise)
            elif late < np.inf:
                grown = np.exp(rise)
            fallen = np.exp(-0.5 * m[i] * t[j])
            fall = one * fallen
            plus, minus, start = a_plus[i] * grown, a_minus[i] * fall, a_minus[i] * one
            squares = plus * plus * decayed(p[i], t[j], one / grown)
            squares += start * start * decayed(m[i], t[j], fallen)
            total = one * one + 2.0 * squares
            mixed = plus * minus if delta[i] > 0.0 else a_plus[i] * one * start
            if abs(mixed) * t[j] > NEGLIGIBLE * total:
                rate = abs(delta[i])
                total += 4.0 * mixed * decayed(rate, t[j], np.exp(-0.5 * rate * t[j]))
            norm = 1.0 / np.sqrt(total)
            a[i, j] = (plus + minus) * norm * unit[i]
            u, rest = (u_plus[i] * grown + u_minus[i] * fall) * norm, one * norm
            for k in range(along.shape[1]):
                w[i, j, k] = u * along[i, k] + rest * across[i, k]


@inner
def decayed(rate, t, half):
    """The integral of exp(-rate s) over s from 0 to t; half is exp(-rate t / 2)."""
    if rate == 0.0:
        return t
    left = half * half
    return (1.0 - left if left < 0.5 else -np.expm1(-rate * t)) / rate
