"""Which alignment goes with which regime of learning? A sweep of first weights and weight decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from ._version import __version__
from .options import number
from .watch import watch

__all__ = ["regimes"]

AXES = ("scale", "relative", "weight_decay")


def regimes(
    task: Any,
    network: Any = "mlp",
    *,
    scale: Sequence[float] = (0.1, 1.0),
    relative: Sequence[float] = (0.5, 1.0, 2.0),
    weight_decay: Sequence[float] = (0.0, 1e-3),
    lr: float | Callable[[float], float] = 0.05,
    steps: int = 2000,
    seeds: int | Sequence[int] = 5,
    parts: Sequence[str] = ("alignment", "richness"),
    watching: dict[str, Any] | None = None,
    progress: Callable[[dict[str, float]], None] | None = None,
    **training: Any,
) -> xr.Dataset:
    r"""Train networks over scale, imbalance and weight decay, and watch where each one ends.

    Two theories speak of the same weights. The scale of the first ones and how it is divided
    between layers set whether learning is lazy or rich (Kunin et al. 2024, arXiv:2406.06158);
    weight decay and the noise of gradients set how representation, gradient and weights align, and
    with which exponents (Ziyin et al., arXiv:2410.03006). What one has to do with the other is in
    neither paper: this function asks it.

    Parameters
    ----------
    task : Task or str
    network : str or Architecture
        One with the settings `scale` and `relative`: an MLP or a rate RNN.
    scale, relative, weight_decay : sequence of float
        Values of each. `relative` above 1 is upstream: first layers are small, readouts large. The
        decay is coupled, as plain gradient descent has it: over a training at rate lr, weights that
        nothing holds shrink by exp(-lr weight_decay steps).
    lr : float, or callable(scale) -> float
        Networks of small first weights learn slowly in time: give a function to make up for it, as
        ``lambda scale: 0.05 / scale**2`` of one hidden layer.
    steps, seeds, **training
        Of :func:`neurogeom.networks.train`; plain gradient descent without clipping at a constant
        rate where nothing else is said, which is what the theories are about.
    parts, watching
        What is watched, and further options, of :func:`neurogeom.watch`.
    progress : callable({setting: value}), optional

    Returns
    -------
    Dataset
        As of :func:`neurogeom.watch` at the last step, over (scale, relative, weight_decay, net,
        ...). ``initial`` and ``gain`` beside ``alignment``: that of the first weights, and the
        difference. Networks whose training ended because a loss was not finite are NaN, and counted
        in ``attrs["diverged"]``.

    Raises
    ------
    ValueError
        The architecture has no scale and relative; values out of range or given twice; as in the
        functions named.

    Examples
    --------
    >>> import neurogeom as ng
    >>> task = ng.networks.make_task("input-target", n_bits=2, dim=10)
    >>> found = ng.regimes(task, ng.networks.MLP(hidden=(20,)), steps=300, seeds=2, lr=0.3,
    ...                    relative=[1.0], weight_decay=[0.0])
    >>> found.kernel_distance.dims
    ('scale', 'relative', 'weight_decay', 'net')
    >>> bool((found.kernel_distance.sel(scale=0.1) > found.kernel_distance.sel(scale=1.0)).all())
    True
    """
    from .networks.architectures import architecture
    from .networks.registry import make_task
    from .networks.training import train

    task = make_task(task) if isinstance(task, str) else task
    network = architecture(network)
    if not {"scale", "relative"} <= {f.name for f in fields(network)}:
        raise ValueError(
            f"{type(network).__name__} has no scale and relative of its first weights; "
            "give an MLP or an RNN"
        )
    axes = dict(zip(AXES, (scale, relative, weight_decay), strict=True))
    axes = {name: _values(name, values) for name, values in axes.items()}
    plain = {"optimizer": "sgd", "rate": "constant", "clip": None, "every": steps}
    training = {**plain, **training, "keep": sorted({0, *training.get("keep", ())})}
    rows, diverged = {}, 0
    for values in product(*axes.values()):
        own = dict(zip(AXES, values, strict=True))
        trained = train(
            task,
            replace(network, scale=own["scale"], relative=own["relative"]),
            weight_decay=own["weight_decay"],
            lr=lr(own["scale"]) if callable(lr) else lr,
            steps=steps,
            seeds=seeds,
            **training,
        )
        end = _last(watch(trained, parts=parts, **(watching or {})))
        lost = trained.history.stopped.str.contains("not finite")
        diverged += int(lost.sum())
        rows[values] = end.map(_without, args=(lost,))
        if progress is not None:
            progress(own)
    found = _grid(rows, axes)
    return found.assign_attrs(
        measure="regimes",
        version=__version__,
        task=task.name,
        steps=steps,
        parts=list(parts),
        diverged=diverged,
    )


def _values(name, values):
    if isinstance(values, str) or not np.iterable(values) or not len(values):
        raise ValueError(f"{name}={values!r} is no list of values; give one or more, as [1.0]")
    limits = {"least": 0} if name == "weight_decay" else {"above": 0}
    for v in values:
        number(**limits, **{name: v})
    if len(set(values)) < len(values):
        raise ValueError(f"{name}={list(values)} names a value twice; give each once")
    return [float(v) for v in values]


def _last(seen):
    """The end of one cell of the sweep, with where alignment began."""
    end = seen.isel(step=-1, drop=True)
    if "alignment" in seen:
        end["initial"] = seen["alignment"].isel(step=0, drop=True)
        end["gain"] = end["alignment"] - end["initial"]
    return end


def _without(values, lost):
    """What is left where some nets are lost."""
    return values.where(~lost, "" if values.dtype.kind == "U" else np.nan)


def _grid(rows, axes):
    """Cells {values of the axes: Dataset} as one Dataset over the axes."""
    found = [cell.expand_dims({k: [v] for k, v in zip(axes, values, strict=True)})
             for values, cell in rows.items()]  # fmt: skip
    together = {"coords": "minimal", "compat": "override", "join": "outer"}
    return xr.combine_by_coords(found, combine_attrs="drop", **together).sel(axes)
