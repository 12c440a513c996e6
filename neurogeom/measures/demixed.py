"""Demixed principal component analysis (Kobak et al. 2016, eLife 5:e10989), with held-out tests."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import activity as container
from ..engine import parallel
from ..engine.block_shuffle import few
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.quantities import Quantity, missing, packed
from ..engine.sample import FLOOR
from ..engine.setting import setting
from ..formulas import demixing as formulas
from ..kernels.resampling import scaling

GRID = np.concatenate([[0.0], 10.0 ** np.arange(-7, 2.5, 0.5)])  # penalties / total variance
MOST_COMPONENTS = 10  # of a marginalisation, unless told otherwise; as in the paper
UNUSABLE, DOUBTFUL = 0.15, 0.3  # share of the variance of the means that is not noise
BIN = "\x1f"  # between a unit and its time bin: sorts before every printable character


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

    - *fraction of variance* of the condition means. Trial noise adds to every part (in noise
      alone the naive fractions of a 2 x 2 x 2 design are 1/7 each); its expectation is taken off
      each and off the total. It may leave [0, 1] and is never clipped.
    - *explained variance*: the share of the total that the components learnt from some trials
      reproduce in the means of others, of their own marginalisation alone (what leaks in from
      others counts against them). At most the fraction of variance, its ``ceiling``; negative
      where they are worse than nothing. ``naive`` is the same without new trials.
    - *accuracy*: held-out trials projected on the components and given the level of the nearest
      class mean, in each time bin, averaged over bins. Chance is 1 / number of classes. An
      interaction classifies the combinations of its variables: two-level variables whose
      interaction is coded alone reach 1/2 with four combinations.

    Parameters
    ----------
    x, variables, min_trials, n_pseudo, n_null, seed, n_jobs
        As in :func:`neurogeom.decoding`. Activity has dims (trial, neuron) or (trial, neuron,
        time). A trial on which a neuron lacks some of the bins counts as one on which it was not
        observed. Every combination of levels must have trials.
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
        (marginalisation, quantity). ``variance``, ``variance_naive`` (marginalisation), in units of
        squared activity summed over neurons, conditions and bins. ``accuracy`` (marginalisation
        [, time]), with time also ``accuracy_p_value`` and ``accuracy_p_corrected``, corrected for
        the bins. ``encoder``, ``decoder`` (component, neuron), for activity less ``centre`` times
        ``gain`` (neuron); ``component_marginalisation``, ``explained``, ``explained_naive``
        (component), components sorted by marginalisation and by what they capture; ``projection``
        (component, condition[, time]). ``regularisation``; ``held_out_error`` (penalty) where it
        was chosen.

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
    sessions, time, lost = _columns(container.sessions(x))
    s = setting(
        sessions,
        variables,
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        seed=seed,
    )
    parts = _marginalisations(s.design.names, time is not None, combine)
    task = _Task(s, parts, 1 if time is None else len(time), n_components)
    with threadpool_limits(1, user_api="blas"):
        penalty, errors = _penalty(task, regularisation)
        fit = _Fit(task, penalty)
        tests = {name: _test(task, name, penalty, n_jobs, progress) for name in parts}
    result = packed(_quantities(fit, tests), n_null=n_null, dim="marginalisation")
    _add_components(result, fit, time)
    _add_accuracy(result, tests, time)
    result["regularisation"] = penalty
    if errors is not None:
        result["held_out_error"], result.coords["penalty"] = ("penalty", errors), GRID
    result.attrs |= s.attrs(
        "dpca",
        estimand=(
            f"parts of the condition means of {task.n_neurons} neurons, trial noise removed; "
            "components and accuracies learnt from some trials and tested on others"
        ),
        convention="interactions with time joined to their parents"
        if combine is None
        else f"combined: {combine}",
        chance=None,
        range=None,
        direction="higher is more of the activity",
        readout="nearest class mean of the components",
        n_neurons=task.n_neurons,
        n_neurons_dropped=sum(s.population.dropped.values()) // task.n_times,
        n_neuron_trials=s.population.n_observed // task.n_times,
        notes=[*fit.notes, *(n for t in tests.values() for n in t.notes), *lost],
    )
    return result


def _columns(sessions):
    """Sessions with a column for every neuron and bin, the bins (None: no time), what was lost."""
    times = [s.time.values if "time" in s.dims else None for s in sessions]
    if all(t is None for t in times):
        return sessions, None, []
    if any(t is None or not np.array_equal(t, times[0]) for t in times):
        raise ValueError(
            "sessions have different time bins; read them all with the same window and bin_width"
        )
    if len(times[0]) == 1:
        return [s.isel(time=0, drop=True) for s in sessions], None, []
    flat, lost = zip(*map(_one_session, sessions), strict=True)
    notes = [f"{sum(lost)} neuron-trials that lack some of the bins were left out"]
    return list(flat), times[0], notes if sum(lost) else []


def _one_session(session):
    """A session as (trial, neuron and bin), and how many neuron-trials had some bins only."""
    seen = np.isfinite(session.values)
    partly = seen.any(axis=2) & ~seen.all(axis=2)
    values = np.where(partly[:, :, None], np.nan, session.values)
    bins = [f"{BIN}{t:06d}" for t in range(values.shape[2])]
    units = [f"{u}{b}" for u in session.unit_id.values for b in bins]
    trial = {k: v.values for k, v in session.coords.items() if v.dims == ("trial",)}
    scalars = {k: str(session[k].values) for k in ("session", "animal") if k in session.coords}
    flat = container.from_arrays(
        values.reshape(len(values), -1), trial=trial, neuron={"unit_id": units}, **scalars
    )
    return flat, int(partly.sum())


def _marginalisations(names, timed, combine):
    """{name: sets of factors}; a factor is the number of a variable, time comes after them."""
    labels = [*names, "time"] if timed else list(names)
    sets = [f for n in range(1, len(labels) + 1) for f in combinations(range(len(labels)), n)]
    time = len(names) if timed else -1
    if combine is None:
        return {
            ":".join(labels[i] for i in f): (f, (*f, time)) if timed and f != (time,) else (f,)
            for f in sets
            if time not in f or f == (time,)
        }
    left, found = {frozenset(f): f for f in sets}, {}
    for name, members in combine.items():
        keys = [frozenset(labels.index(v) if v in labels else v for v in m.split(":"))
                for m in ([members] if isinstance(members, str) else members)]  # fmt: skip
        for key, member in zip(keys, members, strict=True):
            if key not in left:
                raise ValueError(
                    f"combine[{name!r}] has {member!r}, which is no marginalisation of "
                    f"{labels} or is named twice; name each once, as in 'a:time'"
                )
            found.setdefault(name, []).append(left.pop(key))
    alone = {":".join(labels[i] for i in f): (f,) for f in left.values()}
    if twice := set(found) & set(alone):
        raise ValueError(f"combine has a name {min(twice)!r} that another marginalisation has")
    return {name: tuple(f) for name, f in found.items()} | alone


class _Means(NamedTuple):
    """Means of some trials, centred and scaled, and the scatter of these trials about them.

    x : float64 (neuron, point), points being conditions times bins; scatter : (neuron, neuron)
    centre, gain : (neuron,)
    """

    x: np.ndarray
    scatter: np.ndarray
    centre: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class _Task:
    """What is asked of which trials.

    setting : Setting of the population of (neuron, bin) columns, the bins of a neuron side by side
    parts : {marginalisation: sets of factors}; n_times : bins, 1 without time
    """

    setting: Any
    parts: dict
    n_times: int
    n_components: int | None

    def __post_init__(self):
        n = self.n_components
        if n is not None and (not isinstance(n, int | np.integer) or n < 1):
            raise ValueError(f"n_components={n!r} is no number of components; give at least 1")

    @property
    def population(self):
        return self.setting.population

    @property
    def n_neurons(self):
        return self.population.n_neurons // self.n_times

    @property
    def levels(self):
        return tuple(len(self.setting.design.levels[n]) for n in self.setting.design.names)

    @cached_property
    def resamples(self):
        return self.setting.draws(split=True).resamples

    @property
    def most(self):
        return MOST_COMPONENTS if self.n_components is None else int(self.n_components)

    def variables(self, name):
        """The variables that a marginalisation follows, by number."""
        return sorted({i for f in self.parts[name] for i in f if i < len(self.levels)})

    def part(self, x, name):
        """One marginalisation of (neuron, point)."""
        factors = self.levels + ((self.n_times,) if self.n_times > 1 else ())
        means = x.T.reshape(*factors, -1)
        return (
            sum(formulas.marginalisation(means, f) for f in self.parts[name]).reshape(x.T.shape).T
        )

    def read(self, population, chosen, like=None) -> _Means:
        """Means of the chosen trials, bool (flat trial,), scaled by themselves or as others are."""
        mean, square = (self._by_neuron(m) for m in population.moments(chosen))
        if like is not None:
            centre, gain = like.centre, like.gain
        elif self.setting.scale == "none":
            centre, gain = mean.mean(axis=0), np.ones(mean.shape[1])
        else:
            centre, gain = scaling(mean, square, FLOOR)
        scatter = np.diag(np.maximum(square - mean**2, 0.0).sum(axis=0))
        for columns, residual, n in self.residuals(population, chosen, least=2):
            weighed = (residual / np.sqrt(n)[:, None, None]).transpose(1, 0, 2)
            weighed = weighed.reshape(len(columns), -1)
            scatter[np.ix_(columns, columns)] = weighed @ weighed.T
        return _Means(((mean - centre) * gain).T, scatter * np.outer(gain, gain), centre, gain)

    def residuals(self, population, chosen, least=1):
        """Neurons, residuals (trial, neuron, bin) and trials of the condition (trial,) of the
        groups of at least so many neurons."""
        p, width = population, population.width // self.n_times
        for g in np.flatnonzero(width >= least):
            span = slice(p.trial0[g], p.trial0[g + 1])
            seen, n_rows = chosen[span], p.trial0[g + 1] - p.trial0[g]
            values = p.values[p.start[g] : p.start[g] + n_rows * p.width[g]].reshape(n_rows, -1)
            values = values[p.order[span][seen]]
            condition = np.repeat(np.arange(p.n_conditions), p.counts[g])[seen]
            n = np.bincount(condition, minlength=p.n_conditions)
            first = np.concatenate([[0], np.cumsum(n)[:-1]])
            means = np.add.reduceat(values, first, axis=0) / n[:, None]
            residual = (values - means[condition]).reshape(len(values), width[g], self.n_times)
            yield p.column[g] // self.n_times + np.arange(width[g]), residual, n[condition]

    def _by_neuron(self, values):
        """(condition, neuron and bin) as (point, neuron)."""
        n = self.n_neurons
        values = values.reshape(len(values), n, self.n_times).transpose(0, 2, 1)
        return np.ascontiguousarray(values).reshape(-1, n)


def _penalty(task, regularisation):
    """The penalty and the held-out error of every penalty of the grid (None where it was given)."""
    if regularisation != "held_out":
        value = regularisation
        if not isinstance(value, float | int | np.number) or not 0 <= value < np.inf:
            raise ValueError(
                f"regularisation={value!r} is no penalty; give a number from 0, or 'held_out'"
            )
        return float(value), None
    errors = np.mean([_error(task, r) for r in task.resamples], axis=0)
    return float(GRID[np.argmin(errors)]), errors


def _error(task, resample):
    """Squared error of reconstructing the parts of training means from single held-out trials.

    A share of the squared length of these means, (penalty,). Over all pairings of the trials of
    neurons recorded apart, it is that of the mean trial plus the scatter of trials that the
    components let through.
    """
    train = task.read(task.population, resample.chosen)
    test = task.read(task.population, ~resample.chosen, like=train)
    demixer, total = formulas.Demixer(train.x, train.scatter), (train.x**2).sum()
    errors = np.zeros(len(GRID))
    for name in task.parts:
        part = task.part(train.x, name)
        errors += (part**2).sum()
        for i, (encoder, decoder) in enumerate(demixer.path(part, GRID * total, task.most)):
            errors[i] += ((decoder @ test.scatter) * decoder).sum()
            errors[i] -= formulas.explained(part, encoder, decoder @ test.x).sum()
    return errors / total if total > 0 else errors


class _Fit:
    """Components of all trials, and what they, and those of some trials, explain.

    axes, own, held_out : {marginalisation: Axes, squared length explained (component,) in all
    trials and in those left out}
    raw, noise : {marginalisation: squared length, and what noise adds to it}
    """

    def __init__(self, task, penalty):
        self.task = task
        everything = task.population.everything()
        self.means = task.read(task.population, everything)
        self.axes = _axes(task, self.means, penalty)
        self.own = self._explained(self.means, self.means, self.axes)
        self.raw = {m: (task.part(self.means.x, m) ** 2).sum() for m in task.parts}
        error = self._error_over_time(everything)
        self.noise = {
            m: sum(formulas.noise(error, task.levels, f) for f in task.parts[m]) for m in task.parts
        }
        unseen = []
        for r in task.resamples:
            train = task.read(task.population, r.chosen)
            test = task.read(task.population, ~r.chosen, like=train)
            unseen.append(self._explained(train, test, _axes(task, train, penalty)))
        # A fold can lack a component that all trials have: it explains nothing there.
        self.held_out = {
            m: np.mean([_padded(u[m], len(self.own[m])) for u in unseen], axis=0)
            for m in task.parts
        }

    def _explained(self, train, test, axes):
        part = self.task.part
        return {
            m: formulas.explained(part(test.x, m), a.encoder, a.decoder @ train.x)
            for m, a in axes.items()
        }

    def _error_over_time(self, everything):
        task, error = self.task, 0.0
        for columns, residual, n in task.residuals(task.population, everything):
            scaled = (
                residual * self.means.gain[columns][:, None] / np.sqrt(n * (n - 1.0))[:, None, None]
            )
            scaled = scaled.reshape(-1, task.n_times)
            error = error + scaled.T @ scaled
        return error

    @property
    def total(self):
        """Squared length of the means without noise; NaN where noise leaves too little of it."""
        return self._total if self.share >= UNUSABLE else np.nan

    @property
    def _total(self):
        return sum(self.raw.values()) - sum(self.noise.values())

    @property
    def share(self):
        """Share of the squared length of the means that is not noise."""
        raw = sum(self.raw.values())
        return self._total / raw if raw > 0 else 0.0

    @property
    def reason(self):
        if self.share >= UNUSABLE:
            return ""
        return f"trial noise exceeds the signal: {self.share:.2f} of the variance of means is left"

    @property
    def notes(self):
        if UNUSABLE <= self.share < DOUBTFUL:
            return [f"only {self.share:.2f} of the variance of the condition means is not noise"]
        return []


def _axes(task, means, penalty):
    """Axes of every marginalisation."""
    demixer = formulas.Demixer(means.x, means.scatter)
    penalty = penalty * (means.x**2).sum()
    return {m: demixer.fit(task.part(means.x, m), penalty, task.most) for m in task.parts}


def _padded(values, n):
    return np.pad(values[:n], (0, max(0, n - len(values))))


class _Test(NamedTuple):
    """Held-out accuracy (bin,) and that of surrogates (surrogate, bin), None where nothing is
    classified; classes : how many"""

    accuracy: np.ndarray | None
    null: np.ndarray | None = None
    classes: int = 1
    notes: tuple = ()


def _test(task, name, penalty, n_jobs, progress) -> _Test:
    """Are trials that were held out nearest the mean of their own class, and of shuffled ones?"""
    tested = task.variables(name)
    if not tested:
        return _Test(None)
    table = task.setting.design.table
    of_condition = np.unique(table[:, tested], axis=0, return_inverse=True)[1].ravel()
    others = np.delete(table, tested, axis=1)
    context = np.unique(others, axis=0, return_inverse=True)[1].ravel()
    shuffle = task.setting.label_shuffle(split=True, classes=context, rank=of_condition)

    def accuracy(population, resamples):
        each = (_classified(task, name, penalty, of_condition, population, r) for r in resamples)
        return np.mean(list(each), axis=0)

    def surrogates(draws):
        found = []
        for draw in draws:
            if hasattr(shuffle, "redrawn"):
                found.append(accuracy(*shuffle.redrawn(draw)))
            else:
                moved = task.population.with_order(shuffle.order(draw))
                found.append(accuracy(moved, task.resamples))
        return (np.array(found),)

    observed = accuracy(task.population, task.resamples)
    null = parallel.over(surrogates, task.setting.n_null, n_jobs=n_jobs, progress=progress)
    words = tuple(few(shuffle, name)) if null else ()
    return _Test(observed, null and null[0], int(of_condition.max()) + 1, words)


def _classified(task, name, penalty, of_condition, population, resample):
    """Share of held-out (pseudo-)trials given their own class, conditions weighing the same."""
    train = task.read(population, resample.chosen)
    demixer = formulas.Demixer(train.x, train.scatter)
    penalty = penalty * (train.x**2).sum()
    decoder = demixer.fit(task.part(train.x, name), penalty, task.most).decoder
    n_classes = int(of_condition.max()) + 1
    member = (of_condition == np.arange(n_classes)[:, None]).astype(float)
    member /= member.sum(axis=1, keepdims=True)
    means = (decoder @ train.x).reshape(len(decoder), -1, task.n_times)
    means = np.einsum("kc,qct->qkt", member, means)  # (component, class, bin)
    trials = population.gather(resample.test).reshape(-1, task.n_neurons, task.n_times)
    trials = (trials - train.centre[:, None]) * train.gain[:, None]
    projected = np.tensordot(decoder, trials, axes=(1, 1))  # (component, trial, bin)
    distance = ((projected[:, :, None] - means[:, None]) ** 2).sum(axis=0)
    n = np.diff(resample.test_bounds)
    hit = distance.argmin(axis=1) == np.repeat(of_condition, n)[:, None]
    return (np.add.reduceat(hit, resample.test_bounds[:-1], axis=0, dtype=float) / n[:, None]).mean(
        0
    )


def _quantities(fit, tests):
    """{marginalisation: its three numbers}."""
    raw, total, reason = sum(fit.raw.values()), fit.total, fit.reason
    found = {}
    for name, test in tests.items():
        share = (fit.raw[name] - fit.noise[name]) / total
        found[name] = [
            Quantity(
                "fraction of variance",
                share,
                "1: all of the variance of condition means, 0: none",
                naive=_over(fit.raw[name], raw),
                least=0.0,
                most=1.0,
                reason=reason,
            ),
            Quantity(
                "explained variance",
                fit.held_out[name].sum() / total,
                "its ceiling: all that the marginalisation has, 0: no better than the mean",
                naive=_over(fit.own[name].sum(), raw),
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
    return Quantity(
        "accuracy",
        test.accuracy.mean(),
        direction,
        chance=1.0 / test.classes,
        least=0.0,
        most=1.0,
        null=None if test.null is None else test.null.mean(axis=1),
        null_method=(
            ""
            if test.null is None
            else "labels of its variables shuffled over whole trials, "
            "within groups and the levels of the other variables"
        ),
    )


def _over(top, bottom):
    return top / bottom if bottom > 0 else np.nan


def _add_components(result, fit, time):
    task, design = fit.task, fit.task.setting.design
    names = [m for m, a in fit.axes.items() for _ in range(len(a.decoder))]
    rank = [i + 1 for a in fit.axes.values() for i in range(len(a.decoder))]
    decoder = np.concatenate([a.decoder for a in fit.axes.values()])
    encoder = np.concatenate([a.encoder.T for a in fit.axes.values()])
    raw = sum(fit.raw.values())
    own, unseen = (np.concatenate(list(e.values())) for e in (fit.own, fit.held_out))
    timed = () if time is None else ("time",)
    shape = (len(decoder), design.n_conditions, task.n_times)[: 2 + len(timed)]
    result["encoder"] = ("component", "neuron"), encoder
    result["decoder"] = ("component", "neuron"), decoder
    result["component_marginalisation"] = "component", np.array(names, dtype=str)
    result["explained"] = "component", unseen / fit.total
    result["explained_naive"] = "component", own / raw if raw > 0 else own * np.nan
    result["projection"] = (
        ("component", "condition", *timed),
        (decoder @ fit.means.x).reshape(shape),
    )
    result["centre"], result["gain"] = ("neuron", fit.means.centre), ("neuron", fit.means.gain)
    values = {m: fit.raw[m] - fit.noise[m] for m in fit.raw}
    result["variance"] = "marginalisation", list(values.values())
    result["variance_naive"] = "marginalisation", list(fit.raw.values())
    recorded = task.population.recorded[:: task.n_times]
    units = [u.split(BIN)[0] for u in recorded[:, 1]] if timed else recorded[:, 1]
    result.coords["component"] = [f"{m} {r}" for m, r in zip(names, rank, strict=True)]
    result.coords["condition"] = [design.name_of(c) for c in range(design.n_conditions)]
    result.coords["session"], result.coords["unit_id"] = (
        ("neuron", recorded[:, 0]),
        ("neuron", np.array(units, dtype=str)),
    )
    if timed:
        result.coords["time"] = ("time", time, {"units": "s"})


def _add_accuracy(result, tests, time):
    """Accuracy in every bin, its p-values, and these corrected for the bins."""
    if time is None:
        return
    nan = np.full(len(time), np.nan)
    rows = [nan if t.accuracy is None else t.accuracy for t in tests.values()]
    result["accuracy"] = ("marginalisation", "time"), np.array(rows)
    if all(t.null is None for t in tests.values()):
        return
    p, corrected = [], []
    for test in tests.values():
        p.append(nan if test.null is None else rank_p(test.accuracy, test.null))
        corrected.append(
            nan if test.null is None else max_statistic(test.accuracy, test.null, at_least=p[-1])
        )
    result["accuracy_p_value"] = ("marginalisation", "time"), np.array(p)
    result["accuracy_p_corrected"] = ("marginalisation", "time"), np.array(corrected)
