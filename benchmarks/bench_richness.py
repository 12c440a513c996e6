"""Claim: 1e5 exact trajectories of a linear neuron at 200 times take less than 2 s.

    python benchmarks/bench_richness.py

Two inputs, imbalances of both signs, one core; best of three, readouts and weights written. Beside
it the same formula in NumPy, on a tenth of the trajectories, and one trajectory by integration.
"""

import os
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

from neurogeom.theory import SingleNeuron

T = np.linspace(0, 20, 200)


def neurons(n, seed=0):
    rng = np.random.default_rng(seed)
    return SingleNeuron(rng.standard_normal(n), *rng.standard_normal((2, n, 2)))


def in_numpy(neuron, t=T):
    """The formula in arrays: no branch, no overflow at these times."""
    s = np.linalg.norm(neuron.target, axis=-1)[:, None]
    unit = neuron.target / s
    along = (neuron.w0 * unit).sum(axis=-1)[:, None]
    a0, delta = neuron.a0[:, None], neuron.delta[:, None]
    d = np.hypot(delta, 2 * s)
    p, m = d + delta, d - delta
    plus, minus = (along * s + a0 * p / 2) / d, (a0 * m / 2 - along * s) / d
    one, fall = np.exp(-p * t / 2), np.exp(-d * t)
    norm = one**2 - 2 * plus**2 * np.expm1(-p * t) / p
    norm += 4 * plus * minus * (fall - one**2) / delta
    norm -= 2 * minus**2 * one**2 * np.expm1(-m * t) / m
    norm = np.sqrt(norm)
    a, u = (plus + minus * fall) / norm, (m * plus - p * minus * fall) / (2 * s) / norm
    across = neuron.w0 - along * unit
    return a, u[..., None] * unit[:, None] + (one / norm)[..., None] * across[:, None]


def best(call, repeats=3):
    """Seconds of the clock and of the processor."""
    seconds = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        call()
        seconds.append((time.perf_counter() - clock, time.process_time() - processor))
    return np.min(seconds, axis=0)


def main():
    few, many = neurons(10_000), neurons(100_000)
    off = [np.abs(x - y).max() for x, y in zip(few.solve(T), in_numpy(few), strict=True)]
    wall, ours = best(lambda: many.solve(T))
    _, plain = best(lambda: in_numpy(few))
    _, integrated = best(lambda: neurons(1).simulate(T))
    print(f"1e5 x 200: {wall:.2f} s, {ours:.2f} s of the processor (must be below 2)")
    print(f"NumPy takes {10 * plain / ours:.1f} times as long, largest difference {max(off):.0e}")
    print(f"integration takes {1e5 * integrated / ours:.0f} times as long")


if __name__ == "__main__":
    main()
