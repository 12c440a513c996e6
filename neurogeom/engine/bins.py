"""Time as a factor: neurons with their time bins side by side, and means over both.

A population knows trials and columns. Here a column is a neuron in a bin, so that groups, draws,
shuffles and folds keep whole trials with all their bins together.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from .. import activity as container
from ..formulas import demixing
from ..kernels.resampling import scaling
from .sample import FLOOR

BIN = "\x1f"  # between a unit and the number of its bin: sorts before every printable character


class Means(NamedTuple):
    """Means of some trials, centred and scaled, and the scatter of these trials about them.

    x : float64 (neuron, point), points being conditions times bins; scatter : (neuron, neuron),
    covariance of single trials summed over points, 0 between neurons recorded apart
    centre, gain : (neuron,)
    """

    x: np.ndarray
    scatter: np.ndarray
    centre: np.ndarray
    gain: np.ndarray


def columns(sessions):
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


@dataclass(frozen=True)
class Binned:
    """A population of (neuron, bin) columns, the bins of a neuron side by side.

    n_times : bins, 1 without time; scale : "none", or each neuron in units of its sd
    """

    population: Any
    n_times: int
    scale: str

    @property
    def n_neurons(self):
        """Neurons, each counted once."""
        return self.population.n_neurons // self.n_times

    @property
    def recorded(self):
        """Session and unit of every neuron, str (neuron, 2)."""
        found = self.population.recorded[:: self.n_times].copy()
        found[:, 1] = [unit.split(BIN)[0] for unit in found[:, 1]]
        return found

    def read(self, chosen, *, population=None, like=None) -> Means:
        """Means of the chosen trials, bool (flat trial,).

        population : a surrogate; like : Means to scale by, where not by the chosen trials
        """
        population = self.population if population is None else population
        mean, square = (self._by_neuron(m) for m in population.moments(chosen))
        if like is not None:
            centre, gain = like.centre, like.gain
        elif self.scale == "none":
            centre, gain = mean.mean(axis=0), np.ones(mean.shape[1])
        else:
            centre, gain = scaling(mean, square, FLOOR)
        scatter = np.diag(np.maximum(square - mean**2, 0.0).sum(axis=0))
        together = np.flatnonzero(population.width > self.n_times)
        for neurons, residual, n in self._residuals(population, chosen, together):
            weighed = (residual / np.sqrt(n)[:, None, None]).transpose(1, 0, 2)
            weighed = weighed.reshape(len(neurons), -1)
            scatter[np.ix_(neurons, neurons)] = weighed @ weighed.T
        return Means(((mean - centre) * gain).T, scatter * np.outer(gain, gain), centre, gain)

    def nearest(self, decoder, train, label, population, resample):
        """Share of held-out (pseudo-)trials nearest the mean of their own class, (bin,).

        decoder : float64 (component, neuron); train : Means of the trials that train
        label : int (condition,), the class of each; conditions weigh the same, in means as in hits
        """
        values = population.gather(resample.test).reshape(-1, self.n_neurons, self.n_times)
        trials = (values - train.centre[:, None]) * train.gain[:, None]
        member = (label == np.arange(label.max() + 1)[:, None]).astype(float)
        member /= member.sum(axis=1, keepdims=True)
        of_condition = (decoder @ train.x).reshape(len(decoder), len(label), -1)
        means = np.einsum("kc,qct->qkt", member, of_condition)  # (component, class, bin)
        projected = np.tensordot(decoder, trials, axes=(1, 1))  # (component, trial, bin)
        distance = ((projected[:, :, None] - means[:, None]) ** 2).sum(axis=0)
        n = np.diff(resample.test_bounds)
        hit = distance.argmin(axis=1) == np.repeat(label, n)[:, None]
        hits = np.add.reduceat(hit.astype(float), resample.test_bounds[:-1], axis=0)
        return (hits / n[:, None]).mean(axis=0)

    def error(self, gain):
        """Covariance over bins of the errors of means over all trials, summed over neurons and
        conditions, (bin, bin)."""
        p, total = self.population, 0.0
        for neurons, residual, n in self._residuals(p, p.everything(), range(p.n_groups)):
            weight = gain[neurons] / np.sqrt(n * (n - 1.0))[:, None]
            weighed = (residual * weight[:, :, None]).reshape(-1, self.n_times)
            total = total + weighed.T @ weighed
        return total

    def _residuals(self, p, chosen, groups):
        """Of each group its neurons, residuals (trial, neuron, bin), and how many chosen trials
        the condition of each trial has (trial,)."""
        for g in groups:
            span, width = slice(p.trial0[g], p.trial0[g + 1]), p.width[g]
            seen, n_rows = chosen[span], p.trial0[g + 1] - p.trial0[g]
            values = p.values[p.start[g] : p.start[g] + n_rows * width].reshape(n_rows, width)
            values = values[p.order[span][seen]]
            condition = np.repeat(np.arange(p.n_conditions), p.counts[g])[seen]
            n = np.bincount(condition, minlength=p.n_conditions)
            means = np.add.reduceat(values, np.cumsum(n) - n, axis=0) / n[:, None]
            residual = (values - means[condition]).reshape(len(values), -1, self.n_times)
            first = p.column[g] // self.n_times
            yield first + np.arange(width // self.n_times), residual, n[condition]

    def _by_neuron(self, values):
        """(condition, neuron and bin) as (point, neuron)."""
        values = values.reshape(len(values), self.n_neurons, self.n_times).transpose(0, 2, 1)
        return np.ascontiguousarray(values).reshape(-1, self.n_neurons)


@dataclass(frozen=True)
class Parts:
    """The marginalisations of a design, each one or several sets of factors.

    sets : {marginalisation: tuples of factors}; a factor is the number of a variable, time comes
    after them; names : the same in words; patterns : {marginalisation: float64 (point, pattern)},
    orthonormal; levels, table : of the variables, as in Design
    """

    sets: dict
    names: dict
    patterns: dict
    levels: tuple
    table: np.ndarray

    @classmethod
    def of(cls, design, n_times, combine=None):
        """Those that ``combine`` names {marginalisation: list of str}, and the others alone.

        Without ``combine`` each is joined with its interaction with time.

        Raises
        ------
        ValueError
            ``combine`` names what is no marginalisation, or names one twice.
        """
        labels = (*design.names, "time") if n_times > 1 else design.names
        every = [f for n in range(len(labels)) for f in combinations(labels, n + 1)]
        left = {frozenset(f): ":".join(f) for f in every}
        if combine is None:
            alone = [n for f, n in left.items() if f == {"time"} or "time" not in f]
            later = {n: f"{n}:time" for n in alone if n_times > 1 and n != "time"}
            combine = {n: [n, later[n]] if n in later else [n] for n in alone}
        names = {m: [_taken(left, n, m) for n in members] for m, members in combine.items()}
        if twice := set(names) & set(left.values()):
            raise ValueError(f"combine gives the name {min(twice)!r} to others than itself")
        names |= {name: [name] for name in left.values()}
        number = {label: i for i, label in enumerate(labels)}
        sets = {m: [tuple(number[v] for v in n.split(":")) for n in ns] for m, ns in names.items()}
        levels = tuple(len(design.levels[n]) for n in design.names)
        factors = levels + (n_times,) * (n_times > 1)
        patterns = {m: [demixing.contrasts(factors, f) for f in fs] for m, fs in sets.items()}
        patterns = {m: np.hstack(b) for m, b in patterns.items()}
        return cls(sets, names, patterns, levels, design.table)

    def of_means(self, x):
        """All parts of means, {marginalisation: (neuron, point)}."""
        return {m: (x @ b) @ b.T for m, b in self.patterns.items()}

    def noise(self, error, name):
        """What trial noise adds to the squared length of one; error as in `demixing.noise`."""
        return sum(demixing.noise(error, self.levels, f) for f in self.sets[name])

    def classes(self, name):
        """The class and the context of every condition, int (condition,): what the marginalisation
        follows, and all that it does not. None where it follows time alone."""
        own = sorted({i for f in self.sets[name] for i in f if i < len(self.levels)})
        if not own:
            return None
        context = np.delete(self.table, own, axis=1)
        context = np.column_stack([np.zeros(len(context), int), context])  # one at least
        each = (self.table[:, own], context)
        return [np.unique(t, axis=0, return_inverse=True)[1].ravel() for t in each]


def _taken(left, name, group):
    """The name of a marginalisation as it is written here; it is taken out of those left."""
    key = frozenset(name.split(":"))
    if key not in left:
        raise ValueError(
            f"combine[{group!r}] has {name!r}, which is none of the marginalisations or is named "
            f"twice; left are {sorted(left.values())}"
        )
    return left.pop(key)
