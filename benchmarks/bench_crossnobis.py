"""How fast are crossnobis distances, against rsatoolbox on the same numbers? One core, one run.

    python benchmarks/bench_crossnobis.py

92 conditions x 8 runs x 200 neurons with a full precision, median of several turns; then as many
surrogates in one call as a null has. The peer is timed only where it is installed
(`make test-peers`).
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time

import numpy as np

from neurogeom.formulas import rsa

N_CONDITIONS, N_RUNS, N_NEURONS = 92, 8, 200


def seconds(call, turns):
    """Median wall-clock seconds of a call, after one that is not timed."""
    call()
    taken = []
    for _ in range(turns):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def peer(means, precision):
    """A call of the peer and what it gives; None where it is not installed."""
    try:
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm
    except ImportError:
        return None
    run, condition = (i.ravel() for i in np.indices(means.shape[:2]))
    data = Dataset(
        means.reshape(-1, means.shape[-1]),
        obs_descriptors={"condition": condition, "run": run},
    )
    options = {"method": "crossnobis", "descriptor": "condition", "cv_descriptor": "run"}
    return lambda: calc_rdm(data, noise=precision, **options).dissimilarities[0]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--surrogates", type=int, default=20)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    means = rng.standard_normal((N_RUNS, N_CONDITIONS, N_NEURONS))
    root = rng.standard_normal((N_NEURONS, 2 * N_NEURONS))
    precision = np.linalg.inv(root @ root.T / (2 * N_NEURONS))
    ours = seconds(lambda: rsa.crossnobis(means, precision), given.turns)
    rows = [("crossnobis, 92 conditions x 8 runs x 200 neurons (ms)", 1e3 * ours, "-")]
    many = np.broadcast_to(means, (given.surrogates, *means.shape))
    one_call = seconds(lambda: rsa.crossnobis(many, precision), 3) / given.surrogates
    rows.append(
        (f"the same, one of {given.surrogates} surrogates in one call (ms)", 1e3 * one_call, "-")
    )
    if call := peer(means, precision):
        theirs = seconds(call, max(3, given.turns // 5))
        difference = np.max(np.abs(call() - rsa.crossnobis(means, precision)))
        rows.append(("the same by rsatoolbox (ms)", 1e3 * theirs, "-"))
        rows.append(("rsatoolbox against ours (times)", theirs / ours, "15"))
        rows.append(("largest difference (1e-12)", 1e12 * difference, "100"))
    for name, value, wanted in rows:
        print(f"{name:<56} {value:10.2f}   {wanted}")


if __name__ == "__main__":
    main()
