"""Coding axes and planes: closed forms, simulated truths, second opinions and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from neurogeom.formulas import axes

CROSSED = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 2.0
FIRST, SECOND = CROSSED.T


def _simulated(rng, truth, length, n_neurons, n_trials, *, counts=None):
    """Means and squared errors of 2 x 2 conditions around two axes with this cosine."""
    turn = np.linalg.qr(rng.standard_normal((n_neurons, 2)))[0].T * length
    axis = np.array([turn[0], truth * turn[0] + np.sqrt(1 - truth**2) * turn[1]])
    counts = np.full(4, n_trials) if counts is None else np.asarray(counts)
    trials = [
        c @ axis + rng.standard_normal((n, n_neurons)) for c, n in zip(CROSSED, counts, strict=True)
    ]
    means = np.array([t.mean(axis=0) for t in trials])
    error = np.array([t.var(axis=0, ddof=1) / len(t) for t in trials])
    return means, error


# --- truth --------------------------------------------------------------------------------------


def test_vectors_that_share_a_condition_look_alike_in_pure_noise_and_do_not_when_corrected():
    """Row 20: cosine 0.5 of two differences from one condition."""
    rng = np.random.default_rng(0)
    raw, products = [], []
    for _ in range(200):
        trials = rng.standard_normal((3, 10, 100))
        means, error = trials.mean(axis=1), trials.var(axis=1, ddof=1) / 10
        raw.append(axes.naive_cosine(means, [1, 0, -1], [0, 1, -1]))
        products.append(axes.products(means, error, [1, 0, -1], [0, 1, -1]).cross.sum())
    assert np.mean(raw) == pytest.approx(0.5, abs=0.03)
    assert abs(np.mean(products)) < 4 * np.std(products, ddof=1) / np.sqrt(200)


def test_noise_shrinks_a_cosine_and_the_correction_brings_it_back():
    """Row 21: truth 0.5, axes of 2 noise sd, 100 neurons, 40 trials in the two of each side."""
    rng = np.random.default_rng(1)
    pairs = np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    naive, corrected = [], []
    for _ in range(300):
        u, v = np.linalg.qr(rng.standard_normal((100, 2)))[0].T
        v = 0.5 * u + np.sqrt(0.75) * v
        centroids = np.array([u, -u, v, -v])
        trials = centroids + rng.standard_normal((40, 4, 100))
        means, error = trials.mean(axis=0), trials.var(axis=0, ddof=1) / 40
        naive.append(axes.naive_cosine(means, *pairs))
        corrected.append(axes.cosine(means, error, *pairs))
    assert np.mean(naive) == pytest.approx(0.222, abs=0.02)
    assert np.nanmedian(corrected) == pytest.approx(0.52, abs=0.06)


@pytest.mark.parametrize("truth", [-0.7, 0.0, 0.5, 0.9])
def test_products_are_unbiased_where_trials_are_unequal(truth):
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        means, error = _simulated(rng, truth, 3.0, 30, 0, counts=[3, 20, 6, 9])
        p = axes.products(means, error, [-0.5, -0.5, 0.5, 0.5], [-0.5, 0.5, -0.5, 0.5])
        found.append([p.cross.sum(), p.first.sum(), p.second.sum()])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(300)
    assert (np.abs(np.mean(found, axis=0) - np.array([truth, 1, 1]) * 9) < 4 * error).all()


def test_unequal_trials_bias_the_product_at_face_value():
    """The opposite: noise of shared conditions is -1/4 (1/3 - 1/20 ...) for each neuron."""
    rng = np.random.default_rng(3)
    counts, x, y = np.array([3, 20, 6, 60]), FIRST, SECOND
    raw = []
    for _ in range(300):
        means, _ = _simulated(rng, 0.0, 1.0, 30, 0, counts=counts)
        raw.append((x @ means) @ (y @ means))
    bias = 30 * (x * y / counts).sum()
    error = np.std(raw, ddof=1) / np.sqrt(300)
    assert abs(np.mean(raw) - bias) < 4 * error
    assert bias > 8 * error


def test_reliability_is_the_naive_cosine_of_parallel_axes():
    rng = np.random.default_rng(4)
    x, y = np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    naive, reliability = [], []
    for _ in range(200):
        u = np.linalg.qr(rng.standard_normal((50, 1)))[0][:, 0] * 4
        trials = np.array([u, -u, u, -u]) / 2 + rng.standard_normal((20, 4, 50))
        means, error = trials.mean(axis=0), trials.var(axis=0, ddof=1) / 20
        naive.append(axes.naive_cosine(means, x, y))
        reliability.append(axes.products(means, error, x, y).reliability)
    assert np.mean(naive) == pytest.approx(np.nanmean(reliability), abs=0.03)


def test_halves_are_a_loop_over_divisions_and_exact_for_noise_that_conditions_share():
    rng = np.random.default_rng(7)
    halves = rng.standard_normal((3, 2, 4, 5))
    found = axes.products_of_halves(halves, FIRST, SECOND)
    cross = np.mean([(FIRST @ h[i]) * (SECOND @ h[1 - i]) for h in halves for i in (0, 1)], axis=0)
    np.testing.assert_allclose(found.cross, cross, atol=1e-12)
    length = np.mean([(FIRST @ h[0]) * (FIRST @ h[1]) for h in halves], axis=0)
    np.testing.assert_allclose(found.first, length, atol=1e-12)
    # Noise common to two windows (conditions 0, 1 and 2, 3), signals orthogonal.
    v, w = np.eye(20)[:2] * 3
    signal, x, y = np.array([v, -v, w, -w]) / 2, [1, -1, 0, 0], [0, 0, 1, -1]
    both = []
    for _ in range(300):
        noise = rng.standard_normal((2, 2, 20)).repeat(2, axis=0).reshape(2, 2, 2, 20)
        noise = np.concatenate([noise[:, 0], noise[:, 0]], axis=1)
        both.append(axes.products_of_halves(signal + noise, x, y).cross.sum())
    assert abs(np.mean(both)) < 4 * np.std(both, ddof=1) / np.sqrt(300)


# --- planes -------------------------------------------------------------------------------------

RING = np.column_stack([np.cos(t := np.arange(6) * np.pi / 3), np.sin(t)]) * [1.0, 0.7]
SCALENE = np.array([[1.0, 0.0], [-0.4, 0.9], [-0.6, -0.5], [0.3, -0.2]])


def _placed(points, turn):
    return points @ turn[:2]


@pytest.mark.parametrize("points", [RING, SCALENE])
@pytest.mark.parametrize("degrees", [-150.0, -30.0, 0.0, 45.0, 120.0])
def test_a_turn_within_the_plane_is_found(points, degrees):
    turn = ortho_group.rvs(7, random_state=0)
    t = np.radians(degrees)
    rotation = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    found = axes.plane_geometry(_placed(points, turn), _placed(points @ rotation, turn))
    assert np.degrees(found.rotation) == pytest.approx(degrees, abs=1e-6)
    assert not found.reflected
    np.testing.assert_allclose(found.angles, 0.0, atol=1e-7)


def test_a_mirror_image_is_a_reflection_and_no_rotation():
    turn = ortho_group.rvs(5, random_state=1)
    mirrored = SCALENE * [1.0, -1.0]
    assert axes.plane_geometry(_placed(SCALENE, turn), _placed(mirrored, turn)).reflected


def test_tilted_planes_have_their_angle_and_no_rotation():
    """One axis shared, the other turned out of the plane by 40 degrees."""
    t = np.radians(40.0)
    out = np.array([[1, 0, 0, 0], [0, np.cos(t), np.sin(t), 0]])
    found = axes.plane_geometry(RING @ np.eye(4)[:2], RING @ out)
    np.testing.assert_allclose(np.degrees(found.angles), [0.0, 40.0], atol=1e-6)
    assert np.degrees(found.rotation) == pytest.approx(0.0, abs=1e-6)
    assert not found.reflected


def test_the_rotation_is_that_of_a_procrustes_fit_in_the_plane():
    rng = np.random.default_rng(5)
    a, b = (m - m.mean(axis=0) for m in rng.standard_normal((2, 6, 2)))
    fit = orthogonal_procrustes(a, b)[0]
    found = axes.plane_geometry(a, b)
    assert found.reflected == (np.linalg.det(fit) < 0)
    a = a if np.linalg.det(fit) > 0 else a * [1, -1]
    fit = orthogonal_procrustes(a, b)[0]
    found = axes.plane_geometry(a, b)
    u, v = a[1] - a[0], a[2] - a[0]
    way = np.sign(u[0] * v[1] - u[1] * v[0])
    assert found.rotation == pytest.approx(np.arctan2(fit[0, 1], fit[0, 0]) * way, abs=1e-9)


def test_planes_are_turned_all_at_once_as_one_by_one():
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((2, 5, 4, 9))
    together = axes.plane_geometry(a, b)
    for i in range(5):
        one = axes.plane_geometry(a[i], b[i])
        np.testing.assert_allclose(together.angles[i], one.angles, atol=1e-12)
        assert together.rotation[i] == pytest.approx(one.rotation, abs=1e-12)


# --- invariances --------------------------------------------------------------------------------


@given(st.integers(0, 2**20), st.floats(0.1, 10))
def test_turning_neurons_and_their_scale_change_no_cosine(seed, scale):
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((4, 6))
    turn = ortho_group.rvs(6, random_state=seed) * scale
    error = np.full((4, 6), 0.01)
    before = axes.cosine(means, error, FIRST, SECOND)
    after = axes.cosine(means @ turn, error * scale**2, FIRST, SECOND)
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9)


@given(st.integers(0, 2**20))
def test_exchanging_two_levels_turns_the_sign_and_exchanging_axes_nothing(seed):
    rng = np.random.default_rng(seed)
    means, error = rng.standard_normal((4, 6)), np.full((4, 6), 0.01)
    value = axes.cosine(means, error, FIRST, SECOND)
    np.testing.assert_allclose(axes.cosine(means, error, -FIRST, SECOND), -value, rtol=1e-12)
    np.testing.assert_allclose(axes.cosine(means, error, SECOND, FIRST), value, rtol=1e-12)
    other = means + np.outer(FIRST, np.arange(6.0) + 1)
    assert not np.isclose(axes.cosine(other, error, FIRST, SECOND), value, rtol=1e-6)


# --- what has no answer -------------------------------------------------------------------------


def test_no_length_and_too_much_noise_have_no_cosine():
    means = np.zeros((4, 3))
    assert np.isnan(axes.naive_cosine(means, FIRST, SECOND))
    assert np.isnan(axes.cosine(means, np.ones((4, 3)), FIRST, SECOND))
    assert np.isnan(axes.products(means, np.ones((4, 3)), FIRST, SECOND).reliability)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="a contrast between conditions must sum to 0"):
        axes.cosine(np.eye(3), np.zeros((3, 3)), [1, 1, 0], [1, -1, 0])
    with pytest.raises(ValueError, match="a plane needs at least three points"):
        axes.plane_geometry(np.eye(2), np.eye(2))
