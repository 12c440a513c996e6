"""Demixed principal component analysis (Kobak et al. 2016, eLife 5:e10989), with held-out tests."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import activity as container
from ..engine import bins, parallel
from ..engine.block_shuffle import few
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.quantities import Quantity, missing, packed
from ..engine.setting import setting
from ..formulas import demixing as formulas

GRID = np.concatenate([[0.0], 10.0 ** np.arange(-7, 2.5, 0.5)])  # penalties / total variance
MOST_COMPONENTS = 10  # of a marginalisation, unless told otherwise; as in the paper
UNUSABLE, DOUBTFUL = 0.15, 0.3  # share of the variance of the means that is not noise


def dpca(
    x,
    variables,
    *,
    n_components=None,
    regularisation="held_out",
    combine=None,
    min_trials=5,
    n_resamples=4,
    n_pseudo=None,
    n_null=999,
    null=None,
    scale="resample",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Which part of the population's activity follows which variable, and along which axes?

    Condition means split into orthogonal marginalisations :math:`X_\phi`: what follows one
    variable, what follows two of them together, what follows time alone. Time, where there is any,
    is a factor and not a window. Each part is reconstructed from all activity through few
    components, ``decoder`` D and ``encoder`` F,

    .. math:: \min |X_\phi - F_\phi D_\phi X|^2 + \lambda |X|^2 |F_\phi D_\phi|^2,

    on single trials (:mod:`neurogeom.formulas.demixing`). Three numbers a marginalisation:

    - *fraction of variance* of the condition means. Trial noise adds to every part (noise alone
      gives 1/7 to each part of a 2 x 2 x 2 design); its expectation is taken off each and off the
      total. It may leave [0, 1] and is never clipped.
    - *explained variance*: the share of the total that components learnt from some trials
      reproduce in the means of others, of their own part alone (what leaks in from others counts
      against them). At most the fraction of variance, its ``ceiling``; negative where worse than
      nothing. ``naive`` is the same without new trials.
    - *accuracy*: held-out trials projected on the components and given the level of the nearest
      class mean, in each time bin, averaged over bins. Chance is 1 / number of classes. An
      interaction classifies the combinations of its variables, and reaches 1/2 where two variables
      of two levels have an interaction alone.

    Parameters
    ----------
    x, variables, min_trials, n_pseudo, n_null, seed, n_jobs
        As in :func:`neurogeom.decoding`, with dims (trial, neuron) or (trial, neuron, time). A
        neuron that lacks some bins of a trial was not observed on it. No combination of levels
        may be empty.
    n_components : int or None
        Components of each marginalisation, at most its rank; None is at most 10.
    regularisation : "held_out" or float
        Penalty as a share of the total variance of the means. "held_out": the one of 0 and a grid
        from 1e-7 to 100 with the smallest error in reconstructing the parts of the training means
        from held-out single trials, averaged over resamples and, exactly, over all pseudo-trials.
    combine : mapping of str to list of str, or None
        Marginalisations that are one, such as ``{"rule": ["rule", "rule:time"]}``; those not named
        stay alone. None joins each with its interaction with time.
    n_resamples : int
        Four are one pass through four folds of the trials.
    null : {None, "labels"}
        Trials change the levels of the variables of a marginalisation among trials that agree in
        all other variables, within groups; whole trials, with all their bins. The penalty stays
        that of the data.
    scale : {"resample", "split", "none"}
        Each neuron in units of its sd over training trials and bins, or (the paper) as it is. There
        is one training set a resample, so "split" is "resample".

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``ceiling``, ``chance``, ``p_value``, ``p_corrected``, ``null``
        (marginalisation, quantity). ``variance``, ``variance_naive`` (marginalisation): squared
        activity summed over neurons, conditions and bins. With time ``accuracy``,
        ``accuracy_p_value`` and, corrected for the bins, ``accuracy_p_corrected`` (marginalisation,
        time). ``encoder``, ``decoder`` (component, neuron), for activity less ``centre`` times
        ``gain`` (neuron). ``component_marginalisation``, ``explained``, ``explained_naive``
        (component), sorted by what they fit. ``projection`` (component, condition[, time]).
        ``regularisation``; ``held_out_error`` (penalty) where it was chosen.

    Raises
    ------
    KeyError, TypeError, ValueError
        As in :func:`neurogeom.decoding`; sessions with different bins; ``combine`` names what is no
        marginalisation, or names one twice.

    Examples
    --------
    >>> import neurogeom as ng
    >>> from neurogeom.measures.demixed import dpca
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> result = dpca(x, ["a", "b"], n_null=19)
    >>> bool(result.estimate.sel(marginalisation="a", quantity="accuracy") > 0.8)
    True
    """
    from threadpoolctl import threadpool_limits

    if null not in (None, "labels"):
        raise ValueError(f"null={null!r} is unknown for dpca; choose from ['labels']")
    columns, time, notes = bins.columns(container.sessions(x))
    given = {"min_trials": min_trials, "n_resamples": n_resamples, "n_pseudo": n_pseudo}
    s = setting(columns, variables, n_null=n_null, scale=scale, seed=seed, **given)
    binned = bins.Binned(s.population, 1 if time is None else len(time), scale)
    parts = bins.Parts.of(s.design, binned.n_times, combine)
    task = _Task(s, binned, parts, s.draws(split=True).resamples, _at_least_1(n_components))
    with threadpool_limits(1, user_api="blas"):
        penalty, errors = _penalty(task, regularisation)
        fit = _Fit(task, penalty)
        tests = {m: _test(task, m, penalty, n_jobs, progress) for m in parts.patterns}
    result = packed(_quantities(fit, tests), n_null=n_null, dim="marginalisation")
    _add_components(result, fit, time)
    _add_accuracy(result, tests, time)
    result["regularisation"] = penalty
    if errors is not None:
        result["held_out_error"], result.coords["penalty"] = ("penalty", errors), GRID
    result.attrs |= s.attrs(
        "dpca",
        estimand=(
            f"parts of the condition means of {binned.n_neurons} neurons, trial noise removed; "
            "components and accuracies learnt from some trials and tested on others"
        ),
        convention="; ".join(f"{m}: {', '.join(names)}" for m, names in parts.names.items()),
        chance=None,
        range=None,
        direction="higher is more of the activity",
        readout="nearest class mean of the components",
        n_neurons=binned.n_neurons,
        n_neurons_dropped=sum(s.population.dropped.values()) // binned.n_times,
        n_neuron_trials=s.population.n_observed // binned.n_times,
        notes=[
            *([fit.warning] if fit.warning else []),
            *(n for t in tests.values() for n in t.notes),
            *notes,
        ],
    )
    return result


