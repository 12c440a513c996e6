"""Solvers of the mean-field problem against closed forms and against trained networks."""

from itertools import pairwise

import numpy as np
import pytest

from neurogeom import theory
from neurogeom.formulas.geometries import crossed_levels


def targets(d):
    return crossed_levels(d).astype(float)


def whitened(d, g=1.0, **options):
    y = targets(d)
    return theory.AbstractionProblem(np.eye(len(y)), y @ y.T, bias_power=g, **options)


def far(kernel, other):
    return np.linalg.norm(kernel - other) / np.linalg.norm(other)


# --- column generation ----------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3])
def test_column_generation_ends_at_the_closed_form(d):
    found = theory.column_generation(whitened(d), n_starts=40)
    closed = theory.whitened_abstraction(2**d, d)
    assert found.gap_kind == "certified"
    assert found.gap < 1e-6
    assert found.loss == pytest.approx(closed.loss, abs=1e-7)
    assert far(found.kernel, closed.kernel(targets(d))) < 1e-4


@pytest.mark.parametrize(
    ("name", "loss"),
    [("tanh_relu", 1.00840), ("clipped_relu", 0.76667), ("tanh", 0.51535), ("erf", 0.45383)],
)
def test_column_generation_finds_modular_units_that_saturate(name, loss):
    found = theory.column_generation(whitened(2, g=0.0, activation=name), n_starts=40)
    assert found.gap_kind == "searched"
    assert found.n_agree >= 2
    assert found.gap < 2e-4
    assert found.loss == pytest.approx(loss, abs=1e-5)
    assert found.weights.sum() == pytest.approx(1)
    closed = theory.modular_units(name, 4, 2)
    assert far(found.kernel, closed.kernel(targets(2))) < 1e-2


def test_units_that_are_linear_have_the_targets_kernel_without_a_mean():
    found = theory.column_generation(whitened(2, g=0.0, activation="linear"), n_starts=20)
    assert found.loss == pytest.approx(0.39, abs=1e-7)
    np.testing.assert_allclose(found.kernel, 0.475 * targets(2) @ targets(2).T, atol=1e-4)


def test_sigmoid_units_are_parallel_and_have_a_mean_beyond_the_modular_one():
    y = targets(2)
    found = theory.column_generation(whitened(2, g=0.0, activation="sigmoid"), n_starts=40)
    assert found.gap < 1e-4
    seen = theory.kernel_geometry(found.kernel, y)
    np.testing.assert_allclose(seen.parallelism, 1, atol=1e-3)
    assert float(seen.cka_target) == pytest.approx(1, abs=2e-3)
    b = np.mean(np.diag(y.T @ found.kernel @ y)) / 16
    assert found.kernel.mean() / (2 * b) == pytest.approx(2.16, abs=0.03)


def test_a_positive_and_a_probability_measure_have_the_same_kernel():
    positive = theory.column_generation(whitened(2), n_starts=30)
    problem = whitened(2, measure="probability")
    probability = theory.column_generation(problem, n_starts=30)
    assert probability.weights.sum() == pytest.approx(1)
    assert positive.weights.sum() > 1.5
    np.testing.assert_allclose(probability.kernel, positive.kernel, atol=1e-5)
    assert probability.loss == pytest.approx(positive.loss, abs=1e-8)
    assert problem.loss(probability.atoms, probability.weights) == pytest.approx(probability.loss)


def test_a_solution_is_the_same_for_the_same_seed():
    one, two = (theory.column_generation(whitened(2, g=0.3), n_starts=20, seed=3) for _ in "ab")
    np.testing.assert_array_equal(one.kernel, two.kernel)
    assert (one.gap, one.n_starts, one.n_agree) == (two.gap, two.n_starts, two.n_agree)


@pytest.mark.slow
def test_inputs_and_targets_of_ones_own_are_solved():
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], (20, 2))
    x = y @ rng.standard_normal((2, 3)) + 0.3 * rng.standard_normal((20, 3))
    problem = theory.AbstractionProblem.from_data(x, y, weight_decay=1.0, readout_decay=1.0)
    found = theory.column_generation(problem, n_starts=40)
    assert found.gap_kind == "certified"  # three channels and a bias
    assert found.gap < 1e-5 * np.trace(problem.target_kernel)
    assert np.linalg.eigvalsh(found.kernel)[0] > -1e-9
    assert 0.8 < float(theory.kernel_geometry(found.kernel, y).cka_target) <= 1


@pytest.mark.slow
def test_column_generation_of_64_stimuli_comes_near_the_closed_form_and_says_how_near():
    found = theory.column_generation(whitened(6), n_starts=50, max_rounds=20)
    closed = theory.whitened_abstraction(64, 6)
    assert found.gap_kind == "searched"
    assert 0 <= found.loss - closed.loss < 2e-3 * closed.loss
    assert found.loss - closed.loss <= found.gap < 0.05 * closed.loss


# --- particles (C3, C15) --------------------------------------------------------------------------


def test_particles_end_near_the_closed_form():
    found = theory.particle_solution(whitened(1), n_restarts=1, n_steps=3000)
    closed = theory.whitened_abstraction(2, 1)
    assert 0 <= found.loss - closed.loss < 2e-3 * closed.loss
    assert found.gap >= found.loss - closed.loss - 1e-12
    assert far(found.kernel, closed.kernel(targets(1))) < 2e-2


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_particles_end_near_the_closed_form_of_more_targets(d):
    found = theory.particle_solution(whitened(d), n_restarts=3)
    closed = theory.whitened_abstraction(2**d, d)
    assert 0 <= found.loss - closed.loss < 2e-3 * closed.loss
    assert far(found.kernel, closed.kernel(targets(d))) < 2e-2
    seen = theory.kernel_geometry(found.kernel, targets(d))
    assert (seen.parallelism > 0.98).all()
    assert float(seen.participation_ratio) == pytest.approx(d, abs=0.02)


