"""Trials are split before anything is drawn, blocks stay whole, no stream knows its position."""

from itertools import product

import numpy as np
import pytest
from made_population import gathered, recording, unstructured

import neurogeom as ng
from neurogeom.engine.resampling import N_FOLDS, n_pseudo_trials, resamples

COUNTS = [5, 6, 7, 8, 5, 6, 9, 8]
OPTIONS = {"n_resamples": 8, "n_pseudo": None, "seed": 0, "split": True}


def session(n_neurons=5, seed=0, counts=COUNTS, **options):
    return recording(unstructured(8, n_neurons, seed), counts, seed=seed, **options)


def pseudo():
    """Two sessions: a population of two groups."""
    return gathered([session(session="s1"), session(seed=1, session="s2")])[1]


def condition_of_row(p, g):
    return np.repeat(np.arange(p.n_conditions), p.counts[g])


def drawn(p, **changed):
    return resamples(p, **{**OPTIONS, **changed})


# --- the split ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_sessions", [1, 2])
def test_no_trial_is_in_training_and_in_test(n_sessions):
    p = gathered([session(seed=i, session=f"s{i}") for i in range(n_sessions)])[1]
    for r in drawn(p):
        for g in range(p.n_groups):
            assert not set(r.train[g]) & set(r.test[g])


def test_only_trials_that_may_train_are_drawn_for_training_and_only_the_others_for_test():
    p = pseudo()
    for r in drawn(p, n_pseudo=40):
        for g in range(2):
            chosen = r.chosen[p.trial0[g] : p.trial0[g + 1]]
            assert chosen[r.train[g]].all()
            assert not chosen[r.test[g]].any()


def test_rows_belong_to_the_condition_that_their_bounds_say():
    single = gathered(session())[1]
    for p, n_pseudo in ((single, None), (pseudo(), 12)):
        for r in drawn(p, n_pseudo=n_pseudo):
            for rows, bounds in ((r.train, r.train_bounds), (r.test, r.test_bounds)):
                expected = np.repeat(np.arange(8), np.diff(bounds))
                for g in range(p.n_groups):
                    np.testing.assert_array_equal(condition_of_row(p, g)[rows[g]], expected)


def test_folds_are_stratified_by_condition():
    """A quarter of each condition is tested, up to the one trial by which quarters can differ."""
    p = gathered(session(counts=[7, 8, 9, 10, 11, 12, 13, 14]))[1]
    for r in drawn(p, n_resamples=4):
        tested = np.diff(r.test_bounds)
        assert (np.abs(tested - p.counts[0] / N_FOLDS) < 1).all()
        np.testing.assert_array_equal(tested + np.diff(r.train_bounds), p.counts[0])


def test_four_resamples_test_every_real_trial_exactly_once():
    p = gathered(session())[1]
    first, second = (np.sort(np.concatenate([r.test[0] for r in part])) for part in
                     (drawn(p)[:4], drawn(p)[4:]))  # fmt: skip
    np.testing.assert_array_equal(first, np.arange(sum(COUNTS)))
    np.testing.assert_array_equal(second, np.arange(sum(COUNTS)))
    assert any((a.test[0].shape != b.test[0].shape) or (a.test[0] != b.test[0]).any()
               for a, b in zip(drawn(p)[:4], drawn(p)[4:], strict=True))  # fmt: skip


def test_real_trials_are_used_once_and_never_drawn():
    p = gathered(session())[1]
    assert n_pseudo_trials(p, 30) is None
    for r in drawn(p, n_pseudo=30):
        rows = np.concatenate([r.train[0], r.test[0]])
        np.testing.assert_array_equal(np.sort(rows), np.arange(sum(COUNTS)))
    (whole,) = drawn(p, split=False)
    assert whole.same
    assert whole.chosen.all()
    np.testing.assert_array_equal(whole.train[0], np.arange(sum(COUNTS)))