def _at_least_1(n_components):
    if n_components is None:
        return MOST_COMPONENTS
    if not isinstance(n_components, int | np.integer) or n_components < 1:
        raise ValueError(f"n_components={n_components!r} is no number of them; give at least 1")
    return int(n_components)


class _Task(NamedTuple):
    """What is asked of which trials, with how many components a marginalisation."""

    setting: Any
    binned: Any
    parts: Any
    resamples: list
    n_components: int

    def halves(self):
        """Means of the trials that train and of those left out, in every resample."""
        for r in self.resamples:
            train = self.binned.read(r.chosen)
            yield train, self.binned.read(~r.chosen, like=train)

    def demixer(self, means):
        """Of all marginalisations of means, and their squared length: the unit of the penalty."""
        demixer = formulas.Demixer(means.x, self.parts.patterns, means.scatter)
        return demixer, self.parts.of_means(means.x), (means.x**2).sum()


def _penalty(task, regularisation):
    """The penalty and the held-out error of every penalty of the grid (None where it was given)."""
    if regularisation != "held_out":
        value = regularisation
        if not isinstance(value, float | int | np.number) or not 0 <= value < np.inf:
            raise ValueError(
                f"regularisation={value!r} is no penalty; give a number from 0, or 'held_out'"
            )
        return float(value), None
    errors = np.mean([_errors(task, *half) for half in task.halves()], axis=0)
    return float(GRID[np.argmin(errors)]), errors