@pytest.mark.slow
def test_particles_that_are_stuck_say_so_by_their_gap():
    problem = whitened(2, g=0.0, activation="tanh_relu")
    found = theory.particle_solution(problem, n_restarts=1)
    best = theory.modular_units("tanh_relu", 4, 2).loss
    assert found.loss > best + 0.01
    assert found.gap > found.loss - best


def test_a_unit_that_all_starts_miss_is_found_where_patterns_are_enumerated():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((8, 4)), rng.choice([-1.0, 1.0], (8, 2))
    found = theory.column_generation(theory.AbstractionProblem(x @ x.T, y @ y.T), n_starts=2)
    assert found.gap_kind == "certified"
    assert found.gap < 1e-6


# --- finite networks trained by gradient (C4, C5, C10) --------------------------------------------


def trained(depth, d, g, decay, width, n_steps, seed):
    """Full-batch Adam on the summed squared error with L2: activity of each layer, and the loss.

    The bias is a weight on a constant input of sqrt(g), so that it decays with |beta|^2 / g.
    """
    rng = np.random.default_rng(seed)
    y = targets(d)
    n = len(y)
    constant = np.full((n, 1), np.sqrt(g))
    x = np.linalg.qr(rng.standard_normal((n, n)))[0]
    sizes = [n, *[width] * depth, d]
    w = [
        0.3 * rng.standard_normal((a + (i < depth), b)) / np.sqrt(a)
        for i, (a, b) in enumerate(pairwise(sizes))
    ]
    first, second = ([np.zeros_like(p) for p in w] for _ in range(2))
    best, activity = np.inf, None
    for t in range(1, n_steps + 1):
        layers, seen = [x], []
        for p in w[:-1]:
            seen.append(np.hstack([layers[-1], constant]))
            layers.append(np.maximum(seen[-1] @ p, 0))
        error = layers[-1] @ w[-1] - y
        loss = np.sum(error**2) / 2 + decay / 2 * sum(np.sum(p**2) for p in w)
        if loss < best:
            best, activity = loss, layers[1:]
        slopes = [layers[-1].T @ error]
        back = error @ w[-1].T
        for i in range(depth - 1, -1, -1):
            back = back * (layers[i + 1] > 0)
            slopes.insert(0, seen[i].T @ back)
            back = back @ w[i][:-1].T
        share = t / n_steps
        rate = 1e-2 if share < 0.4 else 1e-3 if share < 0.8 else 1e-4
        for i, slope in enumerate(slopes):
            slope = slope + decay * w[i]
            first[i] += 0.1 * (slope - first[i])
            second[i] += 0.001 * (slope**2 - second[i])
            step = first[i] / (1 - 0.9**t) / (np.sqrt(second[i] / (1 - 0.999**t)) + 1e-12)
            w[i] = w[i] - rate * step
    return activity, float(best)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n_nets"), [(2, 5), (3, 5)])
def test_trained_networks_with_a_bias_have_the_predicted_kernel(d, n_nets):
    """Medians over five networks."""
    y, closed = targets(d), theory.whitened_abstraction(2**d, d)
    nets = [trained(1, d, 1.0, 0.1, 32, 15_000, seed) for seed in range(n_nets)]
    kernels = [a[0] @ a[0].T for a, _ in nets]
    assert np.median([far(k, closed.kernel(y)) for k in kernels]) < 5e-3
    strength = np.median([np.mean(np.diag(y.T @ k @ y)) / 4**d for k in kernels])
    assert strength == pytest.approx(closed.b[0], rel=2e-3)
    assert np.median([loss for _, loss in nets]) == pytest.approx(closed.loss, rel=1e-3)
    parallel = [theory.kernel_geometry(k, y).parallelism.min() for k in kernels]
    assert np.median(parallel) > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_trained_networks_without_a_bias_have_the_predicted_loss_and_another_kernel(d):
    y, closed = targets(d), theory.whitened_abstraction(2**d, d, bias_power=0.0)
    nets = [trained(1, d, 0.0, 0.1, 32, 15_000, seed) for seed in range(5)]
    assert np.median([loss for _, loss in nets]) == pytest.approx(closed.loss, abs=1e-4)
    kernels = [a[0] @ a[0].T for a, _ in nets]
    strength = np.median([np.mean(np.diag(y.T @ k @ y)) / 4**d for k in kernels])
    assert strength == pytest.approx(closed.b[0], rel=1e-3)
    assert np.median([far(k, closed.kernel(y)) for k in kernels]) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("d", "g"), [(2, 1.0), (2, 0.0), (3, 0.0)])
def test_trained_deep_networks_have_the_predicted_kernels(d, g):
    y = targets(d)
    decays = {"weight_decay": 0.05, "readout_decay": 0.05, "bias_power": g}
    closed = theory.deep_abstraction(2**d, d, 2, **decays)
    nets = [trained(2, d, g, 0.05, 24, 14_000, seed) for seed in range(5)]
    assert min(loss for _, loss in nets) > closed.loss - 1e-9
    activity, loss = min(nets, key=lambda net: net[1])
    assert loss == pytest.approx(closed.loss, rel=1e-3)
    for r, b in zip(activity, closed.b, strict=True):
        kernel = r @ r.T
        assert far(kernel, b * (d + y @ y.T)) < 5e-3
        seen = theory.kernel_geometry(kernel, y)
        assert (seen.parallelism > 0.999).all()
        assert float(seen.cka_target) > 0.999
