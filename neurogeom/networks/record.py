"""A network's activity in the container of recordings: hooks on the layers of any torch module."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import xarray as xr

from neurogeom.activity import content_hash, from_arrays
from neurogeom.learn import lazy_torch
from neurogeom.networks.hooks import Feed, watched
from neurogeom.networks.layers import TAKEN, Layer, axes_of, find_layers
from neurogeom.parts import in_parts
from neurogeom.storage import load

TIME = ("step", "call")
POOLS = {"mean": np.mean, "max": np.max}
UNPOOLED = ("net", "trial", *TIME, "channel", "unit")


class Part(NamedTuple):
    """One layer in one batch.

    values : (net, trial, neuron) or (net, trial, neuron, time); axes : of the output, as torch gave
    it; units : sizes of those axes that are its units.
    """

    values: np.ndarray
    axes: tuple[str, ...]
    units: dict[str, int]


def record(
    module: Any,
    inputs: Any,
    *,
    layer: str | Sequence[str],
    trial: Mapping[str, Any] | None = None,
    time: Any = None,
    pool: str | None = None,
    axes: str | None = None,
    session: str | None = None,
    units: str = "a.u.",
    attrs: Mapping[str, Any] | None = None,
    batch: int = 256,
    out: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> xr.DataArray | list[xr.DataArray]:
    """What do the units of a network do on each trial?

    The module runs in evaluation mode (no dropout) and without gradients; afterwards its training
    flags are what they were and no hook is left, also after an error. What a layer returned is
    copied before anything later changes it in place.

    Parameters
    ----------
    module : torch.nn.Module
        Any. One with an attribute ``n_nets`` holds so many networks, on a first axis of outputs.
    inputs : array, tensor, or tuple of them
        Trials first, also where the module has ``batch_first=False`` (they are swapped for it):
        a layer of torch, a sequence of such, or a module of your own that says so by an attribute
        of that name. After the networks in (net, trial, step, channel). Floats take the dtype of
        the module's weights, integers stay what they are (tokens); a tuple holds the arguments of a
        module that takes several.
    layer : str or list of str
        A name of ``module.named_modules()``, a pattern such as ``"encoder.*.linear1"``, or several:
        their units stand side by side. A ``*`` stays between two dots: ``"layers.*"`` is each of
        the layers and nothing within them. ``""`` is the module's own output, and so is
        ``"output"``, as ``"input"`` is the (first) inputs themselves, unless a layer bears that
        name. Of several tensors (an LSTM, attention, a dataclass) the first is taken.
    trial : mapping of str to array-like, shape (n_trials,)
        Task variables, as in `from_arrays`.
    time : array-like, shape (n_steps,), optional
        Seconds of the steps (bin centres); without it, their numbers 0, 1, 2, ...
    pool : {"mean", "max"}, optional
        Over the positions of convolutional maps: one unit a channel. Without it every position of
        every channel is a unit.
    axes : str, optional
        Names of the axes of what a layer returns in one call, where they are not as below:
        ``"step trial unit"``. One is "trial"; "net" and "step" are networks and time, all others
        are units, under names that no other coordinate has.
    session : str, optional
        Name; without one, the class and a hash of weights, architecture (the classes and settings
        of all modules), inputs, layers and how they are read. Several networks are "session-0",
        "session-1", ...
    units : str
        Units of the activity.
    attrs : mapping, optional
        More attributes.
    batch : int
        At most so many trials at once. Batches differ in size, so that an axis of steps is never
        taken for that of trials, neither here nor by a recurrent or attention layer of torch within
        the module; results of different `batch` agree to float rounding, unless the module itself
        mixes trials (batch normalisation without running statistics).
    out : path, optional
        Write to this NetCDF-4 file batch by batch, and return the activity lazily opened, as
        ``load(out, lazy=True)`` does: for layers larger than memory.
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    DataArray "activity" (trial, neuron[, time]); a list of them where ``n_nets`` is above 1. Axes
    of outputs are read as (trial, unit), (trial, step, unit), (trial, channel, row, column), in
    layers with ``batch_first=False`` as (step, trial, unit), in one-dimensional convolutions as
    (trial, channel, position); a layer called several times in one pass (an RNN cell) has its calls
    as time. On ``neuron`` stand ``layer`` and ``unit`` (its number in the layer) or ``channel``,
    ``row`` and ``column``. ``attrs``: source, module, layer, axes, pool, time_unit ("s", "step" or
    "call") and a content_hash, that of all that names the session, of what stands on trials and
    time, and of a checksum of the activity itself; it is the same in a file and in memory.

    Raises
    ------
    ImportError
        torch is missing.
    KeyError
        No layer is named so; the nearest names are listed.
    TypeError, ValueError
        A layer never fires, its axes cannot be known, a sequence layer takes trials for steps,
        layers differ in their steps, activity is not finite, a column has the wrong length.
    RuntimeError
        The module does not take these inputs.
    FileExistsError, OSError
        There is a file `out`, or the disk refuses.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> x = record(module, [[0.0, 1.0], [1.0, 0.0]], layer="1", trial={"rule": ["A", "B"]})
    >>> x.dims, x.shape, x.rule.values.tolist(), x.attrs["axes"]
    (('trial', 'neuron'), (2, 3), ['A', 'B'], {'1': 'trial unit'})
    """
    torch = lazy_torch()
    _check(torch, module, pool, axes, batch, attrs)
    layers = find_layers(torch, module, layer)
    feed = Feed(torch, module, inputs)
    place = np.arange(feed.n_trials)[:, None]  # goes where from_arrays puts each trial
    unnamed = session is None and (trial is None or "session" not in trial)
    name = "-" if unnamed else session  # both follow below, from weights and inputs
    trials = from_arrays(place, trial, session=name, units=units, attrs={"content_hash": ""})
    batches = _batches(trials.values[:, 0].astype(int), batch)
    stamp = _digits(feed.stamp(batches), [own.name for own in layers], axes, pool)
    if unnamed:
        trials = trials.assign_coords(session=f"{type(module).__name__}-{stamp[:8]}")
    about = {"module": type(module).__name__, "layer": layer, "pool": pool}
    trials.attrs |= {"source": "network", **about, **(attrs or {})}
    n_nets = getattr(module, "n_nets", None)
    first: list[Part] = []
    done = 0
    with ExitStack() as stack:
        run = stack.enter_context(watched(torch, module, layers))
        for rows in batches:
            parts = [
                _part(torch, own, calls, len(rows), n_nets, axes, pool)
                for own, calls in zip(layers, run(feed(rows), len(rows)), strict=True)
            ]
            if not first:
                first = parts
                frames = _frames(trials, layers, parts, n_nets, time, pool)
                sinks = _sinks(stack, frames, out, overwrite)
                sums = [0] * len(frames)
            for own, part, before in zip(layers, parts, first, strict=True):
                _check_part(own, part, before, trials.trial_id.values[done:])
            for net, sink in enumerate(sinks):
                side = [part.values[net % len(part.values)] for part in parts]
                block = side[0] if len(side) == 1 else np.hstack(side)
                sink[done : done + len(rows)] = block
                sums[net] = crc32(_row_sums(block), sums[net])
            done += len(rows)
        for x, sink, total in zip(frames, sinks, sums, strict=True):
            beside = content_hash(x[:, :0].drop_vars("session").T)
            own = {"content_hash": _digits(stamp, beside, total), **(attrs or {})}
            (x if out is None else sink).attrs.update(own)
    if out is not None:
        return load(out, lazy=True)
    found = [x.copy(data=values) for x, values in zip(frames, sinks, strict=True)]
    return found if len(found) > 1 else found[0]


def _row_sums(block: np.ndarray) -> np.ndarray:
    """Of every trial its bits, summed: a tenth of the time of a checksum of all values."""
    rows = np.ascontiguousarray(block).reshape(len(block), -1)
    width = 8 if rows.shape[1] * rows.itemsize % 8 == 0 else rows.itemsize
    return rows.view(f"u{width}").sum(axis=1, dtype=np.uint64)


def _digits(*parts: Any) -> str:
    """32 hex digits that differ where one of the parts does."""
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _check(
    torch: Any, module: Any, pool: str | None, axes: str | None, batch: int, attrs: Any
) -> None:
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module is a {type(module).__name__}; give a torch.nn.Module")
    if pool is not None and pool not in POOLS:
        raise ValueError(f"pool {pool!r} is unknown; choose from {sorted(POOLS)} or None")
    if not isinstance(axes, str | None):
        raise TypeError(f"axes is {axes!r}; give their names in one text, 'step trial unit'")
    names = [] if axes is None else axes.split()
    if axes is not None and (names.count("trial") != 1 or len(set(names)) < len(names)):
        raise ValueError(f"axes {axes!r} must name 'trial' and no axis twice: 'step trial unit'")
    if taken := TAKEN.intersection(names):
        raise ValueError(
            f"axes {axes!r} has {min(taken)!r}, a name that is taken; call time 'step' and an axis "
            "of units 'unit', 'channel' or a name of your own"
        )
    if not isinstance(attrs, Mapping | None):
        raise TypeError(f"attrs is a {type(attrs).__name__}; give a mapping of names to values")
    if not isinstance(batch, int | np.integer) or batch < 1:
        raise ValueError(f"batch is {batch!r}; give the number of trials that run at once")


def _batches(order: np.ndarray, batch: int) -> list[np.ndarray]:
    """Trials in batches of at most `batch`, two at least, and not all of one size where possible.

    Of two sizes, an axis that has as many entries as the batch has trials is that of trials. Two
    trials run one by one, as one trial cannot be taken for several steps.
    """
    fewest = max(math.ceil(order.size / batch), min(order.size, 2))
    unequal = (k for k in range(fewest, order.size) if order.size % k)
    return np.array_split(order, next(unequal, fewest))


def _part(
    torch: Any,
    layer: Layer,
    calls: list[Any],
    n_trials: int,
    n_nets: int | None,
    axes: str | None,
    pool: str | None,
) -> Part:
    """What a layer returned in one batch, its calls as time, as (net, trial, neuron[, time])."""
    if not calls and isinstance(layer.module, torch.jit.ScriptModule):
        raise ValueError(
            f"layer {layer.name!r} runs within what torch.jit compiled, where it cannot be watched;"
            " record the module from before torch.jit, or layer=''"
        )
    if not calls:
        raise ValueError(
            f"layer {layer.name!r} never fires: the forward pass does not call it; record "
            f"{layer.holder!r}, which holds it, or another layer"
        )
    shapes = {tuple(call.shape) for call in calls}
    names = axes_of(layer, tuple(calls[0].shape), n_trials, n_nets, axes)
    if len(shapes) > 1 or (len(calls) > 1 and "step" in names):
        raise ValueError(
            f"layer {layer.name!r} is called {len(calls)} times in one pass, with outputs "
            f"{sorted(shapes)}, so that its calls are no steps; record the layers around it"
        )
    values = calls[0].numpy()
    if len(calls) > 1:
        values, names = torch.stack(calls).numpy(), ("call", *names)
    by_name = dict(zip(names, values.shape, strict=True))
    pooled = [name for name in names if name not in UNPOOLED] if pool else []
    inner = [name for name in names if name not in ("net", "trial", *TIME, *pooled)]
    lead, last = [n for n in ("net", "trial") if n in names], [n for n in TIME if n in names]
    if pooled:
        values = POOLS[pool](values, axis=tuple(map(names.index, pooled)))
    left = [name for name in names if name not in pooled]
    values = values.transpose([left.index(name) for name in (*lead, *inner, *last)])
    units = {name: by_name[name] for name in inner}
    shape = (by_name.get("net", 1), n_trials, math.prod(units.values()))
    return Part(values.reshape(*shape, *(by_name[name] for name in last)), names, units)


def _check_part(layer: Layer, part: Part, first: Part, ids: np.ndarray) -> None:
    """The same form in every batch, and finite."""
    if part.axes != first.axes or part.values.shape[2:] != first.values.shape[2:]:
        raise ValueError(
            f"layer {layer.name!r} gave (trial, neuron, time) of {first.values.shape[1:]} in one "
            f"batch and {part.values.shape[1:]} in another; its steps and units must not depend on "
            "the trials"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        total = part.values.sum()  # finite only if every term is, and faster than asking each
    if not np.isfinite(total) and not (finite := np.isfinite(part.values)).all():
        net, row, *where = np.argwhere(~finite)[0]
        raise ValueError(
            f"layer {layer.name!r} gives {part.values[(net, row, *where)]} on trial {ids[row]} "
            f"({(~finite).sum()} such values in its batch); mend its inputs or weights"
        )


def _frames(
    trials: xr.DataArray,
    layers: list[Layer],
    parts: list[Part],
    n_nets: int | None,
    time: Any,
    pool: str | None,
) -> list[xr.DataArray]:
    """The activity of every network without its values: coordinates, attributes, shape, dtype."""
    if len({part.values.shape[3:] for part in parts}) > 1:
        steps = ", ".join(str(part.values.shape[3:] or "none") for part in parts)
        raise ValueError(f"layers differ in their steps ({steps}); record them apart")
    if pool and not any({*p.axes} - {*UNPOOLED} for p in parts):
        raise ValueError(f"there are no maps to pool in {layers[0].name!r}; leave pool out")
    neuron = _neurons(layers, parts)
    taken = sorted(set(neuron) & set(trials.coords) - {"unit_id"})
    if taken:
        raise ValueError(f"column {taken[0]!r} of trial is also one of the units; rename it")
    steps = parts[0].values.shape[3:]
    if time is not None and not steps:
        raise ValueError(f"time is given but layer {layers[0].name!r} has no steps; leave it out")
    coords = {k: v for k, v in trials.coords.items() if v.dims != ("neuron",)}
    coords |= {name: ("neuron", column) for name, column in neuron.items()}
    axes = {layer.name: " ".join(part.axes) for layer, part in zip(layers, parts, strict=True)}
    attrs = {**trials.attrs, "axes": axes}
    if steps:
        seconds = np.arange(float(*steps)) if time is None else time
        coords["time"] = from_arrays(np.zeros((1, 1, *steps)), time=seconds).time
        called = any("call" in part.axes for part in parts)
        attrs["time_unit"] = "s" if time is not None else "call" if called else "step"
    dtype = np.result_type(*(part.values for part in parts))
    values = np.broadcast_to(dtype.type(0), (trials.sizes["trial"], len(neuron["layer"]), *steps))
    dims = ("trial", "neuron", "time")[: values.ndim]
    x = xr.DataArray(values, coords, dims, "activity", attrs)
    n = n_nets or max(len(part.values) for part in parts)
    if n == 1:
        return [x]
    names = [f"{x.session.item()}-{net:0{len(str(n - 1))}d}" for net in range(n)]
    return [x.assign_coords(session=name) for name in names]


def _neurons(layers: list[Layer], parts: list[Part]) -> dict[str, np.ndarray]:
    """Columns of the units of all layers, end to end; NaN where a layer has no such axis."""
    sizes = [part.values.shape[2] for part in parts]
    columns = {
        "unit_id": np.arange(sum(sizes)),
        "layer": np.repeat([layer.name for layer in layers], sizes),
    }
    for name in dict.fromkeys(name for part in parts for name in part.units):
        columns[name] = np.concatenate(
            [
                np.indices(tuple(p.units.values()))[list(p.units).index(name)].ravel()
                if name in p.units
                else np.full(size, np.nan)
                for p, size in zip(parts, sizes, strict=True)
            ]
        )
    return columns


def _sinks(stack: ExitStack, frames: list[xr.DataArray], out: Any, overwrite: bool) -> list[Any]:
    """Where the values of every network go: memory, or a file that `stack` completes."""
    if out is None:
        return [np.empty(x.shape, x.dtype) for x in frames]
    whole = frames if len(frames) > 1 else frames[0]
    return stack.enter_context(in_parts(whole, out, overwrite=overwrite))
