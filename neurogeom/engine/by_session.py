"""The same question put to every session on its own."""

import numpy as np

from .choice import able
from .experiment import Draws, Experiment
from .nulls import sign_flips
from .resampling import resamples


def values(setting, problems, group):
    """Estimates and margins of every session with enough neurons, (session, estimate) each."""
    found = []
    for unit in able(setting.population):
        population = setting.population.of_units([unit])
        drawn = resamples(
            population,
            n_resamples=setting.n_resamples,
            n_pseudo=setting.n_pseudo,
            seed=setting.seed,
            split=False,
        )
        experiment = Experiment(
            Draws(population, drawn, setting.scale), problems, group, setting.readout
        )
        found.append(experiment.average(experiment.observe()))
    return tuple(map(np.array, zip(*found, strict=True)))


def test(deviations, *, n_null, seed):
    """Mean over sessions, and its sign flips: observed (estimate,), null (pattern, estimate).

    deviations : float64 (session, estimate), from what chance gives. Exact where 2^sessions
    patterns are few enough to be listed.
    """
    null, _ = sign_flips(deviations, n_null=n_null, seed=seed)
    return deviations.mean(axis=0), null
