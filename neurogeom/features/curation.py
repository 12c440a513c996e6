"""How many different things do units stand for? Those that say the same are counted once."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import options
from .._version import __version__
from ..engine.multiplicity import rank_p
from ..kernels import interpretability as kernels
from ._index import indexed

__all__ = ["cross_odd_one_out", "curate"]


def cross_odd_one_out(
    x: Any,
    stimuli: Any,
    *,
    stimulus: str | None = None,
    metric: Any = None,
    n_exciting: int = 9,
    groups: Any = None,
    min_gap: float = 0.0,
    least_reliability: float | None = 0.3,
    seed: int = 0,
) -> xr.DataArray:
    """Do two units like different stimuli? 0.5 where they like the same, 1 where they do not.

    The share of the 2 K stimuli that excite either most which are more like the others of their
    own unit than like those of the other unit; ties count half, and no stimulus is held against
    itself.

    Parameters
    ----------
    x, stimuli, stimulus, metric, n_exciting, groups, min_gap, least_reliability, seed
        As in :func:`interpretability`.

    Returns
    -------
    DataArray (neuron, other), symmetric, the diagonal 0.5; NaN where a unit is not valid.

    Raises
    ------
    ValueError
        As :func:`interpretability`.

    Source: after the cross odd-one-out score of the group of Klindt (known to us from a summary).

    Examples
    --------
    Two units of one texture and one of another:

    >>> import neurogeom as ng
    >>> seen = ng.features.textures(600)
    >>> x = ng.from_arrays(seen.features[:, [0, 0, 3]])
    >>> cross_odd_one_out(x, seen.images).values.tolist()
    [[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [1.0, 1.0, 0.5]]
    """
    found, _, index = indexed(
        x, stimuli, stimulus=stimulus, metric=metric, n_exciting=n_exciting, groups=groups,
        min_gap=min_gap, least_reliability=least_reliability, seed=seed,
    )  # fmt: skip
    usable = np.flatnonzero(found.reliable & index.enough)
    values = np.full((len(found.unit_id),) * 2, np.nan)
    values[np.ix_(usable, usable)] = _cross(index, index.chosen[usable])
    coords = {"unit_id": ("neuron", found.unit_id), "session": ("neuron", found.session)}
    attrs = {"measure": "cross_odd_one_out", "chance": 0.5, "range": [0.0, 1.0]}
    return xr.DataArray(values, coords, ("neuron", "other"), "cross_odd_one_out", attrs)


def curate(
    x: Any,
    stimuli: Any,
    *,
    threshold: float = 0.8,
    stimulus: str | None = None,
    metric: Any = None,
    n_exciting: int = 9,
    groups: Any = None,
    min_gap: float = 0.0,
    least_reliability: float | None = 0.3,
    n_null: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """How many different interpretable features are there among units?

    Units are taken in order of their odd-one-out index; one is kept if the index is `threshold`
    or more, and so is its cross index with all that were kept before.

    Parameters
    ----------
    x, stimuli, stimulus, metric, n_exciting, groups, min_gap, least_reliability, n_null, seed
        As in :func:`interpretability`.
    threshold : float

    Returns
    -------
    Dataset: ``estimate``, the number kept; ``null`` (surrogate,) and ``p_value``, the number among
    units whose responses were dealt to other stimuli, and whether there are more; over ``neuron``
    ``odd_one_out``, ``kept``, ``like`` (the place of the kept unit that it repeats, its own if
    kept, -1 if below `threshold`).

    Raises
    ------
    ValueError
        As :func:`interpretability`.

    Examples
    --------
    Three textures, each twice, and noise:

    >>> import neurogeom as ng
    >>> seen = ng.features.textures(600)
    >>> noise = np.random.default_rng(0).standard_normal((600, 4))
    >>> x = ng.from_arrays(np.hstack([seen.features[:, [0, 3, 9, 0, 3, 9]], noise]))
    >>> found = curate(x, seen.images, n_null=19)
    >>> int(found.estimate), float(found.null.mean()) < 1, float(found.p_value)
    (3, True, 0.05)
    """
    options.number(0, 1, threshold=threshold)
    options.whole(0, n_null=n_null)
    found, _, index = indexed(
        x, stimuli, stimulus=stimulus, metric=metric, n_exciting=n_exciting, groups=groups,
        min_gap=min_gap, least_reliability=least_reliability, seed=seed,
    )  # fmt: skip
    usable = found.reliable & index.enough
    score = np.where(usable, index.scored()[0], np.nan)
    like = _kept(index, index.chosen, score, threshold)
    kept = like == np.arange(len(like))
    null = []
    for own, chosen in index.dealt(n_null):
        score_null = np.where(usable, own, np.nan)
        null.append(np.sum(_kept(index, chosen, score_null, threshold) == np.arange(len(like))))
    estimate, null = float(kept.sum()), np.array(null, float)
    p = float(rank_p(estimate, null, alternative="greater")) if n_null else np.nan
    return xr.Dataset(
        {
            "estimate": estimate,
            "null": ("surrogate", null),
            "p_value": p,
            "odd_one_out": ("neuron", score),
            "kept": ("neuron", kept),
            "like": ("neuron", like),
        },
        {"unit_id": ("neuron", found.unit_id), "session": ("neuron", found.session)},
        found.attrs(least_reliability if stimulus else None)
        | {
            "measure": "curate",
            "estimand": f"units of odd-one-out index and cross index {threshold:g} or more",
            "chance": float(null.mean()) if n_null else np.nan,
            "range": [0.0, float(len(like))],
            "direction": "higher is more different features",
            "n_null": n_null,
            "seed": seed,
            "version": __version__,
        },
    )


def _kept(index, chosen, score, least):
    """Of every unit the kept one that it repeats, itself, or -1, int (unit,)."""
    like = np.full(len(score), -1)
    order = np.argsort(np.where(np.isfinite(score), -score, np.inf), kind="stable")
    order = order[score[order] >= least]  # NaN is not
    if not len(order):
        return like
    cross = _cross(index, chosen[order])
    kept: list[int] = []
    for i in range(len(order)):
        same = [k for k in kept if cross[i, k] < least]
        like[order[i]] = order[same[int(np.argmin(cross[i, same]))]] if same else order[i]
        if not same:
            kept.append(i)
    return like


def _cross(index, chosen):
    return kernels.cross_odd_one_out(*index.seen, np.ascontiguousarray(chosen))
