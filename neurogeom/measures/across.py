"""Does a code hold at other times, or on other days? Readouts carried over time and sessions."""

from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from .. import activity as container
from ..engine import nulls, parallel
from ..engine.block_shuffle import few
from ..engine.choice import choose
from ..engine.held_out import ask, check
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.problems import Problems, within
from ..engine.setting import NothingToAsk, exchangeable, setting
from ..engine.transfer import Domain, Transfer

MEASURES = ("decoding", "ccgp")
PARTLY = "trials observed in some time bins alone"


def across_time(x, variables, *, measure="decoding", **options) -> xr.Dataset:
    r"""Does a readout learnt at one time work at another?

    Accuracy of a readout trained in one time bin and tested in every other (temporal generalisation
    of King & Dehaene 2014, Trends Cogn Sci 18:203), as decoding or as CCGP. A code that stays gives
    a square, one that changes a diagonal; values below 0.5 mean that it turns round. Chance is 0.5
    and the range [0, 1]. All bins have the same splits: a trial that trains in one bin tests in
    none.

    Parameters
    ----------
    x : DataArray (trial, neuron, time) or list of them
        A trial of a neuron that was not observed in every bin is left out, and counted in
        ``attrs``.
    variables : as in :func:`neurogeom.decoding`
    measure : {"decoding", "ccgp"}
    **options
        ``readout``, ``contrasts``, ``min_trials``, ``n_resamples``, ``n_pseudo``, ``scale``
        ("resample" or "none"), ``empty``, ``seed``, ``n_jobs`` and ``progress`` as there;
        ``held_out`` and ``across`` as in :func:`neurogeom.ccgp`; ``n_null=0``: surrogates, each of
        which costs as much as the data.

    Returns
    -------
    Dataset
        ``estimate`` (variable, time_train, time_test) and, with ``n_null``, ``p_value``,
        ``p_corrected`` (for all variables and pairs of bins, by the maximum) and ``null``. Nulls
        are those of the measure, the same surrogate in all bins: labels shuffled within the levels
        of the other variables, or coding vectors flipped or rotated.

    Raises
    ------
    KeyError, ValueError
        There are no time bins, or they differ between sessions; as in the measure.

    Examples
    --------
    >>> import neurogeom as ng
    >>> rng = np.random.default_rng(0)
    >>> side = np.tile([0, 1], 20)
    >>> values = rng.normal(size=(40, 30, 2)) + np.array([0.0, 1.0]) * side[:, None, None]
    >>> x = ng.from_arrays(values, trial={"side": side}, time=[0.1, 0.3])
    >>> found = ng.across_time(x, ["side"]).estimate.sel(variable="side")
    >>> bool(found[1, 1] > 0.9), bool(abs(found[0, 0] - 0.5) < 0.3)
    (True, True)
    """
    sessions = container.sessions(x)
    if not all("time" in s.dims for s in sessions):
        raise ValueError("there are no time bins; read the recording with bin_width (--bin)")
    time = sessions[0].time.values
    if any(not np.array_equal(s.time.values, time) for s in sessions):
        raise ValueError(
            "sessions have different time bins; read them all with the same window and bin_width"
        )
    whole = [np.isfinite(s).all("time") for s in sessions]
    lost = sum(
        int((np.isfinite(s).any("time") & ~w).sum()) for s, w in zip(sessions, whole, strict=True)
    )
    parts = [
        [s.isel(time=t, drop=True).where(w) for s, w in zip(sessions, whole, strict=True)]
        for t in range(len(time))
    ]
    result = _matrix(parts, variables, measure, dim="time", labels=time, **options)
    result.attrs["dropped_neuron_trials"] = {PARTLY: lost} if lost else {}
    if lost:
        result.attrs["notes"] = [*result.attrs["notes"], f"{lost} neuron-trials left out: {PARTLY}"]
    return result


