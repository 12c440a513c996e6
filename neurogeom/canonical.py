"""From checked parts to one canonical activity: plain columns, sorted ids, a content hash."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurogeom._version import __version__
from neurogeom.columns import is_missing, listed, plain_column, plain_values

DIMS = ("trial", "neuron", "time")
IDS = {"trial": "trial_id", "neuron": "unit_id"}
SCALARS = ("session", "animal")


def assemble(
    values: np.ndarray,
    trial: Mapping[str, Any],
    neuron: Mapping[str, Any],
    time: Any,
    scalars: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> xr.DataArray:
    """The parts of one session as a canonical DataArray, or a refusal in one sentence.

    values : float (trial, neuron[, time]); trial, neuron : columns; time : (time,) or None;
    scalars : session, animal and the like, None where not known.
    """
    columns = {
        "trial": plain_columns(trial, len(values), "trial"),
        "neuron": plain_columns(neuron, values.shape[1], "neuron"),
    }
    scalars = {name: _scalar(name, v) for name, v in scalars.items() if v is not None}
    for name in SCALARS:
        for dim in columns:
            if name in columns[dim]:
                _set_constant(scalars, name, columns[dim].pop(name), dim)
    for dim, name in IDS.items():
        columns[dim].setdefault(name, np.arange(len(values) if dim == "trial" else values.shape[1]))
    _refuse_collisions(columns, scalars)
    coords: dict[str, Any] = dict(scalars)
    for axis, dim in enumerate(columns):
        order = _id_order(columns[dim][IDS[dim]], dim)
        if order is not None:
            values = np.take(values, order, axis)
        coords |= {k: (dim, v if order is None else v[order]) for k, v in columns[dim].items()}
    if values.ndim == 3 or time is not None:
        coords["time"] = ("time", _seconds(time, values))
    x = xr.DataArray(values, coords, DIMS[: values.ndim], "activity")
    if "session" not in coords:
        x = x.assign_coords(session=f"session-{content_hash(x)[:8]}")
    _refuse_infinite(x)
    return x.assign_attrs(_attributes(attrs, x))


def plain_columns(columns: Mapping[str, Any], n_entries: int, dim: str) -> dict[str, np.ndarray]:
    """Columns of one dim as plain arrays of its length; one session or animal name is repeated."""
    plain = {}
    for name in columns:
        column = columns[name]
        if name in SCALARS and np.ndim(column) == 0:
            column = np.repeat(plain_values(name, column), n_entries)
        plain[str(name)] = plain_column(str(name), column, n_entries, dim)
    return plain


def floats(values: Any) -> np.ndarray:
    """Activity as float64 (float32 stays), two or three axes, none of them empty."""
    array = plain_values("activity", values)
    if array.dtype.kind == "U":
        raise TypeError("activity holds text; give rates, counts or activations as numbers")
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(
            f"activity has shape {array.shape}; give at least one trial and one neuron, "
            "as (trial, neuron) or (trial, neuron, time)"
        )
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def content_hash(x: xr.DataArray) -> str:
    """32 hex digits of values and coordinates of a canonical activity, whatever file it came from.

    Integers and floats hash alike only within their kind; float32 and float64 of equal values are
    alike, and so are 0.0 and -0.0.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(str(name) for name in x.coords):
        digest.update(json.dumps([name, x.coords[name].dims]).encode())
        _hash_array(digest, x.coords[name].values)
    _hash_array(digest, x.values)
    return digest.hexdigest()


def _hash_array(digest: Any, array: np.ndarray) -> None:
    """Kind, shape and content, row by row so that a large array is never copied whole."""
    kind = "i" if array.dtype.kind == "u" else array.dtype.kind
    digest.update(f"{kind}{array.shape}".encode())
    if kind == "U":
        digest.update(json.dumps(array.tolist()).encode())
        return
    for row in array if array.ndim > 1 else (array,):
        if kind == "f":
            row = np.where(np.isnan(row), np.nan, np.asarray(row, float) + 0.0)
        digest.update(np.ascontiguousarray(row, {"f": "<f8", "i": "<i8", "b": "?"}[kind]).tobytes())


