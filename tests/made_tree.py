"""A result as `score` hands it over, made by hand: known numbers for the report and the command."""

import numpy as np
import xarray as xr

VARIABLES = ["rule", "cue_shape"]


def _measure(name, estimate, *, method=None, chance=0.5, **attrs):
    null = chance + np.array([[-0.1, -0.1], [0.0, 0.0], [0.1, 0.1], [0.2, 0.0]])
    ds = xr.Dataset(
        {
            "estimate": ("variable", np.array(estimate)),
            "null": (("surrogate", "variable"), null),
            "p_value": ("variable", [0.2, 0.01]),
            "p_corrected": ("variable", [0.2, 0.0004]),
            "interval": (("variable", "bound"), [[0.4, 0.6], [0.7, 0.9]]),
            "interval_target": ("variable", ["recording: these 3 neurons again"] * 2),
        },
        {"variable": VARIABLES, "bound": ["low", "high"]},
        {"measure": name, "chance": chance, "seed": 0, "n_resamples": 20, "n_null": 4}
        | {"readout": "svm", "notes": [f"{name} needs reading."], "n_pseudo": 12}
        | attrs,
    )
    return ds if method is None else ds.assign(null_method=("variable", [method, method]))


def _shattering():
    names = ["rule", "cue_shape", "dichotomy 3"]
    return xr.Dataset(
        {
            "estimate": ((), 0.64),
            "null": ("surrogate", [0.5, 0.5, 0.49, 0.51]),
            "p_value": ((), 0.2),
            "interval": ("bound", [0.6, 0.7]),
            "fraction": ((), 1 / 3),
            "accuracy": ("dichotomy", [0.55, 0.8, 0.57]),
            "dichotomy_p_value": ("dichotomy", [0.2, 0.01, 0.1]),
            "dichotomy_p_corrected": ("dichotomy", [0.2, 0.03, 0.2]),
            "side": (("dichotomy", "condition"), np.ones((3, 4), np.int8)),
        },
        {"dichotomy": names, "bound": ["low", "high"]},
        {"measure": "shattering", "chance": 0.5, "n_null": 4, "notes": []},
    )


def made_tree() -> xr.DataTree:
    """2 x 2 conditions, 3 neurons; CCGP of `rule` cannot be estimated."""
    population = xr.Dataset(
        {"n_trials": (("condition", "neuron"), [[5, 9, 9]] * 4)},
        {
            "rule": ("condition", ["stay", "stay", "shift", "shift"]),
            "cue_shape": ("condition", [0, 1, 0, 1]),
            "unit_id": ("neuron", [3, 4, 7]),
            "session": ("neuron", ["a", "a", "b"]),
        },
        {
            "n_sessions": 2,
            "n_groups": 2,
            "n_neurons": 3,
            "real_trials": False,
            "dropped": {"trials": {"rule is missing": 2}, "neurons": {"too few trials": 4}},
            "min_trials_cost": {"5": 3, "8": 2, "10": 0, "15": 0},
            "notes": ["Trials of different groups were drawn independently."],
            "window": [0.2, 0.4],
            "align": "cue_time",
            "source": ["a.nwb", "b.nwb"],
        },
    )
    ccgp = _measure(
        "ccgp",
        [np.nan, 0.75],
        method="directions flipped by neuron",
        reasons={"rule": "one context only."},
    )
    ccgp = ccgp.assign(split_accuracy=("split", [0.7, 0.8])).assign_coords(
        split=[0, 1],
        split_variable=("split", ["cue_shape", "cue_shape"]),
        held_out_a=("split", ["rule=stay", "rule=shift"]),
        held_out_b=("split", ["rule=stay", "rule=shift"]),
    )
    tree = xr.DataTree.from_dict(
        {
            "/population": population,
            "/decoding": _measure("decoding", [0.56, 0.85]),
            "/ccgp": ccgp,
            "/shattering": _shattering(),
            "/parallelism": _measure("parallelism", [-0.0001, 0.4], chance=0.0),
        }
    )
    tree.attrs.update(version="0.1.0", command="neurogeom score a.nwb b.nwb")
    return tree
