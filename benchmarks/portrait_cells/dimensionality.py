"""Participation ratio of noise, of a cube, and of stimuli and neurons drawn from a world."""

from functools import partial

import numpy as np

import neurogeom as ng

NAN = float("nan")
NAMES = ["a", "b", "c"]


def noise(number, *, n_trials=8, n_sessions=1, apart=False, counts=False):
    """p of a signal where there is none."""
    x = ng.simulate("cuboid", (0.0, 0.0), variables=["a", "b"], n_neurons=20, n_trials=n_trials,
                    n_sessions=n_sessions, apart=apart, n_truth=0, seed=number)  # fmt: skip
    if counts:
        lost = (x.a.values == 0) & (np.random.default_rng(number).random(x.sizes["trial"]) < 0.3)
        x = x.isel(trial=~lost)
    found = ng.dimensionality(x, ["a", "b"], n_null=199, n_splits=1, min_trials=2, seed=number)
    p = found.p_value.sel(quantity="participation_ratio")
    return {"participation_ratio": (NAN, p, NAN, NAN, NAN)}


def cube(number, *, n_trials=20, separation=4.0, **options):
    """Its three dimensions, of these neurons or of all of which they are a sample."""
    rng = np.random.default_rng([23, number])
    levels = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    means = levels @ rng.standard_normal((3, 60)) * separation / 2 / 60**0.5
    which = np.repeat(np.arange(8), n_trials)
    x = ng.from_arrays(
        means[which] + rng.standard_normal((len(which), 60)),
        trial=dict(zip(NAMES, (levels[which] > 0).astype(int).T, strict=True)),
    )
    found = ng.dimensionality(x, NAMES, n_null=0, scale="none", n_splits=10, seed=number, **options)
    one = found.sel(quantity="participation_ratio")
    covariance = np.cov(means.T, bias=True)
    own = np.trace(covariance) ** 2 / np.sum(covariance**2)
    truth = own if options.get("neurons") == "all" else 3.0
    return {"participation_ratio": (one.estimate, NAN, *one.interval.values, truth)}


def world(number, *, n_stimuli=60, n_neurons=80, gamma=10):
    """Stimuli and neurons sampled from a world of equal dimensions."""
    rng = np.random.default_rng([24, number])
    means = rng.standard_normal((n_stimuli, gamma)) @ rng.standard_normal((gamma, n_neurons))
    which = np.repeat(np.arange(n_stimuli), 2)
    x = ng.from_arrays(means[which] + 2 * rng.standard_normal((len(which), n_neurons)),
                       trial={"image": which})  # fmt: skip
    found = ng.dimensionality(x, {"image": {i: i for i in range(n_stimuli)}}, min_trials=2,
                              n_null=0, scale="none", n_splits=1, seed=number)  # fmt: skip
    one = found.sel(quantity="participation_ratio")
    return {"participation_ratio": (one.estimate, NAN, *one.interval.values, gamma)}


CELLS = {
    "noise, one session": ("null", noise),
    "noise, 3 trials": ("null", partial(noise, n_trials=3)),
    "noise, unequal counts": ("null", partial(noise, counts=True, n_trials=10)),
    "noise, 4 sessions": ("null", partial(noise, n_sessions=4)),
    "noise, apart": ("null", partial(noise, apart=True)),
    "cube, these neurons": ("effect", partial(cube, neurons="all")),
    "cube, sampled neurons": ("effect", cube),
    "60 stimuli and 80 neurons of a world of 10": ("effect", world),
}
