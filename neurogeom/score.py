"""The main job: one population, all its measures, one tree of results."""

import time
from collections.abc import Callable
from inspect import signature

import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .design import EMPTY, variable_names
from .engine.setting import NothingToAsk, setting
from .linked import interaction_effect
from .measures.ccgp import ccgp
from .measures.decoding import decoding
from .measures.demixed import dpca
from .measures.dimensionality import dimensionality
from .measures.implementable import implementable
from .measures.interference import interference
from .measures.parallelism import parallelism
from .measures.selectivity import selectivity
from .measures.shattering import shattering
from .measures.subspaces import subspaces
from .measures.target_alignment import target_alignment

DEFAULT = ("decoding", "ccgp", "shattering", "parallelism")
MEASURES: dict[str, Callable] = {
    "decoding": decoding,
    "ccgp": ccgp,
    "shattering": shattering,
    "parallelism": parallelism,
    "dimensionality": dimensionality,
    "dpca": dpca,
    "implementable": implementable,
    "interaction_effect": interaction_effect,
    "interference": interference,
    "selectivity": selectivity,
    "subspaces": subspaces,
    "target_alignment": target_alignment,
}
# What goes by the same name in another sense: nulls other than those of CCGP and parallelism, the
# folds of dPCA.
ALONE = {
    name: {"null"} | ({"n_resamples"} if name == "dpca" else set())
    for name in MEASURES
    if name not in ("ccgp", "parallelism")
}


def score(x, variables, *, measures=None, progress=None, **options) -> xr.DataTree:
    """What is the geometry of this population, and how sure is each number?

    Parameters
    ----------
    x : DataArray (trial, neuron[, time]) or list of them
        Sessions of a recording, or the activations of a network.
    variables : list of str, or mapping name -> {level: values}
        Task variables, crossed.
    measures : sequence of str, or "all"; optional
        By default "decoding", "ccgp", "shattering" and "parallelism". Further ones are
        "dimensionality", "dpca", "implementable", "interaction_effect", "interference",
        "selectivity", "subspaces" and "target_alignment". By default and of "all", those that the
        variables leave without a question are left out (``population`` notes them).
    progress : callable(measure, done), optional
        Told how many surrogates of a measure were done since it was last told.
    **options
        Keywords of the measures, each passed to those that have it: ``contrasts``, ``readout``,
        ``min_trials``, ``n_resamples`` (not to dPCA), ``n_pseudo``, ``n_null``, ``target``,
        ``scale``, ``empty``, ``seed``, ``n_jobs``, ``held_out``, ``between``, ``split_by``, ...;
        ``null`` and ``alternative`` are those of CCGP and parallelism.

    Returns
    -------
    DataTree
        A group a measure (:func:`neurogeom.decoding`, ...) and ``population``: ``n_trials``
        (condition, neuron), what was used, what was dropped and why.

    Raises
    ------
    KeyError, TypeError, ValueError
        A measure or option is unknown; as in the measures.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=30, n_trials=10, n_truth=0, seed=0)
    >>> tree = ng.score(x, ["a", "b", "c"], measures=["decoding", "ccgp"], n_resamples=4, n_null=19)
    >>> sorted(tree.children)
    ['ccgp', 'decoding', 'population']
    """
    named = measures not in (None, "all")
    measures = DEFAULT if measures is None else MEASURES if measures == "all" else measures
    measures = [measures] if isinstance(measures, str) else list(measures)
    unknown = [m for m in measures if m not in MEASURES]
    if unknown or not measures:
        raise ValueError(
            f"measure {unknown[0] if unknown else ''!r} is unknown; choose from {sorted(MEASURES)}"
        )
    allowed = set().union(*map(_options, MEASURES))
    if wrong := sorted(set(options) - allowed):
        raise TypeError(f"score has no option {wrong[0]!r}; choose from {sorted(allowed)}")
    sessions = container.sessions(x)
    groups = {
        "population": describe(
            sessions, variables, **{k: v for k, v in options.items() if k in SETTING}
        )
    }
    started = time.monotonic()
    for name in measures:
        own = _options(name)
        given = {k: v for k, v in options.items() if k in own} | _told(name, progress)
        try:
            groups[name] = MEASURES[name](sessions, variables, **given)
        except NothingToAsk as error:
            if named:
                raise
            groups["population"].attrs["notes"].append(f"no {name}: {error}")
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "version": __version__,
        "variables": variable_names(variables),
        "seconds": round(time.monotonic() - started, 1),
    }
    return tree


