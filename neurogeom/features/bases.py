"""Are directions more interpretable than neurons? Found on some stimuli, scored on others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import options
from .._version import __version__
from ..engine.multiplicity import rank_p
from ..formulas.match import cosine, match
from ._index import Index, checked, meaning, size
from ._responses import responses
from .directions import METHODS, NEURONS, fitted
from .similarity_metrics import percept

__all__ = ["compare_bases"]

KEY = 75  # of random streams
LEAST_PAIRS = 5


def compare_bases(
    x: Any,
    stimuli: Any,
    *,
    methods: Sequence[str | Callable] = ("kmeans", "pca", "ica", "random"),
    n: int | None = None,
    kind: str = "mei",
    stimulus: str | None = None,
    metric: Any = None,
    normalise: bool = True,
    n_exciting: int = 9,
    n_trials: int = 20,
    n_references: int = 9,
    quantile: float = 0.0,
    least_reliability: float | None = 0.3,
    n_null: int = 199,
    seed: int = 0,
) -> xr.Dataset:
    """Are the directions that a method finds more interpretable than neurons?

    Directions are fitted to a random half of the stimuli, and the index is of the other half, so
    that a method which fits chance gains nothing. Of many directions one is interpretable by
    chance: ``best`` is held against the best of as many units of the null.

    Parameters
    ----------
    x, stimuli, kind, stimulus, metric, n_exciting, n_trials, n_references, quantile,
    least_reliability, n_null
        As in :func:`interpretability`.
    methods : sequence
        Of :func:`find_directions`, besides neurons, which come first.
    n : int, optional
        Directions of each ("pca", "ica": at most as many as the rank of the responses); None: as
        many as neurons, or as can be had.
    normalise : bool
    seed : int
        Of the halves and of all else.

    Returns
    -------
    Dataset over ``basis``

    - ``estimate``, the mean index of its directions, ``null`` (surrogate, basis) and ``p_value``:
      responses dealt to other stimuli, all neurons alike;
    - ``best``, ``null_best``, ``p_best``: the same of the largest index;
    - ``gain``: ``estimate`` less that of the neurons; ``p_unpaired`` (Mann-Whitney, directions
      against neurons) and ``p_paired`` (Wilcoxon, each neuron with the direction along it, one to
      one by the largest cosines). Both are one-sided, and count neurons and directions of one
      population as independent, which they are not: claim a gain from several populations.
    - ``index`` (basis, direction), ``neuron`` (basis, direction): the neuron that it is most
      along, and ``cosine`` with it; NaN and -1 beyond their number ``n_directions``.

    Raises
    ------
    ValueError
        As :func:`interpretability` and :func:`find_directions`; halves are too small.

    Source: Klindt et al. 2023, arXiv:2310.11431.

    Examples
    --------
    24 features in 12 neurons:

    >>> import neurogeom as ng
    >>> seen = ng.features.textures(1200)
    >>> mixed = np.random.default_rng(0).standard_normal((24, 12))
    >>> x = ng.from_arrays(seen.features @ mixed)
    >>> found = ng.features.compare_bases(x, seen.images, methods=["kmeans"], n=24, n_null=19)
    >>> found.basis.values.tolist(), found.estimate.values.round(1).tolist()
    (['neurons', 'kmeans'], [-0.6, -0.1])
    """
    options.whole(0, n_null=n_null)
    names = _named(methods)
    found = responses(x, stimulus, least_reliability, seed)
    seen = percept(stimuli, metric, found.labels, stimulus or "trial")
    n_stimuli = len(found.labels)
    task = checked(kind, n_exciting, n_trials, n_references, quantile, n_stimuli)
    h = found.values[:, found.reliable]
    if not h.shape[1]:
        raise ValueError("no neuron is reliable; lower least_reliability")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    half = rng.permutation(n_stimuli)
    train, test = (np.sort(part) for part in np.split(half, [n_stimuli // 2]))
    task, held_out = task.of(test), seen.of(test)
    scored = []
    for method in names.values():
        own = None if n is None or method == NEURONS else n
        vectors, encode = fitted(
            h[train], method, own, normalise, "projection", None, seed, capped=True
        )
        index = Index(task, encode(h[test]), held_out, seed)
        value = np.where(index.enough, index.scored()[0], np.nan)
        scored.append((vectors, value, np.where(index.enough, index.null(n_null), np.nan)))
    result = _table(list(names), scored, n_null)
    result.attrs = found.attrs(least_reliability if stimulus else None) | {
        "measure": "compare_bases",
        "kind": kind,
        "estimand": f"mean index of directions at {len(test)} stimuli on which they were not "
        f"found, {size(task)}",
        **meaning(kind, seen),
        "direction": "higher is more interpretable",
        "n_stimuli_fitted": len(train),
        "n_stimuli_scored": len(test),
        "n_null": n_null,
        "seed": seed,
        "notes": ["p_paired and p_unpaired count the units of one population as independent"],
        "version": __version__,
    }
    return result


def _named(methods):
    if isinstance(methods, str) or not len(methods):
        raise ValueError(f"methods={options.shown(methods)} is no list; give some of "
                         f"{sorted(METHODS)}")  # fmt: skip
    names: dict = {NEURONS: NEURONS}
    for i, method in enumerate(methods):
        if callable(method):
            names[f"{getattr(method, '__name__', 'callable')} {i}"] = method
        else:
            options.one_of(METHODS, methods=method)
            names[method] = method
    return names


def _table(names, scored, n_null):
    values = [value for _, value, _ in scored]
    most, first = max(map(len, values)), scored[0]
    nothing = np.full(n_null, np.nan)
    rows = []
    for vectors, value, null in scored:
        ok = np.isfinite(value)
        along = cosine(vectors, first[0])
        row = {
            "estimate": value[ok].mean() if ok.any() else np.nan,
            "best": value[ok].max() if ok.any() else np.nan,
            "null": null[:, ok].mean(axis=1) if ok.any() else nothing,
            "null_best": null[:, ok].max(axis=1) if ok.any() else nothing,
            "index": _filled(value, most, np.nan),
            "neuron": _filled(along.argmax(axis=1), most, -1),
            "cosine": _filled(along.max(axis=1), most, np.nan),
            "n_directions": len(value),
        }
        row["p_unpaired"], row["p_paired"] = _tests(value, first[1], along)
        rows.append(row)
    dims = {"index": ("direction",), "neuron": ("direction",), "cosine": ("direction",)}
    table = {
        key: (("basis", *dims.get(key, ())), np.stack([row[key] for row in rows]))
        for key in rows[0] if not key.startswith("null")
    }  # fmt: skip
    for key in ("null", "null_best"):
        table[key] = (("surrogate", "basis"), np.stack([row[key] for row in rows], axis=1))
    for key, of, null in (("p_value", "estimate", "null"), ("p_best", "best", "null_best")):
        p = rank_p(table[of][1], table[null][1], alternative="greater")
        table[key] = ("basis", p if n_null else np.full(len(rows), np.nan))
    estimate = table["estimate"][1]
    table["gain"] = ("basis", estimate - estimate[0])
    return xr.Dataset(table, {"basis": names})


def _filled(values, most, empty):
    found = np.full(most, empty)
    found[: len(values)] = values
    return found


def _tests(value, neurons, along):
    """One-sided p of directions against neurons: all, and pairs; NaN for the neurons themselves."""
    from scipy.stats import mannwhitneyu, wilcoxon

    if value is neurons:
        return np.nan, np.nan
    known = [v[np.isfinite(v)] for v in (value, neurons)]
    unpaired = paired = np.nan
    if min(map(len, known)):
        unpaired = float(mannwhitneyu(*known, alternative="greater").pvalue)
    pairs = match(along)
    lead = value[pairs.true] - neurons[pairs.found]
    lead = lead[np.isfinite(lead)]
    if len(lead) >= LEAST_PAIRS and lead.any():
        paired = float(wilcoxon(lead, alternative="greater").pvalue)
    return unpaired, paired
