r"""What is each unit for? Task variance; and how few units, or conditions, share the activity.

Task variance (Yang et al. 2019, Nat Neurosci 22:297) is the variance of a unit over the conditions
of one task at one time, averaged over time. Units whose task variances rise in the same tasks form
the clusters that such networks have. Divided by a unit's largest one it lies between 0 and 1.

In a network without noise every trial may be a condition. Where trials are noisy the variance over
trials is mostly noise; the conditions are then named, and the noise that is left in their means
is subtracted (derived here: unbiased, and negative as often as positive where a unit has no task
variance).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..columns import is_missing, plain_values

__all__ = ["sparsity", "task_variance"]


def task_variance(
    activity: Any,
    *,
    by: str = "task",
    conditions: Sequence[str] = (),
    silent: float = 1e-3,
) -> xr.Dataset:
    """In which tasks does each unit vary with the condition?

    Parameters
    ----------
    activity : activity with dims (trial, neuron[, time]), or a mapping of tasks to such, or arrays
        With one activity the coordinate `by` names the task of a trial. Tasks of a mapping may
        differ in trials and times, and must have the same units in the same order. Bins in which a
        unit was not observed (NaN) are left out, and so are trials without any such bin; choose
        times before (Yang et al. leave out the fixation). Trials without a label (NaN or "") of
        task or condition are left out and counted in ``attrs["unlabelled"]``.
    by : str
        Coordinate with the task.
    conditions : sequence of str
        Coordinates that make the conditions of a task. The variance is over means of conditions
        then, without their noise; there must be two trials in each. Without names every trial
        counts as a condition without noise.
    silent : float
        Units whose variances sum to less over all tasks have no normalised values (Yang et al.).

    Returns
    -------
    Dataset
        ``task_variance`` (task, neuron), squared units of the activity, variance with 1 / n as of
        all conditions that there are, NaN where a unit was not observed in every condition, or on
        fewer than two trials; ``normalised`` (task, neuron): over the unit's largest of the tasks
        in which it is known, at most 1, NaN where the unit is silent.

    Raises
    ------
    ValueError, KeyError
        A coordinate is missing, units differ between tasks, activity is infinite, a task has fewer
        than two conditions, or a condition fewer than two trials.

    Examples
    --------
    >>> found = task_variance({"go": [[0.0, 1.0], [2.0, 1.0]], "anti": [[0.0, 0.0], [1.0, 4.0]]})
    >>> found.task_variance.values.tolist()
    [[1.0, 0.0], [0.25, 4.0]]
    >>> found.normalised.values.tolist()
    [[1.0, 0.0], [0.25, 1.0]]
    """
    tasks, unlabelled = _tasks(activity, by), 0
    if isinstance(activity, xr.DataArray):
        unlabelled = activity.sizes["trial"] - sum(x.sizes["trial"] for x in tasks.values())
    found = []
    for name, x in tasks.items():
        labelled = _labelled(name, x, conditions)
        unlabelled += x.sizes["trial"] - labelled.sizes["trial"]
        found.append(_variance(name, labelled, conditions))
    found = np.stack(found)
    known = np.where(np.isfinite(found), found, -np.inf)  # a task that is not known hides no other
    largest = known.max(axis=0)
    active = (np.nansum(found, axis=0) >= silent) & (largest > 0)
    normalised = np.where(active, found / np.where(active, largest, 1.0), np.nan)
    first = next(iter(tasks.values()))
    return xr.Dataset(
        {
            "task_variance": (("task", "neuron"), found),
            "normalised": (("task", "neuron"), normalised),
        },
        {"task": list(tasks), **{k: v for k, v in first.coords.items() if v.dims == ("neuron",)}},
        {
            "measure": "task_variance",
            "conditions": list(conditions) or "every trial",
            "estimator": "noise of means subtracted" if conditions else "naive",
            "n_silent": int((~active).sum()),
            "unlabelled": int(unlabelled),
            "silent": silent,
        },
    )


def sparsity(rates: Any, *, axis: int = -1) -> np.ndarray:
    r"""How few units (or conditions) hold the activity? The measure of Vinje & Gallant.

    .. math:: S = \frac{1 - \langle r \rangle^2 / \langle r^2 \rangle}{1 - 1/n}

    0 where all are equally active, 1 where one alone is. Source: Vinje & Gallant 2000, Science
    287:1273; used of networks by Vafidis, Bhargava & Rangel (ICLR 2025, arXiv:2407.11249).

    Parameters
    ----------
    rates : array, from 0 on
    axis : int
        Over units: population sparsity of each trial; over conditions: lifetime sparsity of a unit.

    Returns
    -------
    array
        Without that axis, in [0, 1]; NaN where nothing is active or n is 1.

    Raises
    ------
    ValueError
        A rate is negative.

    Examples
    --------
    >>> sparsity([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 3.0, 0.0]]).tolist()
    [0.0, 1.0]
    """
    rates = np.asarray(rates, dtype=float)
    if (rates < 0).any():
        raise ValueError("a rate is negative; sparsity is of rates from 0 on, as a ReLU gives them")
    n = rates.shape[axis]
    square = np.mean(rates**2, axis=axis)
    defined = (square > 0) & (n > 1)
    share = np.mean(rates, axis=axis) ** 2 / np.where(defined, square, 1.0)
    return np.where(defined, (1.0 - share) / (1.0 - 1.0 / max(n, 2)), np.nan)


def _tasks(activity, by):
    """DataArrays (trial, neuron, time) by the name of the task."""
    if isinstance(activity, Mapping):
        tasks = {str(name): _with_time(name, x) for name, x in activity.items()}
        widths = {x.sizes["neuron"] for x in tasks.values()}
        if len(widths) != 1:
            raise ValueError(
                f"tasks have {sorted(widths)} units; pass at least one task, all of one network"
            )
        ids = [x.unit_id.values.tolist() for x in tasks.values() if "unit_id" in x.coords]
        if any(other != ids[0] for other in ids):
            raise ValueError("tasks have other units or another order of them; match unit_id first")
        return tasks
    if not isinstance(activity, xr.DataArray) or by not in activity.coords:
        have = sorted(map(str, getattr(activity, "coords", ())))
        raise KeyError(
            f"there is no coordinate {by!r} among {have}; name the task of each trial with by=, or "
            "pass a mapping of tasks"
        )
    of_trial = plain_values(by, activity[by].values)
    return {
        str(name): _with_time(name, activity.isel(trial=np.flatnonzero(of_trial == name)))
        for name in np.unique(of_trial[~is_missing(of_trial)])
    }


def _with_time(name, x):
    if not isinstance(x, xr.DataArray):
        x = np.asarray(x, dtype=float)
        if x.ndim not in (2, 3):
            raise ValueError(
                f"task {name!r} has shape {x.shape}; pass (trial, unit) or (trial, unit, time)"
            )
        x = xr.DataArray(x, dims=("trial", "neuron", "time")[: x.ndim])
    x = x if "time" in x.dims else x.expand_dims("time", axis=-1)
    if np.isinf(x.values).any():
        raise ValueError(
            f"task {name!r} holds infinite activity; put NaN where a unit was not observed"
        )
    return x.transpose("trial", "neuron", "time")


def _labelled(name, x, conditions):
    """The trials that have a label in every coordinate of the conditions."""
    missing = [part for part in conditions if part not in x.coords]
    if missing:
        raise KeyError(
            f"task {name!r} has no coordinates {missing}; it has {sorted(map(str, x.coords))}"
        )
    labelled = np.ones(x.sizes["trial"], bool)
    for part in conditions:
        labelled &= ~is_missing(plain_values(part, x[part].values))
    return x.isel(trial=labelled)


def _variance(name, x, conditions):
    """Mean over time of the variance over conditions, (neuron,)."""
    values = x.values.astype(float)
    if conditions:
        columns = [np.unique(x[part].values, return_inverse=True)[1] for part in conditions]
        cell = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].ravel()
    else:
        cell = np.arange(len(values))
    if cell.max(initial=0) < 1:
        raise ValueError(f"task {name!r} has fewer than two conditions, over which nothing varies")
    least = 2 if conditions else 1
    if np.bincount(cell).min() < least:
        raise ValueError(
            f"a condition of task {name!r} has one trial, which leaves its noise unknown; give two "
            "trials a condition, or name fewer coordinates in conditions"
        )
    of_bin = _between(values, cell, noisy=bool(conditions))
    seen = np.isfinite(of_bin)
    total = np.where(seen, of_bin, 0.0).sum(axis=-1)
    return np.where(seen.any(axis=-1), total / np.maximum(seen.sum(axis=-1), 1), np.nan)


def _between(values, cell, *, noisy):
    """Variance over the means of cells, (neuron, time); NaN where a cell is not observed enough."""
    seen = np.isfinite(values)
    filled = np.where(seen, values, 0.0)
    n, total = (
        np.stack([a[cell == c].sum(axis=0) for c in np.unique(cell)]) for a in (seen, filled)
    )
    means = total / np.maximum(n, 1)
    if not noisy:
        here = seen.any(axis=-1, keepdims=True)  # a trial that a unit lacks altogether is none
        enough = (seen | ~here).all(axis=0) & (here.sum(axis=0) > 1)
        count = np.maximum(here.sum(axis=0), 1)
        square = (means - means.sum(axis=0) / count) ** 2
        found = np.where(here, square, 0.0).sum(axis=0) / count
    else:
        enough = (n >= 2).all(axis=0)
        found = means.var(axis=0)
        within = np.where(seen, (filled - means[cell]) ** 2, 0.0)
        squares = np.stack([within[cell == c].sum(axis=0) for c in np.unique(cell)])
        squared_error = squares / np.maximum(n * (n - 1), 1)
        found = found - (1 - 1 / len(means)) * squared_error.mean(axis=0)
    return np.where(enough, found, np.nan)
