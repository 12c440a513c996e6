"""Activity from what other tools hold: long data frames, pynapple's groups of spike trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurogeom.canonical import assemble, floats
from neurogeom.columns import listed, plain_column


def from_dataframe(
    frame: Any,
    variables: Sequence[str],
    *,
    value: str = "activity",
    trial: str = "trial_id",
    neuron: str = "unit_id",
    session: str = "session",
    animal: str = "animal",
    time: str | None = None,
    neuron_columns: Sequence[str] = (),
    units: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataArray | list[xr.DataArray]:
    """How do I hand over a long table, one row a trial and neuron (and time bin)?

    Parameters
    ----------
    frame : pandas.DataFrame or mapping of str to array-like
    variables : list of str
        Columns that belong to trials (one value a trial).
    value, trial, neuron : str
        Columns of the activity, the trial ids and the unit ids (each its own within a session).
    session, animal : str
        Columns of the names; without these columns the table is one session, of no named animal.
    time : str, optional
        Column of bin centres in seconds.
    neuron_columns : sequence of str
        Columns that belong to neurons, such as "area".
    units, attrs
        As in `from_arrays`.

    Returns
    -------
    DataArray, or a list of them in order of their names where there are several sessions. A trial
    and neuron without a row is NaN: not observed.

    Raises
    ------
    KeyError
        A column is missing.
    ValueError
        Two rows give the same trial, neuron and time; a variable changes within a trial.

    Examples
    --------
    >>> import neurogeom as ng
    >>> long = {"trial_id": [0, 0, 1], "unit_id": [5, 6, 5], "activity": [1.0, 2.0, 3.0],
    ...         "rule": ["A", "A", "B"]}
    >>> ng.from_dataframe(long, ["rule"]).values.tolist()
    [[1.0, 2.0], [3.0, nan]]
    """
    if isinstance(variables, str):
        raise TypeError(
            f"variables={variables!r} is one string; give a list, as in [{variables!r}]"
        )
    keys = [trial, neuron] + ([time] if time else [])
    of_trial = [*variables, *(name for name in (session, animal) if name in frame)]
    wanted = [value, *keys, *of_trial, *neuron_columns]
    absent = [name for name in wanted if name not in frame]
    if absent:
        raise KeyError(f"no column {absent[0]!r} in the table; choose from {listed(frame)}")
    table = {name: plain_column(name, frame[name]) for name in wanted}
    name_of = table.get(session, np.zeros(table[value].size)).astype(str)
    names = {session: "session", animal: "animal"}
    found = []
    for name in np.unique(name_of):
        rows = {column: entries[name_of == name] for column, entries in table.items()}
        values, ids, index = _pivot(rows, value, keys)
        own_trial = {
            names.get(c, c): _one_each(rows[c], index[0], ids[0], c, "trial") for c in of_trial
        }
        own_neuron = {c: _one_each(rows[c], index[1], ids[1], c, "neuron") for c in neuron_columns}
        own_trial["trial_id"], own_neuron["unit_id"] = ids[:2]
        bins = ids[2] if time else None
        attrs = {**(attrs or {}), **({"units": units} if units else {})}
        found.append(assemble(floats(values), own_trial, own_neuron, bins, {}, attrs))
    return found if len(found) > 1 else found[0]


def from_pynapple(
    units: Mapping[Any, Any],
    trials: Any,
    *,
    align: str,
    window: tuple[float, float],
    variables: Sequence[str] | None = None,
    bin_width: float | None = None,
    session: str | None = None,
    animal: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataArray:
    """How do I hand over spike trains of pynapple and a table of trials?

    Rates are spikes in ``[align + start, align + end)`` over its length. Where the units have a
    ``time_support``, what lies outside it was not observed and is NaN. pynapple itself is not
    needed: any mapping of units to times (or to objects with times ``t``) will do.

    Parameters
    ----------
    units : pynapple.TsGroup, or mapping of unit to spike times in seconds
        Columns of its ``metadata``, where it has some, become columns of the neurons.
    trials : pandas.DataFrame, pynapple.IntervalSet, or mapping of str to array-like
        One row a trial.
    align : str
        Column of the event times in seconds; trials without one are dropped and counted.
    window : (float, float)
        Start and end in seconds from the event.
    variables : list of str, optional
        Columns to keep; all but `align` where not given.
    bin_width : float, optional
        Seconds; divides the window and adds the dim time. One bin without it.
    session, animal, attrs
        As in `from_arrays`.

    Returns
    -------
    DataArray in spikes/s.

    Raises
    ------
    KeyError, ValueError, TypeError
        A column is missing or not numeric, the window is empty or no multiple of the bin.

    Examples
    --------
    >>> import neurogeom as ng
    >>> trials = {"cue": [1.0, 2.0], "rule": ["A", "B"]}
    >>> ng.from_pynapple({7: [1.1, 1.2, 2.3]}, trials, align="cue", window=(0, 0.5)).values.tolist()
    [[4.0], [2.0]]
    """
    trials = trials.as_dataframe() if hasattr(trials, "as_dataframe") else trials
    variables = [c for c in trials if c != align] if variables is None else list(variables)
    absent = [name for name in (align, *variables) if name not in trials]
    if absent:
        raise KeyError(f"no column {absent[0]!r} in the trials; choose from {listed(trials)}")
    event = plain_column(align, trials[align])
    if event.dtype.kind not in "iuf":
        raise TypeError(f"column {align!r} does not hold numbers; align to a column of seconds")
    kept = np.isfinite(event)
    edges = _edges(window, bin_width)
    bins = event[kept, None].astype(float) + edges  # (trial, edge)
    names = list(units)
    counts = [np.diff(np.searchsorted(_spike_times(units[k]), bins), axis=1) for k in names]
    rates = np.stack(counts, axis=1) / np.diff(edges)  # (trial, neuron, time)
    rates[
        ~_supported(bins, getattr(units, "time_support", None))[:, None, :].repeat(len(names), 1)
    ] = np.nan
    trial = {c: plain_column(str(c), trials[c], event.size, "trial")[kept] for c in variables}
    trial.setdefault("trial_id", np.flatnonzero(kept))
    metadata = getattr(units, "metadata", {})
    neuron = {str(c): metadata[c] for c in metadata} | {"unit_id": names}
    time = None if bin_width is None else (edges[:-1] + edges[1:]) / 2
    attrs = {
        "align": align,
        "window": [float(edge) for edge in window],
        "source": "pynapple",
        "dropped": {"trials": {f"no {align}": int((~kept).sum())} if not kept.all() else {}},
        **(attrs or {}),
        "units": "spikes/s",
    }
    values = floats(rates[:, :, 0] if bin_width is None else rates)
    return assemble(values, trial, neuron, time, {"session": session, "animal": animal}, attrs)


def _pivot(
    rows: Mapping[str, np.ndarray], value: str, keys: Sequence[str]
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Values (trial, neuron[, time]), the ids of each axis, and the index of each row on them."""
    pairs = [np.unique(rows[key], return_inverse=True) for key in keys]
    ids, index = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    shape = tuple(axis.size for axis in ids)
    filled = np.bincount(np.ravel_multi_index(index, shape), minlength=int(np.prod(shape)))
    if (filled > 1).any():
        twice = np.unravel_index(np.argmax(filled > 1), shape)
        cell = ", ".join(f"{k} {i[n]}" for k, i, n in zip(keys, ids, twice, strict=True))
        raise ValueError(f"several rows of the table give {cell}; give one row each")
    values = np.full(shape, np.nan, np.result_type(rows[value].dtype, np.float32))
    values[tuple(index)] = rows[value]
    return values, ids, index


