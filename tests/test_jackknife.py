"""Replicates without some trials or neurons, and the variances that they are added up to."""

from dataclasses import replace

import numpy as np
import pytest
from made_intervals import EXACT, SIDES, asked, bounds, session, sessions
from made_population import gathered

from neurogeom.engine import intervals, readouts
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.jackknife import (
    Deletions,
    Jackknife,
    deletions,
    of_columns,
    of_rows,
    spread,
    trials_of,
)
from neurogeom.engine.problems import Problems, held_out_pairs, within
from neurogeom.engine.resampling import resamples
from neurogeom.kernels import scoring

# --- what a replicate is --------------------------------------------------------------------------


def softened_by_hand(train, train_condition, test, test_condition, side):
    """Sums and trials (condition,) of softened hits of nearest means, conditions alike."""
    means = np.array([train[train_condition == c].mean(axis=0) for c in range(len(side))])
    plus, minus = means[side > 0].mean(axis=0), means[side < 0].mean(axis=0)
    middle = 0.5 * (
        (means[side > 0] @ (plus - minus)).mean() + (means[side < 0] @ (plus - minus)).mean()
    )
    margin = side[test_condition] * (test @ (plus - minus) - middle)
    z = margin / (0.7 * margin.std())
    soft = 0.5 * (1 + z / np.sqrt(1 + z**2))
    return np.bincount(test_condition, soft, len(side)), np.bincount(
        test_condition, minlength=len(side)
    )


@pytest.mark.parametrize("n_trials", [5, 14])
def test_a_trial_left_out_is_a_trial_that_was_never_recorded(n_trials):
    """Rows are taken out of training and of testing, splits and scaling stay: single trials of
    few, one of every condition of many."""
    experiment = asked(session(n_neurons=20, n_trials=n_trials))
    left_out = trials_of(experiment.population)
    jackknife = Jackknife(experiment, 8)
    replicates = jackknife.without_trials(left_out)
    condition = experiment.population.condition
    for u in range(0, len(left_out.stratum), 3):
        values = []
        for side in SIDES:
            total = np.zeros((2, 4))
            for sample, r in zip(jackknife.samples, jackknife.resamples, strict=True):
                train, test = left_out.unit[r.train[0]] != u, left_out.unit[r.test[0]] != u
                total += softened_by_hand(
                    sample.train[train], condition[r.train[0]][train],
                    sample.test[test], condition[r.test[0]][test], side,
                )  # fmt: skip
            values.append((total[0] / total[1]).mean())
        np.testing.assert_allclose(replicates[u], np.mean(values), atol=EXACT)


def test_neurons_left_out_leave_the_gram_of_the_others():
    experiment = asked(session())
    sample = experiment.draws.samples[0]
    group = intervals.random_groups(30, 20, seed=3)
    total = np.zeros_like(sample.gram)
    for g in range(20):
        mine = sample.train[:, group == g]
        fewer = of_columns(sample, group != g)
        np.testing.assert_allclose(fewer.gram, sample.gram - mine @ mine.T, atol=EXACT)
        total += mine @ mine.T
    np.testing.assert_allclose(total, sample.gram, atol=EXACT)


def test_a_gram_that_was_there_is_cut_and_not_made_again():
    sample = asked(session(), readout="svm").draws.samples[0]
    gram, cross = sample.gram.copy(), sample.cross.copy()
    keep = np.arange(len(sample.train)) % 5 > 0
    fewer = of_rows(sample, keep)
    np.testing.assert_allclose(fewer.gram, gram[np.ix_(keep, keep)], atol=EXACT)
    np.testing.assert_allclose(fewer.cross, cross[:, keep], atol=EXACT)
    np.testing.assert_allclose(fewer.gram, sample.train[keep] @ sample.train[keep].T, atol=EXACT)
    assert fewer.bounds[-1] == keep.sum()


@pytest.mark.parametrize("n_neurons", [4, 40])
def test_replicates_of_the_svm_are_those_of_scikit_learn(n_neurons):
    """Where trials outnumber neurons the primal is solved, else the dual; both on cut samples."""
    from sklearn.svm import LinearSVC

    x = session(n_neurons=n_neurons, n_trials=6)
    theirs = readouts.Estimator(LinearSVC(dual=False, tol=1e-12, max_iter=100_000))
    values = []
    for readout in ("svm", theirs):
        experiment = asked(x, sides=SIDES[:1], readout=readout, n_resamples=4)
        left_out = trials_of(experiment.population)
        few = Deletions(np.where(left_out.unit < 4, left_out.unit, 4), np.zeros(5, int))
        values.append(Jackknife(experiment, 4).without_trials(few))
        group = np.arange(n_neurons) % 3
        values.append(Jackknife(experiment, 4).without_neurons(group, soft=True))
    np.testing.assert_allclose(values[0], values[2], atol=1e-5)
    np.testing.assert_allclose(values[1], values[3], atol=1e-5)


