"""One resample as arrays: scaled trials and their inner products, shared by all problems."""

from functools import cached_property

import numpy as np

from ..kernels import resampling

FLOOR = 1e-12  # variance below this share of the mean square is rounding


class Sample:
    """Trials of one resample, scaled, with the Gram matrices that a readout needs.

    train : float64 (row, neuron), sorted by condition, ``bounds`` (condition + 1,)
    test : the same object as ``train`` where conditions and not trials are held out
    inverse : float64 (neuron,), what the trials were multiplied by
    """

    def __init__(self, train, bounds, test=None, test_bounds=None, inverse=None):
        self.train, self.bounds, self.inverse = train, bounds, inverse
        self.same = test is None
        self.test = train if self.same else test
        self.test_bounds = bounds if self.same else test_bounds

    @property
    def n_trials(self):
        """Training trials of each condition."""
        return np.diff(self.bounds)

    @cached_property
    def gram(self):
        """Inner products of training trials, (row, row)."""
        return self.train @ self.train.T

    half = None  # see Shifted

    @cached_property
    def products(self):
        """Inner products of training trials as the support vector machine reads them."""
        from ..kernels import svm

        return svm.products(self.gram)

    @cached_property
    def cross(self):
        """Inner products of test and training trials, (test row, row)."""
        return self.gram if self.same else self.test @ self.train.T

    @cached_property
    def condition_of(self):
        """Condition of every training row."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))

    @cached_property
    def test_condition_of(self):
        """Condition of every test row."""
        return np.repeat(np.arange(len(self.test_bounds) - 1), np.diff(self.test_bounds))

    @cached_property
    def means(self):
        """Condition means of the training trials, (condition, neuron)."""
        return np.add.reduceat(self.train, self.bounds[:-1], axis=0) / self.n_trials[:, None]

    @cached_property
    def overlap(self):
        """Inner products of test trials and training condition means, (test row, condition)."""
        return self.test @ self.means.T

    @cached_property
    def mean_gram(self):
        """Inner products of training condition means, (condition, condition)."""
        return self.means @ self.means.T


class Shifted(Sample):
    """A sample whose condition means moved by ``shift`` (condition, neuron): its Grams cost little.

    x' = x + shift[condition], so x'.y' = x.y + x.shift[c] + shift[b].y + shift[b].shift[c]: one
    product with as many columns as there are conditions instead of one with all trials.

    against : float64 (condition, row), inner products of the shifts and the training trials
    """

    def __init__(self, base, shift, against):
        self.base, self.shift, self.against = base, shift, against
        self.bounds, self.test_bounds, self.same = base.bounds, base.test_bounds, base.same

    @cached_property
    def train(self):
        """Moved training trials, (row, neuron): made only where a readout asks for them."""
        return self.base.train + self.shift[self.base.condition_of]

    @cached_property
    def test(self):
        """Moved test trials, (test row, neuron)."""
        return self.train if self.same else self.base.test + self.shift[self.base.test_condition_of]

    @property
    def products(self):
        """Those before the means moved, to which ``half`` adds what moved."""
        return self.base.products

    @cached_property
    def half(self):
        """What the moves add: gram[i, j] is base[i, j] + half[i, of j] + half[j, of i]."""
        moves = self.shift @ self.shift.T
        return self.against.T + 0.5 * moves[self.base.condition_of]

    @cached_property
    def gram(self):
        """As in :class:`Sample`."""
        across = self.half[:, self.base.condition_of]
        return self.base.gram + (across + across.T)

    @cached_property
    def cross(self):
        """As in :class:`Sample`."""
        if self.same:
            return self.gram
        base, shift = self.base, self.shift
        c, t = base.condition_of, base.test_condition_of
        mine = base.test @ shift.T + (shift @ shift.T)[t]
        return base.cross + mine[:, c] + self.against[t]

    @cached_property
    def means(self):
        """As in :class:`Sample`."""
        return self.base.means + self.shift

    @cached_property
    def overlap(self):
        """As in :class:`Sample`."""
        base, shift = self.base, self.shift
        t = base.test_condition_of
        return base.overlap + base.test @ shift.T + (shift @ base.means.T + shift @ shift.T)[t]

    @cached_property
    def mean_gram(self):
        """As in :class:`Sample`."""
        cross = self.base.means @ self.shift.T
        return self.base.mean_gram + cross + cross.T + self.shift @ self.shift.T


def shifted(base, shifts):
    """Samples moved by each of shifts (surrogate, condition, neuron), with one product for all."""
    n_null, n_conditions, n_neurons = shifts.shape
    against = (shifts.reshape(-1, n_neurons) @ base.train.T).reshape(n_null, n_conditions, -1)
    return [Shifted(base, *one) for one in zip(shifts, against, strict=True)]


def scaling(population, chosen, scale, conditions=None):
    """Centre and inverse spread of every neuron over chosen trials, conditions weighing the same.

    chosen : bool (flat trial,); scale : "none" leaves all as it is; conditions : bool (condition,)
    returns centre, inverse sd (neuron,). A neuron that does not vary gets inverse sd 0: no say.
    """
    if scale == "none":
        return np.zeros(population.n_neurons), np.ones(population.n_neurons)
    mean, square = population.moments(chosen)
    if conditions is not None:
        mean, square = mean[conditions], square[conditions]
    return resampling.scaling(mean, square, FLOOR)


def sample(population, resample, scale, scaled=None) -> Sample:
    """The trials of a resample, scaled by what its training trials alone say.

    scaled : (centre, inverse sd) to use instead, for surrogates that keep every neuron's moments
    """
    centre, inverse = scaling(population, resample.chosen, scale) if scaled is None else scaled
    train = population.gather(resample.train, centre, inverse)
    if resample.same:
        return Sample(train, resample.train_bounds, inverse=inverse)
    test = population.gather(resample.test, centre, inverse)
    return Sample(train, resample.train_bounds, test, resample.test_bounds, inverse)
