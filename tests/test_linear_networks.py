"""Wide linear and piecewise linear networks: what is kept, how units move, what is learnt when."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from neurogeom.theory import (
    activation_slopes,
    conserved,
    hyperbolic_entropy,
    isotropic_grams,
    mode_dynamics,
    piecewise_flow,
    piecewise_kernel,
    preconditioner,
)

RATES = {"eta_a": 0.4, "eta_w": 1.7}


def network(seed, hidden=3, n_in=4, n_out=2, n=6):
    """A (hidden, output), W (hidden, input), X, Y."""
    rng = np.random.default_rng(seed)
    shapes = (hidden, n_out), (hidden, n_in), (n, n_in), (n, n_out)
    return [rng.standard_normal(s) for s in shapes]


def velocities(a, w, x, y, eta_a=1.0, eta_w=1.0):
    """Of the layers of a linear network."""
    pull = x.T @ (x @ w.T @ a - y)
    return -eta_a * w @ pull, -eta_w * a @ pull.T


def flow_of(a, w, x, y, t, **rates):
    """Both layers after t, by DOP853."""

    def flow(_, state):
        parts = state[: a.size].reshape(a.shape), state[a.size :].reshape(w.shape)
        return np.concatenate([v.ravel() for v in velocities(*parts, x, y, **rates)])

    start = np.concatenate([a.ravel(), w.ravel()])
    end = solve_ivp(flow, (0, t), start, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return end[: a.size].reshape(a.shape), end[a.size :].reshape(w.shape)


# --- what is conserved ----------------------------------------------------------------------------


@pytest.mark.parametrize("rates", [{}, RATES])
def test_the_whole_matrix_is_conserved_with_the_rates_of_the_flow_and_no_others(rates):
    a, w, x, y = network(0)
    a1, w1 = flow_of(a, w, x, y, 3.0, **rates)
    before, after = conserved(a, w, **rates), conserved(a1, w1, **rates)
    assert np.abs(a1 - a).max() > 0.1
    np.testing.assert_allclose(after, before, atol=1e-10)
    other = {"eta_a": 1.0, "eta_w": 2.0}
    assert np.abs(conserved(a1, w1, **other) - conserved(a, w, **other)).max() > 0.1


def test_units_are_stacked_before_their_matrix():
    a, w = np.arange(12.0).reshape(2, 3, 2), np.ones((2, 3, 4))
    found = conserved(a, w, **RATES)
    assert found.shape == (2, 3, 3)
    for k in range(2):
        np.testing.assert_array_equal(found[k], conserved(a[k], w[k], **RATES))
    single = 1.7 * a[1, 2] @ a[1, 2] - 0.4 * 4
    assert found[1, 2, 2] == pytest.approx(single)


def test_a_large_square_network_is_balanced_unit_by_unit_but_not_isotropic():
    n = 300
    rng = np.random.default_rng(0)
    a, w = rng.standard_normal((2, n, n)) * np.array([2.0, 1.0])[:, None, None] / np.sqrt(n)
    found = conserved(a, w)
    assert np.diag(found).mean() == pytest.approx(3, abs=4 * np.sqrt(2 * (16 + 1) / n**2))
    assert np.diag(found).std() < 0.5
    size = np.linalg.eigvalsh(found)
    assert size[0] < -2
    assert size[-1] > 12


# --- theorem 4.1 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rates", [{}, RATES])
@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 1, 3), (5, 3, 1), (1, 1, 1)])
def test_units_bend_the_gradient_as_theorem_41_says(shape, rates):
    a, w, x, y = network(1, *shape)
    da, dw = velocities(a, w, x, y, **rates)
    moved = dw.T @ a + w.T @ da
    beta = w[:, :, None] * a[:, None]
    m = preconditioner(beta, np.diag(conserved(a, w, **rates)), **rates).sum(axis=0)
    pull = x.T @ (x @ w.T @ a - y)
    pushed = -(m @ pull.ravel(order="F")).reshape(pull.shape, order="F")
    np.testing.assert_allclose(pushed, moved, atol=1e-12 * (1 + np.abs(moved).max()))


def test_units_without_a_function_are_known_where_their_layers_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(preconditioner(np.zeros((3, 1)), 2.0), 2 * np.eye(3))
        np.testing.assert_array_equal(preconditioner(np.zeros((1, 3)), -2.0), 2 * np.eye(3))
        np.testing.assert_array_equal(preconditioner(np.zeros((3, 2)), 0.0), np.zeros((6, 6)))
        assert np.isnan(preconditioner(np.zeros((3, 1)), -2.0)).any()
        assert np.isnan(preconditioner(np.zeros((3, 2)), 2.0)).any()
        tiny = preconditioner(np.full((2, 1), 1e-9), -1e4)
        np.testing.assert_allclose(tiny, np.full((2, 2), 5e3), rtol=1e-9)


# --- theorem 4.2 ----------------------------------------------------------------------------------


def isotropic(delta, hidden, n_in, n_out, seed=0, rates=None):
    """Layers with eta_w A A' - eta_a W W' = delta I."""
    rng = np.random.default_rng(seed)
    rates = rates or {"eta_a": 1.0, "eta_w": 1.0}
    turn, left, right = (
        np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (hidden, n_out, n_in)
    )
    small = np.zeros(hidden)
    rank = min(hidden, n_in, n_out)
    small[:rank] = rng.uniform(0.3, 2.0, rank)
    large = np.sqrt(small**2 + abs(delta))
    of_a, of_w = (large, small) if delta >= 0 else (small, large)
    a, w = np.zeros((hidden, n_out)), np.zeros((hidden, n_in))
    for k in range(hidden):
        if k < n_out:
            a += of_a[k] * np.outer(turn[k], left[k])
        if k < n_in:
            w += of_w[k] * np.outer(turn[k], right[k])
    return a / np.sqrt(rates["eta_w"]), w / np.sqrt(rates["eta_a"])


@pytest.mark.parametrize("rates", [{"eta_a": 1.0, "eta_w": 1.0}, RATES])
@pytest.mark.parametrize(
    ("delta", "hidden", "n_in", "n_out"),
    [
        (1.5, 3, 3, 3),
        (-1.5, 3, 3, 3),
        (0.0, 3, 3, 3),
        (2.0, 2, 4, 3),  # fewer units than outputs
        (2.0, 3, 2, 3),  # more units than inputs: the rest points at what is not used
        (-2.0, 2, 3, 4),
        (-2.0, 3, 3, 2),
        (0.0, 5, 3, 2),
        (1e4, 3, 3, 3),
        (-1e4, 3, 3, 3),
    ],
)
def test_an_isotropic_network_is_known_from_its_function(delta, hidden, n_in, n_out, rates):
    a, w = isotropic(delta, hidden, n_in, n_out, rates=rates)
    size = max(abs(delta), 1.0)
    kept = conserved(a, w, **rates)
    np.testing.assert_allclose(kept, delta * np.eye(hidden), atol=1e-12 * size)
    of_a, of_w = isotropic_grams(w.T @ a, delta, n_hidden=hidden, **rates)
    np.testing.assert_allclose(of_a, rates["eta_w"] * a.T @ a, atol=1e-12 * size)
    np.testing.assert_allclose(of_w, rates["eta_a"] * w.T @ w, atol=1e-12 * size)


@pytest.mark.parametrize(
    ("beta", "delta", "n_hidden", "message"),
    [
        (np.eye(3), 1.0, 2, "beta has rank 3 and there are 2 hidden units"),
        (np.ones((2, 3)), 1.0, 4, "4 hidden units and 3 outputs"),
        (np.ones((2, 3)), -1.0, 3, "3 hidden units and 2 inputs"),
        (np.diag([1.0, 0, 0]), 1.0, 2, "does not tell where the others point"),
        (np.ones(3), 1.0, 2, r"pass \(input, output\)"),
    ],
)
def test_functions_that_do_not_settle_their_network_are_refused(beta, delta, n_hidden, message):
    with pytest.raises(ValueError, match=message):
        isotropic_grams(beta, delta, n_hidden=n_hidden)


# --- lazy by widths -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delta", "hidden", "n_in", "n_out", "lazy"),
    [
        (20.0, 1, 3, 1, True),  # fewer outputs than inputs: lazy upstream
        (-20.0, 1, 3, 1, False),
        (-20.0, 1, 1, 3, True),  # fewer inputs: lazy downstream
        (20.0, 1, 1, 3, False),
        (20.0, 3, 3, 3, True),
        (-20.0, 3, 3, 3, True),
        (0.0, 3, 3, 3, False),
    ],
)
def test_widths_and_sign_decide_which_networks_are_lazy(delta, hidden, n_in, n_out, lazy):
    a, w = isotropic(delta, hidden, n_in, n_out)
    small = 0.1 / np.linalg.norm(w.T @ a)  # the function at the start; delta moves by 1 % at most
    in_a, in_w = {1: (1, small), -1: (small, 1), 0: (small**0.5, small**0.5)}[np.sign(delta)]
    a, w = in_a * a, in_w * w
    target = np.random.default_rng(5).standard_normal((n_in, n_out))
    a1, w1 = flow_of(a, w, np.eye(n_in), target, 50.0)
    assert np.linalg.norm(w1.T @ a1 - target) < 0.1 * np.linalg.norm(target)

    def kernel(a, w):
        return np.kron(a.T @ a, np.eye(n_in)) + np.kron(np.eye(n_out), w.T @ w)

    k0, k1 = kernel(a, w), kernel(a1, w1)
    moved = 1 - (k0 * k1).sum() / np.linalg.norm(k0) / np.linalg.norm(k1)
    assert moved < 0.01 if lazy else moved > 0.05


# --- modes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rates", [{}, RATES])
@pytest.mark.parametrize("delta", [-2.0, -0.3, 0.0, 0.3, 2.0])
def test_modes_follow_theorem_b6(delta, rates):
    t = np.linspace(0, 5, 21)
    product = rates.get("eta_a", 1.0) * rates.get("eta_w", 1.0)
    for lambda0, s in ((0.05, 2.0), (1.5, 0.4), (0.7, 0.0), (-0.5, 1.0), (0.5, -1.0)):
        found = mode_dynamics(t, lambda0, s, delta, **rates)

        def flow(_, x, s=s):
            return np.sqrt(delta**2 + 4 * product * x**2) * (s - x)

        expected = solve_ivp(flow, (0, 5), [lambda0], "DOP853", t, rtol=1e-12, atol=1e-14).y[0]
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_modes_are_those_of_a_network_aligned_with_its_task():
    delta, turn = 1.2, np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    start, s = np.array([0.3, 0.1, 0.8]), np.array([2.0, 1.0, 0.5])
    kappa = np.sqrt(delta**2 + 4 * start**2)
    a, w = np.diag(np.sqrt((kappa + delta) / 2)) @ turn, np.diag(np.sqrt((kappa - delta) / 2))
    a1, w1 = flow_of(a, w, np.eye(3), np.diag(s) @ turn, 0.7)
    found = mode_dynamics(0.7, start, s, delta)
    np.testing.assert_allclose(w1.T @ a1, np.diag(found) @ turn, atol=1e-9)


def test_modes_of_0_wait_when_balanced_and_start_at_once_otherwise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mode_dynamics([0.0, 1e6], 0.0, 1.0, [0.0, 1e-3, -1e-3, 1e4, -1e4])
    np.testing.assert_allclose(found[:, 1], [0, 1, 1, 1, 1], atol=1e-12)
    assert np.abs(found[:, 0]).max() < 1e-15


def test_large_imbalance_is_exponential_and_none_is_sigmoidal():
    t = np.linspace(0, 5, 50)
    far = mode_dynamics(t / 1e4, 0.1, 1.0, [1e4, -1e4])
    np.testing.assert_allclose(far, [1 - 0.9 * np.exp(-t)] * 2, atol=1e-6)
    sigmoid = 1 / (1 + 9 * np.exp(-2 * t))
    np.testing.assert_allclose(mode_dynamics(t, 0.1, 1.0, 0.0), sigmoid, atol=1e-12)


# --- the entropy ----------------------------------------------------------------------------------


def test_the_entropy_has_the_second_derivative_of_the_flow():
    for delta in (0.3, -2.0):
        x, h = np.linspace(-3, 3, 13), 1e-4
        q = [hyperbolic_entropy(x + k * h, delta, **RATES) for k in (-1, 0, 1)]
        second = (q[0] - 2 * q[1] + q[2]) / h**2
        expected = 1 / np.sqrt(delta**2 + 4 * 0.4 * 1.7 * x**2)
        np.testing.assert_allclose(second, expected, atol=1e-6)
        assert (q[1] >= 0).all()


def test_the_entropy_is_the_printed_formula_where_that_can_be_computed():
    x, delta = np.linspace(-3, 3, 12), -0.7
    printed = 2 * x * np.arcsinh(2 * x / 0.7) - np.sqrt(4 * x**2 + 0.49) + 0.7
    np.testing.assert_allclose(hyperbolic_entropy(x, delta), printed / 4, rtol=1e-12)
    assert hyperbolic_entropy(1e-9, 1e4) == pytest.approx(1e-18 / 2e4, rel=1e-12)
    assert np.isfinite(hyperbolic_entropy([1e10, -1e10], 1e-300)).all()


@given(st.floats(-5, 5), st.floats(0.05, 3), st.floats(0.05, 2), st.integers(0, 1))
def test_modes_descend_the_loss_in_the_mirror_of_the_entropy(lambda0, s, delta, sign):
    """q'(lambda) moves at the rate s - lambda: d/dt q' = q'' lambda' = s - lambda."""
    h = 1e-4
    lam = mode_dynamics(np.array([0.3 - h, 0.3, 0.3 + h]), lambda0, s, (-1) ** sign * delta)
    mirror = np.arcsinh(2 * lam / delta) / 2
    assert (mirror[2] - mirror[0]) / (2 * h) == pytest.approx(s - lam[1], abs=1e-5)