def test_two_trials_a_condition_still_train_one_and_test_one():
    p = gathered(session(counts=2))[1]
    for r in drawn(p, n_resamples=4):
        np.testing.assert_array_equal(np.diff(r.train_bounds), 1)
        np.testing.assert_array_equal(np.diff(r.test_bounds), 1)


def test_trials_drawn_are_the_median_observed_at_most_50_or_as_many_as_asked():
    p = pseudo()
    assert n_pseudo_trials(p, None) == int(np.median(COUNTS))
    assert n_pseudo_trials(p, 13) == 13
    many = gathered([session(seed=i, session=f"s{i}", counts=70) for i in range(2)])[1]
    assert n_pseudo_trials(many, None) == 50


def test_draws_are_even_and_with_replacement():
    p = gathered([session(seed=i, session=f"s{i}", counts=4) for i in range(2)])[1]
    rows = np.concatenate([r.train[0] for r in drawn(p, n_resamples=1, n_pseudo=4000, split=False)])
    count = np.bincount(rows, minlength=32)
    # Each of 4 trials is drawn 1000 times with sd sqrt(4000 * 1/4 * 3/4) = 27.
    assert (np.abs(count - 1000) < 4.5 * 27).all()


def test_groups_are_drawn_independently():
    """Position by position, two groups with equal counts draw the same trial by chance alone."""
    p = gathered([session(seed=i, session=f"s{i}", counts=8) for i in range(2)])[1]
    (r,) = drawn(p, n_resamples=1, n_pseudo=500, split=False)
    same = (r.train[0] == r.train[1]).mean()
    assert abs(same - 1 / 8) < 4.5 * np.sqrt(1 / 8 * 7 / 8 / 4000)


def test_resamples_are_drawn_independently_of_one_another():
    p = gathered([session(seed=i, session=f"s{i}", counts=8) for i in range(2)])[1]
    first, second = drawn(p, n_resamples=2, n_pseudo=500, split=False)
    same = (first.train == second.train).mean()
    assert abs(same - 1 / 8) < 4.5 * np.sqrt(1 / 8 * 7 / 8 / 8000)


def test_pure_noise_decodes_at_chance_since_the_split_comes_first():
    """Drawing before the split would put copies of trials on both sides: about 0.8 here.

    20 recordings; the spread of an accuracy between recordings is computed from them.
    """
    scores = []
    for seed in range(20):
        x = [
            recording(np.zeros((8, 25)), 10, seed=10 * seed + i, session=f"s{i}") for i in range(3)
        ]
        found = ng.decoding(x, ["a", "b", "c"], readout="nearest_mean", n_resamples=4, n_null=0)
        scores.append(float(found.estimate.mean()))
    assert abs(np.mean(scores) - 0.5) < 4 * np.std(scores, ddof=1) / np.sqrt(20)


# --- blocks -------------------------------------------------------------------------------------


def blocked(block, seed=0, counts=12):
    return gathered(session(seed=seed, counts=counts, block=block))[1]


def nested(condition, trial):
    """Four blocks a condition."""
    return condition * 4 + np.argsort(np.argsort(trial)) % 4


def runs(condition, trial):
    """Six stretches of time, each with trials of many conditions."""
    return trial * 6 // len(trial)


@pytest.mark.parametrize("block", [nested, runs])
def test_a_block_is_never_split(block):
    p = blocked(block)
    for r in drawn(p):
        assert not set(p.block[r.train[0]]) & set(p.block[r.test[0]])
        assert set(condition_of_row(p, 0)[r.test[0]]) == set(range(8))
        assert set(condition_of_row(p, 0)[r.train[0]]) == set(range(8))


def test_a_block_is_never_split_in_a_pseudo_population():
    parts = [session(seed=i, counts=12, session=f"s{i}", block=runs) for i in range(2)]
    p = gathered(parts)[1]
    for r in drawn(p, n_pseudo=20):
        for g in range(2):
            block = p.block[p.trial0[g] : p.trial0[g + 1]]
            assert not set(block[r.train[g]]) & set(block[r.test[g]])


