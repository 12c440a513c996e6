"""Time the solver of ``neurogeom.kernels.svm`` against loops over scikit-learn, in one run.

Every row is CPU time of one core per support vector machine, the Gram matrix included, best of a
few repeats; scikit-learn fits a few of the same problems at its default tolerance. Ratios of one
row are to be trusted, times only on a quiet machine. Run ``python benchmarks/bench_solver.py``.
"""

import os
import time
import warnings
from itertools import product

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

from neurogeom.kernels.svm import solve_many, solve_many_primal


def trials(n_conditions, n_repeats, n_neurons, signal, seed=0):
    """z-scored activity; the sd of a neuron between conditions is ``signal`` times its noise."""
    rng = np.random.default_rng(seed)
    means = signal * rng.standard_normal((n_conditions, n_neurons))
    x = np.repeat(means, n_repeats, axis=0)
    x += rng.standard_normal(x.shape)
    return (x - x.mean(0)) / x.std(0), np.arange(n_conditions + 1) * n_repeats


def dichotomies(n_conditions):
    """All balanced ones, each once."""
    sides = product([1, -1], repeat=n_conditions - 1)
    return np.array([(1, *s) for s in sides if sum(s) == -1], np.int8)


def held_out():
    """Four dichotomies of 2 x 2 x 2 conditions, each trained without a pair in four ways."""
    bits = np.array(list(product([1, -1], repeat=3)), np.int8)
    names = [*bits.T, bits.prod(axis=1, dtype=np.int8)]
    rows = []
    for v, side in enumerate(names):
        for pair in range(4):
            if v < 3:
                left_out = (
                    np.delete(bits, v, axis=1) == list(product([1, -1], repeat=2))[pair]
                ).all(1)
            else:
                left_out = np.arange(8) // 2 == pair
            rows.append(np.where(left_out, 0, side))
    return np.array(rows, np.int8)


def ours(x, offsets, sign, C, repeats=3):
    """Seconds a problem, Gram matrix included, and the largest gap."""
    best, one = np.inf, np.ones(sign.shape)
    primal = len(x) > 2 * (x.shape[1] + 1)
    for _ in range(repeats):
        began = time.process_time()
        found = (
            solve_many_primal(x, offsets, sign, one, C)
            if primal
            else solve_many(x @ x.T, offsets, sign, one, C)
        )
        best = min(best, time.process_time() - began)
    assert found[3].all()
    return best / len(sign), found[1].max()


def sklearn(x, offsets, sign, C, dual, n_fits):
    """Seconds a problem, of a few of them."""
    from sklearn.svm import LinearSVC

    chosen = sign[:: max(1, len(sign) // n_fits)][:n_fits]
    began = time.process_time()
    for side in chosen:
        label = np.repeat(side, np.diff(offsets))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at its defaults it often stops too early
            LinearSVC(C=C, dual=dual).fit(x[label != 0], label[label != 0])
    return (time.process_time() - began) / len(chosen)


CASES = [  # name, conditions, repeats, neurons, signals, problems, fits of scikit-learn
    ("decoding, 35 of 240 x 200", 8, 30, 200, (0.6, 0.2, 0.0), dichotomies(8), 9),
    ("CCGP, 16 of 600 x 400", 8, 100, 400, (0.6, 0.3, 0.1, 0.0), held_out(), 4),
    ("CCGP, 16 of 72 x 205", 8, 12, 205, (0.3,), held_out(), 16),
    ("shattering, 6435 of 320 x 1000", 16, 20, 1000, (0.3,), dichotomies(16), 2),
    ("time bins, 8 of 20000 x 100", 8, 2500, 100, (0.1,), dichotomies(8)[::5][:8], 1),
]


def main():
    print("milliseconds a machine; ratio of scikit-learn's LinearSVC(dual=False), (dual=True)")
    for name, n_conditions, n_repeats, n_neurons, signals, sign, n_fits in CASES:
        for signal in signals:
            x, offsets = trials(n_conditions, n_repeats, n_neurons, signal)
            for C in (1e-3, 1.0):
                repeats = 1 if len(sign) > 1000 else 3
                if repeats > 1:
                    ours(x, offsets, sign, C, 1)
                seconds, gap = ours(x, offsets, sign, C, repeats)
                primal, dual = (sklearn(x, offsets, sign, C, d, n_fits) for d in (False, True))
                print(
                    f"{name:31} signal {signal:<4} C {C:<6} {1e3 * seconds:8.3f}"
                    f"   {primal / seconds:6.0f} {dual / seconds:6.0f}   gap {gap:.0e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
