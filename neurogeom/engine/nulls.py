"""Surrogate populations, and data and surrogates through the same pipeline.

A surrogate says what chance is, so each keeps everything but what is tested. Two kinds:

- *orders*: trials change places (:class:`LabelShuffle`, :class:`SwapTrials`), the pipeline is run
  again from the first step;
- *moves*: condition means move and every residual stays on its trial (:class:`CodingVectors`,
  :class:`Geometric` with its axes permuted), so that Gram matrices are updated, not made again.
  These moves keep each neuron's mean and spread over conditions, and with them the scaling.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..kernels import resampling as kernels
from . import parallel
from .experiment import joined
from .readouts import NearestMean
from .sample import Sample, scaling, shifted


@dataclass(frozen=True)
class LabelShuffle:
    """Trials change conditions within groups of neurons, and within classes of conditions.

    classes : int (condition,); trials move among the conditions of a class: those that agree in all
    variables but the one that is tested, or all. Where blocks span conditions, trials move within
    their block. Keeps trial counts, noise correlations in a group and what the classes code.
    """

    population: Any
    classes: np.ndarray
    seed: int

    def __post_init__(self):
        p = self.population
        code = (
            np.repeat(np.arange(p.n_groups), np.diff(p.trial0)) * (self.classes.max() + 1)
            + self.classes[p.condition]
        )
        if p.has_blocks:
            code = np.unique(np.stack([code, p.block]), axis=1, return_inverse=True)[1].ravel()
        positions = np.argsort(code, kind="stable")
        bounds = np.concatenate([np.flatnonzero(np.diff(code[positions], prepend=-1)), [len(code)]])
        group = np.searchsorted(p.trial0, positions[bounds[:-1]], side="right") - 1
        number = np.arange(len(group)) - np.searchsorted(group, group)
        key = p.keys[group] ^ (number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        object.__setattr__(self, "_segments", (positions, bounds.astype(np.int64), key))

    def order(self, draw):
        """Which row stands at each position in surrogate number ``draw``."""
        return kernels.shuffled(
            self.population.order, *self._segments, np.uint64(self.seed), np.uint64(draw)
        )


@dataclass(frozen=True)
class SwapTrials:
    """All trials of a unit exchange two matched conditions, or not, with probability 1/2.

    Keeps every neuron's counts, and with them Poisson marginals, exactly. Needs as many trials in
    one condition of a pair as in the other, in every group of a unit.
    """

    population: Any
    grid: np.ndarray
    seed: int

    def __post_init__(self):
        counts = self.population.counts[:, self.grid]
        if self.grid.shape[1] != 2 or (counts[..., 0] != counts[..., 1]).any():
            raise ValueError(
                "null='swap' needs two levels with equal numbers of trials in each matched pair; "
                "use null='coding_vectors'"
            )

    def order(self, draw):
        """Which row stands at each position in surrogate number ``draw``."""
        p, order = self.population, self.population.order.copy()
        swap = generator(self.seed, draw).random((p.n_units, len(self.grid))) < 0.5
        for g, k in zip(*np.nonzero(swap[p.unit[p.column]]), strict=True):
            a, b = (p.trial0[g] + np.arange(*p.bounds[g, c : c + 2]) for c in self.grid[k])
            order[a], order[b] = order[b], order[a]
        return order


@dataclass(frozen=True)
class CodingVectors:
    """Directions of the coding vectors are random; all else stays.

    Within a context the levels deviate from their midpoint by d (context, level, neuron). ``flip``
    gives every context and unit its own sign, d' = s d, keeping each context's coding vector's
    length; ``rotate`` mixes contexts by one Haar-distributed orthogonal matrix a unit, d' = Q d,
    keeping the covariance of coding vectors over neurons. Midpoints (what contexts code) and
    residuals stay. Source: our own notes, after Bernardi et al. 2020 and the rotation test of
    Langsrud 2005, Stat Comput 15:53.

    means : float64 (condition, neuron); grid : int (context, level); unit : int (neuron,), neurons
    of a unit were recorded together and move together
    """

    means: np.ndarray
    grid: np.ndarray
    unit: np.ndarray
    mode: str
    seed: int

    def __post_init__(self):
        levels = self.means[self.grid]
        object.__setattr__(self, "_deviation", levels - levels.mean(axis=1, keepdims=True))

    def shift(self, draw):
        """Moved means less means, (condition, neuron), of surrogate number ``draw``."""
        rng, d = generator(self.seed, draw), self._deviation
        n_contexts, n_units = len(self.grid), int(self.unit.max()) + 1
        if self.mode == "flip":
            signs = rng.integers(0, 2, (n_contexts, n_units)) * 2.0 - 1.0
            moved = d * signs[:, self.unit][:, None]
        else:
            q = haar(n_contexts, n_units, rng)
            moved = (
                np.einsum("nkj,jln->kln", q[self.unit], d)
                if n_units > 1
                else np.tensordot(q[0], d, axes=1)
            )
        shift = np.zeros_like(self.means)
        shift[self.grid] = moved - d
        return shift


@dataclass(frozen=True)
class Geometric:
    """Random geometry: means drawn afresh, isotropic, with the same variance between conditions.

    Centroids are recentred on the grand mean and rescaled to the observed variance; residuals keep
    their size, their axes permuted in each condition on its own (Bernardi et al. 2020, Methods).
    For comparison with the literature and matched pairs alone: it spreads the variance of *all*
    variables evenly, so where contexts are coded much more or less strongly it tests something
    else. A neuron that says nothing (a mean of 0 in every condition) is no dimension.
    """

    means: np.ndarray
    seed: int

    def __post_init__(self):
        object.__setattr__(self, "_says", np.flatnonzero((self.means != 0).any(axis=0)))

    def shift(self, draw):
        """Moved means less means, (condition, neuron), of surrogate number ``draw``."""
        centre = self.means.mean(axis=0)
        drawn = np.zeros(self.means.shape)
        drawn[:, self._says] = generator(self.seed, draw).standard_normal(
            (len(drawn), len(self._says))
        )
        drawn -= drawn.mean(axis=0)
        drawn *= np.linalg.norm(self.means - centre) / np.linalg.norm(drawn)
        return centre + drawn - self.means

    def axes(self, draw):
        """A permutation of neurons for every condition, int (condition, neuron)."""
        rng = generator(self.seed, draw, 1)
        axes = np.tile(np.arange(self.means.shape[1]), (len(self.means), 1))
        axes[:, self._says] = rng.permuted(axes[:, self._says], axis=1)
        return axes


def generator(seed, draw, part=0):
    """The random stream of one surrogate, the same whatever is drawn before or beside it."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5, int(draw), part)))


