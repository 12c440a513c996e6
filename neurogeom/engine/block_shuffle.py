"""Labels shuffled where trials come in blocks: a block changes its levels as a whole."""

from collections import Counter
from dataclasses import dataclass
from math import factorial, prod
from typing import Any

import numpy as np

from .nulls import LabelShuffle

TRIES = 100  # arrangements drawn before it is said that none can be divided into folds
FEW = 40  # arrangements: with fewer, no two-sided p-value falls below 0.05


def label_shuffle(population, classes, rank, seed, redraw):
    """The label shuffle that fits: of trials, or of whole blocks where these hold different levels.

    classes : int (condition,), labels are exchanged among the conditions of a class
    rank : int (condition,), the level that a condition stands for in its class
    redraw : population -> list of Resample, for surrogates whose conditions have other trials
    """
    if not population.has_blocks:
        return LabelShuffle(population, classes, seed)
    blocks = BlockShuffle(population, classes, rank, seed, redraw)
    return blocks if blocks.needed else LabelShuffle(population, classes, seed)


def few(shuffle, name):
    """Sentences where whole blocks leave so few arrangements of the levels that p is coarse."""
    ways = getattr(shuffle, "arrangements", FEW)
    if ways >= FEW:
        return []
    least = "so that they stay in place and p says nothing" if ways == 1 else "so p is coarse"
    return [f"whole blocks of trials allow {ways} arrangement(s) of the levels of {name}, {least}"]


@dataclass(frozen=True)
class BlockShuffle:
    """Blocks change levels, and trials change places within the blocks that hold several levels.

    A block takes the levels that another one holds, where that holds as many. Keeps trials of a
    block together (drift within it, its noise), what the classes code, and how many blocks hold
    each set of levels; trials of a level may be more or fewer than in the data, so that surrogates
    are split anew. Blocks that have no class in common, like those of two values of another
    variable, exchange nothing. Arguments as in :func:`label_shuffle`.
    """

    population: Any
    classes: np.ndarray
    rank: np.ndarray
    seed: int
    redraw: Any

    def __post_init__(self):
        p, classes = self.population, self.classes
        member = np.full((classes.max() + 1, self.rank.max() + 1), -1)
        member[classes, self.rank] = np.arange(len(classes))
        movable = (np.bincount(classes) > 1)[classes]
        groups = [
            _Group(p.condition[span], p.block[span], classes, self.rank, movable)
            for span in (slice(*p.trial0[g : g + 2]) for g in range(p.n_groups))
        ]
        object.__setattr__(self, "_member", member)
        object.__setattr__(self, "_groups", groups)

    @property
    def needed(self):
        """Whether blocks hold different levels; where they do not, trials move within them."""
        differ = any(len({g.levels[b] for b in s}) > 1 for g in self._groups for s in g.strata)
        return differ or self.arrangements == 1

    @property
    def arrangements(self):
        """Ways to give the levels to blocks; without end where trials move within blocks."""
        if any(g.within for g in self._groups):
            return np.inf
        ways = 1
        for g in self._groups:
            for stratum in g.strata:
                counts = Counter(g.levels[b] for b in stratum).values()
                ways *= factorial(len(stratum)) // prod(map(factorial, counts))
        return ways

    def condition(self, draw, attempt=0):
        """Condition of every trial in surrogate number ``draw``, int (flat trial,)."""
        found = []
        for group, key in zip(self._groups, self.population.keys, strict=True):
            rng = np.random.default_rng(
                np.random.SeedSequence(self.seed, spawn_key=(6, int(draw), attempt, int(key)))
            )
            rank = self.rank[group.condition]
            for stratum in group.strata:
                given = rng.permutation(len(stratum))
                for block, other in zip(stratum, given, strict=True):
                    mine, new = group.levels[block], group.levels[stratum[other]]
                    trials = group.trials[block]
                    rank[trials] = np.array(new)[np.searchsorted(mine, rank[trials])]
            moved = np.where(
                group.movable, self._member[self.classes[group.condition], rank], group.condition
            )
            for trials in group.within:
                moved[trials] = rng.permutation(moved[trials])
            found.append(moved)
        return np.concatenate(found)

    def redrawn(self, draw):
        """Population and resamples of surrogate number ``draw``."""
        for attempt in range(TRIES):
            again = self.population.relabelled(self.condition(draw, attempt))
            if again.counts.min() < 2:
                continue
            try:
                return again, self.redraw(again)
            except ValueError:  # its blocks cannot be divided into folds
                continue
        raise ValueError(
            "labels shuffled over whole blocks of trials leave a condition with one block or none; "
            "merge conditions, or leave out the block coordinate or the p-value (n_null=0)"
        )


class _Group:
    """Blocks of one group, and what can change places in it.

    condition : int (trial,); movable : bool (trial,), trials whose class has several conditions
    trials : {block: movable trials}; levels : {block: the ranks that they hold, a sorted tuple}
    strata : blocks that exchange levels; within : trials of one block and class that do
    """

    def __init__(self, condition, block, classes, rank, movable):
        self.condition, self.movable = condition, movable[condition]
        at = np.flatnonzero(self.movable)
        self.trials = {b: at[block[at] == b] for b in np.unique(block[at]).tolist()}
        self.levels = {b: tuple(np.unique(rank[condition[t]])) for b, t in self.trials.items()}
        held = {b: set(classes[condition[t]].tolist()) for b, t in self.trials.items()}
        pieces = [
            t[classes[condition[t]] == k] for b, t in self.trials.items() for k in sorted(held[b])
        ]
        self.within = [t for t in pieces if len(set(condition[t])) > 1]
        self.strata = []
        for size in sorted({len(levels) for levels in self.levels.values()}):
            alike = {b: held[b] for b, levels in self.levels.items() if len(levels) == size}
            self.strata += _linked(alike)


def _linked(held):
    """Blocks that are linked by classes which they have in common, as lists of blocks."""
    left, strata = dict(held), []
    while left:
        first, seen = left.popitem()
        stratum, seen = [first], set(seen)
        while near := [b for b, classes in left.items() if classes & seen]:
            for b in near:
                seen |= left.pop(b)
            stratum += near
        strata.append(sorted(stratum))
    return sorted(strata)
