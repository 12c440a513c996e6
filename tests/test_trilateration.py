"""Trilateration: exact in logits, wrong in probabilities, and what no decoder surpasses."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, ndtr
from scipy.stats import norm, ortho_group, truncnorm

from neurogeom.theory import trilateration as tri

SIGMA = 0.2
# t, 1 - .48 / t, linear shrinkage, posterior mean in the box (4e5 draws, independent of this code)
CEILINGS = """
1   .520 .676 .693
5   .904 .912 .920
10  .952 .954 .958
20  .976 .977 .978
40  .988 .988 .989
"""


def even(n):
    """Boundaries x2 > tan(phi) x1 with phi = (i + 1/2) pi / n."""
    phi = (np.arange(n) + 0.5) * np.pi / n
    return np.stack([-np.sin(phi), np.cos(phi)], axis=1) * np.where(np.cos(phi) < 0, -1, 1)[:, None]


def problem(n, d, seed=0, n_points=2000):
    rng = np.random.default_rng(seed)
    normals, offsets = rng.standard_normal((n, d)), 0.2 * rng.standard_normal(n)
    return rng.uniform(-0.5, 0.5, (n_points, d)), normals, offsets


def error(n, d, t, through=lambda z: z):
    points, normals, offsets = problem(n, d)
    z = tri.optimal_logits(points, normals, offsets, sigma=SIGMA, t=t)
    found = tri.trilaterate(through(z), normals, offsets, sigma=SIGMA, t=t)
    return np.abs(found - points).max(axis=1)


# --- the point from the distances -----------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 20])
@pytest.mark.parametrize(("n", "d"), [(4, 4), (5, 4), (16, 4), (24, 4), (2, 2), (24, 8)])
def test_as_many_boundaries_as_latents_fix_the_point(n, d, t):
    found = error(n, d, t)
    assert np.quantile(found, 0.99) < 1e-9
    assert found.max() < 1e-4


def test_one_boundary_fewer_leaves_a_direction_open():
    with pytest.warns(UserWarning, match="4 latents have 3 boundaries only"):
        assert error(3, 4, 1).max() > 0.3


def test_what_follows_from_too_few_boundaries_is_the_shortest_point():
    with pytest.warns(UserWarning, match="open|unknown"):
        found = tri.trilaterate([3.0], [[0.0, 2.0]], sigma=1.0, t=1, kind="probit")
    assert found.tolist() == [0.0, 3.0]


def test_probabilities_lose_the_point_that_logits_keep():
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = ~(error(24, 8, 20, through=lambda z: logit(expit(z))) < 1e-6)
    assert lost.mean() > 0.3
    assert error(24, 8, 20).max() < 1e-9


@pytest.mark.parametrize("kind", ["logit", "probit", "tanh"])
def test_each_link_gives_the_point_back_and_another_does_not(kind):
    points, normals, offsets = problem(6, 2)
    z = tri.optimal_logits(points, normals, offsets, sigma=SIGMA, t=5, kind=kind)
    found = tri.trilaterate(z, normals, offsets, sigma=SIGMA, t=5, kind=kind)
    np.testing.assert_allclose(found, points, atol=1e-9)
    other = {"logit": "tanh", "probit": "logit", "tanh": "logit"}[kind]
    wrong = tri.trilaterate(z, normals, offsets, sigma=SIGMA, t=5, kind=other)
    assert np.abs(wrong - points).max() > 0.1


def test_offsets_stand_outside_the_scaling():
    """With s (u + b), as it is printed elsewhere, the point is missed."""
    points, normals, offsets = problem(6, 2)
    length = np.linalg.norm(normals, axis=1)
    z = tri.optimal_logits(points, normals, offsets, sigma=SIGMA, t=5)
    s = SIGMA / np.sqrt(5)
    inside = (
        s * (tri.link_inverse(z) + offsets / length) @ np.linalg.pinv(normals / length[:, None]).T
    )
    assert np.abs(inside - points).max() > 0.1
    found = tri.trilaterate(z, normals, offsets, sigma=SIGMA, t=5)
    np.testing.assert_allclose(found, points, atol=1e-9)


def test_optimal_outputs_are_calibrated():
    """Of the points with an answer of p a share p lies beyond the plane, from a wide flat prior."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (200_000, 2))
    seen = x + SIGMA * rng.standard_normal((4, *x.shape))
    normals, offsets = np.array([[1.0, 2.0], [-3.0, 1.0]]), np.array([0.1, -0.3])
    z = tri.optimal_logits(seen.mean(axis=0), normals, offsets, sigma=SIGMA, t=4)
    beyond = x @ normals.T > offsets
    said = expit(z)
    for low in np.arange(0.05, 0.9, 0.1):
        here = (said > low) & (said < low + 0.1)
        spread = 0.5 / np.sqrt(here.sum())
        assert beyond[here].mean() == pytest.approx(said[here].mean(), abs=4 * spread)


