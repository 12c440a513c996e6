"""Groups of animals or sessions compared at equal numbers of neurons and trials; and curves."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .engine import exchange
from .engine.cohort import cohort
from .engine.matching import sizes_of_curve
from .engine.multiplicity import max_statistic, rank_p
from .engine.question import Question, frame
from .engine.targets import FEW_ANIMALS, MIN_ANIMALS
from .measures.ccgp import ccgp
from .measures.decoding import decoding
from .measures.parallelism import parallelism
from .measures.shattering import shattering

MEASURES: dict[str, Callable] = {
    "decoding": decoding,
    "ccgp": ccgp,
    "shattering": shattering,
    "parallelism": parallelism,
}
LEAST_NEURONS = 5  # and the first of them


def compare_groups(
    x,
    variables,
    *,
    by,
    measure="ccgp",
    unit="animal",
    match=True,
    pool=False,
    n_draws=10,
    n_null=999,
    seed=0,
    **options,
) -> xr.Dataset:
    r"""Does the geometry differ between two groups of animals, or of sessions?

    Every unit u (an animal, or a session) gets one value :math:`\hat\theta_u`, the measure of its
    own sessions with as many neurons and trials as all others have, and the groups A, B are
    compared over units,

    .. math:: \bar\theta_B - \bar\theta_A = \frac1{n_B} \sum_{u \in B} \hat\theta_u
        - \frac1{n_A} \sum_{u \in A} \hat\theta_u .

    Neurons, trials and sessions of an animal are never units: they share what is peculiar to their
    animal. Of 5 animals with 60 neurons each against 5 others, no difference between the groups and
    a tenth (half) of the variance between animals, a t test over pooled neurons at 0.05 finds one
    in 44 % (76 %) of 2,000 data sets, a bootstrap over animals and neurons in 9 % (13 %), a t test
    over animal means in 5 % (5 %), and the exact permutation used here in 5 % (5 %)
    (``tests/test_groups.py`` repeats it).

    Parameters
    ----------
    x : list of DataArray (trial, neuron[, time])
        Sessions, with a scalar coordinate ``animal`` (``x.assign_coords(animal="m1")``).
    variables : list of str, or mapping name -> {level: values}
    by : str or mapping
        A scalar coordinate of the sessions such as "genotype", or {animal: group} or
        {session: group}. Two groups; the difference is the later in order of their names minus the
        earlier.
    measure : {"decoding", "ccgp", "shattering", "parallelism"} or callable
        Or a function (x, variables, ...) that returns a Dataset with ``estimate``.
    unit : {"animal", "session"}
        What was drawn independently. "session" is for sessions of different animals, or for two
        kinds of session in the same animals (drug and saline): then sessions change places within
        their animal only, and the difference is the mean of the differences of the animals.
    match : bool
        Subsample every session (or pool) to the least neurons and to the least trials a condition
        that any has (:func:`neurogeom.engine.matching.match_to`), without replacement.
    pool : bool
        An animal's value is the mean of its sessions' values; with True it is that of all its
        sessions as one pseudo-population, for sessions of few neurons. Not for neurons that were
        recorded in several sessions, which would count twice.
    n_draws : int
        Subsamples that a value is averaged over. More make values steadier, not more of them.
    n_null : int
        Random arrangements where there are more than 10,000; else all are listed, once each. 0
        leaves the test out.
    seed : int
    **options
        Keywords of the measure: ``readout``, ``contrasts``, ``min_trials``, ``held_out``, ...

    Returns
    -------
    Dataset
        ``estimate``, ``p_value``, ``p_corrected`` (largest deviation over variables and times),
        ``null`` (surrogate, ...), ``interval`` and ``interval_bootstrap`` (..., bound);
        ``group_mean`` and ``n_units`` (group, ...); ``unit_estimate`` (unit, ...), NaN with a
        reason in ``attrs["reasons"]``, and each unit's ``group``; ``session_estimate`` (session,
        ...) where sessions are averaged. ``attrs["matched"]`` holds the numbers matched to and the
        session or unit that sets each: leave that one out to keep more of the others.

    Raises
    ------
    KeyError, TypeError, ValueError
        There are not two groups; a session has no group or no animal; an animal is in both groups;
        sessions of one animal are called units; as in the measure.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = [
    ...     ng.simulate("cube", n_neurons=15, n_trials=8, n_truth=0, seed=i)
    ...     .assign_coords(session=f"s{i}", animal=f"m{i}", genotype="ko" if i < 4 else "wt")
    ...     for i in range(8)
    ... ]
    >>> found = ng.compare_groups(x, ["a", "b", "c"], by="genotype", measure="decoding")
    >>> found.attrs["groups"], found.attrs["n_null"], round(found.attrs["smallest_p"], 3)
    (['ko', 'wt'], 69, 0.029)

    Notes
    -----
    *What may be concluded.* A small p-value: units of the two groups differ in this measure, at the
    numbers matched to. The test is exact if group labels could have been dealt otherwise. It holds
    for animals like these only if they were sampled; a difference between genotypes is caused by
    the genotype only if nothing else (cohort, implant, rig) went along with it. *What may not*: a
    large p-value is no evidence of equality where few animals were tested; look at the interval.
    Three against three animals cannot give less than 0.1, four against four not less than 0.029:
    below five a group ``notes`` say "case series", and every animal should be shown. Matched
    numbers are not matched populations: areas, rates and noise may differ still.

    The interval is Welch's t over units (over the animals' differences, where animals are compared
    with themselves), for units like those that were drawn. With normal values it covers 95 % of
    2,000 data sets of 5 against 5 animals, and 96 to 97 % of 1,000 of 3 or 10 against as many.
    ``interval_bootstrap`` (animals, then sessions within them, percentiles; Saravanan et al. 2020,
    arXiv:2007.07797) covers 80 to 86 % with 3 animals a group and 87 to 91 % with 5, and is NaN
    below 10, where it covers 93 to 94 %.

    A corrected estimator with heavy tails (parallelism at few trials) makes a poor value of a unit:
    look at ``unit_estimate``. A value that is undefined in more than half of its draws is NaN.
    """
    found = container.sessions(x)
    units = cohort(found, by, unit)
    ask = Question.of(_function(measure), found, variables, seed, options)
    apart = unit == "animal" and not pool  # sessions are measured one by one
    members = [[i] for own in units.sessions for i in own] if apart else units.sessions
    names = [str(found[i].session.values) for (i,) in members] if apart else list(units.names)
    sizes = [ask.size(m) for m in members]
    matched = _matched(sizes, names) if match else {}
    answers = [ask.answer(m, n_draws, matched) for m in members]
    made = frame(answers, ask.name)
    values = np.array([a.mean(made.shape) for a in answers])
    owner = np.repeat(np.arange(len(units.names)), [len(own) for own in units.sessions])
    nested = [values[owner == u] if apart else values[[u]] for u in range(len(units.names))]
    of_unit = np.array([exchange.mean(v) for v in nested])
    result, test = _tested(of_unit, units, made.dims, n_null, seed)
    reasons = _add_intervals(result, of_unit, nested, units, made.dims, seed)
    result["unit_estimate"] = ("unit", *made.dims), of_unit
    place = "session" if apart else "unit"
    for field in sizes[0]._fields:
        result[f"{field}_recorded"] = place, [getattr(size, field) for size in sizes]
    if apart:
        result["session_estimate"] = ("session", *made.dims), values
        result.coords["session"] = names
        result.coords["session_unit"] = "session", [units.names[u] for u in owner]
    result = result.assign_coords(
        **made.coords,
        group=list(units.groups),
        unit=list(units.names),
        unit_group=("unit", [units.groups[int(b)] for b in units.second]),
        bound=["low", "high"],
    )
    result.attrs = {
        "measure": "compare_groups",
        "of": ask.name,
        "estimand": (
            f"difference between {unit}s of {units.groups[1]!r} and of {units.groups[0]!r} in: "
            + made.attrs.get("estimand", ask.name)
        ),
        "convention": made.attrs.get("convention", ""),
        "chance": 0.0,
        "direction": f"above 0: larger in {units.groups[1]!r} than in {units.groups[0]!r}",
        "readout": made.attrs.get("readout", "none"),
        "scale": made.attrs.get("scale", ""),
        "n_resamples": made.attrs.get("n_resamples", 0),
        "groups": list(units.groups),
        "unit": unit,
        "paired": units.paired,
        "matched": matched,
        "n_draws": max(len(a.values) for a in answers),
        "seed": seed,
        **test,
        **reasons,
        "reasons": units.left_out
        | {n: a.reason for n, a in zip(names, answers, strict=True) if a.reason},
        "notes": [*units.notes, *_notes(result, units, unit, answers, match, test)],
        "version": __version__,
    }
    return result


def curve(
    x, variables, *, measure, over="neurons", sizes=None, n_draws=20, seed=0, **options
) -> xr.Dataset:
    """How does a measure grow with the number of neurons, or of trials a condition?

    Each point is the mean over random subsamples without replacement of what was recorded; trials
    stay as they are in a curve over neurons, and neurons in a curve over trials.

    Parameters
    ----------
    x, variables
        As in :func:`neurogeom.decoding`; several sessions are one pseudo-population.
    measure : {"decoding", "ccgp", "shattering", "parallelism"} or callable
        As in :func:`compare_groups`.
    over : {"neurons", "trials"}
        Trials: of every condition, for every neuron.
    sizes : sequence of int, optional
        By default up to 8 in geometric steps, from 5 neurons (or ``min_trials``) to what there is.
    n_draws : int
        Subsamples a size; one where nothing is left to choose.
    seed : int
    **options
        Keywords of the measure. ``n_pseudo`` fixes the trials that are drawn, and with them what a
        curve over trials is about.

    Returns
    -------
    Dataset
        ``estimate``, ``spread`` and ``n_defined`` (size, ...), ``n_draws`` (size). ``spread`` is
        the sd over subsamples, NaN where there is one alone.

    Raises
    ------
    KeyError, TypeError, ValueError
        A size is more than there is, or fewer trials than ``min_trials``; as in the measure.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=2.0, n_neurons=40, n_trials=10, n_truth=0, seed=0)
    >>> found = ng.curve(x, ["a", "b", "c"], measure="decoding", n_draws=5)
    >>> found["size"].values.tolist()
    [5, 7, 9, 12, 16, 22, 30, 40]
    >>> bool((found.estimate[-1] > found.estimate[0]).all())
    True

    Notes
    -----
    *What may be concluded*: whether a measure has levelled off at the numbers recorded, and whether
    two populations differ at every size that both have. *What may not*: ``spread`` is no standard
    error. Subsamples share neurons, ever more of them towards the full size, where the spread
    is 0 by construction however uncertain the population is; the interval of the measure itself
    says that. Points of one curve share their subsamples (a small one is part of a larger one) and
    their recording: they are no independent observations to fit a line through and test. What lies
    beyond the last size is extrapolation.
    """
    if over not in ("neurons", "trials"):
        raise ValueError(f"over={over!r} is unknown; choose from ['neurons', 'trials']")
    found = container.sessions(x)
    ask = Question.of(_function(measure), found, variables, seed, options)
    everyone = range(len(found))
    field = f"n_{over}"
    most = getattr(ask.size(everyone), field)
    least = ask.min_trials if over == "trials" else min(LEAST_NEURONS, most)
    sizes = sizes_of_curve(sizes, 1 if over == "neurons" else least, least, most, over)
    answers = [ask.answer(everyone, n_draws, {field: n}) for n in sizes]
    made = frame(answers, ask.name)
    several = np.array([len(a.values) > 1 for a in answers])
    several = several.reshape(-1, *(1,) * len(made.shape))
    spread = np.array([exchange.sd(a.whole(made.shape)) for a in answers])
    result = xr.Dataset(
        {
            "estimate": (("size", *made.dims), np.array([a.mean(made.shape) for a in answers])),
            "spread": (("size", *made.dims), np.where(several, spread, np.nan)),
            "n_defined": (
                ("size", *made.dims),
                np.array([np.isfinite(a.whole(made.shape)).sum(axis=0) for a in answers]),
            ),
            "n_draws": ("size", [len(a.values) for a in answers]),
        },
        {"size": sizes, **made.coords},
    )
    result.attrs = made.attrs | {
        "measure": "curve",
        "of": ask.name,
        "over": over,
        "spread": "sd over subsamples without replacement; no standard error of the population",
        "seed": seed,
        "reasons": {f"{n} {over}": a.reason for n, a in zip(sizes, answers, strict=True)
                    if a.reason},
        "version": __version__,
    }  # fmt: skip
    return result


def _function(measure):
    if not callable(measure) and measure not in MEASURES:
        raise ValueError(
            f"measure {measure!r} is unknown; choose from {sorted(MEASURES)}, or give a function"
        )
    return MEASURES.get(measure, measure)


def _matched(sizes, names):
    """The smallest numbers, and who has them; of those that can be measured at all."""
    able = [i for i, size in enumerate(sizes) if size.n_neurons]
    found = {}
    for field in sizes[0]._fields:
        least = min(able, key=lambda i, f=field: getattr(sizes[i], f), default=None)
        if least is not None:
            found |= {field: getattr(sizes[least], field), f"{field}_set_by": names[least]}
    return found


def _tested(values, units, dims, n_null, seed):
    """Difference, group means and the permutation test; values (unit, ...)."""
    observed = exchange.difference(values, units.second[None], units.stratum)[0]
    sides = (~units.second, units.second)
    result = xr.Dataset(
        {
            "estimate": (dims, observed),
            "group_mean": (("group", *dims), np.array([exchange.mean(values[g]) for g in sides])),
            "n_units": (
                ("group", *dims),
                np.array([np.isfinite(values[g]).sum(axis=0) for g in sides]),
            ),
        }
    )
    if not n_null:
        return result, {"n_null": 0}
    dealt = exchange.arrangements(units.second, units.stratum, n_null=n_null, seed=seed)
    null = exchange.difference(values, dealt.second, units.stratum)
    p = rank_p(observed, null)
    result["null"] = ("surrogate", *dims), null
    result["p_value"] = dims, p
    axes = tuple(range(observed.ndim))
    result["p_corrected"] = dims, max_statistic(observed, null, axis=axes, at_least=p)
    moved = "sessions within their animal" if units.paired else "units between the groups"
    how = "all" if dealt.exact else f"{len(null)} random ones of"
    return result, {
        "n_null": len(null),
        "exact": dealt.exact,
        "smallest_p": dealt.smallest_p,
        "null_method": f"{how} {dealt.n_possible} arrangements of {moved}",
    }


def _add_intervals(result, values, nested, units, dims, seed):
    """Student's t over units, and the hierarchical bootstrap beside it; attributes of both."""
    if units.paired:
        bounds = exchange.paired(values, units.second, units.stratum)
        display = np.full_like(bounds, np.nan)
    else:
        bounds = exchange.welch(values[~units.second], values[units.second])
        sides = ([nested[u] for u in np.flatnonzero(units.second == b)] for b in (False, True))
        display = exchange.hierarchical_bootstrap(*sides, seed=seed)
    for name, found in {"interval": bounds, "interval_bootstrap": display}.items():
        result[name] = (*dims, "bound"), np.moveaxis(found, 0, -1)
    who = "animals" if units.paired else "units"
    few = f"fewer than {MIN_ANIMALS} {who} (in a group) have a value, or none of them varies"
    return {
        "interval_level": 0.95,
        "interval_target": f"{who}: the mean difference between {who} like those that were drawn, "
        "at these numbers of neurons and trials",
        "interval_reasons": {} if np.isfinite(bounds).all() else {"interval": few},
    }


def _notes(result, units, unit, answers, match, test):
    notes = []
    n = int(units.stratum.max()) + 1 if units.paired else int(result["n_units"].min())
    if n < FEW_ANIMALS:
        who = f"{n} animals" if units.paired else f"{n} {unit}s in a group"
        text = f"case series: {who}; show every one of them"
        if test["n_null"]:
            text += f"; the smallest p-value that can come out is {test['smallest_p']:.2g}"
        notes.append(text)
    if not match:
        notes.append(
            "neurons and trials are not matched: a difference may be one of their numbers alone"
        )
    missing = int((~np.isfinite(result["unit_estimate"].values)).sum())
    if missing:
        notes.append(f"{missing} values of units are undefined and were left out")
    real = {a.result.attrs.get("real_trials") for a in answers if a.result is not None}
    if len(real) > 1:
        notes.append(
            "some values are of trials as they were recorded and some of pseudo-populations, "
            "without noise correlations between sessions: they are not alike; use pool=False"
        )
    return notes