SETTING = {"contrasts", "min_trials", "empty"}


def _options(name):
    """Keywords of a measure that score passes on."""
    known = set(signature(MEASURES[name]).parameters) - {"x", "variables", "progress"}
    return known - ALONE.get(name, set())


def _told(name, progress):
    return {} if progress is None else {"progress": lambda done: progress(name, done)}


def describe(sessions, variables, **options) -> xr.Dataset:
    """Who was recorded: trials of every condition and neuron, and what was left out.

    Returns a Dataset with ``n_trials`` (condition, neuron) and, in ``attrs``, counts of sessions,
    groups and neurons, ``dropped`` (reason -> count) and ``min_trials_cost`` (threshold ->
    neurons).
    """
    windows = max((s.sizes["time"] for s in sessions if "time" in s.dims), default=1)
    each = [
        setting([x.isel(time=t, drop=True) if "time" in x.dims else x for x in sessions], variables,
                **options)
        for t in range(windows)
    ]  # fmt: skip
    p, design = each[0].population, each[0].design
    # A variable called like a part of this Dataset stands in the names of the conditions alone.
    own = {"condition", "neuron", "n_trials", "session", "unit_id"}
    labels = {n: ("condition", np.asarray(v)) for n, v in design.labels.items() if n not in own}
    result = xr.Dataset(
        {"n_trials": (("condition", "neuron"), p.counts_by_neuron)},
        {"condition": [design.name_of(c) for c in range(design.n_conditions)], **labels},
    ).assign_coords(session=("neuron", p.recorded[:, 0]), unit_id=("neuron", p.recorded[:, 1]))
    read = [x.attrs.get("dropped", {}) for x in sessions]
    unlabelled = {reason: n for reason, n in design.dropped.items() if reason != EMPTY}
    apart = p.n_units == p.n_neurons and p.n_neurons > 1
    neurons = sorted({s.population.n_neurons for s in each})
    result.attrs = {
        "n_sessions": len(sessions),
        "n_groups": p.n_groups,
        "n_neurons": p.n_neurons,
        "n_observed": p.n_observed,
        "n_conditions": design.n_conditions,
        "real_trials": p.real_trials,
        "independent_unit": "neuron" if apart else "session" if p.n_units > 1 else "population",
        "dropped": {
            "trials": summed([unlabelled, *(r.get("trials", {}) for r in read)]),
            "neurons": summed([p.dropped, *(r.get("neurons", {}) for r in read)]),
        },
        "min_trials_cost": p.kept_at,
        "notes": [
            *_notes(p, options.get("min_trials", 5), design.dropped.get(EMPTY, 0)),
            *_differ(neurons),
        ],
        **{k: sessions[0].attrs[k] for k in ("align", "window", "units") if k in sessions[0].attrs},
        "source": [x.attrs["source"] for x in sessions if "source" in x.attrs],
        "content_hash": [x.attrs["content_hash"] for x in sessions if "content_hash" in x.attrs],
    }
    return result


def _differ(neurons):
    """A sentence where time windows have different numbers of neurons with enough trials."""
    if len(neurons) == 1:
        return []
    return [
        f"between {neurons[0]} and {neurons[-1]} neurons have enough trials, by time window; "
        "trials and neurons stated here are those of the first"
    ]


def summed(counts):
    """{reason: count} of several such, added up."""
    total: dict = {}
    for count in counts:
        for reason, n in count.items():
            total[reason] = total.get(reason, 0) + int(n)
    return total


def _notes(p, min_trials, n_empty):
    notes = [f"{n_empty} conditions without a trial were left out"] if n_empty else []
    lost = sum(p.dropped.values())
    if lost > p.n_neurons:
        notes.append(
            f"the threshold of {min_trials} trials a condition cost most neurons: {lost} of "
            f"{lost + p.n_neurons} were dropped; lower --min-trials or merge levels"
        )
    if p.n_constant:
        notes.append(
            f"neurons with the same activity on every trial: {p.n_constant}; they are counted, and "
            "have no say"
        )
    if p.n_groups > 1:
        notes.append(
            "neurons of different groups were drawn independently: a pseudo-population, without "
            "noise correlations between groups"
        )
    return notes
