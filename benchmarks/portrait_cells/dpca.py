"""Accuracy of demixed components where a part is not there, and where it is."""

from functools import partial

import numpy as np

import neurogeom as ng
from neurogeom.measures.demixed import dpca

NAN = float("nan")


def recorded(number, separation, *, n_neurons=20, n_trials=8, n_sessions=1, apart=False):
    """Cuboid of a and b; a separation of 0 is a variable that is not coded."""
    return ng.simulate(
        "cuboid",
        separation,
        variables=["a", "b"],
        n_neurons=n_neurons,
        n_trials=n_trials,
        n_sessions=n_sessions,
        apart=apart,
        n_truth=0,
        seed=number,
    )


def accuracies(number, *, separation, parts, **world):
    """p of the accuracy of each of these parts."""
    found = dpca(recorded(number, separation, **world), ["a", "b"], n_null=99, seed=number,
                 regularisation=0.01, n_components=1)  # fmt: skip
    at = found.sel(quantity="accuracy")
    return {
        m: (at.estimate.sel(marginalisation=m), at.p_value.sel(marginalisation=m), NAN, NAN, NAN)
        for m in parts
    }


NOISE = {"separation": (0.0, 0.0), "parts": ("a", "b", "a:b")}
ONE_CODED = {"separation": (2.0, 0.0), "parts": ("b", "a:b")}
CELLS = {
    "noise, one session": ("null", partial(accuracies, **NOISE)),
    "noise, 5 trials": ("null", partial(accuracies, n_trials=5, **NOISE)),
    "noise, apart": ("null", partial(accuracies, apart=True, **NOISE)),
    "a coded, b and a:b not, one session": ("null", partial(accuracies, **ONE_CODED)),
    "a coded, b and a:b not, 4 sessions": ("null", partial(accuracies, n_sessions=4, **ONE_CODED)),
    "a and b coded, one session": (
        "effect",
        partial(accuracies, separation=(1.5, 1.5), parts=("a", "b")),
    ),
}
np.seterr(all="raise", under="ignore")
