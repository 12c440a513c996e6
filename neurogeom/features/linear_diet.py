"""Telling data apart by their index, in closed form (linear DIET): repeats are augmentations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from .. import activity as container
from .. import options
from ..columns import is_missing
from ..engine import parallel
from ..engine.block_shuffle import few
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.setting import setting
from ..formulas import signal_total as formulas
from ..levels import trial_column
from ._repeats import LEAST_DATA, LEAST_FOLDS, Task, Trials, shrink
from .probe import classified

__all__ = ["linear_diet"]

MOST_COMPONENTS = 10  # unless told otherwise
SEEN = ("linear DIET", "PCA", "neurons")
C = 0.1  # of probes


def linear_diet(
    x,
    datum,
    *,
    n_components=None,
    probes=(),
    shrinkage="ledoit-wolf",
    min_trials=4,
    n_splits=2,
    n_resamples=4,
    n_pseudo=None,
    n_null=199,
    scale="resample",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Along which directions of activity are the data (stimuli, conditions) told apart at all?

    DIET learns features by giving every datum its own class, its index. Of linear features, with
    repeats of a stimulus as augmentations, that has a closed form: the directions in which the
    share :math:`\rho` of variance that lies between data is largest
    (:mod:`neurogeom.formulas.signal_total`). No label but the index is used.

    ``estimate`` is :math:`\rho` in repeats that the directions were not learnt from: the part of
    the variance of a single trial that is signal, from products of disjoint sets of trials. Its
    chance level is 0, it has no bias along a given direction and may be below 0. Learnt from fewer
    repeats than there are, the directions are a little worse than those that are returned.
    ``naive`` is :math:`\rho` of all trials at face value: it holds the noise of the means, and of
    data that are all the same it is ``naive_chance``, which nears 1 where neurons outnumber trials.

    Parameters
    ----------
    x : DataArray or list of them
        Dims (trial, neuron). Neurons recorded apart are a pseudo-population, whose noise is
        independent.
    datum : str, list of str, or mapping name -> levels
        The column of the trial table that says which datum a trial repeats, with any number of
        values, or variables whose conditions are the data (those that occur).
    n_components : int, optional
        At most data - 1; 10 unless given.
    probes : sequence of str
        Variables that are constant within each datum: share of held-out trials whose level is given
        by a logistic regression of the features, of as many principal components, and of all
        neurons, each learnt from the other trials. Needs three repeats.
    shrinkage : "ledoit-wolf" or float
        Of the covariance within data of neurons recorded together, towards their mean variance: an
        estimate of the best (Ledoit & Wolf 2004) from the trials that are learnt from, or a share
        from 0 (the plain closed form) to 1. Where neurons outnumber trials they are first given
        by the principal components that hold all trials, which loses nothing.
    min_trials : int
        Repeats that a datum of a column must have in every session, and a neuron of every datum, 2
        or more. Data with fewer are left out and counted (``n_data_dropped``). With four repeats
        or more of each, trials are held out; with two or three, whole data are, so that the
        estimate is for data that the directions have not met.
    n_splits : int
        Divisions of the trials (or data) that are averaged.
    n_resamples, n_pseudo
        Of the probes, as in :func:`neurogeom.decoding`.
    n_null : int
        Surrogates in which trials change their datum, through the same pipeline.
    scale : {"resample", "none"}
        Each neuron in units of its sd over trials, or as it is.
    seed, n_jobs, progress
        As in :func:`neurogeom.decoding`.

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``naive_chance`` (component), ``null`` (surrogate, component),
        ``p_value`` (greater), ``p_corrected`` for the components. ``directions`` (component,
        neuron), each with a total variance of 1, for activity less ``centre`` times ``gain``;
        ``subspace`` (component, neuron), an orthonormal basis of them. ``codes`` (datum,
        component): the data's means along them. ``loss``: of linear DIET, 1 - sum of rho / data,
        from the data at face value. ``accuracy``, ``accuracy_chance`` (probe, features).

    Raises
    ------
    KeyError, TypeError, ValueError
        A column is missing; fewer than two data have enough repeats, or none differs from another;
        a probe varies within a datum; activity has time bins; an option is not possible.

    Source: DIET, Ibrahim, Klindt & Balestriero 2024 (arXiv:2406.10743); Balestriero 2023
    (arXiv:2302.10260). The closed form is this package's.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> found = linear_diet(x, ["a", "b", "c"], n_components=4, probes=["a"], n_null=19)
    >>> (found.estimate > 0.5).values.tolist(), float(found.p_value[0])
    ([True, True, True, False], 0.05)
    >>> bool(found.accuracy.sel(probe="a", features="linear DIET") > 0.9)
    True
    """
    from threadpoolctl import threadpool_limits

    sessions = container.sessions(x)
    _check(sessions, n_components, shrinkage, min_trials, n_splits, scale)
    variables, dropped = _data(sessions, datum, min_trials)
    probes = [probes] if isinstance(probes, str) else probes
    if not np.iterable(probes) or not all(isinstance(v, str) for v in probes):
        raise TypeError(f"probes={options.shown(probes)} are no columns of the trials; give their "
                        "names, as ['shape']")  # fmt: skip
    probes = list(probes)
    s = setting(
        sessions,
        variables,
        contrasts=[v for v in probes if v not in variables],
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        empty="drop",
        seed=seed,
    )
    most = min(n_components or MOST_COMPONENTS, s.design.n_conditions - 1)
    with threadpool_limits(1, user_api="blas"):
        task = Task(s, Trials.of(s), most, shrinkage, n_splits)
        result = _fitted(task)
        _add_test(result, task, n_jobs, progress)
        _add_probes(result, task, probes)
    result.attrs |= s.attrs(
        "linear_diet",
        estimand=f"share of signal in the variance of single trials of {s.population.n_neurons} "
        f"neurons, along directions learnt from other {task.held_out}",
        convention=f"shrinkage={shrinkage}; {task.held_out} held out; every datum weighs the same",
        chance=0.0,
        range=[-np.inf, 1.0],
        direction="1: a trial tells its datum without noise, 0: nothing",
        readout="none" if not probes else f"logistic regression, C={C}",
        n_data=s.design.n_conditions,
        n_data_dropped=dropped,
        n_splits=n_splits,
        notes=[*result.attrs["notes"], *_too_few(dropped, s, min_trials)],
    )
    return result