def _one_each(
    entries: np.ndarray, index: np.ndarray, ids: np.ndarray, name: str, dim: str
) -> np.ndarray:
    """The one value that a column has on each trial or neuron."""
    _, first = np.unique(index, return_index=True)
    own = entries[first]
    same = (entries == own[index]) | ((entries != entries) & (own != own)[index])
    if not same.all():
        where = ids[index[np.argmin(same)]]
        raise ValueError(
            f"column {name!r} takes several values on {dim} {where}; it must have one a {dim}"
        )
    return own


def _edges(window: tuple[float, float], bin_width: float | None) -> np.ndarray:
    """Bin edges in seconds from the event."""
    start, end = (float(edge) for edge in window)
    if not (np.isfinite([start, end]).all() and start < end):
        raise ValueError(f"window {tuple(window)} has no length; give (start, end) in seconds")
    n_bins = 1 if bin_width is None else round((end - start) / bin_width) if bin_width > 0 else 0
    if n_bins < 1 or (bin_width is not None and not np.isclose(n_bins * bin_width, end - start)):
        raise ValueError(
            f"bin_width {bin_width} s does not divide the window of {end - start:g} s; choose one "
            "that does"
        )
    return np.linspace(start, end, n_bins + 1)


def _spike_times(unit: Any) -> np.ndarray:
    """Sorted spike times in seconds of a pynapple object or an array."""
    return np.sort(np.asarray(getattr(unit, "t", unit), float))


def _supported(bins: np.ndarray, support: Any) -> np.ndarray:
    """Which bins (trial, time) lie whole within one epoch; all where no epochs are known."""
    low, high = bins[:, :-1], bins[:, 1:]
    if support is None:
        return np.ones(low.shape, bool)
    starts, ends = np.asarray(support.start, float), np.asarray(support.end, float)
    epoch = np.searchsorted(starts, low, side="right") - 1
    return (epoch >= 0) & (high <= ends[np.maximum(epoch, 0)])
