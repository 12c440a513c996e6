"""Experiments on small recordings, for the tests of intervals and of what they stand on."""

import numpy as np
from made_population import gathered, recording, unstructured

from neurogeom.engine import intervals, readouts
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.problems import within
from neurogeom.engine.resampling import resamples

SIDES = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
EXACT = 1e-10


def asked(
    x, variables=("a", "b"), *, sides=SIDES, readout="nearest_mean", n_resamples=8, **options
):
    """Decoding of some sides, averaged into one estimate; options go to the resamples."""
    _, p = gathered(x, variables)
    made = resamples(p, n_resamples=n_resamples, n_pseudo=None, seed=0, split=True, **options)
    return Experiment(
        Draws(p, made), within(sides), np.zeros(len(sides), int), readouts.readout(readout)
    )


def session(n_neurons=30, n_trials=6, *, n_conditions=4, seed=0, scale=0.4, **options):
    centroids = unstructured(n_conditions, n_neurons, seed, scale)
    return recording(centroids, n_trials, seed=seed + 1, names="ab", **options)


def sessions(n, *, n_neurons=6, animals=(), **options):
    made = [session(n_neurons, seed=i, session=f"s{i}", **options) for i in range(n)]
    if not animals:
        return made
    named = zip(made, animals, strict=True)
    return [x.assign_coords(animal=a) if a != "-" else x for x, a in named]


def bounds(experiment, **options):
    found = intervals.accuracy(experiment, experiment.observe(), **options)
    return np.array([found.low, found.high])
