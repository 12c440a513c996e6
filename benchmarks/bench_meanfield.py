"""Claim: the gap of a mean-field solution for 64 stimuli takes less than 30 s. One core.

    python benchmarks/bench_meanfield.py

Six crossed targets, whitened inputs, relu units with a bias: the gap of the closed form (searched,
200 starts and the 12 modular units), and of the same a tenth too large, which must not be 0. Then
64 stimuli on three axes, where patterns are enumerated. Prints seconds.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import time

import numpy as np

from neurogeom import theory
from neurogeom.formulas.geometries import crossed_levels


def timed(problem, units, **options):
    start = time.perf_counter()
    gap = theory.optimality_gap(problem, units, **options)
    return gap, time.perf_counter() - start


def main():
    y = crossed_levels(6).astype(float)
    problem = theory.AbstractionProblem(np.eye(64), y @ y.T)
    b = theory.whitened_abstraction(64, 6).b
    units = np.maximum(np.hstack([y, -y]), 0) * np.sqrt(2 * np.tile(b, 2))
    for scale in (1.0, 1.1):
        gap, seconds = timed(problem, scale * units)
        print(
            f"64 stimuli, units times {scale}: gap {gap.gap:.1e}, {gap.kind}, {gap.n_agree} of "
            f"{gap.n_starts} starts agree: {seconds:.1f} s (must be below 30)"
        )
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((64, 3)), rng.standard_normal((64, 2))
    problem = theory.AbstractionProblem.from_data(x, z, bias_power=0.0)
    gap, seconds = timed(problem, x @ rng.standard_normal((3, 8)))
    print(f"64 stimuli on three axes: {gap.kind}: {seconds:.1f} s")


if __name__ == "__main__":
    main()
