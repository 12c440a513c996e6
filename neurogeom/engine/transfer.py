"""Readouts learnt in one domain and tested in every other: bins, or sessions of the same units.

A domain is a population of the same neurons in the same conditions, with resamples of its own. The
readout, its centre and its scaling come from the training trials of one domain; test trials of all
domains are read with them. Where domains are bins of the same trials, the resamples are the same,
so that no trial is trained on in one bin and tested in another.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .experiment import group_mean, score, side_mean
from .problems import Problems, condition_weights
from .sample import Sample, scaling


class Domain(NamedTuple):
    """population, resamples, and column : int (neuron,), where each neuron of the first stands."""

    population: Any
    resamples: list
    column: np.ndarray


class Matrix(NamedTuple):
    """accuracy, margin : float64 (estimate, domain trained, domain tested); failed : solutions."""

    accuracy: np.ndarray
    margin: np.ndarray
    failed: int


@dataclass(frozen=True)
class Transfer:
    """Problems put to all pairs of domains, and averages of what comes back.

    group : int (problem,), the estimate that a problem is averaged into
    """

    problems: Problems
    group: np.ndarray
    readout: Any
    scale: str

    def run(self, domains) -> Matrix:
        """All pairs of domains, averaged over resamples."""
        n = len(domains)
        shape = (n, n, len(self.problems), self.problems.side.shape[1])
        correct, margin, failed = np.zeros(shape), np.zeros(shape), 0
        n_resamples = len(domains[0].resamples)
        for r in range(n_resamples):
            tests = [d.population.gather(d.resamples[r].test)[:, d.column] for d in domains]
            ends = np.cumsum([len(t) for t in tests])
            everything = np.concatenate(tests)
            for i, domain in enumerate(domains):
                decisions = self._decide(domain, r, everything)
                failed += int((~decisions.converged).sum())
                for j, (end, test) in enumerate(zip(ends, tests, strict=True)):
                    mine = decisions._replace(score=decisions.score[:, end - len(test) : end])
                    found = score(self.problems, mine, domains[j].resamples[r].test_bounds)
                    correct[i, j] += found[0]
                    margin[i, j] += found[1]
        accuracy, lead = (self._average(a / n_resamples) for a in (correct, margin))
        return Matrix(accuracy, lead, failed)

    def _decide(self, domain, r, tests):
        population, resample = domain.population, domain.resamples[r]
        centre, inverse = scaling(population, resample.chosen, self.scale)
        train = population.gather(resample.train, centre, inverse)[:, domain.column]
        tests = (tests - centre[domain.column]) * inverse[domain.column]
        n_trials = np.diff(resample.train_bounds)
        sign = self.problems.sets.sign
        sample = Sample(train, resample.train_bounds, tests, np.array([0, len(tests)]))
        return self.readout.decide(sample, sign, condition_weights(sign, n_trials))

    def _average(self, values):
        by_problem = side_mean(values, self.problems.tested_side)
        n = int(self.group.max()) + 1
        return np.moveaxis(group_mean(by_problem, self.group, n), -1, 0)
