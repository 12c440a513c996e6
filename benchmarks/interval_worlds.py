"""Neurons and recordings of them for the calibration of intervals, with the values to be covered.

A neuron's condition means are a sum of main effects and interactions; half of the neurons have
none and the others Gaussian ones, scaled so that the two levels of a variable are d noise sd apart
in a population of any size. Data sets are built straight as the engine's Population.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import NamedTuple
from zlib import crc32

import numpy as np

import neurogeom as ng
from neurogeom import design as designs
from neurogeom.engine import population as populations
from neurogeom.engine import readouts
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.problems import Problems, held_out_pairs, within
from neurogeom.engine.resampling import resamples
from neurogeom.engine.sample import Sample, scaling

GAIN, GAIN_SPREAD = 0.3, 0.1  # loading of neurons on a factor that a session shares
BLOCK = 0.4  # sd of what a block adds to every neuron
COUNT_GAIN = 0.2  # sd of the logarithm of the shared gain of spike counts


class Neurons(NamedTuple):
    """mean (condition, neuron); load (neuron,), on shared noise; along (neuron,), the coding
    direction of the first variable; baseline (neuron,), mean counts, or None"""

    mean: np.ndarray
    load: np.ndarray
    along: np.ndarray
    baseline: np.ndarray | None


@dataclass(frozen=True)
class World:
    """What is recorded, and how.

    shared : sessions share a gain, and a single one also noise along its first coding direction,
        which doubles the variance there
    apart : every neuron on trials of its own; animals : sessions are dealt to them, 0 for none
    spread : sd of the logarithm of signal over sessions (or animals)
    blocks : 0, or how many blocks the trials come in, which add a constant to every neuron
    """

    width: int = 100
    sessions: int = 1
    conditions: int = 4
    trials: int = 12
    d: float = 2.0
    shared: bool = False
    apart: bool = False
    animals: int = 0
    spread: float = 0.3
    counts: bool = False
    blocks: int = 0

    @property
    def n_neurons(self):
        return self.sessions * self.width

    @property
    def variables(self):
        return ["a", "b", "c"][: int(np.log2(self.conditions))]

    def rng(self, number):
        """The random stream of one data set, the same whatever else is run."""
        return np.random.default_rng([crc32(repr(self).encode()), number])

    def neurons(self, rng, n=None):
        """The neurons of one data set, or n of the endless population."""
        owner = np.arange(self.n_neurons) // self.width if n is None else np.arange(n)
        n = len(owner)
        terms = [t for t in product([0, 1], repeat=len(self.variables)) if any(t)]
        levels = np.array(list(product([-1.0, 1.0], repeat=len(self.variables))))
        columns = np.array([np.where(t, levels, 1.0).prod(axis=1) for t in terms])
        is_main = np.array([sum(t) == 1 for t in terms])
        main = self.d / (2 * np.sqrt(self.n_neurons))
        coded = np.sqrt(2.0) * (rng.random(n) < 0.5) * rng.standard_normal((len(terms), n))
        effect = coded * np.where(is_main, main, main / 2)[:, None]
        if self.sessions > 1:
            gain = self._gains(rng, owner)
            effect *= np.where(is_main[:, None], gain[0], gain[1])
        first = effect[terms.index((1,) + (0,) * (len(self.variables) - 1))]
        baseline = np.exp(0.7 * rng.standard_normal(n)) if self.counts else None
        load = GAIN + GAIN_SPREAD * rng.standard_normal(n)
        return Neurons(columns.T @ effect, load, first / (main * self.n_neurons**0.5), baseline)

    def _gains(self, rng, owner):
        if self.animals:
            owner = owner * self.animals // self.sessions if len(owner) == self.n_neurons else owner
            return np.exp(self.spread * rng.standard_normal((2, owner.max() + 1)))[:, owner]
        return np.exp(self.spread * rng.standard_normal((1, owner.max() + 1)))[[0, 0]][:, owner]

    def record(self, neurons, rng, trials=None):
        """Activity (trial, neuron), sorted by condition; if trials are asked, a block each."""
        n = trials or self.trials
        mean = neurons.mean.repeat(n, axis=0)
        if self.counts:
            rate = _rates(neurons).repeat(n, axis=0)
            if self.shared:
                factor = COUNT_GAIN * rng.standard_normal((len(rate), 1))
                rate = rate * np.exp(factor - COUNT_GAIN**2 / 2)
            return rng.poisson(rate).astype(float)
        x = mean + rng.standard_normal(mean.shape)
        if self.shared and not self.apart:
            factor = rng.standard_normal((len(x), self.sessions)).repeat(self.width, axis=1)
            x += factor * neurons.load
        if self.shared and self.sessions == 1:
            x += rng.standard_normal((len(x), 1)) * neurons.along
        if self.blocks:
            drift = BLOCK * rng.standard_normal((trials or self.blocks, self.n_neurons))
            x += drift[np.tile(np.arange(n) * len(drift) // n, self.conditions)]
        return x

    def activity(self, x):
        """The same as sessions."""
        n = len(x) // self.conditions
        levels = np.repeat(list(product([0, 1], repeat=len(self.variables))), n, axis=0)
        sessions = []
        for s in range(self.sessions):
            values, rows = x[:, s * self.width : (s + 1) * self.width], levels
            if self.apart:
                own = np.repeat(np.arange(self.width), len(x))
                rows = np.tile(levels, (self.width, 1))
                values = np.where(
                    own[:, None] == np.arange(self.width), np.tile(values, (self.width, 1)), np.nan
                )
            trial = {v: rows[:, i] for i, v in enumerate(self.variables)}
            if self.blocks:
                trial["block"] = np.tile(np.arange(n) * self.blocks // n, self.conditions)
            animal = {"animal": f"m{s * self.animals // self.sessions}"} if self.animals else {}
            names = [f"{i:04d}" for i in range(self.width)]
            sessions.append(
                ng.from_arrays(
                    values, trial=trial, neuron={"unit_id": names}, session=f"s{s:03d}", **animal
                )
            )
        return sessions

    @cached_property
    def template(self):
        """Design and population of this world with values that are never used."""
        shape = (self.conditions * self.trials, self.n_neurons)
        sessions = ng.activity.sessions(self.activity(np.random.default_rng(0).normal(size=shape)))
        design = designs.conditions(sessions, self.variables)
        return design, populations.population(sessions, design, min_trials=2)

    def population(self, x):
        """The engine's Population of a recording."""
        if self.apart:
            return replace(self.template[1], values=x.T.ravel())
        parts = np.split(x, self.sessions, axis=1)
        return replace(self.template[1], values=np.concatenate([p.ravel() for p in parts]))

    @cached_property
    def questions(self):
        """(problems, estimate of each, split) of decoding with shattering, and of both CCGP."""
        design = self.template[0]
        target = design.targets()[0]
        side = target.sides[0].side
        _, sides, _ = designs.balanced_dichotomies(design, max_dichotomies=1000, seed=0)
        decoding = Problems.joined([within(side[None]), within(sides)])
        every = list(product(np.flatnonzero(side > 0), np.flatnonzero(side < 0)))
        matched = [(row[1], row[0]) for row in target.grid]
        held_out = Problems.joined([held_out_pairs(side, p) for p in (matched, every)])
        return (
            (decoding, np.repeat([0, 1], [1, len(sides)]), True),
            (held_out, np.repeat([0, 1], [len(matched), len(every)]), False),
        )

    def experiments(self, population, readout, seed, n_resamples=20):
        """Decoding of the first variable with shattering, and its CCGP, matched and any."""
        options = {"n_resamples": n_resamples, "n_pseudo": None, "seed": seed}
        return [
            Experiment(
                Draws(population, resamples(population, split=split, **options)),
                problems,
                estimate,
                readouts.readout(readout),
            )
            for problems, estimate, split in self.questions
        ]

    def taught(self, neurons, rng, readout, n_test=50):
        """Accuracies of these neurons, averaged over new recordings and tested on new trials."""
        n_recordings = 16 if self.trials < 40 else 40  # an error below a quarter of the interval's
        total, bounds = 0.0, np.arange(self.conditions + 1) * n_test
        for i in range(n_recordings):
            population = self.population(self.record(neurons, rng))
            test, found = self.record(neurons, rng, n_test), []
            for e in self.experiments(population, readout, int(rng.integers(2**30)), 4):
                r = e.draws.resamples[i % len(e.draws.resamples)]
                centre, inverse = scaling(population, r.chosen, "resample")
                train = (population.gather(r.train) - centre) * inverse
                sample = Sample(train, r.train_bounds, (test - centre) * inverse, bounds)
                found.append(e.averages(e.solve(sample).correct)[0])
            total = total + np.concatenate(found)
        return total / n_recordings

    def parallelism(self, neurons):
        """Parallelism of the first variable of these neurons, without trial noise, z-scored."""
        mean = _rates(neurons) if self.counts else neurons.mean
        variance = (
            1.0 + self.shared * (not self.apart) * neurons.load**2 + BLOCK**2 * bool(self.blocks)
        )
        variance = variance + self.shared * (self.sessions == 1) * neurons.along**2
        if self.counts:
            variance = (mean + self.shared * np.expm1(COUNT_GAIN**2) * mean**2).mean(axis=0)
        z = mean / np.sqrt(variance + mean.var(axis=0))
        grid = self.template[0].targets()[0].grid
        v = z[grid[:, 1]] - z[grid[:, 0]]
        m = len(v)
        return ((v.sum(axis=0) ** 2).sum() - (v**2).sum()) / (m * (m - 1)) / ((v**2).sum() / m)


def _rates(neurons):
    """Mean counts (condition, neuron): a baseline around 1, the effect in its noise sd."""
    return np.maximum(neurons.baseline + np.sqrt(neurons.baseline) * neurons.mean, 0.01)