def divisible(block, condition):
    """Whether some half of the blocks holds every condition, and the others do too."""
    held = [set(condition[block == b]) for b in np.unique(block)]
    every = set(condition)
    for chosen in product([0, 1], repeat=len(held)):
        halves = [
            set().union(*(h for h, c in zip(held, chosen, strict=True) if c == k)) for k in (0, 1)
        ]
        if halves == [every, every]:
            return True
    return False


@pytest.mark.parametrize("seed", range(30))
def test_blocks_are_divided_wherever_they_can_be(seed):
    rng = np.random.default_rng(seed)
    n_blocks = int(rng.integers(3, 8))
    x = recording(
        unstructured(4, 3, 0),
        3,
        seed=seed,
        sizes=(2, 2),
        block=lambda c, t: rng.integers(0, n_blocks, c.size),
    )
    _, p = gathered(x, ["a", "b"])
    if not divisible(p.block, p.condition):
        with pytest.raises(ValueError, match="cannot be divided so that every|lie in one block"):
            drawn(p, n_resamples=4)
        return
    for r in drawn(p, n_resamples=4):
        assert np.diff(r.train_bounds).min() > 0
        assert np.diff(r.test_bounds).min() > 0
        assert not set(p.block[r.train[0]]) & set(p.block[r.test[0]])


def test_held_out_conditions_need_a_split_only_where_blocks_span_conditions():
    assert drawn(blocked(nested), split=False)[0].same
    spanning = drawn(blocked(runs), split=False)
    assert len(spanning) == 8
    assert not spanning[0].same


# --- streams ------------------------------------------------------------------------------------


def same_rows(one, other):
    return all(
        np.array_equal(a, b)
        for r, s in zip(one, other, strict=True)
        for a, b in zip(r, s, strict=True)
    )


@pytest.mark.parametrize("split", [True, False])
def test_order_of_sessions_neurons_and_trials_changes_no_draw(split):
    parts = [session(session="s1"), session(seed=1, session="s2")]
    rng = np.random.default_rng(0)
    mixed = [
        x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(5)) for x in parts
    ]
    one, other = gathered(parts)[1], gathered(mixed[::-1])[1]
    assert same_rows(drawn(one, n_pseudo=9, split=split), drawn(other, n_pseudo=9, split=split))


def test_a_session_is_drawn_alike_whoever_stands_beside_it():
    alone = [session(session="s2"), session(seed=1, session="s3")]
    among = gathered([session(seed=2, session="s1"), *alone])[1]
    pair = gathered(alone)[1]
    for r, s in zip(drawn(pair, n_pseudo=9), drawn(among, n_pseudo=9), strict=True):
        np.testing.assert_array_equal(r.train, s.train[1:])
        np.testing.assert_array_equal(r.test, s.test[1:])


def test_seeds_differ():
    p = pseudo()
    assert same_rows(drawn(p, n_pseudo=9), drawn(p, n_pseudo=9))
    assert not same_rows(drawn(p, n_pseudo=9), drawn(p, n_pseudo=9, seed=1))


# --- errors -------------------------------------------------------------------------------------


def test_errors_say_what_to_do():
    p = pseudo()
    with pytest.raises(
        ValueError, match="n_resamples=0 leaves nothing to average; give at least 1"
    ):
        drawn(p, n_resamples=0)
    with pytest.raises(ValueError, match="n_pseudo=0 draws no trial; give at least 1, or None"):
        drawn(p, n_pseudo=0)
    with pytest.raises(ValueError, match="lie in one block, and a block is never split; leave out"):
        drawn(blocked(lambda condition, trial: condition))
    crossed_blocks = blocked(
        lambda c, t: np.where(c == 0, t % 2, np.where(c == 1, 2 * (t % 2), 3 + t % 4))
    )
    assert drawn(crossed_blocks)
