"""Claim: the CCGP of 40 x 40 time bins of a recording like M1 takes less than a minute.

    python benchmarks/bench_across_time.py                   # 52 sessions of 4 neurons x 100 trials
    python benchmarks/bench_across_time.py --recordings DIR  # the files of fascianelli2024_M1

Four variables, matched pairs, 20 resamples of a pseudo-population, SVM with C=1, no surrogates, one
core. Prints seconds.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import neurogeom as ng

WORDS = {"align": "cue_time", "window": (-0.4, 0.6), "bin_width": 0.025}
VARIABLES, CONTRAST = ["rule", "previous_response", "cue_shape"], "response"


def recorded(folder):
    """The sessions of M1 in 40 bins."""
    files = sorted((Path(folder) / "fascianelli2024_M1").glob("*.nwb"))
    return ng.read_nwb(files, variables=[*VARIABLES, CONTRAST], **WORDS)


def simulated(n_sessions=52, n_neurons=4, n_trials=100, n_bins=40, rate=8.0):
    """Poisson counts of neurons with random tuning, each session with trials of its own."""
    rng = np.random.default_rng(0)
    sessions = []
    for k in range(n_sessions):
        levels = rng.integers(0, 2, (n_trials, 3))
        gain = np.exp(0.3 * (levels - 0.5) @ rng.normal(size=(3, n_neurons)))
        counts = rng.poisson(np.repeat((0.025 * rate * gain)[..., None], n_bins, axis=2))
        trial = dict(zip(VARIABLES, levels.T, strict=True))
        trial[CONTRAST] = levels[:, 0] ^ levels[:, 2]
        times = -0.3875 + 0.025 * np.arange(n_bins)
        sessions.append(ng.from_arrays(counts, trial=trial, time=times, session=f"s{k:02d}"))
    return sessions


def main():
    """Time one matrix a variable, kernels compiled before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings")
    folder = parser.parse_args().recordings
    x = recorded(folder) if folder else simulated()
    options = {"contrasts": [CONTRAST], "measure": "ccgp"}
    ng.across_time([s.isel(time=slice(0, 2)) for s in x], VARIABLES, n_resamples=1, **options)
    start = time.perf_counter()
    found = ng.across_time(x, VARIABLES, **options)
    seconds = time.perf_counter() - start
    shape = " x ".join(str(n) for n in found.estimate.shape)
    print(f"{found.attrs['n_neurons']} neurons, CCGP {shape}: {seconds:.1f} s (must be below 60)")


if __name__ == "__main__":
    main()