# --- piecewise linear networks --------------------------------------------------------------------


def forward(a, w, x, slope):
    z = w @ x.T
    return a @ np.maximum(z, slope * z)


@pytest.mark.parametrize("rates", [{}, RATES])
@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_units_grow_and_turn_by_equation_10(slope, rates):
    a, w, x, y = network(2, hidden=5, n_out=1, n=20)
    a, y = a[:, 0], y[:, 0]
    flow = piecewise_flow(a, w, x, y, slope=slope, **rates)
    h = 1e-6
    numeric = np.zeros_like(w), np.zeros_like(a)
    for k in range(5):  # gradients by differences of the loss itself
        for j in range(4):
            step = np.zeros_like(w)
            step[k, j] = h
            loss = [((forward(a, w + e * step, x, slope) - y) ** 2).sum() / 2 for e in (1, -1)]
            numeric[0][k, j] = -rates.get("eta_w", 1) * (loss[0] - loss[1]) / (2 * h)
        step = h * (np.arange(5) == k)
        loss = [((forward(a + e * step, w, x, slope) - y) ** 2).sum() / 2 for e in (1, -1)]
        numeric[1][k] = -rates.get("eta_a", 1) * (loss[0] - loss[1]) / (2 * h)
    dw, da = numeric
    np.testing.assert_allclose(-rates.get("eta_w", 1) * a[:, None] * flow.pull, dw, atol=1e-5)
    length = np.linalg.norm(w, axis=1)
    unit = w / length[:, None]
    turned = (dw - (dw * unit).sum(axis=1)[:, None] * unit) / length[:, None]
    np.testing.assert_allclose(flow.direction_velocity, turned, atol=1e-5)
    grown = da * length + a * (dw * unit).sum(axis=1)
    np.testing.assert_allclose(flow.mu_velocity, grown, atol=1e-5)


