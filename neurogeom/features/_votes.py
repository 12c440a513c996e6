"""FactorVAE and BetaVAE scores from a finite table: rows of an equal factor level are the samples.

The papers draw from a generative model with one factor held; here draws are from the rows of a
table that hold the same level (bins of a continuous factor), with replacement. Votes are learnt
from one part of the rows and counted on the other.
"""

from __future__ import annotations

import numpy as np

BATCH = 64
TRAIN, TEST = 2000, 1000  # votes
CHUNK = 2_000_000  # numbers at a time


def factor_vae(codes, factors, train, test, rng):
    """Share of held-out batches whose held factor the least varying code names, 0 to 1.

    codes : (row, code), all of variance 1; factors : list of Factor; train, test : int rows
    Constant codes have no vote, and 0 is returned where there is no other; NaN where there is one
    factor, or no batch can be drawn.
    """
    codes = codes[:, codes.any(axis=0)]
    if len(factors) < 2 or not codes.size:
        return np.nan if len(factors) < 2 else 0.0
    votes = []
    for rows, n in ((train, TRAIN), (test, TEST)):
        held, which = _groups(factors, rows, n, rng)
        if not len(held):
            return np.nan
        calm = [
            codes[members].var(axis=1).argmin(axis=1)
            for members in _parts(_batches(which, rng), codes.shape[1])
        ]
        votes.append((held, np.concatenate(calm)))
    (held, calm), (held_new, calm_new) = votes
    table = np.zeros((codes.shape[1], len(factors)), int)
    np.add.at(table, (calm, held), 1)
    return float((table.argmax(axis=1)[calm_new] == held_new).mean())


def beta_vae(codes, factors, train, test, rng):
    """Share of held-out batches of pairs whose shared factor a linear classifier names, 0 to 1.

    It sees the mean absolute difference of each code over pairs of rows that share the level of one
    factor. Arguments as in :func:`factor_vae`.
    """
    from sklearn.linear_model import LogisticRegression

    if len(factors) < 2:
        return np.nan
    data = []
    for rows, n in ((train, TRAIN), (test, TEST)):
        held, first, second = _pairs(factors, rows, n, rng)
        if not len(held):
            return np.nan
        d = codes.shape[1]
        apart = [
            np.abs(codes[a] - codes[b]).mean(axis=1)
            for a, b in zip(_parts(first, d), _parts(second, d), strict=True)
        ]
        data.append((np.concatenate(apart), held))
    (x, y), (x_new, y_new) = data
    if len(np.unique(y)) < 2:
        return np.nan
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=1000).fit((x - centre) / scale, y)
    return float(model.score((x_new - centre) / scale, y_new))


class _Rows:
    """Rows of one factor sorted by level, those of a level with one row left out."""

    def __init__(self, levels, rows):
        level = levels[rows]
        counts = np.bincount(level)
        kept = rows[counts[level] > 1]
        self.rows = kept[np.argsort(levels[kept], kind="stable")]
        self.count = counts[levels[self.rows]]  # of the level of each sorted row
        self.start = np.searchsorted(levels[self.rows], levels[self.rows])


def _groups(factors, rows, n, rng):
    """Held factor of n batches, and (start and count of its group, sorted rows) for each factor."""
    held, which = _held(factors, rows, n, rng)
    drawn = []
    for k, table in which.items():
        place = rng.integers(len(table.rows), size=int((held == k).sum()))
        drawn.append((table, table.start[place], table.count[place]))
    return held, drawn


def _batches(drawn, rng):
    """Rows of each batch, int (batch, BATCH), in the order of factors."""
    found = []
    for table, start, count in drawn:
        step = rng.random((len(start), BATCH)) * count[:, None]
        found.append(table.rows[start[:, None] + step.astype(int)])
    return np.concatenate(found)


def _pairs(factors, rows, n, rng):
    """Held factor of n batches and the two rows of every pair, int (batch, BATCH)."""
    held, which = _held(factors, rows, n, rng)
    first, second = [], []
    for k, table in which.items():
        a = rng.integers(len(table.rows), size=(int((held == k).sum()), BATCH))
        start, count = table.start[a], table.count[a]
        other = 1 + (rng.random(a.shape) * (count - 1)).astype(int)  # never the row itself
        first.append(table.rows[a])
        second.append(table.rows[start + (a - start + other) % count])
    if not first:
        return held, np.zeros((0, BATCH), int), np.zeros((0, BATCH), int)
    return held, np.concatenate(first), np.concatenate(second)


def _held(factors, rows, n, rng):
    """Factors drawn for n batches, ascending, and the sorted rows of those that can be held."""
    tables = {k: _Rows(f.levels, rows) for k, f in enumerate(factors)}
    tables = {k: t for k, t in tables.items() if len(t.rows)}
    if not tables:
        return np.zeros(0, int), {}
    held = np.sort(rng.choice(list(tables), size=n))
    return held, tables


def _parts(rows, n_codes):
    """Batches in pieces whose codes fit in little memory."""
    size = max(1, CHUNK // (BATCH * n_codes))
    return [rows[i : i + size] for i in range(0, len(rows), size)]
