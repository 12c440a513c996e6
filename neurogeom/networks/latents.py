"""Units and latents as arrays over trials: what the metrics of generalisation are given."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr


def each(one: Callable, z: Any, latents: Any) -> xr.Dataset:
    """`one(units, latents, names)` of each activity; in a dim "activity" where they have names."""
    if not isinstance(z, Mapping):
        return one(*_read(z, latents, "z"))
    if not z:
        raise ValueError("the mapping of activities is empty; give at least one")
    found = [one(*_read(values, latents, name)) for name, values in z.items()]
    return xr.concat(found, xr.Variable("activity", [str(name) for name in z]), join="exact")


def trials_first(x: Any) -> Any:
    """An array with named dims in the order of the others here, whichever it had."""
    return x.transpose("trial", ...) if isinstance(x, xr.DataArray) and "trial" in x.dims else x


def _read(z, latents, name):
    """Units standardised as a whole, latents and the names of the latents.

    Trials are in the order of their latents (and units), so that what is drawn of them by a seed
    does not depend on the order in which they were given.
    """
    latents = [latents] if isinstance(latents, str) else latents
    z = trials_first(z)
    if not hasattr(latents, "dtype") and all(isinstance(part, str) for part in latents):
        of_trial = _of_trials(z)
        if not set(latents) <= set(of_trial):
            raise ValueError(
                f"{name!r} has no coordinates {list(latents)}; of trials it has {sorted(of_trial)}"
            )
        x, names = np.stack([of_trial[part] for part in latents], axis=1), list(latents)
    else:
        x = np.asarray(trials_first(latents))
        names = [f"x{i}" for i in range(x.shape[-1] if x.ndim else 0)]
    units, x = np.asarray(z, dtype=float), x.astype(float)
    if units.ndim != 2 or x.ndim != 2 or len(units) != len(x) or 0 in (*units.shape, *x.shape):
        raise ValueError(
            f"{name!r} has shape {units.shape} and the latents {x.shape}; pass (trial, unit) and "
            "(trial, latent) with the same trials, none empty, one time or one net at a time"
        )
    if not (np.isfinite(units).all() and np.isfinite(x).all()):
        raise ValueError(f"{name!r} or the latents are not finite; keep complete trials and units")
    tied = len(np.unique(x, axis=0)) < len(x)
    order = np.lexsort((np.column_stack([x, units]) if tied else x).T[::-1])
    units, x = units[order], x[order]
    spread = units.std()
    return (units - units.mean(axis=0)) / (spread if spread > 0 else 1.0), x, names


def _of_trials(z):
    """Columns of an activity that stand on its trials."""
    coords = z.coords.items() if isinstance(z, xr.DataArray) else ()
    return {str(name): c.values for name, c in coords if c.dims == z.dims[:1]}