@pytest.mark.parametrize("rates", [{}, RATES])
def test_units_move_by_equation_10_to_the_last_digits(rates):
    a, w, x, y = network(3, hidden=5, n_out=1, n=20)
    a, y = a[:, 0], y[:, 0]
    ea, ew = rates.get("eta_a", 1.0), rates.get("eta_w", 1.0)
    flow = piecewise_flow(a, w, x, y, **rates)
    da = -ea * (w * flow.pull).sum(axis=1)
    dw = -ew * a[:, None] * flow.pull
    length, unit = np.linalg.norm(w, axis=1), flow.direction
    along = (dw * unit).sum(axis=1)
    np.testing.assert_allclose(flow.mu_velocity, da * length + a * along, atol=1e-10)
    kappa = np.sqrt(flow.delta**2 + 4 * ea * ew * flow.mu**2)
    turning = (kappa + flow.delta) / (2 * flow.mu)
    across = flow.pull - (flow.pull * unit).sum(axis=1)[:, None] * unit
    np.testing.assert_allclose(flow.direction_velocity, -turning[:, None] * across, atol=1e-10)
    np.testing.assert_allclose(ew * 2 * a * da - ea * 2 * length * along, 0, atol=1e-10)


@pytest.mark.parametrize("rates", [{"eta_a": 1.0, "eta_w": 1.0}, RATES])
@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_the_tangent_kernel_is_that_of_the_parameters_and_of_the_units(slope, rates):
    a, w, x, _ = network(4, hidden=5, n_out=1, n=12)
    a = a[:, 0]
    c = activation_slopes(w, x, slope=slope)
    jacobian_a, jacobian_w = (c * (w @ x.T)).T, (a[:, None] * c).T[:, :, None] * x[:, None]
    expected = rates["eta_a"] * jacobian_a @ jacobian_a.T
    flat = jacobian_w.reshape(12, -1)
    expected = expected + rates["eta_w"] * flat @ flat.T
    found = piecewise_kernel(a, w, x, slope=slope, **rates)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    delta = rates["eta_w"] * a**2 - rates["eta_a"] * (w**2).sum(axis=1)
    m = preconditioner((a[:, None] * w)[:, :, None], delta, **rates)
    by_units = np.einsum("ki,id,kde,je,kj->ij", c, x, m, x, c)
    np.testing.assert_allclose(found, by_units, atol=1e-10)