# --- what is left out together --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "n_units", "n_strata"),
    [
        ((5, 5, 5, 5), 20, 4),
        ((12, 12, 12, 12), 24, 2),
        ((20, 20, 20, 20), 20, 1),
        ((40, 30), 24, 1),
        ((4, 9), 13, 2),
    ],
)
def test_few_trials_are_left_out_singly_and_many_several_conditions_at_once(
    counts, n_units, n_strata
):
    condition = np.repeat(np.arange(len(counts)), counts)
    found = deletions(condition, np.arange(len(condition)))
    assert (len(found.stratum), found.stratum.max() + 1) == (n_units, n_strata)
    assert found.df == n_units - n_strata
    assert sorted(set(found.unit)) == list(range(n_units))
    for c in range(
        len(counts)
    ):  # a condition lies in one stratum and loses as much to each of its units
        size = np.bincount(found.unit[condition == c], minlength=n_units)
        assert len(set(found.stratum[size > 0])) == 1
        assert np.ptp(size[found.stratum == found.stratum[size > 0][0]]) <= 1


def test_a_block_is_left_out_whole():
    condition, block = np.repeat([0, 1, 2, 3], 6), np.tile(np.arange(6) // 2, 4)
    spanning = deletions(condition, block)
    np.testing.assert_array_equal(spanning.unit, block)
    assert spanning.df == 2
    nested = deletions(condition, np.arange(24) // 2)
    assert (len(nested.stratum), nested.df) == (12, 8)
    assert all(len(set(nested.unit[2 * b : 2 * b + 2])) == 1 for b in range(12))


def test_variance_of_a_mean_is_that_of_its_textbook():
    """Strata of unequal size: sum of s^2 / n, whether a trial or a stratum's rank is left out."""
    rng = np.random.default_rng(0)
    x, condition = rng.standard_normal(13), np.repeat([0, 1], [4, 9])
    found = deletions(condition, np.arange(13))
    keep = found.unit[:, None] != np.arange(13)
    replicates = np.array([sum(x[k & (condition == c)].mean() for c in (0, 1)) for k in keep.T])
    textbook = x[:4].var(ddof=1) / 4 + x[4:].var(ddof=1) / 9
    np.testing.assert_allclose(found.variance(replicates[:, None]), textbook, atol=EXACT)


@pytest.mark.parametrize("n_trials", [6, (6, 8, 12, 7)])
def test_blocks_of_one_trial_are_trials(n_trials):
    plain = gathered(session(n_trials=n_trials), "ab")[1]
    single = gathered(session(n_trials=n_trials, block=lambda c, t: t), "ab")[1]
    assert single.has_blocks
    assert not plain.has_blocks
    for a, b in zip(trials_of(plain), trials_of(single), strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_of_blocks_makes_the_interval_longer():
    """Eight blocks that move all trials in them: without their names the interval is too short."""
    x = session(n_neurons=40, n_trials=16, seed=4, block=lambda c, t: t // 8)
    drift = np.random.default_rng(1).standard_normal((8, 40))
    x = x + drift[x.block.values]
    named, unnamed = asked(x), asked(x.drop_vars("block"))
    unnamed = replace(unnamed, draws=replace(unnamed.draws, resamples=named.draws.resamples))
    variance = [Jackknife(e, 8).score_variance()[0] for e in (named, unnamed)]
    assert named.population.has_blocks
    assert variance[0] > variance[1]
    assert np.diff(bounds(named, target="recording"), axis=0) > np.diff(
        bounds(unnamed, target="recording"), axis=0
    )


# --- what is added up -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "problems",
    [
        within(SIDES),
        within([[1, 1, -1, 0], [0, 1, -1, -1], [1, 0, 0, -1]]),
        held_out_pairs(SIDES[0], [(0, 2), (1, 3)]),
    ],
    ids=["dichotomies", "levels and unequal sides", "held out"],
)
def test_scores_of_trials_add_up_to_the_estimate(problems):
    """So their spread is the variance that the finite number of test trials brings."""
    _, p = gathered(session(n_trials=8), "ab")  # four folds of two
    split = not (problems.trained != problems.tested).any()
    made = resamples(p, n_resamples=8, n_pseudo=None, seed=0, split=split)
    experiment = Experiment(
        Draws(p, made), problems, np.arange(len(problems)) // 2, readouts.NearestMean()
    )
    scores = Jackknife(experiment, 8)._scores()
    added = [sum(s[p.condition == c].mean() for c in range(4)) for s in scores]
    np.testing.assert_allclose(added, experiment.average(experiment.observe())[0], atol=EXACT)
    by_hand = [sum(s[p.condition == c].var(ddof=1) / 8 for c in range(4)) for s in scores]
    np.testing.assert_allclose(Jackknife(experiment, 8).score_variance(), by_hand, atol=EXACT)


def test_hits_are_softened_because_hard_ones_count_flips():
    """The hard jackknife over trials is at least 1.3 times as wide (median of 12 recordings)."""

    class Hard(Jackknife):
        def _softened(self, decisions, prepared, seen):
            q = self.experiment.problems
            hit = scoring.hits(
                decisions.score,
                q.sets.which,
                q.sets.flip,
                q.tested,
                q.tested_side,
                prepared.test_bounds,
            )
            condition = prepared.test_condition_of
            kept = np.isfinite(hit) & seen
            sums = np.array(
                [np.bincount(condition[k], h[k], 4) for h, k in zip(hit, kept, strict=True)]
            )
            return sums, np.array([np.bincount(condition[k], minlength=4) for k in kept])

    ratio = []
    for seed in range(12):
        experiment = asked(session(100, 12, seed=seed, scale=0.17), sides=SIDES[:1])
        left_out = trials_of(experiment.population)
        hard, soft = (
            left_out.variance(j(experiment, 8).without_trials(left_out))[0]
            for j in (Hard, Jackknife)
        )
        ratio.append(np.sqrt(hard / soft))
    assert np.median(ratio) > 1.3


def test_units_recorded_apart_are_left_out_with_hits_hard_and_draws_unchanged():
    experiment = asked(sessions(6), n_resamples=20)
    unit = np.repeat(np.arange(6), 6)
    values = []
    for u in range(6):
        p = experiment.population.of_units(np.flatnonzero(np.arange(6) != u))
        fewer = replace(
            experiment,
            draws=Draws(p, resamples(p, n_resamples=20, n_pseudo=None, seed=0, split=True)),
        )
        values.append(fewer.average(fewer.observe())[0])
    np.testing.assert_allclose(
        Jackknife(experiment, 20).without_neurons(unit, soft=False), values, atol=EXACT
    )
    half = 2.5705818366147395 * np.sqrt(np.sum((np.array(values) - np.mean(values)) ** 2))  # t(5)
    estimate = experiment.average(experiment.observe())[0][0]
    expected = np.clip([estimate - half, estimate + half], 0, 1)
    np.testing.assert_allclose(bounds(experiment)[:, 0], expected, atol=EXACT)


def test_many_sessions_are_dealt_to_ten_groups_of_equal_size():
    group = intervals.random_groups(23, intervals.MOST_UNITS, seed=1)
    assert set(np.bincount(group)) == {2, 3}
    assert not np.array_equal(group, intervals.random_groups(23, intervals.MOST_UNITS, seed=2))


def test_population_varies_at_least_as_much_as_the_recording_where_conditions_are_held_out():
    """Noise shared by neurons, off the direction of the code, turns the readout alike in all."""
    private = session(60, 20, seed=3)
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(60)
    shared = private + 16.0 * rng.standard_normal((80, 1)) * direction / np.linalg.norm(direction)
    for x, longer in ((private, False), (shared, True)):
        _, p = gathered(x, "ab")
        made = resamples(p, n_resamples=1, n_pseudo=None, seed=0, split=False)
        pairs = held_out_pairs(SIDES[0], [(0, 2), (1, 3)])
        experiment = Experiment(Draws(p, made), pairs, np.zeros(2, int), readouts.NearestMean())
        group = intervals.random_groups(60, 20, seed=0)
        values = Jackknife(experiment, 1).without_neurons(group, soft=True)
        neurons = spread(values) + Jackknife(experiment, 1).score_variance()
        found, df = intervals._of_neurons(experiment, seed=0)
        np.testing.assert_allclose(found, np.maximum(neurons, intervals._of_trials(experiment)[0]))
        assert (df, found[0] > neurons[0]) == (19, longer)


def test_perfect_and_reversed_readouts_get_the_bound_of_wilson():
    """One-sided for as many trials: 1 / (1 + 1.645^2 / 24), about 0.899."""
    x = session(n_neurons=30, scale=5.0, noise=0.01)
    right = asked(x)
    reversed_ = replace(right, problems=Problems.of(SIDES, SIDES != 0, SIDES != 0, -SIDES))
    bound = 1 / (1 + 1.645**2 / 24)
    for target in ("recording", "population"):
        np.testing.assert_allclose(bounds(right, target=target)[:, 0], [bound, 1], atol=1e-3)
        np.testing.assert_allclose(
            bounds(reversed_, target=target)[:, 0], [0, 1 - bound], atol=1e-3
        )