def _scalar(name: str, value: Any) -> np.ndarray:
    """One plain value; a session is called by text, never by nothing."""
    scalar = plain_values(name, value)
    if scalar.ndim:
        raise ValueError(f"{name} has shape {scalar.shape}; give one value")
    if name not in SCALARS:
        return scalar
    if is_missing(scalar):
        raise ValueError(f"the {name} has no name; give it one, as in {name}='monday'")
    return scalar.astype(str)


def full_names(name: str, column: np.ndarray, dim: str) -> np.ndarray:
    """Names of sessions or animals as text, none of them missing."""
    if is_missing(column).any():
        raise ValueError(
            f"column {name!r} of {dim} has missing entries; name the {name} everywhere"
        )
    return column.astype(str)


def _set_constant(scalars: dict[str, Any], name: str, column: np.ndarray, dim: str) -> None:
    """A column that says one thing of the whole session becomes a scalar."""
    found = set(full_names(name, column, dim).tolist())
    found |= {str(scalars[name])} if name in scalars else set()
    if len(found) > 1:
        raise ValueError(
            f"{name!r} takes several values within one session ({listed(sorted(found))}); one "
            "DataArray is one session, so give a list of them (from_arrays splits by session)"
        )
    scalars[name] = np.asarray(found.pop())


def _refuse_collisions(columns: Mapping[str, Mapping], scalars: Mapping[str, Any]) -> None:
    """One name cannot stand on two dims, nor be the name of a dim."""
    both = sorted(set(columns["trial"]) & set(columns["neuron"]))
    both += sorted(set(scalars) & (set(columns["trial"]) | set(columns["neuron"])))
    if both:
        raise ValueError(
            f"column {both[0]!r} is given twice, for trials, neurons or the session; rename one"
        )
    for dim, names in columns.items():
        taken = sorted(set(names) & {*DIMS, "activity"})
        if taken:
            raise ValueError(f"column {taken[0]!r} of {dim} bears a name that is taken; rename it")


def _id_order(ids: np.ndarray, dim: str) -> np.ndarray | None:
    """The order that sorts the ids, None where they are sorted already."""
    name = IDS[dim]
    if is_missing(ids).any():
        raise ValueError(f"{name} is missing for some {dim}s; give every {dim} its own {name}")
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    twice = ranked[1:][ranked[1:] == ranked[:-1]]
    if twice.size:
        raise ValueError(
            f"{name} {listed(np.unique(twice))} stands for more than one {dim}; "
            f"give every {dim} of a session its own {name}"
        )
    return None if (order == np.arange(ids.size)).all() else order


def _seconds(time: Any, values: np.ndarray) -> np.ndarray:
    """Bin centres, increasing and finite, one for each entry of the third axis."""
    if values.ndim == 2:
        raise ValueError("time is given but activity has no third axis; leave time out")
    if time is None:
        raise ValueError(
            f"activity has {values.shape[2]} time bins and no time; give their centres in seconds"
        )
    time = plain_column("time", time, values.shape[2], "time bin")
    if time.dtype.kind not in "iuf":
        raise TypeError("time does not hold numbers; give the bin centres in seconds")
    time = time.astype(float)
    if not (np.isfinite(time).all() and (np.diff(time) > 0).all()):
        raise ValueError("time does not increase from bin to bin; give bin centres in seconds")
    return time


def _refuse_infinite(x: xr.DataArray) -> None:
    infinite = np.isinf(x.values)
    if infinite.any():
        first = np.argwhere(infinite)[0]
        trial, unit = x.trial_id.values[first[0]], x.unit_id.values[first[1]]
        raise ValueError(
            f"activity of neuron {unit} on trial {trial} of session {x.session.item()!r} is "
            f"infinite ({int(infinite.sum())} such values); put NaN where nothing was observed"
        )


def _attributes(attrs: Mapping[str, Any], x: xr.DataArray) -> dict[str, Any]:
    """A copy of the attributes with those that every activity has."""
    full = {"units": "a.u.", **copy.deepcopy(dict(attrs))}
    if "content_hash" not in full:
        full["content_hash"] = content_hash(x)
    full.setdefault("version", __version__)
    full["dropped"] = {"trials": {}, "neurons": {}, **full.get("dropped", {})}
    return full
