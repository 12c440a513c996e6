"""Rows of factors exchanged against those of codes: the surrogates of disentanglement scores."""

from __future__ import annotations

from collections import Counter
from math import factorial, prod

import numpy as np

from ..engine.block_shuffle import FEW

SHUFFLES = ("rows", "shift")


class Exchange:
    """Which factor row stands beside each code row, draw by draw.

    The factors move together, so that what they share with one another stays, as does what the
    codes share. Rows change places within each block ("rows"), or all rows of a block are shifted
    in time by one random lag and wrapped around ("shift"), which keeps the autocorrelation of codes
    and factors. A lag of 0 is one of them: p is valid only where the arrangement that was observed
    can be drawn. Without blocks all rows are one block. A factor that is constant in every block
    cannot move within them: whole blocks change the values of such factors.
    """

    def __init__(self, factors, block, shuffle):
        self.shuffle = shuffle
        block = np.zeros(len(factors[0].levels), int) if block is None else block
        self.rows = [np.flatnonzero(block == b) for b in np.unique(block)]
        self.block = np.unique(block, return_inverse=True)[1]
        self.constant = [all(np.ptp(f.values[r]) == 0 for r in self.rows) for f in factors]

    def notes(self, factors):
        """Sentences where few arrangements of factors are possible, so that p is coarse."""
        sizes = [min(len(rows), FEW) for rows in self.rows]
        ways = prod(sizes if self.shuffle == "shift" else map(factorial, sizes))
        notes = []
        if ways < FEW and not all(self.constant):
            notes = [f"shuffle={self.shuffle!r} allows {ways} arrangements of {len(self.block)} "
                     "rows, so p is coarse"]  # fmt: skip
        first = [rows[0] for rows in self.rows]
        still = [f for f, constant in zip(factors, self.constant, strict=True) if constant]
        held = Counter(zip(*(f.values[first].tolist() for f in still), strict=True))
        ways = factorial(len(first)) // prod(map(factorial, held.values())) if still else FEW
        if ways >= FEW:
            return notes
        name = still[0].name
        text = f"{len(first)} blocks, in each of which factor {name!r} is constant, allow {ways} "
        return [*notes, f"{text}arrangements of its values, so p is coarse"]

    def moved(self, factors, rng):
        """The factors of one surrogate."""
        within = np.empty(len(self.block), int)
        for rows in self.rows:
            if self.shuffle == "rows":
                within[rows] = rng.permutation(rows)
            else:
                within[rows] = np.roll(rows, rng.integers(len(rows)))
        first = np.array([rows[0] for rows in self.rows])
        across = first[rng.permutation(len(first))][self.block]
        return [
            f.exchanged(across) if constant else f.moved(within)
            for f, constant in zip(factors, self.constant, strict=True)
        ]
