"""A dictionary of a population learnt from training trials and judged on those held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..formulas import match as matching
from . import _fista
from .dictionary import Dictionary
from .encoders import FISTA
from .learn_dictionary import Learned, learn_dictionary

KEY = 64  # of the random streams of this file
LEARNT = 1e-4  # of the objective: where learning from noisy trials ends
SCORES = ("objective", "explained_variance", "predicted_variance")


class Judged(NamedTuple):
    """Of one data set: means over splits, dictionaries, and codes of the first split's test rows.

    scores, pca : (3,) of ``SCORES``; learned : of the first split; halves : of two halves
    """

    scores: np.ndarray
    pca: np.ndarray
    learned: Learned
    halves: tuple
    dictionary: Dictionary
    codes: np.ndarray


class Fit(NamedTuple):
    """How a dictionary is learnt and judged, the same for data and surrogates."""

    n_atoms: int
    penalty: float
    nonneg: bool
    n_components: int | None
    n_restarts: int
    seed: int

    @property
    def encoder(self):
        return FISTA(self.penalty, nonneg=self.nonneg)

    def learn(self, train, n_jobs=1, start=0) -> Learned:
        """Restarts, in the components that the training trials span, atoms lifted to neurons."""
        axes = axes_of(train)[: self.n_components]
        if not len(axes):
            raise ValueError("activity does not vary over training trials; check the window")
        found = learn_dictionary(
            train @ axes.T, self.n_atoms, penalty=self.penalty, nonneg=self.nonneg,
            n_restarts=self.n_restarts, tolerance=LEARNT, n_jobs=n_jobs,
            seed=_seed(self.seed, start),
        )  # fmt: skip
        lifted = tuple(Dictionary(d.atoms @ axes) for d in found.dictionaries)
        return found._replace(dictionary=lifted[_best(found)], dictionaries=lifted)

    def judge(self, dictionary, test):
        """Objective, explained and predicted variance of held-out trials, float (3,)."""
        codes = self.encoder.encode(test, dictionary)
        objective = dictionary.objective(test, codes, self.penalty).mean()
        power = (test**2).sum()
        if not power > 0:
            return np.array([objective, np.nan, np.nan])
        left = ((test - codes @ dictionary.atoms) ** 2).sum(), self._error(dictionary.atoms, test)
        return np.array([objective, *(1 - np.array(left) / power)])

    def _error(self, atoms, test):
        """Squares of each half of the neurons less what codes given by the other half predict."""
        if test.shape[1] < 2:
            return np.nan
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(KEY,)))
        half = rng.permutation(test.shape[1]) % 2 == 0
        error = 0.0
        for seen in (half, ~half):
            codes = np.zeros((len(test), len(atoms)))
            if atoms[:, seen].any():
                codes = _fista.fista(
                    test[:, seen], np.ascontiguousarray(atoms[:, seen]), self.penalty, 1000, 1e-6,
                    signed=not self.nonneg,
                ).codes  # fmt: skip
            error += ((test[:, ~seen] - codes @ atoms[:, ~seen]) ** 2).sum()
        return error

    def everything(self, splits, halves, n_jobs=1) -> Judged:
        """All that is asked of one data set."""
        learned = [self.learn(train, n_jobs) for train, _ in splits]
        tests = [test for _, test in splits]
        scores = [self.judge(a.dictionary, t) for a, t in zip(learned, tests, strict=True)]
        axes = [Dictionary(_opposed(axes_of(t), self.n_atoms, self.nonneg)) for t, _ in splits]
        pca = [self.judge(a, t) for a, t in zip(axes, tests, strict=True)]
        found = learned[0].dictionary
        codes = self.encoder.encode(tests[0], found)
        strongest = np.argsort(-(codes**2).sum(axis=0), kind="stable")
        return Judged(
            np.mean(scores, axis=0),
            np.mean(pca, axis=0),
            learned[0],
            self.of_halves(halves, n_jobs),
            Dictionary(found.atoms[strongest]),
            codes[:, strongest],
        )

    def of_halves(self, halves, n_jobs=1):
        """What is learnt from two halves of the trials, starting from different atoms."""
        return tuple(self.learn(own, n_jobs, start=i) for i, own in enumerate(halves, 1))

    def match(self, one, other):
        """Matched cosine of atoms in use, (atom, neuron); one without another counts as 0."""
        if not (len(one) and len(other)):
            return 0.0
        pairs = matching.match(matching.cosine(one, other, signed=self.nonneg))
        return float(pairs.similarity.sum() / max(len(one), len(other)))

    def match_halves(self, halves):
        """Matched cosine of what was learnt from two halves."""
        return self.match(*(in_use(half)[_best(half)] for half in halves))

    def between(self, halves):
        """How well the dictionaries of two halves of trials match."""
        return self.match_halves(self.of_halves(halves))

    def stability(self, judged):
        """Matched cosines of halves, and of restarts with the best one, NaN where there is one."""
        atoms = in_use(judged.learned)
        best = atoms.pop(_best(judged.learned))
        again = [self.match(best, other) for other in atoms]
        return self.match_halves(judged.halves), float(np.mean(again)) if again else np.nan


def n_used(learned):
    """Atoms in use of the dictionary that was chosen."""
    return int(learned.n_used[_best(learned)])


def in_use(learned):
    """Of each restart the atoms that some trial uses, (atom, neuron): dead ones, which are the same
    few trials at every restart, mean nothing."""
    return [d.atoms[used] for d, used in zip(learned.dictionaries, learned.used, strict=True)]


def _best(learned):
    return int(np.argmin(learned.objective))


def _seed(seed, start):
    return int(np.random.SeedSequence(seed, spawn_key=(KEY, start)).generate_state(1)[0])


def axes_of(train):
    """Principal axes with variance, largest first, (axis, neuron)."""
    _, size, axes = np.linalg.svd(train, full_matrices=False)
    return axes[size > size[0] * max(train.shape) * np.finfo(float).eps]


def _opposed(axes, n, nonneg):
    """The first n of principal axes, each followed by its opposite where codes have no sign."""
    pairs = np.stack([axes, -axes], axis=1).reshape(-1, axes.shape[1]) if nonneg else axes
    return pairs[:n]