def test_times_of_several_steps_are_those_of_each_alone():
    points, normals, offsets = problem(5, 3, n_points=4)
    steps = np.arange(1, 4)
    every = np.repeat(points[:, None], 3, axis=1)
    z = tri.optimal_logits(every, normals, offsets, sigma=SIGMA, t=steps)
    for k, t in enumerate(steps):
        alone = tri.optimal_logits(points, normals, offsets, sigma=SIGMA, t=t)
        np.testing.assert_allclose(z[:, k], alone)
    found = tri.trilaterate(z, normals, offsets, sigma=SIGMA, t=steps)
    np.testing.assert_allclose(found, every, atol=1e-9)


@given(st.integers(0, 500))
def test_lengths_of_normals_change_nothing_unless_the_offsets_stay(seed):
    points, normals, offsets = problem(5, 3, seed, n_points=3)
    length = np.random.default_rng(seed).uniform(0.5, 3.0, 5)
    z = tri.optimal_logits(points, normals, offsets, sigma=SIGMA, t=3)
    longer = tri.optimal_logits(
        points, length[:, None] * normals, length * offsets, sigma=SIGMA, t=3
    )
    np.testing.assert_allclose(longer, z, rtol=1e-9, atol=1e-9)
    moved = tri.optimal_logits(points, length[:, None] * normals, offsets, sigma=SIGMA, t=3)
    assert np.abs(moved - z).max() > 1e-3


@given(st.integers(0, 500))
def test_turning_points_and_normals_turns_the_answer(seed):
    points, normals, _ = problem(5, 3, seed, n_points=3)
    noisy = tri.optimal_logits(points, normals, sigma=SIGMA, t=3)
    noisy = noisy + np.random.default_rng(seed).standard_normal(noisy.shape)
    turn = ortho_group.rvs(3, random_state=seed)
    found = tri.trilaterate(noisy, normals, sigma=SIGMA, t=3)
    both = tri.trilaterate(noisy, normals @ turn, sigma=SIGMA, t=3)
    np.testing.assert_allclose(both, found @ turn, atol=1e-9)
    assert np.abs(both - found).max() > 1e-6


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["logit", "probit", "tanh"])
def test_a_link_and_its_inverse_cancel_however_large_the_logit(kind):
    z = np.linspace(-60, 60, 10_001)
    u = tri.link_inverse(z, kind)
    assert np.isfinite(u).all()
    assert (np.diff(u) > 0).all()
    np.testing.assert_allclose(tri.link(u, kind), z, atol=1e-10)


def test_links_are_the_probabilities_that_they_are_called_after():
    z = np.linspace(-5, 5, 101)
    said = {"logit": expit(z), "probit": norm.cdf(z), "tanh": (1 + np.tanh(z)) / 2}
    for kind, p in said.items():
        np.testing.assert_allclose(norm.cdf(tri.link_inverse(z, kind)), p, atol=1e-12)


@pytest.mark.parametrize("reach", [5, 10])
def test_the_best_line_through_the_link_has_a_slope_of_0_589(reach):
    z = np.linspace(-reach, reach, 4001)
    slopes = np.linspace(0.55, 0.63, 401)
    errors = [np.mean((ndtr(tri.link_inverse(z)) - ndtr(s * z)) ** 2) for s in slopes]
    best = slopes[np.argmin(errors)]
    assert best == pytest.approx(0.5886, abs=0.001)
    off = [np.abs(expit(z) - ndtr(s * z)).max() for s in (best, np.sqrt(3) / np.pi)]
    assert off == pytest.approx([0.0097, 0.0227], abs=2e-4)


# --- ceilings -------------------------------------------------------------------------------------


def test_ceilings_are_those_of_the_table():
    rows = np.array([line.split() for line in CEILINGS.split("\n") if line], dtype=float)
    found = np.stack(tri.ceilings(SIGMA, rows[:, 0]), axis=1)
    np.testing.assert_allclose(found, rows[:, 1:], atol=0.002)