def test_downstream_directions_rest_and_upstream_they_turn():
    _, w, x, y = network(5, hidden=1, n_out=1, n=20)
    y = y[:, 0]
    w = w / np.linalg.norm(w)
    speed = []
    for delta in (-1e4, 1e4):  # the same function of size .1
        kappa = np.hypot(delta, 0.2)
        a, length = np.sqrt((kappa + delta) / 2), np.sqrt((kappa - delta) / 2)
        a, length = (a, 0.1 / a) if delta > 0 else (0.1 / length, length)
        flow = piecewise_flow([a], length * w, x, y)
        speed.append(np.linalg.norm(flow.direction_velocity))
    assert speed[0] < 1e-3
    assert speed[1] > 1e5


def test_units_without_weights_or_readout_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = piecewise_flow([0.0, 1.0], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0]], [2.0])
    assert flow.mu.tolist() == [0, 0]
    assert np.isnan(flow.direction[1]).all()
    assert flow.mu_velocity[0] == 2  # a' = 2, |w| = 1
    assert not flow.direction_velocity[0].any()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conserved(np.ones((2, 1)), np.ones((3, 1))), "with as many hidden units"),
        (lambda: conserved(np.ones((2, 1)), np.ones((2, 1)), eta_a=0), "eta_a or eta_w is not"),
        (lambda: preconditioner(np.ones((2, 3, 1)), 1.0), r"pass \(..., input, output\)"),
        (lambda: hyperbolic_entropy(1.0, 0.0), "delta is 0, where the entropy has no finite"),
        (lambda: mode_dynamics(1.0, 0.1, np.nan, 1.0), "target is not finite"),
        (lambda: activation_slopes([[1.0]], [[1.0, 2.0]]), r"pass \(unit, input\)"),
        (lambda: piecewise_kernel([1.0, 2.0], [[1.0]], [[1.0]]), "for 1 units; pass"),
        (lambda: piecewise_flow([1.0], [[1.0]], [[1.0]], [1.0, 2.0]), "for 1 samples; pass"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
