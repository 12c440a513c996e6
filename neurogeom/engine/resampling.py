"""Splits first, then draws: what a readout is trained on and tested on in each resample."""

from typing import NamedTuple

import numpy as np

from ..kernels import resampling as kernels

N_FOLDS = 4  # three quarters of the trials of every condition train, a quarter tests
MOST_PSEUDO_TRIALS = 50
TRIES = 20  # orders in which blocks are dealt to folds before fewer folds are made


class Resample(NamedTuple):
    """Rows of each group to train and test on, sorted by condition.

    train, test : int64 (group, row), positions in the group
    train_bounds, test_bounds : int64 (condition + 1,)
    chosen : bool (flat trial,), the trials that may train: those that scaling may look at
    """

    train: np.ndarray
    test: np.ndarray
    train_bounds: np.ndarray
    test_bounds: np.ndarray
    chosen: np.ndarray

    @property
    def same(self):
        """Training and test rows are the same: conditions are held out, not trials."""
        return self.train is self.test


def n_pseudo_trials(population, n_pseudo):
    """Trials drawn for each condition, or None where real trials are used."""
    if population.real_trials:
        return None
    if n_pseudo is None:
        return int(min(np.median(population.counts_by_neuron), MOST_PSEUDO_TRIALS))
    if n_pseudo < 1:
        raise ValueError(
            f"n_pseudo={n_pseudo} draws no trial; give at least 1, or None for the median observed"
        )
    return int(n_pseudo)