@pytest.mark.parametrize("t", [1, 5])
def test_the_posterior_mean_reaches_its_ceiling_and_nothing_above_it(t):
    rng = np.random.default_rng(0)
    x, s = rng.uniform(-0.5, 0.5, 100_000), SIGMA / np.sqrt(t)
    m = x + s * rng.standard_normal(x.size)
    some = np.linspace(m.min(), m.max(), 400)
    posterior = truncnorm.mean((-0.5 - some) / s, (0.5 - some) / s, some, s)
    answers = [m, m / (1 + 12 * s**2), np.interp(m, some, posterior)]
    errors = [(a - x) ** 2 for a in answers]
    for error_, ceiling in zip(errors, tri.ceilings(SIGMA, t), strict=True):
        spread = 12 * error_.std() / np.sqrt(x.size)
        assert 1 - 12 * error_.mean() == pytest.approx(float(ceiling), abs=4 * spread)


def test_ceilings_of_much_noise_are_0_but_for_the_mean():
    found = tri.ceilings(1e3, 1)
    assert found.mean < -1e6
    assert found.shrunk == pytest.approx(0, abs=1e-6)
    assert found.bayes == pytest.approx(0, abs=1e-6)


# --- the frame of the planes ----------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 6, 24])
def test_even_boundaries_are_a_tight_frame(n):
    found = tri.frame(even(n))
    np.testing.assert_allclose(found.gram, n / 2 * np.eye(2), atol=1e-12)
    assert found.tightness == pytest.approx(1)
    assert found.angles == pytest.approx([90])


def test_random_boundaries_are_a_tight_frame_only_when_there_are_many():
    def deviation(n):
        rng = np.random.default_rng(0)
        angles = [tri.frame(rng.standard_normal((n, 2))).angles for _ in range(200)]
        return np.mean(np.abs(np.array(angles) - 90))

    assert 2.4 < deviation(100) < 4.7
    assert deviation(2) > 25


def test_angles_of_a_frame_are_those_between_its_columns():
    found = tri.frame([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]])
    # Columns (1, 0, 0), (0, 1, .6), (0, 0, .8).
    assert found.angles == pytest.approx([90, 90, np.degrees(np.arccos(0.6 / np.hypot(1, 0.6)))])


# --- what is refused, and what is warned of -------------------------------------------------------


@pytest.mark.parametrize(
    ("normals", "message"),
    [
        ([[1.0, 2.0]], "2 latents have 1 boundaries only, so that 1 of 2 directions"),
        ([[1.0, 2.0], [-2.0, -4.0], [3.0, 6.0]], "all 3 boundaries are parallel"),
        ([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]], "3 boundaries span 2 of 3 dimensions"),
    ],
)
def test_directions_that_stay_open_are_said(normals, message):
    for call in (tri.frame, lambda c: tri.trilaterate(np.zeros(len(c)), c, sigma=1.0, t=1)):
        with pytest.warns(UserWarning, match=message) as caught:
            call(normals)
        assert caught[0].filename == __file__


def test_normals_that_span_the_space_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tri.frame(np.eye(3)).tightness == 1
        assert tri.trilaterate([0.0], [[2.0]], 1.0, sigma=1.0, t=1).tolist() == [0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tri.link_inverse(0.0, "sigmoid"), "the link 'sigmoid' is unknown; choose from"),
        (lambda: tri.frame([1.0, 2.0]), r"normals have shape \(2,\); pass \(boundary, latent\)"),
        (lambda: tri.frame([[1.0, 0.0], [0.0, 0.0]]), "normal 1 has no length"),
        (lambda: tri.ceilings(0.2, 0), "both must be above 0"),
        (
            lambda: tri.optimal_logits([[1.0, 2.0, 3.0]], np.eye(2), sigma=1, t=1),
            r"the mean has shape \(1, 3\) and the normals have 2 latents",
        ),
        (
            lambda: tri.trilaterate([[1.0, 2.0, 3.0]], np.eye(2), sigma=1, t=1),
            r"the logits have shape \(1, 3\) and there are 2 normals",
        ),
        (
            lambda: tri.trilaterate([1.0, 2.0], np.eye(2), [1.0], sigma=1, t=1),
            r"offsets have shape \(1,\); pass one for each of 2 boundaries",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