def haar(n, count, rng):
    """Haar-distributed orthogonal (count, n, n): QR of Gaussians, signs of R made positive."""
    q, r = np.linalg.qr(rng.standard_normal((count, n, n)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


class Standardised(NamedTuple):
    """Condition means over all trials, their squared standard errors, and the inverse sd.

    means, error : float64 (condition, neuron), in units of each neuron's sd; inverse : (neuron,)
    """

    means: np.ndarray
    error: np.ndarray
    inverse: np.ndarray


def standardised(population, scale) -> Standardised:
    """Means and errors over all trials, scaled over all trials (``scale="none"``: as they are)."""
    mean, square = population.moments(population.everything())
    centre, inverse = scaling(population, population.everything(), scale)
    error = np.maximum(square - mean**2, 0.0) / (population.counts_by_neuron - 1)
    return Standardised((mean - centre) * inverse, error * inverse**2, inverse)


def unscaling(standard):
    """What brings standardised means back to units of activity, (neuron,); 0 where silent."""
    says = standard.inverse > 0
    return np.where(says, 1.0 / np.where(says, standard.inverse, 1.0), 0.0)


def length_ratio(standard, grid):
    """Largest over smallest squared length of the contexts' coding vectors, trial noise removed."""
    levels = standard.means[grid]
    spread = ((levels - levels.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    noise = (1.0 - 1.0 / grid.shape[1]) * standard.error[grid].sum(axis=(1, 2))
    length = spread - noise
    return float(length.max() / length.min()) if length.min() > 0 else np.inf


class Null(NamedTuple):
    """Surrogates: values, margins float64 (surrogate, estimate); failed int (surrogate,)."""

    values: np.ndarray
    margins: np.ndarray
    failed: np.ndarray


def of_orders(experiment, surrogate, n_null, **options) -> Null:
    """Surrogates in which trials change places; options are those of :func:`parallel.over`."""

    def one(draw):
        if hasattr(surrogate, "redrawn"):
            return experiment.repeat(*surrogate.redrawn(draw))
        return experiment.repeat(experiment.population.with_order(surrogate.order(draw)))

    return Null(*parallel.over(_each(experiment, one), n_null, **options))


def of_moves(experiment, surrogate, n_null, **options) -> Null:
    """Surrogates in which condition means move; options are those of :func:`parallel.over`.

    ``surrogate.shift`` is in units of the scaling over all trials; each resample has its own.
    """
    unscale = unscaling(standardised(experiment.population, experiment.draws.scale))

    def again(draw):  # the slow reference: every step is done again
        return experiment.repeat(experiment.population.shifted(surrogate.shift(draw) * unscale))

    if experiment.draws.scale == "split":
        return Null(*parallel.over(_each(experiment, again), n_null, **options))
    if isinstance(experiment.readout, NearestMean) and not hasattr(surrogate, "axes"):
        task = _batch(experiment, surrogate, unscale)
        return Null(*parallel.over(task, n_null, chunk=64, **options))
    return Null(*parallel.over(_moved(experiment, surrogate, unscale), n_null, **options))


def _each(experiment, one):
    """A task over draws from the outcome of one draw."""
    return lambda draws: _averaged(experiment, [one(d) for d in draws])


def _averaged(experiment, outcomes):
    averages = [experiment.average(o) for o in outcomes]
    return (*map(np.array, zip(*averages, strict=True)), np.array([o.failed for o in outcomes]))


def _moved(experiment, surrogate, unscale):
    """A task over draws: resample by resample, so that its Gram matrix stays near for all draws."""

    def task(draws):
        shifts = np.array([surrogate.shift(d) for d in draws]) * unscale
        axes = [surrogate.axes(d) if hasattr(surrogate, "axes") else None for d in draws]
        outcomes = [[] for _ in draws]
        for base in experiment.draws.samples:
            moves = shifts * base.inverse
            for outcome, moved, axis in zip(outcomes, shifted(base, moves), axes, strict=True):
                if axis is not None:
                    means = surrogate.means * unscale * base.inverse
                    moved = _permuted(base, means, moved.shift, axis)
                outcome.append(experiment.solve(moved))
        return _averaged(experiment, [joined(o) for o in outcomes])

    return task


def _permuted(base, means, shift, axes):
    """Means moved, and the axes of the residuals permuted in each condition."""
    parts = []
    for x, condition in ((base.train, base.condition_of), (base.test, base.test_condition_of)):
        residual = np.take_along_axis(x - means[condition], axes[condition], axis=1)
        parts.append(residual + (means + shift)[condition])
    test = () if base.same else (parts[1], base.test_bounds)
    return Sample(parts[0], base.bounds, *test)


def _batch(experiment, surrogate, unscale):
    """Nearest mean: a batch of surrogates from overlaps alone."""
    problems = experiment.problems

    def task(draws):
        moved = (
            np.array([surrogate.shift(d) for d in draws]) * unscale
        )  # (surrogate, condition, neuron)
        correct = margin = 0.0
        for base in experiment.draws.samples:
            shift = moved * base.inverse
            n_null, n_conditions, n_neurons = shift.shape
            against = (base.test @ shift.reshape(-1, n_neurons).T).reshape(-1, n_null, n_conditions)
            with_means = shift @ base.means.T
            among = shift @ shift.transpose(0, 2, 1)
            overlap = (
                base.overlap
                + against.transpose(1, 0, 2)
                + (with_means + among)[:, base.test_condition_of]
            )
            mean_gram = base.mean_gram + with_means + with_means.transpose(0, 2, 1) + among
            a, b = experiment.readout.score_many(
                problems, problems.sets, overlap, mean_gram, base.test_bounds
            )
            correct, margin = correct + a, margin + b
        n = len(experiment.draws.samples)
        return (
            experiment.averages(correct / n),
            experiment.averages(margin / n),
            np.zeros(len(draws), int),
        )

    return task


def coding_vectors(choice, standard, grid, seed):
    """The surrogate that a choice names, for means of all trials."""
    if choice.kind == "geometric":
        return Geometric(standard.means, seed)
    return CodingVectors(standard.means, grid, choice.unit, choice.kind, seed)


def sign_flips(values, *, n_null, seed):
    """All sign patterns of sessions where there are at most 4096, else ``n_null`` random ones.

    values : float64 (session, estimate), deviations from chance
    returns : mean over sessions of the flipped values (pattern, estimate), the observed one left
    out, and whether the patterns are complete
    """
    n = len(values)
    if 2**n <= 4096:
        signs = np.array(list(product([1.0, -1.0], repeat=n)))[1:]
        return signs @ values / n, True
    signs = generator(seed, 0).integers(0, 2, (n_null, n)) * 2.0 - 1.0
    return signs @ values / n, False