def across_sessions(x, variables, *, measure="decoding", **options) -> xr.Dataset:
    """Does a readout learnt in one session work in another session of the same units?

    As :func:`across_time`, with sessions in place of bins: units are matched by ``unit_id``, and
    those that some session lacks, or in which they have too few trials, are left out and counted.
    Trials of different sessions are different trials. Labels are shuffled in each session on its
    own, coding vectors are moved alike in all.

    Returns
    -------
    Dataset
        ``estimate`` (variable, session_train, session_test), and as in :func:`across_time`.

    Raises
    ------
    ValueError
        Fewer than two sessions, no unit in common, or sessions with different conditions.

    Examples
    --------
    >>> import neurogeom as ng
    >>> def day(name, seed):
    ...     side = np.tile([0, 1], 20)
    ...     values = np.random.default_rng(seed).normal(size=(40, 30)) + side[:, None]
    ...     return ng.from_arrays(values, trial={"side": side}, session=name)
    >>> found = ng.across_sessions([day("monday", 1), day("tuesday", 2)], ["side"])
    >>> bool((found.estimate > 0.9).all())
    True
    """
    sessions = container.sessions(x)
    if len(sessions) < 2:
        raise ValueError("one session has no other to be tested in; give at least two")
    names = [str(s.session.values) for s in sessions]
    gathering = {k: options[k] for k in ("contrasts", "min_trials", "empty") if k in options}
    kept = [set(setting(s, variables, **gathering).population.recorded[:, 1]) for s in sessions]
    common = sorted(set.intersection(*kept))
    if not common:
        raise ValueError(
            "no unit with enough trials is in all sessions; units are matched by unit_id"
        )
    parts = [[s.isel(neuron=np.isin(s.unit_id.values.astype(str), common))] for s in sessions]
    result = _matrix(parts, variables, measure, dim="session", labels=names, **options)
    lost = len(set.union(*kept)) - len(common)
    result.attrs["n_units_not_common"] = lost
    if lost:
        result.attrs["notes"] = [
            *result.attrs["notes"],
            f"{lost} units left out: some session lacks them, or trials of them",
        ]
    return result


def _matrix(
    parts,
    variables,
    measure,
    *,
    dim,
    labels,
    held_out="matched",
    across=None,
    n_null=0,
    n_jobs=1,
    progress=None,
    **options,
):
    from threadpoolctl import threadpool_limits

    if measure not in MEASURES:
        raise ValueError(f"measure={measure!r} is unknown; choose from {list(MEASURES)}")
    if options.get("scale") == "split":
        raise ValueError("scale='split' is not offered across domains; choose 'resample' or 'none'")
    with threadpool_limits(1, user_api="blas"):
        settings = [setting(part, variables, n_null=n_null, **options) for part in parts]
        _check_alike(settings, labels)
        s = settings[0]
        if measure == "ccgp":
            check(s.design, held_out, across)
        asked = [_asked(s.design, t, measure, held_out, across) for t in s.targets()]
        domains = [_domain(other, s, split=measure == "decoding") for other in settings]
        group = np.repeat(np.arange(len(asked)), [len(problems) for _, problems in asked])
        problems = Problems.joined([problems for _, problems in asked])
        found = Transfer(problems, group, s.readout, s.scale).run(domains)
        dims = ("variable", f"{dim}_train", f"{dim}_test")
        result = xr.Dataset(
            {"estimate": (dims, found.accuracy)},
            {"variable": [target.name for target, _ in asked], dims[1]: labels, dims[2]: labels},
        )
        failed, notes = found.failed, []
        if n_null:
            workers = {"n_jobs": n_jobs, "progress": progress}
            lost, notes = _add_tests(result, found, settings, domains, asked, measure, workers)
            failed += lost
    result.attrs = s.attrs(
        f"{measure} across {dim}",
        estimand=f"accuracy of {s.readout} learnt in one {dim} and tested in another",
        convention=f"held_out={held_out}" if measure == "ccgp" else "3/4 of the trials train",
        direction="0.5 is chance; below it the code is turned round",
        failed=failed,
        notes=notes,
    )
    return result


