"""Where gradient flow ends on few data, and what it says when the theorem does not speak of it."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize, minimize_scalar

from neurogeom.theory import SingleNeuron, deep_implicit_bias, implicit_bias

# Figure 4b: X = (.5, 1), y = 1.1, beta0 = .5 (.6 (1, -.5) + .4 (.5, 1)); long integrations
ROW, ANSWER = np.array([[0.5, 1.0]]), np.array([1.1])
START = 0.5 * (0.6 * np.array([1.0, -0.5]) + 0.4 * np.array([0.5, 1.0]))
TABLE = """
-4 1.551077 .324462
-2 1.364444 .417778
-1 1.188175 .505913
0  .943004  .628498
1  .803396  .698302
2  .765689  .717156
4  .747883  .726059
"""
ROWS = np.array([line.split() for line in TABLE.split("\n") if line], dtype=float)
DELTAS = (-4.0, -2.0, -1.0, -0.1, 0.0, 1e-3, 0.5, 1.0, 4.0)


def problem(seed, n=2, d=5):
    """Data, and a start that does not speak against them."""
    rng = np.random.default_rng(seed)
    x, y, beta0 = rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)
    return x, y, beta0 * np.sign(x @ beta0 @ y)


def crossing(seed, n=2, d=5):
    """A start against the data."""
    x, y, beta0 = problem(seed, n, d)
    fit = np.linalg.pinv(x) @ y
    return x, y, 0.5 * beta0 - 0.7 * fit / np.linalg.norm(fit)


def end_of_flow(x, y, beta0, delta, t=2000.0, **rates):
    fit = np.linalg.lstsq(x, y, rcond=None)[0]
    a, w = SingleNeuron.from_delta(delta, beta0, fit, **rates).simulate([0.0, t], inputs=x)
    return a, a[1] * w[1]


def stationarity(x, beta, beta0, delta):
    """Theorem 3.1: what is left of the gradient of the objective outside the span of the inputs."""
    outside = np.eye(x.shape[1]) - np.linalg.pinv(x) @ x
    sides = []
    for b in (beta, beta0):
        r = np.linalg.norm(b)
        sides.append(np.sqrt(np.hypot(delta, 2 * r) - delta) * b / r)
    return np.linalg.norm(outside @ (sides[0] - sides[1]))


# --- theorem 3.1 --------------------------------------------------------------------------------


def test_the_table_of_the_figure_is_met():
    for delta, *expected in ROWS:
        found = implicit_bias(ROW, ANSWER, START, delta)
        np.testing.assert_allclose(found.beta, expected, atol=1e-6)
        assert found.holds


@pytest.mark.parametrize("delta", DELTAS)
def test_the_flow_ends_where_it_is_said_to_and_the_theorem_agrees(delta):
    for seed in range(3):
        x, y, beta0 = problem(seed)
        found = implicit_bias(x, y, beta0, delta)
        _, end = end_of_flow(x, y, beta0, delta)
        np.testing.assert_allclose(found.beta, end, atol=1e-8)
        assert found.holds
        assert found.why == ""
        assert stationarity(x, found.beta, beta0, delta) < 1e-12
        assert stationarity(x, end, beta0, delta) < 1e-8
        np.testing.assert_allclose(x @ found.beta, y, atol=1e-12)


@pytest.mark.parametrize("delta", [-4.0, -1.0, 0.0, 2.0])
def test_it_minimises_what_the_theorem_says(delta):
    x, y, beta0 = problem(4)
    fit, null = np.linalg.pinv(x) @ y, np.linalg.svd(x)[2][2:].T
    r0 = np.linalg.norm(beta0)
    psi = np.sqrt(np.hypot(delta, 2 * r0) - delta)

    def objective(z):
        beta = fit + null @ z
        kappa = np.hypot(delta, 2 * np.linalg.norm(beta))
        return (kappa - 2 * delta) * np.sqrt(kappa + delta) / 3 - psi * beta @ beta0 / r0

    best = minimize(objective, np.zeros(3), tol=1e-12)
    found = implicit_bias(x, y, beta0, delta)
    np.testing.assert_allclose(found.minimiser, fit + null @ best.x, atol=1e-5)
    assert objective(null.T @ (found.minimiser - fit)) <= best.fun + 1e-14


@given(st.integers(0, 10_000), st.floats(-3, 3))
def test_in_one_open_dimension_it_is_the_closed_form_of_the_paper(seed, delta):
    x, y, beta0 = problem(seed, 3, 4)
    normal, fit = np.linalg.svd(x)[2][-1], np.linalg.pinv(x) @ y
    r0 = np.linalg.norm(beta0)
    k = np.sqrt(np.sqrt(r0**2 + delta**2 / 4) - delta / 2) * (beta0 @ normal) / r0
    half = (k**2 + delta) / 2
    along = k * np.sqrt(half + np.sqrt(half**2 + fit @ fit))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = implicit_bias(x, y, beta0, delta)
    np.testing.assert_allclose(found.minimiser, fit + along * normal, rtol=1e-7, atol=1e-9)


def test_rates_weigh_the_layers():
    x, y, beta0 = problem(1)
    rates = {"eta_a": 0.3, "eta_w": 2.0}
    found = implicit_bias(x, y, beta0, -1.0, **rates)
    np.testing.assert_allclose(found.beta, end_of_flow(x, y, beta0, -1.0, **rates)[1], atol=1e-8)
    assert np.abs(found.beta - implicit_bias(x, y, beta0, -1.0).beta).max() > 0.01


def test_upstream_forgets_the_start_and_downstream_keeps_its_direction():
    x, y, beta0 = problem(2)
    fit = np.linalg.pinv(x) @ y
    far_up = implicit_bias(x, y, 1e-3 * beta0, 1e4)
    np.testing.assert_allclose(far_up.beta, fit, atol=1e-2)
    weights = SingleNeuron.from_delta(-1e4, beta0, fit).w0
    far_down = implicit_bias(ROW, ANSWER, START, -1e4).beta
    along = START * ANSWER / (ROW @ START)  # the start, rescaled until it fits
    np.testing.assert_allclose(far_down, along, rtol=1e-3)
    assert np.isfinite(weights).all()


# --- where the theorem does not speak -------------------------------------------------------------


def test_a_readout_that_turns_its_sign_is_told_and_the_limit_is_right():
    turned = 0
    for seed in range(12):
        x, y, beta0 = crossing(seed)
        a, end = end_of_flow(x, y, beta0, -2.0)
        if a[0] * a[1] > 0:
            found = implicit_bias(x, y, beta0, -2.0)
            assert found.holds
        else:
            turned += 1
            with pytest.warns(UserWarning, match="readout turned its sign") as caught:
                found = implicit_bias(x, y, beta0, -2.0)
            assert caught[0].filename == __file__
            assert not found.holds
            assert stationarity(x, found.minimiser, beta0, -2.0) < 1e-12
            assert stationarity(x, found.beta, beta0, -2.0) > 0.5
            assert np.abs(found.minimiser - end).max() > 0.02
        np.testing.assert_allclose(found.beta, end, atol=1e-8)
    assert 3 <= turned <= 11


def test_with_whitened_inputs_the_sign_is_that_of_the_basin():
    rng = np.random.default_rng(0)
    signs = []
    for _ in range(40):
        target, beta0 = rng.standard_normal((2, 3))
        neuron = SingleNeuron.from_delta(-1.5, beta0, target)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = implicit_bias(np.eye(3), target, beta0, -1.5)
        assert found.holds == (neuron.basin() > 0)
        np.testing.assert_allclose(found.beta, target, atol=1e-12)
        signs.append(found.holds)
    assert 5 < sum(signs) < 35


def test_upstream_no_start_crosses_0():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(20):
            assert implicit_bias(*crossing(seed), 0.1).holds
            assert implicit_bias(*crossing(seed), 0.0).holds


@pytest.mark.parametrize(
    "call",
    [
        lambda: implicit_bias([[1.0, 0.0]], [1.0], [-1.0, 0.0], 0.0),
        lambda: implicit_bias([[1.0, 0.0]], [1.5], [-1.0, 1.0], -1.0),  # a = 1, w = (-1, 1)
        lambda: implicit_bias([[0.6, 0.8]], [1.5], [-1.4, -0.2], -1.0),  # the same, turned
        lambda: implicit_bias([[0.6, 0.8]], [1.5], [-0.6, -0.8], 0.0),
        lambda: deep_implicit_bias([[1.0, 0.0]], [1.0], [-1.0, 0.0], 1),
        lambda: deep_implicit_bias([[1.0, 0.0]], [1.0], [-1.0, 0.0], 3),
    ],
)
def test_a_flow_that_meets_the_saddle_has_no_limit_that_is_told(call):
    with pytest.warns(UserWarning, match="near to the saddle beta = 0"):
        found = call()
    assert np.isnan(found.beta).all()
    assert not found.holds


def test_beside_the_separatrix_the_sign_is_right_or_is_not_told():
    """Two orthogonal inputs: a and the weights in their plane are a whitened problem."""
    rng = np.random.default_rng(0)
    told = []
    for eps in np.repeat([1e-10, 1e-6, -1e-6, 1e-3, -1e-3, 0.1, -0.1], 6):
        turn, target = np.linalg.qr(rng.standard_normal((4, 4)))[0], rng.standard_normal(2)
        a, delta, s = rng.uniform(0.5, 2), -rng.uniform(0.1, 5), np.linalg.norm(target)
        u = -a * 2 * s / (np.hypot(delta, 2 * s) - delta) * (1 + eps)  # eps = 0: to the saddle
        across = np.array([-target[1], target[0]]) / s * np.sqrt(a**2 - u**2 - delta)
        w = turn[:2].T @ (u * target / s + across) + rng.standard_normal() * turn[2]
        x = 1.5 * turn[:2]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = implicit_bias(x, 1.5 * target, a * w, a**2 - w @ w)
        told.append(not np.isnan(found.beta).any())
        if told[-1]:
            assert found.holds == (eps < 0)
        else:
            assert abs(eps) < 1e-3
    assert not any(told[:6])
    assert sum(told) >= 24


def test_data_that_nothing_fits_are_told_and_the_limit_is_a_least_squares_fit():
    x, y, beta0 = problem(0, 6, 3)
    with pytest.warns(UserWarning, match="no function interpolates"):
        found = implicit_bias(x, y, beta0, -1.0)
    np.testing.assert_allclose(found.beta, np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-12)
    assert not found.holds
    twice = np.vstack([ROW, ROW])
    with pytest.warns(UserWarning, match="no function interpolates"):
        found = implicit_bias(twice, [1.0, 1.2], START, -2.0)
    np.testing.assert_allclose(found.beta, ROWS[1, 1:], atol=1e-6)  # the mean of both is 1.1
    with pytest.warns(UserWarning, match="no function interpolates"):
        found = implicit_bias(0 * ROW, ANSWER, START, -2.0)
    np.testing.assert_allclose(found.beta, START, atol=1e-12)  # nothing moves


def test_outputs_of_0_leave_what_no_input_reaches():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stays = implicit_bias(ROW, [0.0], START, 1.0)
        _, end = end_of_flow(ROW, np.zeros(1), START, 1.0)
        np.testing.assert_allclose(stays.beta, end, atol=1e-8)
        assert not implicit_bias(ROW, [0.0], [0.1, 0.1], -4.0).beta.any()
        across = np.array([2.0, -1.0])
        kept = deep_implicit_bias(ROW, [0.0], across, 2)
        np.testing.assert_allclose(kept.beta, across, atol=1e-12)
        assert not deep_implicit_bias(ROW, [0.0], 3.0 * ROW[0], 2).beta.any()


def test_large_imbalance_needs_no_long_integration_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for delta in (-1e4, 1e4):
            for scale in (1e-3, 1.0, 1e3):
                x, y, beta0 = problem(3)
                found = implicit_bias(x, y, scale * beta0, delta)
                np.testing.assert_allclose(x @ found.beta, y, atol=1e-9)
                assert np.isfinite(found.beta).all()


def test_a_start_of_0_upstream_ends_at_the_shortest_function():
    x, y, _ = problem(5)
    found = implicit_bias(x, y, np.zeros(5), 1.0)
    np.testing.assert_allclose(found.beta, np.linalg.pinv(x) @ y, atol=1e-12)


# --- deep networks ------------------------------------------------------------------------------


def deep_end(x, y, direction, size, n_hidden, t=3000.0, seed=0):
    """Layers of rank 1 and norm size, balanced, by gradient flow on all their weights; beta0."""
    rng = np.random.default_rng(seed)
    units = rng.standard_normal((n_hidden, 2))
    units /= np.linalg.norm(units, axis=1)[:, None]
    chain = [direction / np.linalg.norm(direction), *units]
    layers = [size * np.outer(b, a) for a, b in pairwise(chain)]
    layers.append(size * chain[-1][None])
    shapes = [w.shape for w in layers]
    cuts = np.cumsum([w.size for w in layers])[:-1]

    def unpack(state):
        return [p.reshape(s) for p, s in zip(np.split(state, cuts), shapes, strict=True)]

    def product(ws):
        total = ws[0]
        for w in ws[1:]:
            total = w @ total
        return total

    def flow(_, state):
        ws = unpack(state)
        pull = (product(ws)[0] @ x.T - y)[None] @ x
        moved = []
        for k, w in enumerate(ws):
            before = product(ws[:k]) if k else np.eye(x.shape[1])
            after = product(ws[k + 1 :]) if k + 1 < len(ws) else np.eye(1)
            moved.append(-after.T @ pull @ before.T)
            assert moved[-1].shape == w.shape
        return np.concatenate([m.ravel() for m in moved])

    start = np.concatenate([w.ravel() for w in layers])
    found = solve_ivp(flow, (0, t), start, "LSODA", [t], rtol=1e-12, atol=1e-14)
    return product(layers)[0], product(unpack(found.y[:, -1]))[0]


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_a_deep_network_ends_where_it_is_said_to(n_hidden):
    x, y, direction = problem(0, 2, 4)
    beta0, end = deep_end(x, y, direction, 0.3, n_hidden)
    found = deep_implicit_bias(x, y, beta0, n_hidden)
    assert found.holds
    np.testing.assert_allclose(found.beta, end, atol=1e-8)
    outside = np.eye(4) - np.linalg.pinv(x) @ x
    power = n_hidden / (n_hidden + 1)
    for beta in (found.beta, end):
        sides = [b / np.linalg.norm(b) ** power for b in (beta, beta0)]
        assert np.linalg.norm(outside @ (sides[0] - sides[1])) < 1e-8
    wrong = deep_implicit_bias(x, y, beta0, n_hidden + 1).beta
    assert np.abs(wrong - end).max() > 1e-3


@pytest.mark.parametrize("n_hidden", [1, 4])
def test_it_minimises_what_theorem_b10_says(n_hidden):
    x, y, beta0 = problem(6, 3, 4)
    fit, normal = np.linalg.pinv(x) @ y, np.linalg.svd(x)[2][-1]
    n = n_hidden

    def objective(z):
        beta = fit + z * normal
        r, r0 = np.linalg.norm(beta), np.linalg.norm(beta0)
        return (n + 1) / (n + 2) * r ** ((n + 2) / (n + 1)) - beta0 @ beta / r0 ** (n / (n + 1))

    best = minimize_scalar(objective, tol=1e-12)
    found = deep_implicit_bias(x, y, beta0, n).beta
    np.testing.assert_allclose(found, fit + best.x * normal, atol=1e-6)


def test_one_hidden_layer_is_the_balanced_neuron():
    x, y, beta0 = problem(7)
    shallow, deep = implicit_bias(x, y, beta0, 0.0).beta, deep_implicit_bias(x, y, beta0, 1).beta
    np.testing.assert_allclose(deep, shallow, atol=1e-12)


@pytest.mark.parametrize("n_hidden", [1, 3, 30])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_layers_of_any_size_and_number_fit(n_hidden, size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, y, beta0 = problem(8)
        found = deep_implicit_bias(x, size * y, beta0, n_hidden).beta
        power = n_hidden / (n_hidden + 1)
        outside = np.eye(5) - np.linalg.pinv(x) @ x
        sides = [outside @ b / np.linalg.norm(b) ** power for b in (found, beta0)]
        np.testing.assert_allclose(*sides, atol=1e-9 * np.linalg.norm(sides[1]))
        np.testing.assert_allclose(x @ found, size * y, atol=1e-9 * np.linalg.norm(found))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: implicit_bias([1.0], [1.0], [1.0], 0.0), r"pass \(sample, input\)"),
        (lambda: implicit_bias(ROW, [1.0, 2.0], START, 0.0), r"pass \(sample, input\)"),
        (lambda: implicit_bias(ROW, [np.inf], START, 0.0), "not finite"),
        (lambda: implicit_bias(ROW, ANSWER, [0.0, 0.0], -1.0), "direction of its weights is open"),
        (lambda: implicit_bias(ROW, ANSWER, START, np.nan), "not finite"),
        (lambda: deep_implicit_bias(ROW, ANSWER, [0.0, 0.0], 2), "all gradients of a deep network"),
        (lambda: deep_implicit_bias(ROW, ANSWER, START, 0), "n_hidden is 0"),
        (lambda: deep_implicit_bias(ROW, ANSWER, START, 1.5), "n_hidden is 1.5"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
