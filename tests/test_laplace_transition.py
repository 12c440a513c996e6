"""A Gaussian posterior under a Laplace transition: quadrature, draws, limits, exponents."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gennorm, laplace, norm

from neurogeom.formulas import laplace_transition as lap

GRID = [(d, s, rate) for d in (-2.0, -0.3, 0.0, 1e-3, 0.1, 1.0, 5.0, 20.0)
        for s in (0.02, 0.2, 1.0) for rate in (0.5, 1.0, 6.0, 10.0)]  # fmt: skip
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@pytest.mark.parametrize("rate", [0.5, 1.0, 6.0, 10.0])
def test_the_divergence_is_that_of_quadrature(rate):
    """B1, over 96 combinations in all."""
    for d, s, own in GRID:
        if own != rate:
            continue
        q, p = norm(d, s), laplace(0, 1 / rate)
        ends = sorted({d - 12 * s, d, d + 12 * s, *([0.0] if abs(d) < 12 * s else [])})
        expected = 0.0
        for a, b in pairwise(ends):  # the Laplace law has a corner at 0
            z = (a + b) / 2 + (b - a) / 2 * NODES
            expected += (b - a) / 2 * WEIGHTS @ (q.pdf(z) * (q.logpdf(z) - p.logpdf(z)))
        assert float(lap.kl(d, s, rate)) == pytest.approx(expected, abs=1e-10)


def test_the_expectation_over_both_latents_is_that_of_draws_and_more_than_that_of_the_mean():
    """B2."""
    rng = np.random.default_rng(0)
    n, rate, (m0, s0), (m1, s1) = 400_000, 6.0, (0.2, 0.3), (-0.1, 0.25)
    z0, z1 = m0 + s0 * rng.standard_normal(n), m1 + s1 * rng.standard_normal(n)
    drawn = -laplace(0, 1 / rate).logpdf(z1 - z0)
    closed = float(lap.cross_entropy(m1 - m0, s1, rate, s_before=s0))
    error = drawn.std() / np.sqrt(n)
    assert abs(closed - drawn.mean()) < 4 * error
    assert closed - float(lap.cross_entropy(m1 - m0, s1, rate)) > 40 * error


@pytest.mark.parametrize("rate", [0.3, 1.0, 6.0, 50.0])
def test_the_best_sd_is_the_closed_one_and_its_divergence_the_same_for_every_rate(rate):
    """B3."""
    best = lap.best_sd(rate)
    assert best == pytest.approx(np.sqrt(np.pi / 2) / rate)
    assert float(lap.kl(0.0, best, rate)) == pytest.approx(0.048417, abs=1e-6)
    assert pytest.approx(0.0484172947, abs=1e-9) == lap.LEAST_KL
    near = lap.kl(0.0, best * np.array([0.99, 1.01]), rate)
    assert (near > lap.LEAST_KL).all()
    assert float(lap.kl(0.1 / rate, best, rate)) > lap.LEAST_KL
    assert best == pytest.approx(0.2088857 * 6 / rate, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(0.1, 20), st.floats(0.2, 5))
@settings(max_examples=30, deadline=None)
def test_the_divergence_is_even_and_free_of_units_and_its_parts_are_not(seed, rate, unit):
    rng = np.random.default_rng(seed)
    d, s = rng.normal(size=9), rng.uniform(0.01, 2, 9)
    found = lap.kl(d, s, rate)
    np.testing.assert_allclose(lap.kl(-d, s, rate), found, rtol=1e-12)
    np.testing.assert_allclose(lap.kl(unit * d, unit * s, rate / unit), found, atol=1e-9)
    assert (found >= lap.LEAST_KL).all()
    if abs(np.log(unit)) > 0.01:
        assert not np.allclose(lap.entropy(unit * s), lap.entropy(s))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_without_spread_the_cost_is_that_of_the_laplace_law(kind):
    d = np.array([-30, -1, -1e-3, 0, 1e-3, 1, 30], kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for s in (kind(0), kind(1e-30), kind(1e-6)):
            found = lap.cross_entropy(d, s, 6.0)
            assert found.dtype == kind
            expected = -np.log(3) + 6 * np.abs(d)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
        assert lap.entropy(kind(0)) == -np.inf
        assert lap.kl(d, kind(0), 6.0).min() == np.inf
        far = lap.expected_abs(kind(1e30), kind(1e-30))
    assert far == kind(1e30)


def test_near_rest_the_cost_is_quadratic_and_blind_to_rotation_and_beyond_it_is_not():
    s = 0.1
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    for size, blind in ((0.01, True), (1.0, False)):
        d = np.array([size, 0.0])
        gain = lap.expected_abs(turn @ d, s).sum() - lap.expected_abs(d, s).sum()
        assert (abs(gain) < 1e-3 * size) == blind
    closed = s * np.sqrt(2 / np.pi) + 0.01**2 / (s * np.sqrt(2 * np.pi))
    assert float(lap.expected_abs(0.01, s)) == pytest.approx(closed, abs=1e-6)


def test_the_share_beyond_the_posterior_sd_is_that_of_a_gaussian_where_it_is_one():
    d = np.random.default_rng(0).standard_normal((40_000, 2)) * [1, 10]
    found = lap.beyond(d, np.ones((40_000, 1)))
    assert found[0] == pytest.approx(2 * norm.sf(1), abs=4 * np.sqrt(0.25 / 40_000))
    assert found[1] > 0.9


@pytest.mark.parametrize("shape", [0.4, 0.7, 1.0, 1.5, 2.0, 3.0])
def test_the_exponent_is_that_of_scipy(shape):
    d = 7 * gennorm.rvs(shape, size=3000, random_state=1)
    found = lap.increment_shape(d)
    assert found == pytest.approx(gennorm.fit(d, floc=0)[0], rel=1e-3)
    assert found == pytest.approx(shape, rel=0.08)
    assert lap.increment_shape(-1e-6 * d) == pytest.approx(found, rel=1e-3)


def test_increments_that_mostly_rest_are_as_sparse_as_can_be_and_too_few_have_no_exponent():
    d = np.zeros(1000)
    d[:100] = np.random.default_rng(0).normal(size=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lap.increment_shape(d) < 0.1
        assert np.isnan(lap.increment_shape(d[91:]))
        assert np.isnan(lap.increment_shape(np.zeros(50)))


def test_lists_are_taken_and_what_has_no_value_is_refused():
    assert (
        lap.kl([0.0, 1.0], [1.0, 2.0], 6).tolist() == lap.kl(np.r_[0, 1], np.r_[1, 2], 6).tolist()
    )
    assert lap.expected_abs(np.float32([1]), 0.5).dtype == np.float32
    for call in (lap.best_sd, lambda rate: lap.kl(0.0, 1.0, rate)):
        with pytest.raises(ValueError, match="rate=0 is not possible"):
            call(0)
    with pytest.raises(ValueError, match=r"d of shape \(3,\) must be \(..., pair, latent\)"):
        lap.beyond(np.ones(3), np.ones(3))
    for d in (np.r_[np.ones(20), np.nan], np.ones((20, 2))):  # had an exponent, of nothing
        with pytest.raises(ValueError, match="all finite"):
            lap.increment_shape(d)
