"""Groups of animals: no difference but that between animals, and a difference of the groups."""

from functools import partial

import numpy as np

import neurogeom as ng

NAN = float("nan")


def animals(number, n_animals, difference, n_sessions):
    """Sessions of two groups of animals; each animal has a separation of its own."""
    rng = np.random.default_rng([26, number])
    found = []
    for a in range(2 * n_animals):
        second = a >= n_animals
        separation = abs(1.5 + difference * second + 0.5 * rng.standard_normal())
        for s in range(n_sessions):
            seed = int(rng.integers(2**31))
            size = {"n_neurons": int(rng.integers(8, 16)), "n_trials": 8, "n_truth": 0}
            x = ng.simulate("cube", separation, variables=["a", "b"], seed=seed, **size)
            found.append(x.assign_coords(session=f"s{a}-{s}", animal=f"m{a}", group=str(second)))
    return found


def compared(number, *, n_animals=5, difference=0.0, n_sessions=1, truth=NAN):
    """Decoding of a, matched in neurons and trials."""
    found = ng.compare_groups(
        animals(number, n_animals, difference, n_sessions), ["a", "b"], by="group",
        measure="decoding", readout="nearest_mean", n_resamples=2, n_draws=2, seed=number,
    ).isel(variable=0)  # fmt: skip
    answer = (found.estimate, found.p_value, *found.interval.values, truth)
    if n_animals < 10:
        return {"difference": answer}
    return {"difference": answer, "bootstrap": (NAN, NAN, *found.interval_bootstrap.values, truth)}


CELLS = {
    "no difference, 4 animals a group": ("null", partial(compared, n_animals=4, truth=0.0)),
    "no difference, 5 animals a group, 2 sessions": (
        "null",
        partial(compared, n_sessions=2, truth=0.0),
    ),
    "no difference, 10 animals a group": ("null", partial(compared, n_animals=10, truth=0.0)),
    "another separation, 5 animals a group": ("effect", partial(compared, difference=1.5)),
}
