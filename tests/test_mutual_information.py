"""Mutual information by counting: scikit-learn, closed forms, its bias, bins that wrap."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from sklearn.metrics import mutual_info_score

from neurogeom.formulas.disentanglement import mig
from neurogeom.formulas.mutual_information import (
    arcs,
    binned,
    entropy,
    independent_bias,
    mutual_information,
)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_it_is_that_of_scikit_learn_for_every_pair(seed, n_bins, n_levels):
    rng = np.random.default_rng(seed)
    bins, levels = rng.integers(0, n_bins, (50, 3)), rng.integers(0, n_levels, (50, 2))
    bins[:, 0] = bins[:, 1] // 2 + levels[:, 0]
    expected = [[mutual_info_score(b, y) for y in levels.T] for b in bins.T]
    np.testing.assert_allclose(mutual_information(bins, levels), expected, atol=1e-12)


def test_a_code_that_is_the_factor_knows_its_entropy_and_twice_the_rows_give_half_the_g_statistic():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 5, 200), rng.integers(0, 4, 200)
    assert mutual_information(y[:, None], y[:, None])[0, 0] == pytest.approx(entropy(y), abs=1e-12)
    assert entropy(np.arange(8)) == pytest.approx(np.log(8), abs=1e-12)
    table = np.histogram2d(z, y, bins=(4, 5))[0]
    g = chi2_contingency(table, lambda_="log-likelihood", correction=False).statistic
    found = mutual_information(z[:, None], y[:, None])[0, 0]
    assert 2 * 200 * found == pytest.approx(g, abs=1e-9)


def test_the_mean_over_shuffles_is_the_bias_of_independence():
    rng = np.random.default_rng(1)
    bins, levels = rng.integers(0, 20, (4000, 1)), rng.integers(0, 10, (4000, 1))
    shuffled = [mutual_information(bins[rng.permutation(4000)], levels)[0, 0] for _ in range(100)]
    expected = independent_bias(20, 10, 4000)
    assert expected == pytest.approx(19 * 9 / 8000)
    # 2 n I is chi-squared with 171 degrees of freedom: its sd is sqrt(342); the expansion's next
    # term is of order 1 / n^2
    error = np.sqrt(342) / 8000 / np.sqrt(100)
    assert np.mean(shuffled) == pytest.approx(expected, abs=4 * error + 0.03 * expected)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_quantile_bins_know_the_order_alone_and_equal_widths_do_not(seed):
    x = np.random.default_rng(seed).standard_normal((100, 2))
    np.testing.assert_array_equal(binned(x, 7), binned(np.exp(3 * x), 7))
    assert (binned(x, 7, binning="equal_width") != binned(x**3, 7, binning="equal_width")).any()
    assert np.ptp(np.bincount(binned(x, 5)[:, 0])) == 0


def test_equal_widths_are_those_of_a_histogram():
    x = np.random.default_rng(2).standard_normal(500)
    found = np.bincount(binned(x[:, None], 20, binning="equal_width")[:, 0], minlength=20)
    np.testing.assert_array_equal(found, np.histogram(x, 20)[0])


def test_levels_share_no_quantile_bin_and_equal_values_always_one():
    y = np.repeat(np.arange(10), [3, 50, 7, 20, 20, 20, 20, 20, 20, 20])[:, None]
    found = binned(y, 200)
    assert len(np.unique(found)) == 10
    assert all(len(np.unique(found[y == level])) == 1 for level in range(10))


@pytest.mark.parametrize("n_bins", [2, 3, 5, 20])
def test_a_tie_takes_no_bin_of_others_at_either_end(n_bins):
    """Half of the values are one: the others are binned as finely from above as from below."""
    x = np.maximum(np.random.default_rng(0).standard_normal((1000, 1)), 0)
    low, high = (np.bincount(binned(sign * x, n_bins)[:, 0], minlength=n_bins) for sign in (1, -1))
    np.testing.assert_array_equal(low, high[::-1])
    held = np.bincount(binned(x, n_bins)[x > 0], minlength=n_bins)
    np.testing.assert_allclose(held[held > 0][1:], 1000 / n_bins, atol=1)


@pytest.mark.parametrize("binning", ["quantile", "equal_width"])
def test_a_constant_column_is_one_bin_in_silence(binning):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = binned(np.full((10, 1), 0.1), 4, binning=binning)
        assert set(found.ravel().tolist()) == {0}
        assert mutual_information(found, np.arange(10)[:, None] % 2)[0, 0] == 0.0


def test_arcs_forget_whole_turns_and_do_not_split_at_zero():
    angle = np.random.default_rng(3).uniform(-180, 180, 300)
    np.testing.assert_array_equal(arcs(angle, 8, 180.0), arcs(angle + 540, 8, 180.0))
    assert arcs(np.array([-1e-6, 1e-6, 359.9]), 8, 360.0).tolist() == [0, 0, 0]
    assert sorted(np.bincount(arcs(np.arange(360.0), 8, 360.0))) == [45] * 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binned(np.zeros((3, 1)), 2, binning="kmeans"), "binning='kmeans' is unknown"),
        (lambda: binned(np.full((3, 1), np.nan), 2), "finite numbers"),
        (lambda: binned(np.zeros((3, 1)), 2.5), "n_bins=2.5 is not possible"),
        (lambda: binned(np.zeros(3), 2), "give \\(sample, column\\)"),
        (lambda: mutual_information(np.zeros((3, 1), int), np.zeros((4, 1), int)), "same samples"),
        (lambda: mutual_information(np.zeros((3, 1)), np.zeros((3, 1), int)), "must be whole"),
        (lambda: mutual_information(-np.eye(3, dtype=int), np.eye(3, dtype=int)), "must be whole"),
        (lambda: mig(np.ones((3, 2)), np.ones(3)), "of 2 factors and entropy of shape"),
    ],
)
def test_what_cannot_be_counted_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
