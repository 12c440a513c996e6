"""Problems say who trains and who tests; each distinct training set is solved once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_population import crossed

from neurogeom.engine.problems import Problems, condition_weights, held_out_pairs, within

SIGN = 2 * crossed(2, 2, 2) - 1


@given(seed=st.integers(0, 1000), n_problems=st.integers(1, 40))
@settings(max_examples=30)
def test_training_sets_and_their_signs_give_back_every_problem(seed, n_problems):
    rng = np.random.default_rng(seed)
    side = rng.choice([-1, 1], size=(n_problems, 4))
    trained = rng.random((n_problems, 4)) < 0.7
    trained[~trained.any(axis=1), 0] = True
    sets = Problems.of(side, trained, ~trained).sets
    rebuilt = sets.sign[sets.which] * sets.flip[:, None]
    np.testing.assert_array_equal(rebuilt, side * trained)
    assert len(np.unique(np.vstack([sets.sign, -sets.sign]), axis=0)) == 2 * len(sets.sign)


def test_the_same_training_set_under_two_names_is_solved_once():
    sides = np.array([SIGN[:, 0], -SIGN[:, 0], SIGN[:, 1]])
    assert len(within(sides).sets.sign) == 2


def test_decoding_trains_and_tests_the_conditions_that_have_a_side():
    problems = within([[1, -1, 0, 0]])
    np.testing.assert_array_equal(problems.trained, [[True, True, False, False]])
    np.testing.assert_array_equal(problems.tested, [[True, True, False, False]])


@pytest.mark.parametrize("pairs", [[(4, 0), (5, 1)], [(4, 0), (4, 1), (7, 3)]])
def test_a_held_out_pair_is_tested_and_never_trained(pairs):
    problems = held_out_pairs(SIGN[:, 0], pairs)
    assert len(problems) == len(pairs)
    for trained, tested, pair in zip(problems.trained, problems.tested, pairs, strict=True):
        assert set(np.flatnonzero(tested)) == set(pair)
        assert set(np.flatnonzero(trained)) == set(range(8)) - set(pair)


def test_a_condition_without_a_side_neither_trains_nor_tests():
    problems = held_out_pairs(np.array([1, 1, -1, -1, 0, 0]), [(0, 2)])
    assert not problems.trained[0, 4:].any()
    assert not problems.tested[0, 4:].any()


def test_labels_tested_may_differ_from_those_trained():
    problems = Problems.of(SIGN[:, 0], np.ones(8, bool), np.ones(8, bool), SIGN[:, 1])
    np.testing.assert_array_equal(problems.side, [SIGN[:, 0]])
    np.testing.assert_array_equal(problems.tested_side, [SIGN[:, 1]])


def test_joined_problems_keep_their_order():
    parts = [within([SIGN[:, i]]) for i in range(3)]
    np.testing.assert_array_equal(Problems.joined(parts).side, SIGN.T)


# --- weights ------------------------------------------------------------------------------------


def test_equal_trials_on_equal_sides_weigh_exactly_one():
    np.testing.assert_array_equal(condition_weights(SIGN.T, np.full(8, 7)), np.ones((3, 8)))


def test_sides_weigh_the_same_and_so_do_conditions_within_a_side():
    sign = np.array([[1, 1, 1, -1, -1, 0], [-1, 0, 0, 0, 1, 1]])
    n_trials = np.array([3, 8, 5, 10, 2, 9])
    total = condition_weights(sign, n_trials) * n_trials  # of each condition
    np.testing.assert_array_equal(total[sign == 0], 0)
    for row, s in zip(total, sign, strict=True):
        assert np.ptp(row[s > 0]) == pytest.approx(0, abs=1e-12)
        assert np.ptp(row[s < 0]) == pytest.approx(0, abs=1e-12)
        assert row[s > 0].sum() == pytest.approx(row[s < 0].sum())
        assert row.sum() == pytest.approx(n_trials[s != 0].sum())  # C means what it says
