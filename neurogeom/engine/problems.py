"""A measure states problems: train a readout on some conditions, test it on some conditions."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class TrainingSets(NamedTuple):
    """Distinct training sets, up to the sign of their sides.

    sign : int8 (set, condition), +1, -1, or 0 where a condition is not in training
    which : int (problem,), the set of each problem; flip : int (problem,), +1 or -1
    """

    sign: np.ndarray
    which: np.ndarray
    flip: np.ndarray


@dataclass(frozen=True)
class Problems:
    """side, tested_side : int8 (problem, condition); trained, tested : bool (problem, condition).

    A problem trains on ``side`` where ``trained`` and is scored against ``tested_side`` where
    ``tested``. Each distinct training set is solved once, whatever the number of problems.
    """

    side: np.ndarray
    trained: np.ndarray
    tested: np.ndarray
    tested_side: np.ndarray

    @classmethod
    def of(cls, side, trained, tested, tested_side=None):
        """Broadcast to (problem, condition); the sides tested are those trained unless given."""
        side, trained, tested = (np.atleast_2d(a) for a in (side, trained, tested))
        shape = np.broadcast_shapes(side.shape, trained.shape, tested.shape)
        tested_side = side if tested_side is None else np.atleast_2d(tested_side)
        arrays = [
            np.ascontiguousarray(np.broadcast_to(a, shape))
            for a in (side, trained, tested, tested_side)
        ]
        side, trained, tested, tested_side = arrays
        side, tested_side = side.astype(np.int8), tested_side.astype(np.int8)
        return cls(side, trained & (side != 0), tested & (tested_side != 0), tested_side)

    @classmethod
    def joined(cls, parts):
        """All problems of several, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(p, f) for p in parts])
                for f in ("side", "trained", "tested", "tested_side")
            )
        )

    def __len__(self):
        return len(self.side)

    @cached_property
    def sets(self) -> TrainingSets:
        """The distinct training sets."""
        sign = self.side * self.trained
        first = np.take_along_axis(sign, (sign != 0).argmax(axis=1)[:, None], axis=1)
        unique, which = np.unique(sign * first, axis=0, return_inverse=True)
        return TrainingSets(unique, which.ravel(), first[:, 0].astype(int))


def within(sides) -> Problems:
    """Decoding: every condition with a side is trained on and, with other trials, tested.

    sides : int8 (problem, condition)
    """
    sides = np.atleast_2d(sides)
    return Problems.of(sides, sides != 0, sides != 0)


def held_out_pairs(side, pairs) -> Problems:
    """Generalisation: each pair of conditions is left out of training and tested.

    side : int8 (condition,); pairs : int (problem, 2)
    """
    tested = np.zeros((len(pairs), len(side)), bool)
    np.put_along_axis(tested, np.asarray(pairs), True, axis=1)
    return Problems.of(side, ~tested, tested)


def condition_weights(sign, n_trials):
    """Weight of one trial of each condition: sides weigh the same, and conditions within a side.

    sign : int8 (set, condition); n_trials : int (condition,); returns float64 (set, condition).
    Equal numbers of trials on equal sides give weights of exactly 1.
    """
    used = sign != 0
    total = (used * n_trials).sum(axis=1, keepdims=True)
    on_side = np.where(
        sign > 0, (sign > 0).sum(axis=1, keepdims=True), (sign < 0).sum(axis=1, keepdims=True)
    )
    return np.where(used, total / (2.0 * np.maximum(on_side, 1) * n_trials), 0.0)