def _add_tests(result, found, settings, domains, asked, measure, workers):
    """Put the nulls of all variables into a result; solutions that failed, and notes."""
    s, dims = settings[0], result.estimate.dims
    surrogates_of = _label_shuffles if measure == "decoding" else _coding_vectors
    values, margins, lost, methods, notes = [], [], 0, [], []
    for target, problems in asked:
        method, how_to_read, domains_of = surrogates_of(settings, domains, target)
        transfer = Transfer(problems, np.zeros(len(problems), int), s.readout, s.scale)
        task = partial(_run, transfer, domains_of)
        drawn = parallel.over(task, s.n_null, chunk=1, **workers)
        for kept, new in zip((values, margins), drawn, strict=False):
            kept.append(new)
        lost += int(drawn[2].sum())
        methods.append(method)
        notes += how_to_read
    values, margins = (np.stack(a, axis=1) for a in (values, margins))
    p = rank_p(found.accuracy, values, margin=found.margin, null_margin=margins)
    corrected = max_statistic(found.accuracy, values, axis=(0, 1, 2), at_least=p)
    result["null"] = ("surrogate", *dims), values
    result["p_value"], result["p_corrected"] = (dims, p), (dims, corrected)
    result["null_method"] = "variable", methods
    return lost, notes


def _check_alike(settings, labels):
    first = settings[0]
    names = [first.design.name_of(c) for c in range(first.design.n_conditions)]
    for s, label in zip(settings, labels, strict=True):
        if [s.design.name_of(c) for c in range(s.design.n_conditions)] != names:
            raise ValueError(
                f"the conditions of {label!r} are not those of {labels[0]!r}; merge levels so that "
                "both have them, or leave one out"
            )


def _asked(design, target, measure, held_out, across):
    """A target and its problems."""
    if measure == "decoding":
        return target, within(np.array([side.side for side in target.sides]))
    found = ask(design, target, held_out, across)
    if found.problems is None:
        raise NothingToAsk(f"CCGP across domains: {found.reason}; name another variable")
    return target, found.problems


def _domain(s, first, *, split):
    """A population whose columns are put in the order of the first one's neurons."""
    if s.population.session == first.population.session:
        column = np.arange(s.population.n_neurons)
    else:
        place = {unit: i for i, unit in enumerate(s.population.recorded[:, 1])}
        column = np.array([place[unit] for unit in first.population.recorded[:, 1]])
    return Domain(s.population, s.draws(split=split).resamples, column)


def _run(transfer, domains_of, draws):
    """Accuracy, margin and failed solutions of some surrogates, one variable."""
    found = [transfer.run(domains_of(d)) for d in draws]
    return (
        np.array([f.accuracy[0] for f in found]),
        np.array([f.margin[0] for f in found]),
        np.array([f.failed for f in found]),
    )


def _label_shuffles(settings, domains, target):
    """Trials change labels; all bins of a trial together, since they are keyed by the recording."""
    shuffles = [s.label_shuffle(split=True, **exchangeable(s.design, target)) for s in settings]

    def domains_of(draw):
        moved = []
        for shuffle, domain in zip(shuffles, domains, strict=True):
            if hasattr(shuffle, "redrawn"):
                population, resamples = shuffle.redrawn(draw)
                moved.append(Domain(population, resamples, domain.column))
            else:
                order = shuffle.order(draw)
                moved.append(domain._replace(population=domain.population.with_order(order)))
        return moved

    method = "labels shuffled within group and within the levels of the other variables"
    return method, few(shuffles[0], target.name), domains_of


def _coding_vectors(settings, domains, target):
    """Coding vectors flipped or rotated by the unit recorded independently, alike in all domains.

    Sign flips over sessions test another statistic and are not offered here.
    """
    if target.grid is None or len(target.grid) < 2:
        raise NothingToAsk(f"{target.name!r} has no matched contexts, hence no null; use n_null=0")
    standard = [nulls.standardised(s.population, s.scale) for s in settings]
    ratio = max(nulls.length_ratio(m, target.grid) for m in standard)
    first = settings[0].population
    choice = choose(first, target.grid, ratio, held_out="any")
    scales = [nulls.unscaling(m) for m in standard]
    surrogates = []
    for domain, m in zip(domains, standard, strict=True):
        unit = np.empty_like(choice.unit)
        unit[domain.column] = choice.unit  # the same neuron, wherever it stands
        moved = replace(choice, unit=unit)
        surrogates.append(nulls.coding_vectors(moved, m, target.grid, settings[0].seed))

    def domains_of(draw):
        return [
            domain._replace(population=domain.population.shifted(surrogate.shift(draw) * unscale))
            for domain, surrogate, unscale in zip(domains, surrogates, scales, strict=True)
        ]

    return choice.text, list(choice.notes), domains_of
