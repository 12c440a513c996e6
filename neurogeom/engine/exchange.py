"""Two groups of units (animals, sessions): rearrangements between the groups, and intervals.

A unit is what was drawn independently: an animal, or a session where animals are compared with
themselves (a stratum is an animal then). Its value may be an array, NaN where it could not be
estimated; a unit takes its NaN along when it changes groups, so that the test stays exact.
"""

from itertools import combinations, product
from math import comb, prod
from typing import NamedTuple

import numpy as np

from .targets import MIN_ANIMALS

MOST_EXACT = 10_000  # arrangements that are listed rather than drawn
N_BOOTSTRAP = 2000
MIN_BOOTSTRAP = 10  # animals a group, below which the bootstrap covers too little


class Arrangements(NamedTuple):
    """Ways of dealing the units to the groups, the observed one left out.

    second : bool (arrangement, unit), who is in the second group; n_possible : with the observed
    one; exact : all of them are listed
    """

    second: np.ndarray
    n_possible: int
    exact: bool

    @property
    def smallest_p(self):
        """The smallest two-sided p-value that can come out."""
        return min(1.0, 2.0 / (1 + len(self.second)))


def arrangements(second, stratum=None, *, n_null=999, seed=0) -> Arrangements:
    """All arrangements within strata where there are at most 10,000, else ``n_null`` random ones.

    second : bool (unit,), the observed groups; stratum : int (unit,) from 0, all alike without it
    """
    second = np.asarray(second, bool)
    stratum = np.zeros(len(second), int) if stratum is None else np.asarray(stratum)
    members = [np.flatnonzero(stratum == s) for s in range(stratum.max() + 1)]
    sizes = [(len(m), int(second[m].sum())) for m in members]
    n_possible = prod(comb(*size) for size in sizes)
    if n_possible <= MOST_EXACT:
        dealt = np.zeros((n_possible, len(second)), bool)
        choices = product(*(combinations(m, k) for m, (_, k) in zip(members, sizes, strict=True)))
        for row, choice in zip(dealt, choices, strict=True):
            row[np.concatenate(choice).astype(int)] = True
        return Arrangements(dealt[(dealt != second).any(axis=1)], n_possible, True)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(26, 1)))
    dealt = np.tile(second, (n_null, 1))
    for m in members:
        dealt[:, m] = rng.permuted(dealt[:, m], axis=1)
    return Arrangements(dealt, n_possible, False)


def difference(values, second, stratum=None):
    """Mean of the second group minus mean of the first, averaged over strata.

    values : float64 (unit, ...), NaN left out; second : bool (arrangement, unit)
    returns : float64 (arrangement, ...), NaN where a group is empty
    """
    stratum = np.zeros(len(values), int) if stratum is None else stratum
    return by_stratum(values, second, stratum).mean(axis=0)


def by_stratum(values, second, stratum):
    """The difference within each stratum, float64 (stratum, arrangement, ...)."""
    stratum = np.asarray(stratum)
    members = [stratum == s for s in range(stratum.max() + 1)]
    return np.array([_difference(values[m], second[:, m]) for m in members])


def _difference(values, second):
    flat = values.reshape(len(values), -1)
    there = np.isfinite(flat)
    filled = np.where(there, flat, 0.0)
    means = []
    for member in (second, ~second):
        member = member.astype(float)
        n = member @ there
        means.append(member @ filled / np.where(n > 0, n, np.nan))
    return (means[0] - means[1]).reshape(len(second), *values.shape[1:])


def welch(first, second):
    """95 % interval of the difference of two means, variances unequal (Welch 1947).

    first, second : float64 (unit, ...), NaN left out
    returns : float64 (bound, ...), NaN where a group has fewer than three values or none varies
    """
    sides = [_moments(g) for g in (first, second)]
    total = sum(s.variance for s in sides)
    with np.errstate(invalid="ignore", divide="ignore"):  # none varies: 0 / 0
        df = total**2 / sum(s.variance**2 / (s.n - 1) for s in sides)
    enough = np.minimum(*(s.n for s in sides)) >= MIN_ANIMALS
    return _around(sides[1].mean - sides[0].mean, total, np.where(enough, df, np.nan))


def paired(values, second, stratum):
    """95 % interval of the mean over strata of their differences, by Student's t; as `welch`."""
    found = _moments(by_stratum(values, second[None], stratum)[:, 0])
    able = (found.n >= MIN_ANIMALS) & (found.variance > 0)
    return _around(found.mean, found.variance, np.where(able, found.n - 1.0, np.nan))


class _Moments(NamedTuple):
    n: np.ndarray
    mean: np.ndarray
    variance: np.ndarray  # of the mean


def _moments(values):
    """Over the first axis, of what is finite."""
    there = np.isfinite(values)
    n = there.sum(axis=0)
    centre = mean(values)
    squares = np.where(there, (np.where(there, values, 0.0) - centre) ** 2, 0.0).sum(axis=0)
    return _Moments(n, centre, squares / np.where(n > 1, (n - 1) * n, np.nan))


def _around(centre, variance, df):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * np.sqrt(variance)
    return np.array([centre - half, centre + half])


def mean(values):
    """Mean over the first axis of what is finite, NaN where nothing is."""
    return _mean(values, np.ones(values.shape, bool), 0)


def sd(values):
    """Standard deviation over the first axis of what is finite, NaN of fewer than two."""
    found = _moments(values)
    return np.sqrt(found.variance * found.n)


def hierarchical_bootstrap(first, second, *, n_bootstrap=N_BOOTSTRAP, seed=0):
    """Percentile interval: animals with replacement, then sessions within each (Saravanan 2020).

    Too short where animals are few, since the spread of few animals is that of a sample and not of
    a population.

    first, second : list (animal,) of float64 (session, ...), NaN left out
    returns : float64 (bound, ...), NaN where a group has fewer than ten animals
    """
    if min(len(first), len(second)) < MIN_BOOTSTRAP:
        return np.full((2, *first[0].shape[1:]), np.nan)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(26, 2)))
    means = [_resampled(group, n_bootstrap, rng) for group in (first, second)]
    return np.quantile(means[1] - means[0], [0.025, 0.975], axis=0)


def _resampled(group, n_bootstrap, rng):
    """Means over drawn animals of the means over their drawn sessions, (bootstrap, ...)."""
    n_sessions = np.array([len(sessions) for sessions in group])
    longest, shape = n_sessions.max(), group[0].shape[1:]
    table = np.full((len(group), longest, *shape), np.nan)
    for row, sessions in zip(table, group, strict=True):
        row[: len(sessions)] = sessions
    animal = rng.integers(len(group), size=(n_bootstrap, len(group)))
    within = rng.random((*animal.shape, longest)) * n_sessions[animal][..., None]
    drawn = table[animal[..., None], within.astype(int)]
    asked = np.arange(longest) < n_sessions[animal][..., None]
    asked = asked.reshape(*asked.shape, *(1,) * len(shape))
    of_animal = _mean(drawn, asked, 2)
    return _mean(of_animal, np.ones(of_animal.shape, bool), 1)


def _mean(values, asked, axis):
    """Mean over what is asked for and finite."""
    there = asked & np.isfinite(values)
    n = there.sum(axis=axis)
    return np.where(there, values, 0.0).sum(axis=axis) / np.where(n > 0, n, np.nan)