def _errors(task, train, test):
    """Squared error of reconstructing the parts of training means from single held-out trials.

    A share of the squared length of these means, (penalty,). Averaged over all pairings of the
    trials of neurons recorded apart, it is the error from the mean trial plus what the components
    let through of the scatter of trials.
    """
    demixer, parts, unit = task.demixer(train)
    errors = np.full(len(GRID), unit)
    for i, penalty in enumerate(GRID):
        for name, (f, d) in demixer.fit(penalty * unit, task.n_components).items():
            errors[i] -= formulas.explained(parts[name], f, d @ test.x).sum()
            errors[i] += ((d @ test.scatter) * d).sum()
    return errors / unit if unit > 0 else errors


class _Fit:
    """Components of all trials, and what they explain.

    axes : {marginalisation: Axes}; own, held_out : {marginalisation: squared length explained
    (component,) in all trials, and by components of some trials in the others}
    raw, signal : {marginalisation: squared length of the means, and without that of trial noise}
    total_raw, total : their sums, the second NaN where too little is left; warning : if little is
    """

    def __init__(self, task, penalty):
        self.task = task
        self.means = task.binned.read(task.binned.population.everything())
        demixer, parts, unit = task.demixer(self.means)
        error = task.binned.error(self.means.gain)
        self.raw = {m: (part**2).sum() for m, part in parts.items()}
        self.signal = {m: r - task.parts.noise(error, m) for m, r in self.raw.items()}
        self.total_raw, signal = sum(self.raw.values()), sum(self.signal.values())
        share = signal / self.total_raw if self.total_raw > 0 else 0.0
        self.total = signal if share >= UNUSABLE else np.nan
        what = f"only {share:.2f} of the variance of the condition means is not trial noise"
        self.warning = what if share < DOUBTFUL else ""
        self.axes = demixer.fit(penalty * unit, task.n_components)
        self.own = self._explained(self.axes, self.means, parts)
        unseen = []
        for train, test in task.halves():
            demixer, _, unit = task.demixer(train)
            axes = demixer.fit(penalty * unit, task.n_components)
            unseen.append(self._explained(axes, train, task.parts.of_means(test.x)))
        # Some trials can have fewer components than all: what is not there explains nothing.
        size = {m: len(v) for m, v in self.own.items()}
        self.held_out = {
            m: np.mean([np.append(u[m], np.zeros(n))[:n] for u in unseen], axis=0)
            for m, n in size.items()
        }

    def _explained(self, axes, means, parts):
        return {m: formulas.explained(parts[m], f, d @ means.x) for m, (f, d) in axes.items()}


class _Test(NamedTuple):
    """accuracy : held-out (bin,), None where nothing is classified; null : (surrogate, bin) or None
    n_classes : how many; notes : on the surrogates"""

    accuracy: np.ndarray | None
    null: np.ndarray | None = None
    n_classes: int = 1
    notes: tuple = ()


def _test(task, name, penalty, n_jobs, progress) -> _Test:
    """Are held-out trials nearest the mean of their own class, and those with shuffled labels?"""
    if (found := task.parts.classes(name)) is None:
        return _Test(None)
    label, context = found
    shuffle = task.setting.label_shuffle(split=True, classes=context, rank=label)

    def accuracy(population, resamples):
        found = []
        for r in resamples:
            train = task.binned.read(r.chosen, population=population)
            demixer = formulas.Demixer(train.x, {name: task.parts.patterns[name]}, train.scatter)
            axes = demixer.fit(penalty * (train.x**2).sum(), task.n_components)[name]
            found.append(task.binned.nearest(axes.decoder, train, label, population, r))
        return np.mean(found, axis=0)

    def surrogate(draw):
        if hasattr(shuffle, "redrawn"):
            return accuracy(*shuffle.redrawn(draw))
        return accuracy(task.setting.population.with_order(shuffle.order(draw)), task.resamples)

    null = parallel.over(
        lambda draws: (np.array([surrogate(d) for d in draws]),),
        task.setting.n_null,
        n_jobs=n_jobs,
        progress=progress,
    )
    observed = accuracy(task.setting.population, task.resamples)
    if null is None:
        return _Test(observed, None, label.max() + 1)
    return _Test(observed, null[0], label.max() + 1, tuple(few(shuffle, name)))