def _check(sessions, n_components, shrinkage, min_trials, n_splits, scale):
    if n_components is not None:
        options.whole(1, n_components=n_components)
    if shrinkage != "ledoit-wolf":
        options.number(0, 1, shrinkage=shrinkage)
    options.whole(2, min_trials=min_trials)
    options.whole(1, n_splits=n_splits)
    options.one_of(("resample", "none"), scale=scale)
    if any("time" in session.dims for session in sessions):
        raise ValueError("activity has time bins, of which neighbours are all but repeats of one "
                         "another; give one window, as in x.mean('time')")  # fmt: skip


def _data(sessions, datum, min_trials):
    """Variables as the engine reads them, and how many data of a column were left out."""
    if not np.iterable(datum):
        raise TypeError(f"datum={options.shown(datum)} is no column of the trials; give its name, "
                        "a list of names, or a mapping of names to levels")  # fmt: skip
    if not isinstance(datum, str):
        return datum if isinstance(datum, Mapping) else list(datum), 0
    columns = [trial_column(session, datum) for session in sessions]
    columns = [column[~is_missing(column)] for column in columns]
    every = np.unique(np.concatenate(columns))
    fewest = np.min([(column[:, None] == every).sum(axis=0) for column in columns], axis=0)
    kept = every[fewest >= min_trials]
    if len(kept) < 2:
        raise ValueError(
            f"{len(kept)} of the {len(every)} data in {datum!r} have {min_trials} repeats in every "
            f"session, the most being {fewest.max(initial=0)}; a repeat is what DIET learns from: "
            "lower min_trials (2 at least), or name variables with fewer conditions"
        )
    return {datum: {value.item(): value.item() for value in kept}}, len(every) - len(kept)


def _too_few(dropped, s, min_trials):
    if not dropped:
        return []
    return [f"{dropped} of {dropped + s.design.n_conditions} data have fewer than {min_trials} "
            "repeats in a session and are left out"]  # fmt: skip


