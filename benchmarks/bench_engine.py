"""How fast are the null of CCGP, a decoding with its null, and two threads? One table, one run.

Run on a quiet machine: ``python benchmarks/bench_engine.py``. Wall-clock seconds, for the null the
median of three turns of one and two threads; BLAS is pinned to one thread by the package itself.
The peer is timed only where it is installed (`make test-peers`).
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time
from itertools import product

import numpy as np

import neurogeom as ng

VARIABLES = ["a", "b", "c"]


def seconds(call):
    """Wall-clock seconds of one call, compiled before."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def null_of_ccgp(n_null, n_jobs):
    """Four variables, matched, 10 resamples of 8 x 100 pseudo-trials, 400 neurons apart."""
    x = ng.simulate("random", n_neurons=400, n_trials=12, apart=True, n_truth=0, seed=0)
    options = {"contrasts": ["a:b"], "n_resamples": 10, "n_pseudo": 100, "target": "none"}
    ng.ccgp(x, VARIABLES, n_null=2, n_jobs=n_jobs, **options)
    data = seconds(lambda: ng.ccgp(x, VARIABLES, n_null=0, **options))
    return seconds(lambda: ng.ccgp(x, VARIABLES, n_null=n_null, n_jobs=n_jobs, **options)) - data


def recording():
    """320 trials of eight conditions, 200 neurons recorded together: a cube in noise."""
    levels = np.array(list(product([0, 1], repeat=3)))
    which = np.repeat(np.arange(8), 40)
    rng = np.random.default_rng(0)
    signal = (2 * levels[which] - 1) @ rng.normal(size=(3, 200)) * 0.3
    values = signal + rng.normal(size=(320, 200))
    return values, dict(zip(VARIABLES, levels[which].T, strict=True))


def decoding_with_null(n_null):
    """Three variables, 10 folds, ``n_null`` surrogates."""
    values, columns = recording()
    x = ng.from_arrays(values, trial=columns, session="one")
    options = {"n_resamples": 10, "scale": "none", "target": "none"}
    ng.decoding(x, VARIABLES, n_null=1, **options)
    return seconds(lambda: ng.decoding(x, VARIABLES, n_null=n_null, **options))


def peer_decoding(n_null):
    """The same by decodanda, in its own conventions; None where it is not installed."""
    try:
        from decodanda import Decodanda
    except ImportError:
        return None
    values, columns = recording()
    data = {"raster": values, "trial": np.arange(len(values)), **columns}
    peer = Decodanda(data=data, conditions={n: [0, 1] for n in VARIABLES}, verbose=False)
    return seconds(
        lambda: peer.decode(training_fraction=0.75, cross_validations=10, nshuffles=n_null)
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=80, help="null draws of CCGP, three times")
    parser.add_argument("--peer-nulls", type=int, default=25, help="nulls of the peer's decoding")
    given = parser.parse_args()
    turns = [[null_of_ccgp(given.draws, n) for n in (1, 2)] for _ in range(3)]
    one, two = np.median(turns, axis=0)
    rows = [
        ("CCGP null, 1000 draws, one thread (s)", one * 1000 / given.draws, "-"),
        ("CCGP null, 1000 draws, two threads (s)", two * 1000 / given.draws, "120, aim 50"),
        ("two threads against one (times)", np.median([a / b for a, b in turns]), "1.7"),
    ]
    ours, theirs = decoding_with_null(given.peer_nulls), peer_decoding(given.peer_nulls)
    rows.append((f"decoding, 3 variables, {given.peer_nulls} nulls (s)", ours, "-"))
    if theirs is not None:
        rows.append(("the same by decodanda (s)", theirs, "-"))
        rows.append(("decodanda against ours (times)", theirs / ours, "80, aim 200"))
    for name, value, wanted in rows:
        print(f"{name:<46} {value:10.2f}   {wanted}")


if __name__ == "__main__":
    main()
