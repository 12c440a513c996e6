"""Small recordings with known condition means, for the tests of the engine and the measures."""

from itertools import product

import numpy as np

from neurogeom.activity import from_arrays, sessions
from neurogeom.design import conditions
from neurogeom.engine.population import population


def crossed(*sizes):
    """All combinations of levels 0 .. size - 1, the last variable changing fastest."""
    return np.array(list(product(*map(range, sizes))))


def recording(
    centroids, n_trials, *, seed=0, sizes=None, session="s1", noise=1.0, names="abc", block=None
):
    """One session: n_trials (or a list, one number a condition) around the centroids, shuffled.

    block : callable(condition (trial,), trial (trial,)) -> block of every trial
    """
    centroids = np.asarray(centroids, float)
    sizes = sizes or (2,) * int(np.log2(len(centroids)))
    counts = np.broadcast_to(n_trials, len(centroids))
    rng = np.random.default_rng(seed)
    condition = rng.permutation(np.repeat(np.arange(len(centroids)), counts))
    values = centroids[condition] + noise * rng.standard_normal(
        (condition.size, centroids.shape[1])
    )
    levels = crossed(*sizes)[condition]
    trial = dict(zip(names, levels.T, strict=False))
    if block is not None:
        trial["block"] = block(condition, np.arange(condition.size))
    return from_arrays(values, trial=trial, session=session)


def unstructured(n_conditions, n_neurons, seed, scale=1.0):
    """Centroids drawn from an isotropic Gaussian."""
    return scale * np.random.default_rng(seed).standard_normal((n_conditions, n_neurons))


def embedded(axes, n_neurons, seed=0):
    """An arrangement of conditions on random orthonormal directions among neurons."""
    gaussian = np.random.default_rng(seed).standard_normal((n_neurons, axes.shape[1]))
    return axes @ np.linalg.qr(gaussian)[0].T


def gathered(x, variables=("a", "b", "c"), *, min_trials=2, contrasts=()):
    """Design and population of one or several sessions."""
    found = sessions(x)
    design = conditions(found, list(variables), contrasts)
    return design, population(found, design, min_trials=min_trials)