def _fitted(task) -> xr.Dataset:
    """Directions, codes and loss of all trials, and shares with and without holding out."""
    s, p = task.setting, task.setting.population
    directions, (means, within) = task.fit(p, p.everything())
    if not (k := len(directions)):
        raise ValueError("data do not differ along any direction: their means over repeats are all "
                         "the same; check the column and the window")  # fmt: skip
    naive = formulas.shares(directions, means, within)
    lifted, notes = task.trials.lifted(directions), []
    estimate = task.shares(p)[:k]
    if task.held_out == "data" and s.design.n_conditions < LEAST_DATA:
        notes = [f"no estimate: it needs {LEAST_FOLDS} repeats (or blocks of them) of every datum, "
                 f"or {LEAST_DATA} data"]  # fmt: skip
    return xr.Dataset(
        {
            "estimate": ("component", estimate),
            "naive": ("component", naive),
            "directions": (("component", "neuron"), lifted),
            "subspace": (("component", "neuron"), np.linalg.qr(lifted.T)[0].T),
            "codes": (("datum", "component"), (means - means.mean(axis=0)) @ directions.T),
            "loss": 1.0 - naive.sum() / s.design.n_conditions,
            "centre": ("neuron", task.trials.centre),
            "gain": ("neuron", task.trials.gain),
        },
        {
            "component": np.arange(1, k + 1),
            "datum": [s.design.name_of(c) for c in range(s.design.n_conditions)],
            "session": ("neuron", p.recorded[:, 0]),
            "unit_id": ("neuron", p.recorded[:, 1]),
        },
        {"notes": notes},
    )


def _add_test(result, task, n_jobs, progress):
    """Surrogates: trials change their datum, and all is learnt and held out again."""
    s, k = task.setting, result.sizes["component"]
    if not s.n_null:
        return
    shuffle = s.label_shuffle(split=False)

    def surrogate(draw):
        if hasattr(shuffle, "redrawn"):
            other = shuffle.redrawn(draw)[0]
        else:
            other = s.population.with_order(shuffle.order(draw))
        directions, moments = task.fit(other, other.everything())
        naive = np.zeros(k)
        naive[: len(directions)] = formulas.shares(directions, *moments)[:k]
        return task.shares(other)[:k], naive

    def several(draws):
        return tuple(map(np.array, zip(*map(surrogate, draws), strict=True)))

    null, naive = parallel.over(several, s.n_null, n_jobs=n_jobs, progress=progress)
    p = rank_p(result.estimate.values, null, alternative="greater")
    result["null"] = ("surrogate", "component"), null
    result["p_value"] = "component", p
    result["p_corrected"] = "component", max_statistic(result.estimate.values, null, at_least=p)
    result["naive_chance"] = "component", naive.mean(axis=0)
    result.attrs["notes"] += few(shuffle, "the data")


def _add_probes(result, task, probes):
    """Accuracy of each variable on held-out trials, from features, components and neurons."""
    if not probes:
        return
    s = task.setting
    labels = [np.asarray(s.design.labels[v]) for v in probes]
    found, chance = [], []
    for sample in s.draws(split=True).samples:
        if sample.n_trials.min() < 2:
            raise ValueError("a probe needs two repeats of every datum to learn from and one to be "
                             "tested on; leave out probes, or raise min_trials to 3")  # fmt: skip
        features = _features(sample, task)
        datum, datum_test = sample.condition_of, sample.test_condition_of
        found.append([
            [classified(train, own[datum], test, own[datum_test], C) for train, test in features]
            for own in labels
        ])  # fmt: skip
        chance.append([np.unique(own[datum_test], return_counts=True)[1].max() / len(datum_test)
                       for own in labels])  # fmt: skip
    result["accuracy"] = ("probe", "features"), np.mean(found, axis=0)
    result["accuracy_chance"] = "probe", np.mean(chance, axis=0)
    result.coords["probe"], result.coords["features"] = probes, list(SEEN)


def _features(sample, task):
    """(training, test) rows as linear DIET learns them, as principal components, as they are."""
    rows, datum, n = sample.train, sample.condition_of, len(sample.n_trials)
    centre, k = rows.mean(axis=0), task.n_components
    axes = np.linalg.svd(rows - centre, full_matrices=False)[2]
    train, test = ((own - centre) @ axes.T for own in (rows, sample.test))
    means, within = formulas.moments(train, datum, n)
    within = shrink(within, train, datum, n, rows.shape[1], task.shrinkage)
    directions = formulas.signal_total(means, within, k).directions
    return [
        (train @ directions.T, test @ directions.T),
        (train[:, :k], test[:, :k]),
        (rows, sample.test),
    ]
