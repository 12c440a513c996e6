"""HSIC against loops over its definition, known covariances, and what must leave it unchanged."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas.hsic import hsic, hsic_unbiased, u_centred


def gram(n, p, seed):
    x = np.random.default_rng(seed).standard_normal((n, p))
    return x @ x.T


def by_loops(K, L):
    """Song et al. 2012: the mean over all distinct i, j, q, r of the kernel of the U-statistic."""
    n, total, count = len(K), 0.0, 0
    for i, j, q, r in permutations(range(n), 4):
        total += K[i, j] * (L[i, j] + L[q, r] - 2.0 * L[i, q])
        count += 1
    return total / count


@pytest.mark.parametrize("n", [4, 5, 7])
def test_the_unbiased_form_is_the_mean_over_all_distinct_quadruples(n):
    K, L = gram(n, 3, 0), gram(n, 5, 1)
    assert hsic_unbiased(K, L) == pytest.approx(by_loops(K, L), rel=1e-10)


def test_the_closed_form_of_song_is_the_same():
    K, L = (g - np.diag(np.diag(g)) for g in (gram(9, 3, 0), gram(9, 5, 1)))
    n = 9
    value = np.trace(K @ L) + K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 * (K @ L).sum() / (n - 2)
    assert hsic_unbiased(gram(9, 3, 0), gram(9, 5, 1)) == pytest.approx(value / (n * (n - 3)))


def test_the_biased_form_is_the_squared_norm_of_the_covariance():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 4))
    covariance = np.cov(x.T, y.T)[:3, 3:]
    assert hsic(x @ x.T, y @ y.T) == pytest.approx((covariance**2).sum())


def test_the_mean_over_draws_of_stimuli_is_the_squared_norm_of_the_true_covariance():
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((4, 6))
    z = rng.standard_normal((4000, 8, 4))
    x, y = z @ mix, z[..., :2] @ mix[:2]
    K, L = x @ x.swapaxes(1, 2), y @ y.swapaxes(1, 2)
    truth = ((mix.T @ np.diag([1, 1, 0, 0]) @ mix) ** 2).sum()
    found, biased = hsic_unbiased(K, L), hsic(K, L)
    error = found.std() / np.sqrt(4000)
    assert abs(found.mean() - truth) < 3 * error
    assert biased.mean() - truth > 10 * error


def test_unrelated_activity_has_none_on_average_and_the_biased_form_some():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 500, 10, 30))
    K, L = x @ x.swapaxes(1, 2), y @ y.swapaxes(1, 2)
    found = hsic_unbiased(K, L)
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(500)
    assert hsic(K, L).min() > 0 > found.min()


def test_the_u_centred_matrix_has_no_diagonal_and_no_row_sums():
    centred = u_centred(gram(8, 3, 0))
    np.testing.assert_allclose(centred.sum(axis=0), 0.0, atol=1e-12)
    assert not np.diag(centred).any()
    assert np.abs(centred).max() > 0.1


@given(st.integers(0, 1000))
def test_a_rotation_a_shift_and_the_order_of_stimuli_change_nothing_and_stretching_does(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 4))
    L, order = y @ y.T, rng.permutation(7)
    before = hsic_unbiased(x @ x.T, L)
    moved = x @ ortho_group.rvs(3, random_state=rng) + rng.standard_normal(3)
    assert hsic_unbiased(moved @ moved.T, L) == pytest.approx(before, abs=1e-9)
    both = np.ix_(order, order)
    assert hsic_unbiased((x @ x.T)[both], L[both]) == pytest.approx(before, abs=1e-9)
    stretched = x * [1, 1, 2]
    assert abs(hsic_unbiased(stretched @ stretched.T, L) - before) > 1e-9
    assert hsic_unbiased(L, x @ x.T) == pytest.approx(before, abs=1e-9)


def test_the_diagonal_is_not_looked_at_by_the_unbiased_form_and_is_by_the_other():
    K, L = gram(6, 3, 0), gram(6, 4, 1)
    more = K + np.diag(np.arange(6.0))
    assert hsic_unbiased(more, L) == pytest.approx(hsic_unbiased(K, L), rel=1e-12)
    assert hsic(more, L) != pytest.approx(hsic(K, L), rel=1e-3)


def test_of_an_asymmetric_matrix_the_symmetric_part_counts():
    K, L = np.random.default_rng(0).standard_normal((2, 6, 6))
    halves = (K + K.T) / 2, (L + L.T) / 2
    assert hsic_unbiased(K, L) == pytest.approx(hsic_unbiased(*halves))
    assert hsic(K, L) == pytest.approx(hsic(*halves))


def test_the_arguments_are_left_as_they_were():
    K = gram(6, 3, 0)
    before = K.copy()
    u_centred(K), hsic_unbiased(K, K), hsic(K, K)
    np.testing.assert_array_equal(K, before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hsic_unbiased(np.eye(3), np.eye(3)), "3 stimuli are too few"),
        (lambda: hsic(np.ones((1, 1)), np.ones((1, 1))), "1 stimuli are too few"),
        (lambda: u_centred(np.eye(2)), "2 stimuli are too few"),
        (lambda: hsic(np.eye(4), np.eye(5)), "the same stimuli"),
        (lambda: u_centred(np.ones((4, 3))), "shape"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()
