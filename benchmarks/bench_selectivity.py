"""How long does selectivity take for 1,000 neurons and 400 trials, with 999 permutations?

    python benchmarks/bench_selectivity.py [--jobs 2]

Eight conditions of three variables, one session, kernels compiled before. The claim: permutation
tests of all terms of all neurons take under 10 seconds on two cores. Printed beside it: all of it,
with PAIRS and clusters.
"""

import argparse
import time

import numpy as np

import neurogeom as ng
from neurogeom.engine.freedman_lane import freedman_lane
from neurogeom.engine.setting import setting
from neurogeom.formulas.anova import terms
from neurogeom.measures.selectivity import selectivity

NAMES = ["a", "b", "c"]


def main():
    """Words in, seconds out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    jobs = parser.parse_args().jobs
    x = ng.simulate("cube_nonlinear", n_neurons=1000, n_trials=50, n_truth=0, seed=0)
    selectivity(x.isel(neuron=slice(30)), NAMES, n_null=9, n_jobs=jobs)  # compiles
    s, every = setting(x, NAMES), terms(NAMES, [2, 2, 2])
    start = time.perf_counter()
    freedman_lane(
        s.population, every, every, weight=np.ones(1000), level=np.zeros(1000, int), n_null=999,
        seed=0, n_jobs=jobs,
    )  # fmt: skip
    print(f"999 permutations of 7 terms: {time.perf_counter() - start:.1f} s, {jobs} workers")
    start = time.perf_counter()
    selectivity(x, NAMES, n_null=999, n_jobs=jobs)
    print(f"selectivity, everything: {time.perf_counter() - start:.1f} s, {jobs} workers")


if __name__ == "__main__":
    main()
