"""Bias and spread of the parallelism score at few trials: the numbers of its docstring.

A cube (true score 1), coding vectors of 2 noise sd, 100 neurons, 8 conditions, 2,000 recordings.
"""

from itertools import product

import numpy as np

from neurogeom.formulas import parallelism

LEVELS = np.array(list(product([-1.0, 1.0], repeat=3)))
PAIRS = np.column_stack([np.arange(4, 8), np.arange(4)])


def scores(n_trials, n_recordings, rng):
    """Naive and corrected scores, (recording, 2)."""
    found = []
    for _ in range(n_recordings):
        axes = np.linalg.qr(rng.normal(size=(100, 3)))[0].T
        x = (LEVELS @ axes)[:, None] + rng.normal(size=(8, n_trials, 100))
        means, error = x.mean(axis=1), x.var(axis=1, ddof=1) / n_trials
        found.append(
            (parallelism.naive(means, PAIRS), parallelism.parallelism(means, error, PAIRS))
        )
    return np.array(found)


def main():
    """Print the table."""
    rng = np.random.default_rng(0)
    print("trials  naive mean  corrected median  mean     sd")
    for n_trials in (5, 10, 20, 50):
        naive, corrected = scores(n_trials, 2000, rng).T
        print(
            f"{n_trials:6d}  {naive.mean():10.3f}  {np.median(corrected):16.2f}"
            f"  {corrected.mean():4.2f}  {corrected.std():5.2f}"
        )


if __name__ == "__main__":
    main()