def resamples(population, *, n_resamples, n_pseudo, seed, split) -> list:
    """Resamples of a population.

    Parameters
    ----------
    population : Population
    n_resamples : int
        With real trials these are repeats of four folds, so that a multiple of four tests every
        trial equally often. Without ``split`` and with real trials there is only one resample.
    n_pseudo : int or None
        Trials drawn with replacement for each condition, from each side of the split.
    seed : int
    split : bool
        True: trials are split before anything is drawn. False: conditions will be held out, so all
        trials may train and all may test, unless a block of trials spans several conditions.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples={n_resamples} leaves nothing to average; give at least 1")
    n_pseudo = n_pseudo_trials(population, n_pseudo)
    if not split and not _blocks_span_conditions(population):
        return _unsplit(population, n_resamples, n_pseudo, seed)
    return [_split(population, r, n_pseudo, seed) for r in range(n_resamples)]


def _unsplit(population, n_resamples, n_pseudo, seed):
    chosen = population.everything()
    if n_pseudo is None:
        rows, bounds = _rows(population, chosen)
        return [Resample(rows, rows, bounds, bounds, chosen)]
    bounds = np.arange(population.n_conditions + 1) * n_pseudo
    drawn = (_drawn(population, chosen, seed, r, 0, n_pseudo) for r in range(n_resamples))
    return [Resample(rows, rows, bounds, bounds, chosen) for rows in drawn]


def _split(population, resample, n_pseudo, seed):
    fold, used = folds(population, resample // N_FOLDS, seed)
    number = np.concatenate([np.repeat(u, n) for u, n in zip(used, population.counts, strict=True)])
    test = fold == resample % number
    if n_pseudo is None:
        (train_rows, train_bounds), (test_rows, test_bounds) = (
            _rows(population, ~test),
            _rows(population, test),
        )
    else:
        train_rows = _drawn(population, ~test, seed, resample, 1, n_pseudo)
        test_rows = _drawn(population, test, seed, resample, 2, n_pseudo)
        train_bounds = test_bounds = np.arange(population.n_conditions + 1) * n_pseudo
    return Resample(train_rows, test_rows, train_bounds, test_bounds, ~test)


def _rows(population, chosen):
    counts = np.array(
        [
            chosen[a:b].sum()
            for a, b in zip(population.bounds[0, :-1], population.bounds[0, 1:], strict=True)
        ]
    )
    return np.flatnonzero(chosen)[None].astype(np.int64), np.concatenate([[0], np.cumsum(counts)])


def _drawn(population, chosen, seed, resample, part, n):
    p = population
    return kernels.draws(
        p.bounds, p.trial0, p.keys, chosen, np.uint64(seed), np.uint64(resample), np.uint64(part), n
    )


def folds(population, repeat, seed, n_folds=N_FOLDS):
    """Trials dealt to folds in each condition and group, whole blocks together.

    returns : int (flat trial,), and int (group, condition): folds used, fewer where trials or
    blocks are fewer
    """
    p = population
    if p.has_blocks:
        return _block_folds(p, repeat, seed, n_folds)
    return kernels.folds(p.bounds, p.trial0, p.keys, np.uint64(seed), np.uint64(repeat), n_folds)


def fold_means(population, n_folds, repeat, seed):
    """Condition means of disjoint sets of trials, float64 (fold, condition, neuron).

    Their noise is independent between folds, so that products of two folds are unbiased. ``repeat``
    numbers the division; groups are divided on their own.

    Raises
    ------
    ValueError
        A condition has fewer trials, or blocks of trials, than folds.
    """
    fold, used = folds(population, repeat, seed, n_folds)
    if used.min() < n_folds:
        raise ValueError(
            f"a condition has {used.min()} trials (or blocks of trials), and {n_folds} sets that "
            "share none of them are needed; merge conditions or raise min_trials"
        )
    return np.stack([population.moments(fold == f)[0] for f in range(n_folds)])


def _block_folds(population, repeat, seed, n_folds):
    """Whole blocks to folds, in random order, each to the fold that has least of what it holds."""
    condition, fold = population.condition, np.empty(population.trial0[-1], int)
    used = np.empty((population.n_groups, population.n_conditions), int)
    for g in range(population.n_groups):
        span = slice(population.trial0[g], population.trial0[g + 1])
        block, which = np.unique(population.block[span], return_inverse=True)
        holds = np.zeros((len(block), population.n_conditions))
        np.add.at(holds, (which, condition[span]), 1)
        n_blocks = (holds > 0).sum(axis=0)
        if n_blocks.min() < 2:
            c = int(np.argmin(n_blocks))
            raise ValueError(
                f"all trials of condition {c} of session {population.session[g]!r} lie in one "
                "block, and a block is never split; leave out the block coordinate or merge "
                "conditions"
            )
        most = int(min(n_folds, n_blocks.min()))
        fold_of, used[g] = _divided(
            holds, most, _block_rng(seed, repeat, population.keys[g]), population.session[g]
        )
        fold[span] = fold_of[which]
    return fold, used


def _divided(holds, n_folds, rng, session):
    """Fold of every block such that each fold holds every condition, in as many folds as can be."""
    for n in range(n_folds, 1, -1):
        for _ in range(TRIES):
            fold = _greedy(holds, n, rng)
            if all((holds[fold == f].sum(axis=0) > 0).all() for f in range(n)):
                return fold, n
    raise ValueError(
        f"the blocks of session {session!r} cannot be divided so that every condition is both in "
        "training and in test; leave out the block coordinate or merge conditions"
    )


def _greedy(holds, n_folds, rng):
    share = holds / holds.sum(axis=0)
    load, chosen = np.zeros((n_folds, holds.shape[1])), np.empty(len(holds), int)
    order = rng.permutation(len(holds))
    for b in order[np.argsort(-holds[order].sum(axis=1), kind="stable")]:
        # A fold that lacks a condition comes first: every fold must hold all of them.
        lacks = ((load == 0) & (share[b] > 0)).sum(axis=1)
        chosen[b] = int(np.argmin((load * share[b]).sum(axis=1) + 1e-9 * load.sum(axis=1) - lacks))
        load[chosen[b]] += share[b]
    return chosen


def _block_rng(seed, repeat, key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, repeat, int(key))))


def _blocks_span_conditions(population):
    if not population.has_blocks:
        return False
    first = np.unique(population.block, return_index=True)[1]
    block = np.unique(population.block, return_inverse=True)[1]
    return bool((population.condition != population.condition[first][block]).any())
