"""Terms of the ANOVA against least squares by hand, statsmodels, and closed forms."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_population import crossed
from scipy import stats

from neurogeom.formulas import anova as formulas
from neurogeom.formulas import poisson

NAMES = ["rule", "cue"]


def trials(sizes=(2, 3), counts=(4, 7, 5, 9, 6, 3), n_neurons=5, seed=0):
    """Activity (trial, neuron), condition of each trial, and its levels."""
    rng = np.random.default_rng(seed)
    condition = np.repeat(np.arange(len(counts)), counts)
    centre = rng.standard_normal((len(counts), n_neurons))
    levels = np.array(list(product(*map(range, sizes))))[condition]
    return centre[condition] + rng.standard_normal((condition.size, n_neurons)), condition, levels


def moments(y, condition):
    """Means, variances and numbers of trials of conditions."""
    of = [y[condition == c] for c in np.unique(condition)]
    return (
        np.array([o.mean(axis=0) for o in of]),
        np.array([o.var(axis=0, ddof=1) for o in of]),
        np.array([len(o) for o in of]),
    )


def residual(y, columns):
    """Residual sum of squares of least squares, (neuron,)."""
    return ((y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]) ** 2).sum(axis=0)


def test_sums_of_squares_are_what_the_fit_loses_without_the_term():
    y, condition, _ = trials()
    every = formulas.terms(NAMES, [2, 3])
    means, variance, n = moments(y, condition)
    full = np.hstack([np.ones((6, 1)), *(t.columns for t in every)])[condition]
    for term in every:
        rest = formulas.without(term, every)[condition]
        lost, error = residual(y, rest) - residual(y, full), residual(y, full) / (len(y) - 6)
        total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        found = formulas.anova(means, variance, n, term, every)
        df = term.columns.shape[1]
        np.testing.assert_allclose(found.F, lost / df / error)
        np.testing.assert_allclose(found.eta2, lost / total)
        np.testing.assert_allclose(found.omega2, (lost - df * error) / (total + error))
        np.testing.assert_allclose(
            found.partial_omega2, (lost - df * error) / (lost + (len(y) - df) * error)
        )


@pytest.mark.peers
def test_statsmodels_has_the_same_type_iii_table():
    import pandas as pd
    import statsmodels.api as sm
    from statsmodels.formula.api import ols

    y, condition, levels = trials()
    every = formulas.terms(NAMES, [2, 3])
    means, variance, n = moments(y, condition)
    table = pd.DataFrame({"y": y[:, 0], "rule": levels[:, 0], "cue": levels[:, 1]})
    model = ols("y ~ C(rule, Sum) * C(cue, Sum)", table).fit()
    theirs = sm.stats.anova_lm(model, typ=3)["F"].to_numpy()[1:4]
    ours = [formulas.anova(means, variance, n, t, every).F[0] for t in every]
    np.testing.assert_allclose(ours, theirs)


@pytest.mark.peers
def test_statsmodels_has_the_same_poisson_likelihood_ratio():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    _, condition, _ = trials()
    y = rng.poisson(3.0, condition.size)
    every = formulas.terms(NAMES, [2, 3])
    columns = np.hstack([np.ones((6, 1)), *(t.columns for t in every)])[condition]
    full = sm.GLM(y, columns, family=sm.families.Poisson()).fit()
    sums = np.bincount(condition, y)[:, None]
    for term in every:
        rest = formulas.without(term, every)[condition]
        less = sm.GLM(y, rest, family=sm.families.Poisson()).fit()
        value, df = poisson.likelihood_ratio(sums, np.bincount(condition), term, every)
        assert df == term.columns.shape[1]
        np.testing.assert_allclose(value[0], 2 * (full.llf - less.llf), rtol=1e-6)


def test_a_condition_without_a_spike_has_a_finite_likelihood_ratio():
    every = formulas.terms(["rule"], [2])
    value, _ = poisson.likelihood_ratio(np.array([[0.0], [20.0]]), [10, 10], every[0], every)
    np.testing.assert_allclose(value, 2 * 20 * np.log(2))  # all of 20 spikes, half of them expected


def test_rates_that_multiply_have_interactions_only_on_the_scale_of_rates():
    every, rate = formulas.terms(NAMES, [2, 2]), np.array([[1.0], [2.0], [4.0], [8.0]])
    multiplied = poisson.likelihood_ratio(100 * rate, [100] * 4, every[2], every)[0]
    added = poisson.likelihood_ratio(
        100 * np.array([[1.0], [2.0], [7.0], [8.0]]), [100] * 4, every[2], every
    )[0]
    assert abs(multiplied[0]) < 1e-6
    assert added[0] > 10
    assert formulas.nonlinear_index(rate, 0 * rate, every) > 0.05


def test_dispersion_is_one_for_poisson_counts_and_two_where_variance_is_doubled():
    rng = np.random.default_rng(0)
    counts = rng.poisson(4.0, (2000, 1)).astype(float)
    means, variance, n = moments(counts, np.repeat(np.arange(4), 500))
    n = n[:, None]
    assert abs(poisson.dispersion(means, variance, n)[0] - 1) < 4 * np.sqrt(2 / 1996)
    np.testing.assert_allclose(
        poisson.dispersion(means, 2 * variance, n), 2 * poisson.dispersion(means, variance, n)
    )


@pytest.mark.parametrize(("n", "eta2"), [(5, 1 / 19), (10, 1 / 39), (50, 1 / 199)])
def test_without_an_effect_eta_squared_is_biased_and_omega_squared_is_not(n, eta2):
    every, rng = formulas.terms(NAMES, [2, 2]), np.random.default_rng(n)
    n_neurons = 20000
    mean = rng.standard_normal((4, n_neurons)) / np.sqrt(n)
    variance = rng.chisquare(n - 1, (4, n_neurons)) / (n - 1)
    found = formulas.anova(mean, variance, [n] * 4, every[2], every)
    error = 4 * found.eta2.std() / np.sqrt(n_neurons)
    assert abs(found.eta2.mean() - eta2) < error
    assert abs(found.omega2.mean()) < error


def test_f_without_an_effect_has_its_distribution():
    every, rng = formulas.terms(NAMES, [2, 3]), np.random.default_rng(0)
    counts = np.array([4, 7, 5, 9, 6, 3])
    mean = rng.standard_normal((6, 4000)) / np.sqrt(counts)[:, None]
    variance = rng.chisquare(counts[:, None] - 1, (6, 4000)) / (counts[:, None] - 1)
    found = formulas.anova(mean, variance, counts, every[2], every)
    assert stats.kstest(found.F, stats.f(2, counts.sum() - 6).cdf).pvalue > 0.001


def test_pure_noise_gives_each_term_a_seventh_of_raw_variance_and_none_of_the_corrected():
    every, rng = formulas.terms(list("abc"), [2] * 3), np.random.default_rng(0)
    n, n_neurons = 10, 4000
    mean = rng.standard_normal((8, n_neurons)) / np.sqrt(n)
    error = rng.chisquare(n - 1, (8, n_neurons)) / (n - 1) / n
    raw = formulas.partition(mean, error, every, corrected=False).sum(axis=1)
    np.testing.assert_allclose(raw / raw.sum(), np.full(7, 1 / 7), atol=0.02)
    corrected = formulas.partition(mean, error, every)
    spread = corrected.std(axis=1) / np.sqrt(n_neurons)
    assert (np.abs(corrected.mean(axis=1)) < 4 * spread).all()


def test_wald_is_f_times_its_degrees_of_freedom_where_variances_are_one():
    every, rng = formulas.terms(NAMES, [2, 3]), np.random.default_rng(0)
    mean, variance = rng.standard_normal((6, 4)), np.ones((6, 4))
    for term in every:
        df = term.columns.shape[1]
        F = formulas.anova(mean, variance, [8] * 6, term, every).F
        np.testing.assert_allclose(formulas.wald(mean, variance, [8] * 6, term), df * F)
        uneven = formulas.wald(mean, variance * np.arange(1, 7)[:, None], [8] * 6, term)
        assert not np.allclose(uneven, df * F)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_partition_ignores_a_baseline_and_grows_with_the_square_of_the_scale(seed, scale, add):
    every, rng = formulas.terms(NAMES, [2, 3]), np.random.default_rng(seed)
    mean, error = rng.standard_normal((6, 3)), rng.random((6, 3))
    own = formulas.partition(mean, error, every)
    moved = formulas.partition(scale * mean + add, scale**2 * error, every)
    np.testing.assert_allclose(moved, scale**2 * own, rtol=1e-9, atol=1e-9)
    curved = formulas.partition(np.exp(mean), error, every)
    assert not np.allclose(curved[2], own[2])


def test_the_parts_add_up_to_the_variance_of_condition_means():
    every, rng = formulas.terms(list("abc"), [2, 3, 2]), np.random.default_rng(0)
    mean = rng.standard_normal((12, 4))
    parts = formulas.partition(mean, np.zeros((12, 4)), every)
    np.testing.assert_allclose(parts.sum(axis=0), 12 * mean.var(axis=0))


def test_an_additive_fit_has_no_interactions_and_keeps_main_effects():
    every, rng = formulas.terms(NAMES, [2, 3]), np.random.default_rng(0)
    mean = rng.standard_normal((6, 4))
    before = formulas.partition(mean, 0 * mean, every)
    after = formulas.partition(formulas.additive_fit(mean, crossed(2, 3)), 0 * mean, every)
    np.testing.assert_allclose(after[:2], before[:2])
    np.testing.assert_allclose(after[2], 0, atol=1e-12)


def test_an_additive_fit_takes_no_part_of_a_condition_that_was_not_seen():
    mean = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [np.nan, 9.0]])
    fitted = formulas.additive_fit(mean, crossed(2, 2))
    np.testing.assert_allclose(fitted[:3, 0], [1, 2, 3])
    assert np.isnan(fitted[3, 0])
    assert not np.allclose(fitted[:3, 1], [1, 2, 3])


def test_q_values_are_those_of_scipy():
    p = np.random.default_rng(0).random(50) ** 2
    np.testing.assert_allclose(formulas.q_values(p), stats.false_discovery_control(p))


def test_the_false_share_of_fdr_is_what_simulated_nulls_have():
    rng, n = np.random.default_rng(0), 20
    share = (formulas.q_values(rng.random((40000, n))) <= 0.2).mean(axis=1)
    error = 4 * share.std() / 200
    assert abs(share.mean() - formulas.false_share_of_fdr(n, 0.2)) < error


def test_four_tests_of_interactions_call_18_5_percent_of_silent_neurons_nonlinear():
    shares = formulas.expected_shares(3, 0.05, 1 - 0.95**4)
    np.testing.assert_allclose(shares[3], 0.1855, atol=5e-5)
    np.testing.assert_allclose(shares.sum(), 1)
