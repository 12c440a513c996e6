"""Directions learnt from repeats in some trials, and the signal along them in others."""

from typing import Any, NamedTuple

import numpy as np

from ..engine.resampling import folds
from ..engine.sample import scaling
from ..formulas import signal_total as formulas

KEY = 82  # of random streams
MOST_FOLDS = 8  # a quarter of the repeats is held out
LEAST_FOLDS = 4  # two to learn from, two to multiply with one another
LEAST_DATA = 6  # for data to be held out


class Trials(NamedTuple):
    """Trials of each group, scaled: rows (trial, axis), and the axes (axis, neuron) where neurons
    outnumber trials. Rotated so, all rows are held and none is changed."""

    rows: list
    axes: list
    width: np.ndarray
    centre: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, s):
        """Those of a Setting."""
        p, rows, axes = s.population, [], []
        centre, gain = scaling(p, p.everything(), s.scale)
        for g in range(p.n_groups):
            n, width = int(p.trial0[g + 1] - p.trial0[g]), int(p.width[g])
            columns = slice(p.column[g], p.column[g] + width)
            values = p.values[p.start[g] : p.start[g] + n * width].reshape(n, width)
            values, own = (values - centre[columns]) * gain[columns], None
            if width > n:
                own = np.linalg.svd(values, full_matrices=False)[2]
                values = values @ own.T
            rows.append(values)
            axes.append(own)
        return cls(rows, axes, p.width, centre, gain)

    def lifted(self, directions):
        """Directions (component, axis) as (component, neuron)."""
        parts = np.split(directions, np.cumsum([r.shape[1] for r in self.rows])[:-1], axis=1)
        whole = [d if a is None else d @ a for d, a in zip(parts, self.axes, strict=True)]
        return np.hstack(whole)


class Task(NamedTuple):
    """What is asked of which trials."""

    setting: Any
    trials: Trials
    n_components: int
    shrinkage: Any
    n_splits: int

    def folds_of(self, population):
        """Disjoint sets of trials, an even number; fewer than four where data are held out."""
        used = folds(population, 0, self.setting.seed, MOST_FOLDS)[1].min()
        return int(used) // 2 * 2

    @property
    def held_out(self):
        """Trials, or data where repeats are too few."""
        return "trials" if self.folds_of(self.setting.population) >= LEAST_FOLDS else "data"

    def read(self, population, chosen, data=None):
        """(rows, datum, neurons) of each group: chosen trials, bool (flat trial,), of some data."""
        n = population.n_conditions
        number = np.full(n, -1)
        number[np.arange(n) if data is None else data] = np.arange(n if data is None else len(data))
        label, ends = number[population.condition], population.trial0
        for g, rows in enumerate(self.trials.rows):
            span = slice(ends[g], ends[g + 1])
            kept = chosen[span] & (label[span] >= 0)
            yield rows[population.order[span][kept]], label[span][kept], self.trials.width[g]

    def fit(self, population, chosen, data=None):
        """Directions (component, axis), and the moments at face value that they come from."""
        from scipy.linalg import block_diag

        n = population.n_conditions if data is None else len(data)
        means, within, shrunk = [], [], []
        for rows, datum, width in self.read(population, chosen, data):
            own = formulas.moments(rows, datum, n)
            means.append(own.means)
            within.append(own.within)
            shrunk.append(shrink(own.within, rows, datum, n, width, self.shrinkage))
        means, within = np.hstack(means), block_diag(*within)
        found = formulas.signal_total(means, block_diag(*shrunk), self.n_components)
        return found.directions, formulas.Moments(means, within)

    def signal_and_noise(self, directions, population, fold, pair, data=None):
        """Variance along directions in new trials, of which two sets are multiplied, (2, k)."""
        n = population.n_conditions if data is None else len(data)
        means, noise, first = np.zeros((2, n, len(directions))), 0.0, 0
        each = [list(self.read(population, np.isin(fold, f), data)) for f in (*pair, pair)]
        for *halves, (rows, datum, _) in zip(*each, strict=True):
            own = directions[:, first : first + rows.shape[1]].T
            first += rows.shape[1]
            for half, (part, label, _) in enumerate(halves):
                means[half] += formulas.moments(part @ own, label, n).means
            noise += np.diag(formulas.moments(rows @ own, datum, n, unbiased=True).within)
        centred = means - means.mean(axis=1, keepdims=True)
        return np.array([(centred[0] * centred[1]).sum(axis=0) / (n - 1), noise])

    def splits(self, population):
        """(trials that are learnt from, data of these, fold of every trial, pair of folds, data)"""
        n_folds = self.folds_of(population)
        for r in range(self.n_splits):
            if n_folds >= LEAST_FOLDS:
                fold = folds(population, r, self.setting.seed, n_folds)[0]
                for a in range(0, n_folds, 2):
                    pair = (a, a + 1)
                    yield ~np.isin(fold, pair), None, fold, pair, None
                continue
            fold = folds(population, r, self.setting.seed, 2)[0]
            n = population.n_conditions
            key = np.random.SeedSequence(self.setting.seed, spawn_key=(KEY, r))
            part = np.random.default_rng(key).permutation(n) * min(4, n // 3) // n
            for own in np.unique(part):
                seen, new = np.flatnonzero(part != own), np.flatnonzero(part == own)
                yield population.everything(), seen, fold, (0, 1), new

    def shares(self, population):
        """Share of signal along each component in trials or data held out, (component,)."""
        total = np.zeros((2, self.n_components))
        if self.folds_of(population) < LEAST_FOLDS and population.n_conditions < LEAST_DATA:
            return np.full(self.n_components, np.nan)
        for chosen, seen, fold, pair, new in self.splits(population):
            directions = self.fit(population, chosen, seen)[0]
            found = self.signal_and_noise(directions, population, fold, pair, new)
            total[:, : found.shape[1]] += found
        whole = total.sum(axis=0)
        return np.where(whole > 0, total[0] / np.where(whole > 0, whole, 1.0), np.nan)


def shrink(within, rows, datum, n_data, n_neurons, how):
    """A covariance within data moved towards its mean variance over neurons."""
    share = how
    if how == "ledoit-wolf":
        share = formulas.shrinkage(rows, datum, n_data, n_neurons=n_neurons)
    level = share * np.trace(within) / n_neurons
    return (1.0 - share) * within + level * np.eye(len(within))
