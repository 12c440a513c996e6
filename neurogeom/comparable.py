"""Who is compared: recording and networks as sessions over one window, of the same conditions."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from . import activity as container
from .design import conditions
from .noise_match import cells_of, read
from .theory.meanfield import AbstractionProblem, MeanFieldSolution
from .theory.meanfield_solvers import column_generation

RECORDING, NETWORK, SHUFFLED = "recording", "network", "shuffled labels"
HALVES = "recording, halves"
THEORY, ANOTHER = "theory", "theory, another minimum"


def subset(name, given, known):
    """Names of `known`, refused where one is none of them."""
    if given is None:
        raise ValueError(f"{name}=None is nothing to choose; pass () for none of {list(known)}")
    given = (given,) if isinstance(given, str) else tuple(given)
    for value in given:
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown; choose from {list(known)}")
    return given


def systems_of(network, window):
    """{system: list of one validated DataArray a net}."""
    if not isinstance(network, xr.DataArray | Mapping | list | tuple) or isinstance(
        network, xr.Dataset
    ):
        raise TypeError(
            f"network is {type(network).__name__}; pass the DataArray that neurogeom.record gives, "
            "a list of them, or {name: DataArray or list}"
        )
    if isinstance(network, Mapping):
        given = {str(k): [v] if isinstance(v, xr.DataArray) else list(v)
                 for k, v in network.items()}  # fmt: skip
    else:
        given = {}
        for x in [network] if isinstance(network, xr.DataArray) else list(network):
            name = str(x.coords["system"].item()) if "system" in x.coords else NETWORK
            given.setdefault(name, []).append(x)
    own = [n for n in (RECORDING, SHUFFLED, HALVES, THEORY, ANOTHER) if n in given]
    if own:
        raise ValueError(f"{own[0]!r} is a system of its own; rename yours")
    if not given or not all(given.values()):
        raise ValueError("there is no network to compare with; give the activity of one at least")
    return {k: [windowed([container.validate(x)], k, window)[0] for x in v]
            for k, v in given.items()}  # fmt: skip


def interval(window, own):
    """(start, stop) as asked for, or as the recording says; None where neither does."""
    given = own if window is None else window
    if given is None:
        return None
    try:
        start, stop = (float(t) for t in given)
    except (TypeError, ValueError):
        raise ValueError(f"window={given!r} is no (start, stop) in seconds") from None
    if not start < stop:
        raise ValueError(f"window={given!r} ends before it starts; give (start, stop) in seconds")
    return start, stop


def windowed(sessions, name, window):
    """Activity without time: the mean over the window."""
    if not any("time" in x.dims for x in sessions):
        return sessions
    unit = next(str(x.attrs.get("time_unit", "s")) for x in sessions if "time" in x.dims)
    if unit != "s":
        raise ValueError(
            f"the time of the {name} is counted in {unit}s, not in seconds; record it with "
            "time=[seconds from the event], or average it over the steps that you mean"
        )
    if window is None:
        raise ValueError(
            f"the {name} has a time dim and the recording says no window; pass window=(start, stop)"
        )
    found = []
    for x in sessions:
        if "time" in x.dims:
            inside = (x.time >= window[0]) & (x.time < window[1])
            if not bool(inside.any()):
                raise ValueError(
                    f"the {name} has no time within {window[0]:g} to {window[1]:g} s (it goes from "
                    f"{float(x.time[0]):g} to {float(x.time[-1]):g} s); pass another window"
                )
            x = x.isel(time=np.flatnonzero(inside.values)).mean("time", keep_attrs=True)
            x = x.assign_attrs(window=[float(t) for t in window])
        found.append(x)
    return found


def kernels_of(theory, design):
    """{system: kernel (condition, condition)} that a theory says, conditions as in the design."""
    if isinstance(theory, xr.DataTree):
        return _predicted(theory, design)
    if isinstance(theory, AbstractionProblem):
        theory = column_generation(theory)
    if isinstance(theory, MeanFieldSolution):
        found = {THEORY: theory.kernel, ANOTHER: theory.alternative}
        found = {k: v for k, v in found.items() if v is not None}
    else:
        means = np.asarray(theory, dtype=float)
        if means.ndim != 2 or not np.isfinite(means).all():
            raise ValueError(
                f"theory has shape {means.shape}; pass finite condition means (condition, unit), a "
                "problem or solution of neurogeom.theory, or what predict returned"
            )
        found = {THEORY: means @ means.T}
    n = len(found[THEORY])
    if n != design.n_conditions:
        raise ValueError(
            f"the theory has {n} conditions and the recording {design.n_conditions}; pass one row "
            f"a condition, in the order of condition_means: {design.name_of(0)}; ..."
        )
    return found


def _predicted(tree, design):
    """Kernels of what predict returned, in the order of the design."""
    if "kernel" not in tree.children:
        raise ValueError("theory is a tree without a kernel; pass what predict returned")
    kernel = tree["kernel"].to_dataset()
    lacking = [n for n in design.names if n not in kernel.coords]
    if lacking:
        raise ValueError(f"the prediction has no variable {lacking[0]!r}; predict with it")
    columns = [[read(v) for v in kernel[name].values] for name in design.names]
    theirs = list(zip(*columns, strict=True))
    mine = cells_of(design)
    if sorted(theirs) != sorted(mine):
        only = min(set(theirs) ^ set(mine), default=mine[0])
        cell = ", ".join(f"{v}={k}" for v, k in zip(design.names, only, strict=True))
        raise ValueError(
            f"prediction and recording differ in the condition ({cell}); predict with the "
            "variables that are compared, and the same levels"
        )
    order = [theirs.index(cell) for cell in mine]
    names = {THEORY: "kernel", ANOTHER: "alternative"}
    return {k: kernel[v].values[np.ix_(order, order)] for k, v in names.items() if v in kernel}


def values_of(brain, design):
    """Of every condition the values that its trials have, one of those that a level merges.

    Returns {variable: (condition,)}.
    """
    found = {name: [None] * design.n_conditions for name in design.names}
    for x, of in zip(brain, design.of_trial, strict=True):
        for c, i in zip(*np.unique(of, return_index=True), strict=True):
            for name in design.names if c >= 0 else ():
                found[name][c] = x.coords[name].values[i].item()
    return {name: np.array(values) for name, values in found.items()}


def same_conditions(design, x, name, variables, contrasts, empty):
    """Refuse a network whose conditions are others, naming one and the side that has it."""
    try:
        other = conditions([x], variables, contrasts, empty=empty)
    except (KeyError, ValueError) as error:
        raise type(error)(f"in the {name}: {error.args[0]}") from error
    mine, theirs = set(cells_of(design)), set(cells_of(other))
    sides = ((RECORDING, name, mine - theirs, other), (name, RECORDING, theirs - mine, design))
    for have, lack, only, has in sides:
        if only:
            cell = ", ".join(f"{v}={k}" for v, k in zip(design.names, min(only), strict=True))
            levels = "; ".join(f"{v}: {', '.join(map(str, has.levels[v]))}" for v in has.names)
            raise ValueError(
                f"the {have} has a condition ({cell}) that the {lack} has not ({levels}); rename "
                "levels in one of them, or name those that both have"
            )