def _quantities(fit, tests):
    """{marginalisation: its three numbers}."""
    reason = fit.warning if np.isnan(fit.total) else ""
    found = {}
    for name, test in tests.items():
        share = fit.signal[name] / fit.total
        found[name] = [
            Quantity(
                "fraction of variance",
                share,
                "1: all of the variance of condition means, 0: none",
                naive=_over(fit.raw[name], fit.total_raw),
                least=0.0,
                most=1.0,
                reason=reason,
            ),
            Quantity(
                "explained variance",
                fit.held_out[name].sum() / fit.total,
                "its ceiling: all that the marginalisation has, 0: no better than the mean",
                naive=_over(fit.own[name].sum(), fit.total_raw),
                chance=0.0,
                most=1.0,
                ceiling=share,
                reason=reason,
            ),
            _accuracy(test),
        ]
    return found


def _accuracy(test):
    direction = "1: every new trial is given its own class"
    if test.accuracy is None:
        return missing("accuracy", direction, "time alone has no classes of trials")
    known = {"chance": 1.0 / test.n_classes, "least": 0.0, "most": 1.0}
    if test.null is not None:
        known["null"] = test.null.mean(axis=1)
        known["null_method"] = (
            "labels of its variables shuffled over whole trials, within groups and the levels of "
            "the other variables"
        )
    return Quantity("accuracy", test.accuracy.mean(), direction, **known)


def _over(top, bottom):
    return top / bottom if bottom > 0 else top * np.nan


def _add_components(result, fit, time):
    design, binned = fit.task.setting.design, fit.task.binned
    parts = [(m, i) for m, a in fit.axes.items() for i in range(len(a.decoder))]
    decoder = np.concatenate([a.decoder for a in fit.axes.values()])
    timed = () if time is None else ("time",)
    shape = (len(parts), design.n_conditions, binned.n_times)[: 2 + len(timed)]
    each = {"explained": fit.held_out, "explained_naive": fit.own}
    unseen, own = (np.concatenate(list(e.values())) for e in each.values())
    result["encoder"] = (
        ("component", "neuron"),
        np.concatenate([a.encoder.T for a in fit.axes.values()]),
    )
    result["decoder"] = ("component", "neuron"), decoder
    result["component_marginalisation"] = "component", np.array([m for m, _ in parts], dtype=str)
    result["explained"] = "component", unseen / fit.total
    result["explained_naive"] = "component", _over(own, fit.total_raw)
    projection = (decoder @ fit.means.x).reshape(shape)
    result["projection"] = ("component", "condition", *timed), projection
    result["centre"], result["gain"] = ("neuron", fit.means.centre), ("neuron", fit.means.gain)
    result["variance"] = "marginalisation", list(fit.signal.values())
    result["variance_naive"] = "marginalisation", list(fit.raw.values())
    result.coords["component"] = [f"{m} {i + 1}" for m, i in parts]
    result.coords["condition"] = [design.name_of(c) for c in range(design.n_conditions)]
    result.coords["session"] = "neuron", binned.recorded[:, 0]
    result.coords["unit_id"] = "neuron", binned.recorded[:, 1]
    if timed:
        result.coords["time"] = ("time", time, {"units": "s"})


def _add_accuracy(result, tests, time):
    """Accuracy in every bin, its p-values, and these corrected for the bins."""
    if time is None:
        return
    nothing, rows = np.full(len(time), np.nan), []
    for accuracy, null, *_ in tests.values():
        if null is None:
            rows.append([nothing if accuracy is None else accuracy, nothing, nothing])
            continue
        p = rank_p(accuracy, null)
        rows.append([accuracy, p, max_statistic(accuracy, null, at_least=p)])
    names = ("accuracy", "accuracy_p_value", "accuracy_p_corrected")
    tested = "null" in result
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name == "accuracy" or tested:
            result[name] = ("marginalisation", "time"), np.array(values)
