"""The container of activity, one for brain and network: a plain DataArray a session.

Dims ``("trial", "neuron")`` or ``("trial", "neuron", "time")``. ``session`` (and ``animal``, where
known) is a scalar coordinate; on ``trial`` stand ``trial_id`` and one coordinate a task variable,
on ``neuron`` stand ``unit_id`` and what is known of the unit, on ``time`` seconds from the event
(bin centres). NaN means that the neuron was not observed there: with time, in that bin only. A
missing text label is ``""``, a missing number NaN. Trials are in order of ``trial_id`` and neurons
in order of ``unit_id``, so that nothing depends on the order in which they were given.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurogeom.canonical import (
    DIMS,
    IDS,
    SCALARS,
    assemble,
    content_hash,
    floats,
    full_names,
    plain_columns,
)
from neurogeom.columns import listed
from neurogeom.design import conditions
from neurogeom.expressions import evaluate
from neurogeom.frames import from_dataframe, from_pynapple

__all__ = [
    "condition_means",
    "content_hash",
    "coordinates",
    "count_dropped",
    "from_arrays",
    "from_dataframe",
    "from_pynapple",
    "select",
    "sessions",
    "validate",
]


def from_arrays(
    values: Any,
    trial: Mapping[str, Any] | None = None,
    neuron: Mapping[str, Any] | None = None,
    time: Any = None,
    *,
    session: str | None = None,
    animal: str | None = None,
    units: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataArray | list[xr.DataArray]:
    """How do I hand my own arrays to neurogeom?

    Parameters
    ----------
    values : array-like, shape (n_trials, n_neurons) or (n_trials, n_neurons, n_times)
        Rates, counts or activations; NaN where a neuron was not observed. Integers become float64.
    trial, neuron : mapping of str to array-like
        One column a task variable (n_trials,) and a property of the units (n_neurons,): text,
        booleans or numbers. ``trial_id`` and ``unit_id`` are 0, 1, ... where not given. A column
        ``session`` that varies over trials and neurons splits the array: one DataArray a session.
    time : array-like, shape (n_times,)
        Bin centres in seconds from the event, increasing; needed where `values` has a third axis.
    session, animal : str, optional
        Names; without one a session is called after its content.
    units : str, optional
        Units of the values, such as "spikes/s", "spikes" or "dF/F"; "a.u." where nothing is said.
    attrs : mapping, optional
        More attributes: source, align, window, ...

    Returns
    -------
    DataArray named "activity" with dims (trial, neuron[, time]); a list of them, in order of their
    names, where a column ``session`` varies.

    Raises
    ------
    ValueError, TypeError
        A column has the wrong length, mixed kinds or two dimensions, stands on both trials and
        neurons, or repeats an id; activity is infinite; sessions overlap.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.from_arrays([[1, 0], [3, 2]], trial={"rule": ["A", "B"]}, session="monday")
    >>> x.dims, x.rule.values.tolist(), x.session.item()
    (('trial', 'neuron'), ['A', 'B'], 'monday')
    """
    values = floats(values)
    trial = plain_columns({} if trial is None else trial, values.shape[0], "trial")
    neuron = plain_columns({} if neuron is None else neuron, values.shape[1], "neuron")
    attrs = {**(attrs or {}), **({"units": units} if units else {})}
    names = [
        full_names("session", columns["session"], dim) if "session" in columns else None
        for dim, columns in (("trial", trial), ("neuron", neuron))
    ]
    several = any(name is not None and np.unique(name).size > 1 for name in names)
    if not several:
        scalars = {"session": session, "animal": animal}
        return assemble(values, trial, neuron, time, scalars, attrs)
    found = []
    for name, (rows, units_) in _session_blocks(values, *names).items():
        block = values[np.ix_(rows, units_)]
        own_trial = {k: v[rows] for k, v in trial.items()}
        own_neuron = {k: v[units_] for k, v in neuron.items()}
        scalars = {"session": name if session is None else session, "animal": animal}
        found.append(assemble(block, own_trial, own_neuron, time, scalars, attrs))
    return found


def validate(x: xr.DataArray) -> xr.DataArray:
    """Is this DataArray an activity, and what is it in canonical form?

    Accepts what `from_arrays` and `read_nwb` return and arrays built by hand: dims in any order, a
    constant ``session`` on trial or neuron (made scalar), no ``trial_id`` or ``unit_id`` (taken
    from index coordinates named ``trial`` and ``neuron``, or numbered 0, 1, ...), integers.

    Returns
    -------
    DataArray with sorted trials and neurons, plain columns and the attributes ``units``,
    ``content_hash``, ``version`` and ``dropped``. The input is left as it was; the values are not
    copied where they are in order already.

    Raises
    ------
    TypeError, ValueError
        It is no DataArray, dims are others, ids repeat, activity is infinite or not numeric, a
        coordinate cannot be one plain column of trials, neurons or time.
    """
    if not isinstance(x, xr.DataArray):
        raise TypeError(
            f"activity must be an xarray.DataArray, not {type(x).__name__}; use from_arrays"
        )
    if set(x.dims) not in ({*DIMS[:2]}, {*DIMS}):
        raise ValueError(
            f"activity has dims {x.dims}; name them ('trial', 'neuron') or "
            "('trial', 'neuron', 'time'), as in x.rename(...)"
        )
    x = x.transpose(*DIMS[: x.ndim])
    for dim in x.dims:
        if getattr(x.indexes.get(dim), "nlevels", 1) > 1:
            x = x.reset_index(dim)  # a MultiIndex becomes one coordinate a level
    columns = _hand_made_columns(x)
    scalars = {str(k): v.values for k, v in x.coords.items() if not v.dims}
    time = columns["time"].pop("time", None)
    if columns["time"]:
        raise ValueError(f"coordinate {next(iter(columns['time']))!r} stands on time; drop it")
    return assemble(
        floats(x.variable.values), columns["trial"], columns["neuron"], time, scalars, x.attrs
    )


def sessions(x: xr.DataArray | Sequence[xr.DataArray]) -> list[xr.DataArray]:
    """One activity or several as a list of validated sessions in order of their names.

    Raises
    ------
    ValueError, TypeError
        The list is empty, two sessions bear one name, or `validate` refuses one.
    """
    given = [x] if isinstance(x, xr.DataArray) else x
    if not isinstance(given, list | tuple):
        raise TypeError(
            f"activity must be an xarray.DataArray or a list of them, not {type(x).__name__}"
        )
    if not given:
        raise ValueError("the list of sessions is empty; give at least one activity")
    found = sorted(map(validate, given), key=_name)
    names = [_name(session) for session in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"two sessions are named {listed(twice)}; give each its own name, as in "
            "x.assign_coords(session='monday')"
        )
    return found


def select(
    x: xr.DataArray | Sequence[xr.DataArray],
    *,
    trials: str | None = None,
    neurons: str | None = None,
) -> xr.DataArray | list[xr.DataArray]:
    """Keep the trials and the neurons that satisfy an expression, and count the others.

    Parameters
    ----------
    x : DataArray or list of DataArray
    trials, neurons : str, optional
        Expressions (`neurogeom.expressions.evaluate`) over the coordinates of trials or of neurons,
        and ``session`` and ``animal``: ``'outcome == "correct"'``, ``'area in ["CA1", "CA3"]'``.

    Returns
    -------
    The same kind as `x`; ``attrs["dropped"]`` counts what went, by reason.

    Raises
    ------
    KeyError, ValueError
        The expression names no coordinate or cannot be read; nothing is left of a session.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.from_arrays([[1.0, 2.0]] * 3, trial={"outcome": ["hit", "miss", "hit"]})
    >>> kept = ng.select(x, trials="outcome == 'hit'")
    >>> kept.sizes["trial"], kept.attrs["dropped"]["trials"]
    (2, {"not (outcome == 'hit')": 1})
    """
    if not isinstance(x, xr.DataArray):
        return [select(session, trials=trials, neurons=neurons) for session in sessions(x)]
    x = validate(x)
    for dim, text in (("trial", trials), ("neuron", neurons)):
        if text is None:
            continue
        kept = evaluate(text, coordinates(x, dim))
        if not kept.any():
            raise ValueError(
                f"no {dim} of session {_name(x)!r} satisfies {text!r}; widen it or leave that "
                "session out"
            )
        x = count_dropped(x.isel({dim: kept}), dim, f"not ({text.strip()})", int((~kept).sum()))
    return x


def coordinates(x: xr.DataArray, dim: str) -> dict[str, np.ndarray]:
    """The columns of one dim by name, with session and animal repeated along it."""
    own = {str(k): v.values for k, v in x.coords.items() if v.dims == (dim,)}
    whole = [name for name in SCALARS if name in x.coords]
    return own | {name: np.repeat(x.coords[name].values, x.sizes[dim]) for name in whole}


def count_dropped(x: xr.DataArray, dim: str, reason: str, count: int) -> xr.DataArray:
    """`x` with `count` more trials or neurons in ``attrs["dropped"]`` under `reason`."""
    dropped = copy.deepcopy(x.attrs.get("dropped", {}))
    if count:
        reasons = dropped.setdefault(f"{dim}s", {})
        reasons[reason] = reasons.get(reason, 0) + count
    return x.assign_attrs(dropped=dropped)


def condition_means(
    x: xr.DataArray | Sequence[xr.DataArray],
    variables: Sequence[str] | Mapping[str, Any],
    *,
    contrasts: Sequence[str] = (),
) -> xr.DataArray:
    r"""What is the mean activity of each neuron in each condition?

    .. math:: \mu_{ci} = \frac{1}{n_{ci}} \sum_{t \in c} x_{ti}

    over the :math:`n_{ci}` trials of condition c on which neuron i was observed. Neurons of all
    sessions stand side by side.

    Parameters
    ----------
    x : DataArray or list of DataArray
    variables : list of str, or mapping of str to levels
        The trial coordinates that are crossed to conditions (`neurogeom.design.conditions`).
    contrasts : sequence of str
        Derived variables, constant within a condition; they become coordinates too.

    Returns
    -------
    DataArray "condition_means", dims (condition, neuron[, time]): NaN where a neuron was never
    observed in a condition. Coordinates: each variable and contrast on condition; unit_id, session
    and what all sessions know of their neurons on neuron; n_trials (condition, neuron[, time]).

    Raises
    ------
    KeyError, ValueError
        A variable is not there, a condition is empty, sessions differ in time.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.from_arrays([[1.0], [3.0], [7.0]], trial={"rule": ["A", "A", "B"]})
    >>> ng.condition_means(x, ["rule"]).values.tolist()
    [[2.0], [7.0]]
    """
    found = sessions(x)
    design = conditions(found, variables, contrasts)
    times = [s.coords["time"].values if "time" in s.coords else np.zeros(0) for s in found]
    if not all(np.array_equal(time, times[0]) for time in times):
        raise ValueError(
            "the sessions differ in their time bins; read them with one window and bin"
        )
    parts = [
        _session_means(s.values, c, len(design.table))
        for s, c in zip(found, design.of_trial, strict=True)
    ]
    means, counts = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    dims = ("condition", *DIMS[1 : found[0].ndim])
    coords = {name: ("condition", np.asarray(v)) for name, v in design.labels.items()}
    coords |= {name: ("neuron", v) for name, v in _joined(found).items()}
    coords |= {"n_trials": (dims, counts)} | ({"time": times[0]} if found[0].ndim == 3 else {})
    attrs = {
        "units": "; ".join(dict.fromkeys(str(s.attrs["units"]) for s in found)),
        "variables": list(design.names),
        "dropped": _all_dropped(found, design.dropped),
    }
    return xr.DataArray(means, coords, dims, "condition_means", attrs)


def _session_means(
    values: np.ndarray, condition: np.ndarray, n_conditions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means and counts, each (condition, neuron[, time]), over what is finite."""
    member = (np.arange(n_conditions)[:, None] == condition).astype(float)  # (condition, trial)
    finite = np.isfinite(values)
    counts = np.tensordot(member, finite.astype(float), 1)
    sums = np.tensordot(member, np.where(finite, values, 0.0).astype(float), 1)
    with np.errstate(invalid="ignore"):
        return sums / np.where(counts > 0, counts, np.nan), counts.astype(int)


