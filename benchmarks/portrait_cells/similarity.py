"""Similarity of unrelated populations, and of populations that share some of their variables."""

from functools import partial

import numpy as np

import neurogeom as ng

NAN = float("nan")


def recorded(rng, means, n_trials, name):
    """A session around condition means."""
    which = np.repeat(np.arange(len(means)), n_trials)
    values = means[which] + rng.standard_normal((len(which), means.shape[1]))
    trial = {"a": which // 4, "b": which % 4}
    return ng.from_arrays(values, trial=trial, session=name)


def compared(number, *, shared=0, n_neurons=40, n_trials=5, truth=NAN, same_trials=False):
    """Latent variables of which so many of eight are shared, read by neurons at random."""
    rng = np.random.default_rng([24, number])
    n = 16
    common = rng.standard_normal((n, shared))
    populations = []
    for _ in "ab":
        latent = np.column_stack([common, rng.standard_normal((n, 8 - shared))])
        populations.append(latent @ rng.standard_normal((8, n_neurons)) / 8**0.5)
    if same_trials:
        rows = recorded(rng, np.column_stack(populations), n_trials, "s")
        a, b = rows[:, :n_neurons], rows[:, n_neurons:]
        noise = 1.5 * rng.standard_normal((rows.sizes["trial"], 1))
        a, b = a + noise, b + noise
    else:
        a, b = (recorded(rng, m, n_trials, s) for m, s in zip(populations, "xy", strict=True))
    found = ng.similarity(
        a, b, ["a", "b"], n_null=199, n_splits=4, min_trials=n_trials, seed=number
    )
    answers = {}
    for q in found["quantity"].values:
        one = found.sel(quantity=q)
        low, high = one.interval.values if q == "cka" else (NAN, NAN)
        answers[str(q)] = (one.estimate, one.p_value, low, high, truth if q == "cka" else NAN)
    return answers


CELLS = {
    "unrelated": ("null", partial(compared, truth=0.0)),
    "unrelated, 4 trials, 10 neurons": (
        "null",
        partial(compared, n_trials=4, n_neurons=10, truth=0.0),
    ),
    "unrelated, the same trials with shared noise": ("null", partial(compared, same_trials=True)),
    "half shared": ("effect", partial(compared, shared=4, truth=0.5)),
    "all shared": ("effect", partial(compared, shared=8, truth=1.0)),
}
