"""Which directions change sparsely? Independent components of increments: the first check."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from .._version import __version__
from ..formulas.laplace_transition import increment_shape
from ..options import whole
from ._slow_inputs import ROUNDING, moments, per, scales

__all__ = ["slow_ica"]

SPARSE = 1.7  # an exponent from there on is too near 2, the Gaussian, for axes to be told
KEY = 72  # of random streams
MOST_STEPS = 1000
TOLERANCE = 1e-8  # at 1e-4 starts near a saddle, where axes are turned by 45 degrees, end there


def slow_ica(
    x0: np.ndarray,
    x1: np.ndarray | None = None,
    *,
    lag: int | None = None,
    n_components: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""Directions along which increments are independent and not Gaussian: FastICA of x1 - x0.

    Where :math:`x = A z` and the latents z move by independent Laplace laws, the components are
    z up to order, sign and scale; where they move by Gaussian ones nothing tells the axes from
    their rotations (Klindt et al. 2021, ICLR, arXiv:2007.10930, where alpha = 2). The first thing
    to try before a deep model, and a baseline of it.

    Parameters
    ----------
    x0, x1 : (pair, feature)
        Two moments. With `x0` alone, (time, feature), the pairs are moments `lag` apart.
    lag : int, optional
        Of a series, 1 unless given.
    n_components : int, optional
        At most, of the first principal components of increments of features scaled to sd 1; by
        default as many as increments have dimensions.
    seed : int

    Returns
    -------
    Dataset
        ``unmixing`` (component, feature): ``x @ unmixing.T`` are the components, whose increments
        have variance 1. ``increment_shape`` (component): the exponent of each, 1 for a Laplace
        law, 2 for a Gaussian, most sparse first. attrs ``converged`` and ``notes``, which say where
        the axes cannot be told.

    Raises
    ------
    TypeError, ValueError
        Arrays are not real, not finite or not alike; nothing changes; an option is not possible or
        has no effect.

    Examples
    --------
    >>> from neurogeom.formulas.match import mcc
    >>> from neurogeom.sequences import mixed_pairs
    >>> own = mixed_pairs(3, 5000, n_layers=1)
    >>> found = slow_ica(own.x0, own.x1)
    >>> round(mcc(own.z0, own.x0 @ found.unmixing.values.T).value, 2), found.attrs["notes"]
    (1.0, [])
    """
    first, second = moments(x0, x1, lag)
    if first.ndim != 2:
        raise ValueError(f"x0 has {first.ndim} dimensions; give (pair, feature)")
    if n_components is not None:
        whole(1, n_components=n_components)
    whole(0, seed=seed)
    d = second - first
    size = np.maximum(np.abs(first), np.abs(second)).max(axis=0)
    d = np.where(np.abs(d).max(axis=0) > ROUNDING * size, d, 0)
    unmixing, converged = unmixed(d, seed, n_components)
    shape = np.array([increment_shape(own) for own in (d @ unmixing.T).T])
    order = np.argsort(shape, kind="stable")
    notes = [] if converged else [f"FastICA did not converge in {MOST_STEPS} steps"]
    if (few := int(np.isnan(shape).sum())) > 0:
        notes.append(f"{few} of {len(shape)} components move in fewer than ten pairs, which tell "
                     "no exponent")  # fmt: skip
    gaussian = int((shape >= SPARSE).sum())
    if gaussian:
        notes.append(f"increments of {gaussian} of {len(shape)} components are nearly Gaussian "
                     f"(exponent {SPARSE} or more): their axes cannot be told")  # fmt: skip
    return xr.Dataset(
        {
            "unmixing": (("component", "feature"), unmixing[order]),
            "increment_shape": ("component", shape[order]),
        },
        attrs={
            "measure": "slow_ica", "n_pairs": len(d), "converged": bool(converged), "seed": seed,
            "notes": notes, "version": __version__,
        },
    )  # fmt: skip


def unmixed(d, seed, n_components=None):
    """Unmixing matrix (component, feature) of increments d (pair, feature); whether it converged.

    Increments are symmetric, so their mean is left in: it is no part of the law. Each feature is
    scaled by its own, so that nothing hangs on units.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    spread = scales(d)[1][0]
    d = d * per(spread)
    sizes = np.linalg.svd(d - d.mean(axis=0), compute_uv=False)
    rank = int((sizes > sizes[:1].max(initial=0) * 1e-7).sum())
    if not rank:
        raise ValueError("no feature changes from the first moment to the second, or each by one "
                         "and the same step in all pairs; give pairs that differ")  # fmt: skip
    drawn = np.random.SeedSequence(seed, spawn_key=(KEY,)).generate_state(1)[0]
    ica = FastICA(min(rank, n_components or rank), whiten="unit-variance", max_iter=MOST_STEPS,
                  tol=TOLERANCE, random_state=int(drawn))  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        ica.fit(d)
    return ica.components_ * per(spread), not any(
        issubclass(w.category, ConvergenceWarning) for w in caught
    )
