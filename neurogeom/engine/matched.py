"""Two populations on the conditions that both were recorded in: matched by label, never by row."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np

from .. import activity as container
from ..design import conditions
from . import resampling
from .nulls import standardised
from .population import population
from .setting import SCALES, Setting

_APART = (
    "a and b share trials: scores compare different trials of each, and naive values all of them"
)
_NOISE = (
    "a and b share trials that cannot be told apart alike in both: corrected scores are too high "
    "where noise is shared"
)


@dataclass(frozen=True)
class Matched:
    """Two populations with the same conditions in the same order.

    a, b : Setting
    together : the trials of a are those of b and are divided alike, so that noise which they share
        can be kept out of a comparison: it takes half of the trials of each from a, half from b
    same_neurons : some neurons of a are neurons of b
    n_splits : divisions of the trials to average over
    notes : sentences on what was left out and shared
    """

    a: Setting
    b: Setting
    together: bool
    same_neurons: bool
    n_splits: int
    notes: tuple

    @property
    def n_conditions(self):
        """Conditions in common."""
        return self.a.design.n_conditions

    @property
    def fewest(self):
        """The smallest number of sets that the trials of a condition can be divided into, up to 4.

        Whole blocks go to one set.
        """
        return min(
            int(resampling.folds(s.population, 0, s.seed, 4)[1].min()) for s in (self.a, self.b)
        )

    @cached_property
    def means(self):
        """Condition means of a and of b over all trials, each (condition, neuron)."""
        return tuple(standardised(s.population, s.scale).means for s in (self.a, self.b))

    @cached_property
    def halves(self):
        """Means of a and of b over halves of the trials, each (split, 2, condition, neuron)."""
        return self._divided(2)

    @cached_property
    def quarters(self):
        """The same of quarters, each (split, 4, condition, neuron)."""
        return self._divided(4)

    def _divided(self, n_folds):
        return tuple(self._folds(s, n_folds) for s in (self.a, self.b))

    def _folds(self, s, n_folds):
        standard = standardised(s.population, s.scale)
        return np.stack(
            [
                resampling.fold_means(s.population, n_folds, r, s.seed) * standard.inverse
                for r in range(self.n_splits)
            ]
        )

    @property
    def independent(self):
        """Estimates of a and b whose noise is independent, a list of pairs (condition, neuron)."""
        if not self.together:
            return [self.means]
        a, b = self.halves
        return [(a[0, 0], b[0, 1]), (a[0, 1], b[0, 0])]

    def orders(self, key):
        """Surrogate orders of the conditions of b, int (surrogate, condition)."""
        rng = np.random.default_rng(np.random.SeedSequence(self.a.seed, spawn_key=(key,)))
        return rng.permuted(np.tile(np.arange(self.n_conditions), (self.a.n_null, 1)), axis=1)


def matched(
    a,
    b,
    variables,
    *,
    min_trials=5,
    n_null=999,
    n_splits=20,
    scale="resample",
    empty="error",
    seed=0,
) -> Matched:
    """Read the conditions of two populations and keep those that both have.

    a, b : DataArray (trial, neuron), or list of them; the options are those of the measures.

    Raises
    ------
    KeyError, ValueError, TypeError
        As :func:`neurogeom.decoding` does for either; activity has a time dim; fewer than two
        conditions are in common.
    """  # fmt: skip
    _check(scale, n_null=n_null, seed=seed, n_splits=n_splits)
    read = []
    for x in (a, b):
        sessions = container.sessions(x)
        if any("time" in s.dims for s in sessions):
            raise ValueError(
                "activity with a time dim has no one similarity; compare one window of each, as "
                "in x.isel(time=0) or x.mean('time')"
            )
        read.append((sessions, conditions(sessions, variables, empty=empty)))
    names = [_names(design) for _, design in read]
    common = sorted(set(names[0]) & set(names[1]), key=names[0].index)
    if len(common) < 2:
        raise ValueError(
            f"a and b have {'no condition' if not common else 'one condition'} in common: a has "
            f"{_listed(read[0][1])}, b has {_listed(read[1][1])}; a comparison needs two or more, "
            "whose labels are written alike in both"
        )
    settings = []
    for (sessions, design), own in zip(read, names, strict=True):
        kept = _restricted(design, [own.index(c) for c in common])
        gathered = population(sessions, kept, min_trials=min_trials)
        settings.append(Setting(kept, gathered, None, scale, 0, None, n_null, seed))
    return _paired(read, names, common, settings, n_splits)


def _check(scale, **numbers):
    if scale not in SCALES:
        raise ValueError(f"scale={scale!r} is unknown; choose from {list(SCALES)}")
    for name, value in numbers.items():
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name}={value!r} is no whole number; give an int")
        least = 1 if name == "n_splits" else 0
        if value < least:
            raise ValueError(f"{name}={value} is too small; give {least} or more")


def _paired(read, names, common, settings, n_splits):
    notes = []
    for which, own in zip("ab", names, strict=True):
        if left := len(own) - len(common):
            notes.append(f"{left} conditions of {which} have no counterpart and are left out")
    a, b = settings
    same = bool(_columns(read[0][0]) & _columns(read[1][0]))
    together = False
    if same or _same_trials(*read, *names):
        together = _alike(a, b, read)
        notes.append(_APART if together else _NOISE)
    if together:  # one key a group, or their trials would be divided apart
        b = replace(b, population=replace(b.population, keys=a.population.keys))
    return Matched(a, b, together, same, n_splits, tuple(notes))


def _names(design):
    """The label of every condition, a list of tuples."""
    columns = [np.asarray(design.labels[n]).tolist() for n in design.names]
    return list(zip(*columns, strict=True))


def _listed(design, most=4):
    some = [design.name_of(c) for c in range(min(design.n_conditions, most))]
    more = design.n_conditions - len(some)
    return "; ".join(some) + (f"; and {more} more" if more else "")


def _restricted(design, kept):
    """The design of some conditions, in the order given."""
    new = np.full(design.n_conditions, -1)
    new[kept] = np.arange(len(kept))
    return replace(
        design,
        table=design.table[kept],
        labels={n: np.asarray(v)[kept] for n, v in design.labels.items()},
        of_trial=tuple(np.where(c >= 0, new[np.maximum(c, 0)], -1) for c in design.of_trial),
    )


def _same_trials(first, second, *names):
    """Whether a session of both has trials in common: the same ids, each in the same condition."""
    trials = [
        {
            s.session.item(): {
                i: own[c]
                for i, c in zip(s.trial_id.values.tolist(), condition, strict=True)
                if c >= 0
            }
            for s, condition in zip(sessions, design.of_trial, strict=True)
        }
        for (sessions, design), own in zip((first, second), names, strict=True)
    ]
    for session in trials[0].keys() & trials[1].keys():
        one, other = trials[0][session], trials[1][session]
        common = one.keys() & other.keys()
        if common and all(one[i] == other[i] for i in common):
            return True
    return False


def _alike(a, b, read):
    """Whether both populations hold the same trials of the same sessions, group by group."""
    p, q = a.population, b.population
    ids = [[s.coords["trial_id"].values.tolist() for s in sessions] for sessions, _ in read]
    every = [sum(int((c >= 0).sum()) for c in s.design.of_trial) for s in (a, b)]
    return (
        p.session == q.session
        and len(set(p.session)) == p.n_groups
        and np.array_equal(p.bounds, q.bounds)
        and np.array_equal(p.block, q.block)
        and ids[0] == ids[1]
        and p.trial0[-1] == every[0] == every[1]
    )


def _columns(sessions):
    """A hash of the activity of every neuron with more than two values: fewer may be chance."""
    return {
        blake2b(np.ascontiguousarray(column, float).tobytes(), digest_size=16).digest()
        for s in sessions
        for column in s.values.T
        if len(np.unique(column)) > 2
    }
