"""Do the stimuli that excite a neuron, or a direction of activity, look alike?"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import options
from .._version import __version__
from ..columns import kind_name, plain_values
from ..engine.multiplicity import max_statistic, rank_p
from ._index import indexed, meaning, size
from .similarity_metrics import classes, default_metric, in_order

__all__ = ["interpretability"]


def interpretability(
    x: Any,
    stimuli: Any,
    *,
    kind: str = "mei",
    stimulus: str | None = None,
    metric: Any = None,
    n_exciting: int = 9,
    n_trials: int = 20,
    n_references: int = 9,
    quantile: float = 0.0,
    labels: Any = None,
    groups: Any = None,
    min_gap: float = 0.0,
    least_reliability: float | None = 0.3,
    n_stimuli: int | None = None,
    n_null: int = 199,
    seed: int = 0,
) -> xr.Dataset:
    r"""How alike are the stimuli that excite each neuron most?

    Of each neuron (or direction: :func:`find_directions`) M are the K stimuli with the largest
    mean response. Similarity s is minus the squared distance of perceptual embeddings, or as given.

    - ``"mei"``, self-similarity of the most exciting inputs: mean of s over the pairs of M. It
      rises with the number of stimuli, since M gets closer to what the neuron likes best: compare
      data sets at equal ``n_stimuli``.
    - ``"2afc"``, two-alternative choice: T trials show a query from the top and one from the bottom
      of the responses, and R references of each end; s of queries and references is z-scored over
      the 4 R of a trial, and p = sigmoid of the mean over right pairs less that over wrong ones,
      both ends summed. Chance 0.5, at most sigmoid(4) = 0.982. ``accuracy`` is the share of trials
      above 0.5. The bottom of rates is all that is not the top, and blurs it: for spikes use the
      others.
    - ``"ooo"``, odd one out: share of all other stimuli whose mean similarity to M is less than
      that of the pairs of M. At most 1 less the share of stimuli that look like M; a random unit
      has less than 0.5.

    Parameters
    ----------
    x : DataArray or list of them
        Activity. Trials of one stimulus are averaged, by neuron. NaN is no response.
    stimuli : array or mapping of labels
        Images (stimulus, height, width[, channel]), an embedding (stimulus, feature) or a
        :class:`Similarity`, in order of the sorted labels of the stimuli. A data frame is read by
        row, whatever its index.
    kind : {"mei", "2afc", "ooo"}
    stimulus : str, optional
        The trial coordinate that names the stimulus; None: every trial is one (a network).
    metric : callable, optional
        Images to embedding; :class:`GaborEnergy` where images are given.
    n_exciting : int
        K, of "mei" and "ooo".
    n_trials, n_references, quantile : int, int, float
        T, R, and the share of stimuli left out at either end, which makes it harder. Of "2afc",
        which needs 4 T (R + 1) stimuli between.
    labels : (stimulus,) or boolean (stimulus, label), optional
        Classes; ``purity`` is the largest share of one among M. A stimulus of no class has a row
        without True.
    groups : (stimulus,), optional
        Clips of a movie, say: of each only one is in M.
    min_gap : float
        Labels of stimuli in M (numbers, such as frames) differ by that at least.
    least_reliability : float or None
        Neurons whose halves of trials correlate less over stimuli are not estimated, since noise
        looks like mixed meaning; Spearman-Brown stands beside. Asked where ``stimulus`` is named.
    n_stimuli : int, optional
        That many, drawn at random, in place of all.
    n_null : int
        Surrogates: responses of all neurons at once are dealt to other stimuli, so that they keep
        their distribution and their correlations.
    seed : int
        Of ties (ordered by one draw for all neurons), surrogates, queries and subsets.

    Returns
    -------
    Dataset over ``neuron``: ``estimate``; ``null`` (surrogate, neuron); ``z`` and ``p_value``
    (greater than the null), ``p_corrected`` (max-statistic over neurons); ``valid``, with
    ``attrs["reasons"]`` where not: unreliable, or fewer than K responses above the lowest one (and
    other than 0), so that M would be arbitrary; ``exciting`` (neuron, rank), places in
    ``label`` (stimulus), -1 for none; ``reliability``, ``spearman_brown``.

    Raises
    ------
    ValueError, KeyError, TypeError
        Stimuli, labels or groups are missing, of unequal shapes, of another kind, not finite or
        fewer than needed; similarities are not symmetric; a stimulus has fewer than two trials
        where reliability is asked for; a neuron has no response to a stimulus; an option has no
        effect on this kind.

    Source: Klindt, Sanborn, Acosta, Poitevin & Miolane 2023, arXiv:2310.11431; two-alternative
    choice after Zimmermann, Klein & Brendel 2023, arXiv:2307.05471, with the settings of the
    authors' code (their mean includes the diagonal of zeros, and is (K - 1) / K of "mei"); odd one
    out by the same group.

    Examples
    --------
    A neuron for one texture and one that sums six:

    >>> import neurogeom as ng
    >>> seen = ng.features.textures(600)
    >>> rates = np.stack([seen.features[:, 0], seen.features[:, :6].sum(axis=1)], axis=1)
    >>> found = ng.features.interpretability(ng.from_arrays(rates), seen.images, n_null=49)
    >>> found.estimate.values.round(2).tolist(), round(found.attrs["chance"], 1)
    ([-0.07, -0.5], -0.7)
    """
    options.whole(0, n_null=n_null)
    found, rows, index = indexed(
        x, stimuli, kind=kind, stimulus=stimulus, metric=metric, n_exciting=n_exciting,
        n_trials=n_trials, n_references=n_references, quantile=quantile, groups=groups,
        min_gap=min_gap, least_reliability=least_reliability, n_stimuli=n_stimuli, seed=seed,
    )  # fmt: skip
    member = None if labels is None else _members(labels, found.labels)
    usable = found.reliable & index.enough
    estimate, accuracy = (np.where(usable, v, np.nan) for v in index.scored())
    null = np.where(usable, index.null(n_null), np.nan)
    p = rank_p(estimate, null, alternative="greater") if n_null else np.full(len(estimate), np.nan)
    corrected = max_statistic(estimate, null, at_least=p) if n_null else p
    chosen = np.where((index.chosen >= 0) & usable[:, None], rows[index.chosen], -1)
    half = found.reliability
    result = xr.Dataset(
        {
            "estimate": ("neuron", estimate),
            "null": (("surrogate", "neuron"), null),
            "z": ("neuron", _z(estimate, null)),
            "p_value": ("neuron", p),
            "p_corrected": ("neuron", corrected),
            "valid": ("neuron", usable),
            "exciting": (("neuron", "rank"), chosen),
            "reliability": ("neuron", half),
            "spearman_brown": ("neuron", np.where(half > -1, 2 * half / (1 + half), np.nan)),
        },
        {
            "unit_id": ("neuron", found.unit_id),
            "session": ("neuron", found.session),
            "label": ("stimulus", found.labels),
        },
    )
    if kind == "2afc":
        result["accuracy"] = ("neuron", accuracy)
    if member is not None:
        share = member[chosen].mean(axis=1).max(axis=1)
        result["purity"] = ("neuron", np.where((chosen >= 0).all(axis=1), share, np.nan))
    result.attrs = found.attrs(least_reliability if stimulus else None) | {
        "measure": "interpretability",
        "kind": kind,
        "estimand": f"index of each neuron at {len(rows)} stimuli, {size(index.task)}",
        **meaning(kind, index.seen),
        "chance": 0.5 if kind == "2afc" else _mean(null),
        "direction": "higher is more interpretable",
        "metric": _metric_name(metric, stimuli),
        "n_stimuli": len(rows),
        "n_null": n_null,
        "seed": seed,
        "reasons": _reasons(found, index),
        "notes": ["values at different numbers of stimuli do not compare"],
        "version": __version__,
    }
    return result


def _z(estimate, null):
    if len(null) < 2:
        return np.full(len(estimate), np.nan)
    spread = null.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore"):
        return np.where(spread > 0, (estimate - null.mean(axis=0)) / spread, np.nan)


def _members(labels, stimuli):
    """Whether each stimulus is of each class, bool (stimulus, class)."""
    given = in_order(labels, stimuli, "labels")
    found = plain_values("labels", given)
    if found.ndim == 1:
        found = classes("labels", found, stimuli)
        return found[:, None] == np.unique(found)
    if found.ndim != 2 or found.dtype.kind != "b" or not found.shape[1]:
        raise ValueError(f"labels are {kind_name(found)} of shape {found.shape}; give one class a "
                         "stimulus, or booleans (stimulus, label), as in labels > 0")  # fmt: skip
    return found


def _metric_name(metric, stimuli):
    if metric is not None:
        return options.shown(metric)
    return "GaborEnergy()" if default_metric(stimuli) else "given"


def _reasons(found, index):
    reasons = {}
    for i, unit in enumerate(found.unit_id):
        name = f"{found.session[i]}/{unit}"
        if not found.reliable[i]:
            reasons[name] = f"halves of its trials correlate {found.reliability[i]:.2f}"
        elif not index.enough[i]:
            reasons[name] = f"fewer than {index.needed} responses above its lowest"
    return reasons


def _mean(null):
    """Of the draws there are, NaN without any."""
    known = null[np.isfinite(null)]
    return float(known.mean()) if known.size else np.nan