def _all_dropped(
    found: Sequence[xr.DataArray], by_design: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """What the sessions lost before and the trials that have no condition, by reason."""
    total: dict[str, dict[str, int]] = {"trials": {k: int(n) for k, n in by_design.items()}}
    for session in found:
        for dim, reasons in session.attrs["dropped"].items():
            place = total.setdefault(dim, {})
            for reason, count in reasons.items():
                place[reason] = place.get(reason, 0) + int(count)
    return total


def _joined(found: Sequence[xr.DataArray]) -> dict[str, np.ndarray]:
    """Neuron columns that all sessions have, end to end; of mixed kinds they become text."""
    tables = [coordinates(session, "neuron") for session in found]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    joined = {}
    for name in names:
        columns = [table[name] for table in tables]
        if len({column.dtype.kind in "biuf" for column in columns}) > 1:
            columns = [column.astype(str) for column in columns]
        joined[name] = np.concatenate(columns)
    return joined


def _hand_made_columns(x: xr.DataArray) -> dict[str, dict[str, Any]]:
    """Coordinates by dim; index coordinates named after trial and neuron are their ids."""
    columns: dict[str, dict[str, Any]] = {dim: {} for dim in DIMS}
    for name, coord in x.coords.items():
        if coord.ndim > 1:
            raise ValueError(f"coordinate {name!r} has dims {coord.dims}; give it one dim")
        if coord.ndim == 1:
            own = IDS.get(name, name) if coord.dims == (name,) else name
            if own != name and own in x.coords:
                raise ValueError(f"trials or neurons have both {name!r} and {own!r}; drop {name!r}")
            columns[coord.dims[0]][str(own)] = coord.variable.values
    return columns


def _session_blocks(
    values: np.ndarray, of_trial: np.ndarray | None, of_neuron: np.ndarray | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{session: (trials, neurons)}, refused unless everything outside these blocks is NaN."""
    if of_trial is None or of_neuron is None:
        has, lacks = ("trials", "neurons") if of_neuron is None else ("neurons", "trials")
        raise ValueError(f"the {has} are of several sessions; give the {lacks} a 'session' as well")
    alone = sorted(set(of_trial.tolist()) ^ set(of_neuron.tolist()))
    if alone:
        raise ValueError(f"session {alone[0]!r} has trials or neurons but not both; leave it out")
    blocks = {}
    for name in np.unique(of_trial).tolist():
        rows, own = np.flatnonzero(of_trial == name), np.flatnonzero(of_neuron == name)
        foreign = ~np.isnan(values[np.ix_(rows, np.flatnonzero(of_neuron != name))])
        if foreign.any():
            raise ValueError(
                f"neurons of other sessions have activity on trials of session {name!r}; put NaN "
                "there, or give trials and neurons one session"
            )
        blocks[name] = (rows, own)
    return blocks


def _name(x: xr.DataArray) -> str:
    return str(x.coords["session"].values)
