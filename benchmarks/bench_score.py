"""Seconds of each measure on simulated recordings, for a resample and for a surrogate.

    python benchmarks/bench_score.py

The first call compiles; every time is the better of two.
"""

import time

import neurogeom as ng

SIZES = ((60, 15), (200, 15), (200, 50))  # neurons, trials a condition
N_NULL = 20


def seconds(call):
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    print("neurons  trials  measure      no null (s)  a surrogate (ms)")
    for n_neurons, n_trials in SIZES:
        x = ng.simulate("cube", n_neurons=n_neurons, n_trials=n_trials, n_truth=0)
        for name in ("decoding", "ccgp", "shattering", "parallelism"):
            measure, variables = getattr(ng, name), ["a", "b", "c"]
            alone = seconds(lambda m=measure, v=variables, y=x: m(y, v, n_null=0))
            whole = seconds(lambda m=measure, v=variables, y=x: m(y, v, n_null=N_NULL))
            each = 1000 * (whole - alone) / N_NULL
            print(f"{n_neurons:7d}  {n_trials:6d}  {name:11s}  {alone:11.2f}  {each:16.1f}")


if __name__ == "__main__":
    main()
