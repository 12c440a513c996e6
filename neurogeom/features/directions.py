"""Directions of a population that may mean more than its neurons, and whether they do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .. import options
from ..activity import from_arrays, sessions
from ._responses import responses
from .encoders import FISTA
from .learn_dictionary import learn_dictionary

__all__ = ["Directions", "find_directions"]

CODES = ("projection", "distance")
N_STARTS = 10  # of k-means
BIG = 10**8  # stimuli x neurons x directions above which k-means takes batches
PENALTY = 0.1  # of codes of responses of length 1
ICA = {"max_iter": 1000, "tol": 1e-4}
SAME_DIGITS = 9  # of responses that are counted once
KEY = 74  # of random streams
NEURONS = "neurons"

Encode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Directions:
    """Directions in the space of neurons, and the code of a response along each.

    vectors : DataArray (direction, neuron) of length 1, with the ids of the neurons
    method : how they were found; stimulus : trial coordinate that names it, or None
    encode : responses (stimulus, neuron) to codes (stimulus, direction)
    """

    vectors: xr.DataArray
    method: str
    stimulus: str | None
    encode: Encode

    def transform(self, x: Any) -> xr.DataArray:
        """The codes of activity, in the same container: trials are stimuli, neurons directions.

        Neurons that are not of the directions do not matter, whatever their responses.

        Raises
        ------
        ValueError
            A neuron of the directions is not there.
        """
        wanted = list(zip(self.vectors.session.values, self.vectors.unit_id.values, strict=True))
        known, given = set(wanted), sessions(x)
        alone = len(given) == len({session for session, _ in wanted}) == 1  # whatever its name
        kept, have = [], {}
        for own in given:
            session = wanted[0][0] if alone else str(own.session.values)
            keys = [(session, unit) for unit in own.unit_id.values.astype(str)]
            # a neuron that was left out may have no response to a stimulus
            mine = [i for i, key in enumerate(keys) if key in known]
            have |= {keys[i]: len(have) + place for place, i in enumerate(mine)}
            kept += [own.isel(neuron=mine)] if mine else []
        columns = [have.get(key, -1) for key in wanted]
        if min(columns) < 0:
            unit = wanted[columns.index(-1)][1]
            raise ValueError(f"neuron {unit} of the directions is not in this activity; give the "
                             "neurons that they were found in")  # fmt: skip
        found = responses(kept, self.stimulus, None, 0)
        codes = self.encode(found.values[:, columns])
        trial = {"trial_id": found.labels} | (
            {self.stimulus: found.labels} if self.stimulus else {}
        )
        return from_arrays(codes, trial, session=self.method, units="a.u.")


def find_directions(
    x: Any,
    *,
    method: str | Callable = "kmeans",
    n: int | None = None,
    stimulus: str | None = None,
    normalise: bool = True,
    code: str = "projection",
    penalty: float | None = None,
    least_reliability: float | None = 0.3,
    seed: int = 0,
) -> Directions:
    """Directions in which a population may be read, from its mean responses to stimuli.

    | method | direction | code |
    |---|---|---|
    | "kmeans" | centre of a cluster of responses | projection on it |
    | "pca" | principal component | projection, centred |
    | "ica" | column of the mixing matrix | source |
    | "sparse" | atom of a dictionary of non-negative codes | its coefficient |
    | "random" | Gaussian | projection |
    | "neurons" | each neuron | its response |
    | callable | what it returns | projection |

    Parameters
    ----------
    x : DataArray or list of them
    method : str, or callable(responses (stimulus, neuron), n, seed) to vectors (direction, neuron)
        K-means takes the population's response for one feature at a time, which is so where few are
        active, and finds more features than there are neurons. Signs of principal and independent
        components are arbitrary: here their codes are skewed to above 0.
    n : int, optional
        How many; by default as many as neurons, or as can be had: of "pca" and "ica" the rank of
        the centred responses (less than the neurons where some are silent or copies, or stimuli are
        few), of "kmeans" and "sparse" the number of different responses. "neurons" takes none.
    stimulus : str, optional
        The trial coordinate that names the stimulus; None: every trial is one.
    normalise : bool
        Responses to a stimulus of length 1 ("kmeans", "sparse" and a callable, which else cluster
        by strength), neurons in units of their sd ("pca", "ica"). Codes are of the same.
    code : {"projection", "distance"}
        Of "kmeans": minus the distance from the centre, which says the same of responses of length
        1 and is needed without.
    penalty : float, optional
        Of "sparse" (:func:`learn_dictionary`), on the sum of codes; 0.1 by default.
    least_reliability : float or None
        Neurons below are left out (:func:`interpretability`).
    seed : int

    Returns
    -------
    Directions

    Raises
    ------
    ValueError
        More directions than can be had; an option has no effect; as :func:`interpretability`.

    Source: Klindt et al. 2023, arXiv:2310.11431 (k-means of responses, the authors' code).

    Examples
    --------
    Four features in three neurons, one at a time:

    >>> import neurogeom as ng
    >>> features = np.tile(np.eye(4), (25, 1))
    >>> mixed = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1.0]])
    >>> x = ng.from_arrays(features @ mixed.T)
    >>> found = ng.features.find_directions(x, n=4)
    >>> sorted(found.vectors.values.round(2).tolist())
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.58, 0.58, 0.58], [1.0, 0.0, 0.0]]
    >>> found.transform(x).shape
    (100, 4)
    """
    found = responses(x, stimulus, least_reliability, seed)
    usable = found.reliable
    if not usable.any():
        raise ValueError("no neuron is reliable; lower least_reliability")
    h = found.values[:, usable]
    vectors, encode = fitted(h, method, n, normalise, code, penalty, seed)
    name = method if isinstance(method, str) else getattr(method, "__name__", "callable")
    coords = {
        "unit_id": ("neuron", found.unit_id[usable]),
        "session": ("neuron", found.session[usable]),
    }
    attrs = found.attrs(least_reliability if stimulus else None) | {
        "method": name, "normalise": int(normalise), "seed": seed,
    }  # fmt: skip
    array = xr.DataArray(vectors, coords, ("direction", "neuron"), "directions", attrs)
    return Directions(array, name, stimulus, encode)


def fitted(h, method, n, normalise, code, penalty, seed, capped=False) -> tuple[np.ndarray, Encode]:
    """Vectors of length 1 (direction, neuron), and the function from responses to codes.

    h : (stimulus, neuron); capped : whether n components beyond the rank become as many as it
    """
    options.switch(normalise=normalise)
    options.one_of(CODES, code=code)
    if not callable(method):
        options.one_of(METHODS, method=method)
    if code != "projection" and method != "kmeans":
        raise ValueError(f'code={code!r} has no effect on method={method!r}; it is of "kmeans"')
    if penalty is not None and method != "sparse":
        raise ValueError(f'penalty has no effect on method={method!r}; it is of "sparse"')
    if n is not None:
        options.whole(1, n=n)
        if method == NEURONS:
            raise ValueError(f'n={n} has no effect on method="neurons", of which each is a '
                             "direction; leave n out")  # fmt: skip
    n_neurons = h.shape[1]
    if not _spread(h).any():
        raise ValueError("no neuron responds differently to any two stimuli, so that there is no "
                         "direction to find; leave such neurons out")  # fmt: skip
    if method in COMPONENTS:
        return _components(h, method, n, normalise, seed, capped)
    if method in ("kmeans", "sparse"):
        rows = _rows(h, normalise)
        most = _different(rows[rows.any(axis=1)] if method == "sparse" else rows)  # 0 is no atom
        n = _number(n, h, method, most, f"{most} different responses")
    n = n_neurons if n is None else n
    if callable(method):
        vectors = options.reals("what method returned", method(_rows(h, normalise), n, seed))
        if vectors.ndim != 2 or vectors.shape[1] != n_neurons or not np.isfinite(vectors).all():
            raise ValueError(f"method returned an array of shape {vectors.shape}; return finite "
                             f"(direction, {n_neurons})")  # fmt: skip
        vectors = _unit(vectors)
        return vectors, lambda own: _rows(own, normalise) @ vectors.T
    if method == "kmeans":
        return _kmeans(h, n, normalise, code, seed)
    if method == "sparse":
        return _sparse(h, n, normalise, penalty, seed)
    return METHODS[method](h, n, normalise, seed)


def _number(n, h, method, most, what):
    """How many directions: as asked, or as many as neurons where so many can be had."""
    if n is not None and n > most:
        raise ValueError(f"n={n} directions by {method!r} of {h.shape[0]} stimuli and {h.shape[1]} "
                         f"neurons, with {what}; give at most {most}")  # fmt: skip
    return min(h.shape[1], most) if n is None else n


def _different(rows):
    """How many rows differ by more than rounding."""
    scale = np.abs(rows).max()
    return len(np.unique(np.round(rows / scale, SAME_DIGITS) + 0.0, axis=0))


def _neurons(h, n, normalise, seed):
    return np.eye(h.shape[1]), lambda own: own


def _random(h, n, normalise, seed):
    vectors = _unit(_rng(seed, 0).standard_normal((n, h.shape[1])))
    return vectors, lambda own: own @ vectors.T


def _kmeans(h, n, normalise, code, seed):
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind = KMeans if h.size * n <= BIG else MiniBatchKMeans
    rows = _rows(h, normalise)
    model = kind(n, n_init=N_STARTS, random_state=_state(seed, 1))
    centres = _fit(model, rows).cluster_centers_
    if code == "distance":
        from scipy.spatial.distance import cdist

        return _unit(centres), lambda own: -cdist(_rows(own, normalise), centres)
    return _unit(centres), lambda own: _rows(own, normalise) @ centres.T


def _components(h, method, n, normalise, seed, capped):
    """Directions in the space that the centred responses span, whose dimensions are their rank."""
    spread, mean = _spread(h), h.mean(axis=0)
    unit = np.where(spread > 0, spread if normalise else 1.0, 0.0)
    weight = np.divide(1.0, unit, out=np.zeros_like(unit), where=unit > 0)
    _, size, axes = np.linalg.svd((h - mean) * weight, full_matrices=False)
    # a baseline is subtracted with an error of its own size
    axes = axes[size > _rounding(h) * max(size[0], np.abs(h * weight).max())]
    rank = len(axes)
    n = min(n, rank) if capped and n else n
    n = _number(n, h, method, rank, f"centred responses of rank {rank}")
    vectors, encode = COMPONENTS[method]((h - mean) * weight, axes, n, seed)
    return _oriented(vectors * unit, h, lambda own: encode((own - mean) * weight))


def _pca(rows, axes, n, seed):
    return axes[:n], lambda own: own @ axes[:n].T


def _ica(rows, axes, n, seed):
    from sklearn.decomposition import FastICA

    if len(axes) == rows.shape[1]:
        axes = np.eye(len(axes))  # nothing to leave out
    model = FastICA(n, whiten="unit-variance", random_state=_state(seed, 2), **ICA)
    _fit(model, rows @ axes.T)
    return model.mixing_.T @ axes, lambda own: model.transform(own @ axes.T)


def _sparse(h, n, normalise, penalty, seed):
    penalty = PENALTY if penalty is None else penalty
    learned = learn_dictionary(_rows(h, normalise), n, penalty=penalty, seed=seed)
    encoder = FISTA(penalty)
    return learned.dictionary.atoms, lambda own: encoder.encode(
        _rows(own, normalise), learned.dictionary
    )


COMPONENTS: dict[str, Callable] = {"pca": _pca, "ica": _ica}
METHODS: dict[str, Callable] = {
    "kmeans": _kmeans, **COMPONENTS, "sparse": _sparse, "random": _random, NEURONS: _neurons,
}  # fmt: skip


def _fit(model, rows):
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter here
        return model.fit(rows)


def _oriented(vectors, h, encode):
    """Signs such that codes are skewed to above 0."""
    codes = encode(h)
    sign = np.where(((codes - codes.mean(axis=0)) ** 3).sum(axis=0) < 0, -1.0, 1.0)
    return _unit(vectors) * sign[:, None], lambda own: encode(own) * sign


def _rows(h, normalise):
    """Responses to every stimulus of length 1, in any units; none stays none."""
    return _unit(h) if normalise else h


def _unit(vectors):
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def _spread(h):
    """Standard deviation of every neuron, 0 where it is no more than rounding."""
    spread = h.std(axis=0)
    return np.where(spread > _rounding(h) * np.abs(h).max(axis=0), spread, 0.0)


def _rounding(h):
    return max(h.shape) * np.finfo(float).eps


def _rng(seed, key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, key)))


def _state(seed, key):
    return int(_rng(seed, key).integers(2**31))
