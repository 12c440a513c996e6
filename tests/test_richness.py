"""One linear neuron: exact in every regime, at every time, and next to every saddle."""

import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas.imbalance import halves
from neurogeom.theory import SingleNeuron, delta_of_scale, scale_of_delta

# delta, least mu and its time, phi(1), first time of phi > .9, kernel distances from 0 to 1, 5, 20:
# target (0, 1), function (-1, 0) at the start, rates 1; integrated independently of this code
TABLE = """
-4 .0712 1.29 .0659 15.54 .0055 .0284 .8713
-2 .2348 1.27 .2041  6.39 .0432 .4414 .7133
-1 .4266 1.03 .4164  3.26 .1170 .4777 .4864
0  .5939  .68 .7616  1.48 .1160 .2000 .2000
1  .6647  .43 .9560   .77 .0386 .0501 .0501
2  .6883  .29 .9939   .49 .0109 .0124 .0124
4  .7011  .16 .9999   .27 .0014 .0015 .0015
"""
ROWS = np.array([line.split() for line in TABLE.split("\n") if line], dtype=float)
DELTAS = (-20.0, -5.0, -1.0, -1e-8, 0.0, 1e-8, 2.0, 20.0)


def figure(delta):
    return SingleNeuron.from_delta(delta, [-1.0, 0.0], [0.0, 1.0])


def random_neuron(delta, rng, n=5, eta_a=1.0, eta_w=1.0, turned=False):
    beta0, target = rng.standard_normal((2, n))
    neuron = SingleNeuron.from_delta(delta, beta0, target, eta_a=eta_a, eta_w=eta_w)
    if not turned:
        return neuron
    return SingleNeuron(-neuron.a0, -neuron.w0, target, eta_a=eta_a, eta_w=eta_w)


def wild(n=400, seed=0):
    """Weights and targets of all sizes, some of them 0."""
    rng = np.random.default_rng(seed)
    a0 = rng.standard_normal(n) * 10 ** rng.uniform(-3, 2, n)
    w0, target = rng.standard_normal((2, n, 3)) * 10 ** rng.uniform(-3, 2, (2, n, 1))
    a0[::7], w0[::11], target[::13] = 0, 0, 0
    return SingleNeuron(a0, w0, target, eta_a=0.3, eta_w=1.7)


def drift(neuron, t):
    """Of the conserved imbalance, over the sum of squares at the start or then."""
    a, w = neuron.solve(t)
    parts = [neuron.eta_w * np.moveaxis(x, -1, 0) ** 2 for x in (a,)]
    parts.append(neuron.eta_a * np.moveaxis((w**2).sum(axis=-1), -1, 0))
    start = neuron.eta_w * neuron.a0**2 + neuron.eta_a * (neuron.w0**2).sum(axis=-1)
    size = np.maximum(parts[0] + parts[1], start)
    off = np.abs(parts[0] - parts[1] - neuron.delta)
    return (off / np.where(size > 0, size, 1.0)).max()


# --- the exact solution -----------------------------------------------------------------------


def test_the_table_of_the_figure_is_met():
    neuron = figure(ROWS[:, 0])
    t = np.arange(0, 20, 0.01)
    mu, phi = neuron.mu_phi(t)
    np.testing.assert_allclose(mu.min(axis=1), ROWS[:, 1], atol=1e-3)
    np.testing.assert_allclose(t[mu.argmin(axis=1)], ROWS[:, 2], atol=0.011)
    np.testing.assert_allclose(neuron.mu_phi(1.0)[1], ROWS[:, 3], atol=1e-3)
    np.testing.assert_allclose(t[(phi > 0.9).argmax(axis=1)], ROWS[:, 4], atol=0.011)
    found = neuron.kernel_distance(0.0, [1.0, 5.0, 20.0])
    np.testing.assert_allclose(found, ROWS[:, 5:], atol=1e-3)
    assert neuron.mu_phi(1.0)[1][3] == pytest.approx(np.tanh(1), abs=1e-12)


@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("delta", DELTAS)
def test_the_formula_solves_the_equations(delta, rates):
    rng, t = np.random.default_rng(7), np.linspace(0, 15, 31)
    neurons = [random_neuron(delta, rng, 5, *rates, turned=k % 2) for k in range(6)]
    if delta <= 0:  # a readout of 0, and a function of 0
        w0 = rng.standard_normal(5)
        w0 *= np.sqrt(-delta / rates[0]) / np.linalg.norm(w0)
        target = rng.standard_normal(5)
        neurons.append(SingleNeuron(0.0, w0, target, eta_a=rates[0], eta_w=rates[1]))
    for neuron in neurons:
        assert np.abs(neuron.delta - delta) < 1e-12 * (1 + abs(delta))
        for found, expected in zip(neuron.solve(t), neuron.simulate(t), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-9)


def exactly(a0, w0, target, t):
    """The formula as it is written, in 80 decimal digits, without a care for overflow."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 80, 10**8, -(10**8)
        a, t, two = Decimal(float(a0)), Decimal(float(t)), Decimal(2)
        w, b = ([Decimal(float(x)) for x in v] for v in (w0, target))
        s = sum(x * x for x in b).sqrt()
        delta = a * a - sum(x * x for x in w)
        d = (delta * delta + 4 * s * s).sqrt()
        p, m, u = d + delta, d - delta, sum(x * y for x, y in zip(w, b, strict=True)) / s
        plus, minus = (u * s + a * p / 2) / d, (a * m / 2 - u * s) / d
        rise, fall = (p * t / 2).exp(), (-m * t / 2).exp()

        def integral(rate):
            return ((rate * t).exp() - 1) / rate

        squares = plus**2 * integral(p) + minus**2 * integral(-m)
        norm = (1 + 2 * (squares + two * plus * minus * integral(delta))).sqrt()
        along = (m * plus * rise - p * minus * fall) / (2 * s)
        ws = [(along * y / s + x - u * y / s) / norm for x, y in zip(w, b, strict=True)]
        return float((plus * rise + minus * fall) / norm), [float(x) for x in ws]


def test_to_the_last_digits_it_is_the_formula_in_80_digits():
    rng = np.random.default_rng(1)
    for _ in range(150):
        a0 = rng.standard_normal() * 10 ** rng.uniform(-3, 2)
        w0, target = rng.standard_normal((2, 3)) * 10 ** rng.uniform(-3, 2, (2, 1))
        t = 10 ** rng.uniform(-4, 4)
        a, w = SingleNeuron(a0, w0, target).solve(t)
        expected = np.append(*exactly(a0, w0, target, t))
        np.testing.assert_allclose(np.append(a, w), expected, atol=3e-14 * np.abs(expected).max())


def test_where_no_number_dominates_a_balanced_neuron_follows_hyperbolic_functions():
    rng, t = np.random.default_rng(0), np.linspace(0, 3, 9)
    neuron = random_neuron(0.0, rng)
    mu, phi = neuron.mu_phi(t)
    s = np.linalg.norm(neuron.target)
    q = s * t + np.arctanh(phi[0])
    c = s * (np.cosh(2 * q[0]) + 1) / mu[0] - 2 * q[0] - np.sinh(2 * q[0])
    np.testing.assert_allclose(phi, np.tanh(q), atol=1e-12)
    np.testing.assert_allclose(mu, s * (np.cosh(2 * q) + 1) / (2 * q + np.sinh(2 * q) + c))


def off_bernoulli(delta, phi0, mu0):
    """Largest distance from the limit phi' = |b|^2 / |delta| phi (1 - phi^2)."""
    beta0 = mu0 * np.array([np.sqrt(1 - phi0**2), phi0])
    t = np.linspace(0, 5 * abs(delta), 200)
    phi = SingleNeuron.from_delta(delta, beta0, [0.0, 1.0]).mu_phi(t)[1]
    return np.abs(phi - phi0 / np.hypot(phi0, np.sqrt(1 - phi0**2) * np.exp(-t / abs(delta)))).max()


@pytest.mark.parametrize("phi0", [0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("mu0", [0.1, 0.5, 1.0])
def test_far_downstream_the_weights_turn_by_bernoullis_equation(phi0, mu0):
    assert off_bernoulli(-20.0, phi0, mu0) < 5e-3
    assert off_bernoulli(-100.0, phi0, mu0) < 2e-4
    assert off_bernoulli(-1.0, phi0, mu0) > 5e-3


def test_bernoullis_limit_takes_longer_for_weights_that_stand_across():
    assert off_bernoulli(-100.0, 0.1, 1.0) > 2e-4
    assert off_bernoulli(-1000.0, 0.1, 1.0) < 5e-6


@pytest.mark.parametrize("delta", [1e4, -1e4, 1.0, -1.0, 0.0, 1e-8, -1e-8])
def test_the_imbalance_is_conserved_for_a_million_units_of_time(delta):
    rng = np.random.default_rng(3)
    t = np.append(0.0, np.logspace(-6, 6, 49))
    for eta_a, eta_w in ((1.0, 1.0), (0.1, 3.0)):
        neuron = random_neuron(delta, rng, 5, eta_a, eta_w)
        a, w = neuron.solve(t)
        assert np.isfinite(a).all()
        assert np.isfinite(w).all()
        kept = eta_w * a**2 - eta_a * (w**2).sum(axis=-1)
        assert np.abs(kept - delta).max() < 1e-8 * max(abs(delta), 1.0)
        assert drift(neuron, t) < 1e-13
        np.testing.assert_allclose(a[-1] * w[-1], neuron.target, atol=1e-12)


def test_no_weights_or_targets_however_large_small_or_absent_break_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        neuron = wild()
        t = np.append(0.0, np.logspace(-6, 6, 40))
        a, w = neuron.solve(t)
        assert np.isfinite(a).all()
        assert np.isfinite(w).all()
        assert drift(neuron, t) < 1e-13
        start = np.concatenate([neuron.a0[:, None], neuron.w0], axis=1)
        found = np.concatenate([a[:, :1], w[:, 0]], axis=1)
        assert (np.abs(found - start).max(axis=1) <= 1e-14 * np.abs(start).max(axis=1)).all()
        neuron.mu_phi(t), neuron.kernel_distance(0.0, t), neuron.basin(), neuron.regime()


@pytest.mark.parametrize(
    ("a0", "w0", "target"),
    [(0.0, [0.0, 0.0], [1.0, 1.0]), (0.0, [2.0, 0.0], [0.0, 1.0]), (0.0, [1.0, 0.0], [0.0, 0.0])],
)
def test_at_a_saddle_it_rests_for_ever_and_beside_it_not(a0, w0, target):
    neuron = SingleNeuron(a0, w0, target)
    a, w = neuron.solve([0.0, 1.0, 800.0, 1e6])
    assert neuron.basin() == 0
    assert not a.any()
    assert (w == w0).all()
    beside = SingleNeuron(1e-200, w0, target)
    if any(target):
        assert beside.basin() == 1
        np.testing.assert_allclose(beside.beta(1e6), target, atol=1e-12)


def test_without_a_target_the_layers_decay_together():
    neuron = SingleNeuron([1.0, 2.0, 1.0], [[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]], [0.0, 0.0])
    assert neuron.basin().tolist() == [0, 1, 0]
    t = 50.0
    a, w = neuron.solve(t)
    assert a[0] == pytest.approx(1 / np.sqrt(1 + 2 * t), rel=1e-12)  # a' = -a^3
    np.testing.assert_allclose([a[1], w[1, 0]], [np.sqrt(3), 0], atol=1e-12)
    np.testing.assert_allclose([a[2], w[2, 0]], [0, np.sqrt(3)], atol=1e-12)


# --- what it says of learning -------------------------------------------------------------------


def test_basins_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    a0, w0, target = rng.standard_normal(300), *rng.standard_normal((2, 300, 4))
    neuron = SingleNeuron(a0, w0, target)
    delta, along = neuron.delta, (w0 * target).sum(axis=1)
    root = np.sqrt(delta**2 + 4 * (target**2).sum(axis=1))
    expected = np.where(delta >= 0, np.sign(a0), np.sign(along + a0 / 2 * (delta + root)))
    assert (neuron.basin() == expected).all()
    assert (np.sign(neuron.solve(1e6)[0]) == expected).all()
    turned = expected != np.sign(a0)
    assert 20 < turned.sum() < 280
    for k in np.flatnonzero(turned)[:5]:
        alone = SingleNeuron(a0[k], w0[k], target[k])
        assert np.sign(alone.simulate(200.0)[0]) == expected[k]


def test_on_the_separatrix_a_neuron_ends_at_the_saddle():
    neuron = SingleNeuron([1.0, 1.0, 1.0], [[-1.0], [-1.0 - 1e-9], [-1.0 + 1e-9]], [1.0])
    assert neuron.basin().tolist() == [0, -1, 1]
    np.testing.assert_allclose(neuron.beta(1e3)[:, 0], [0, 1, 1], atol=1e-12)


def test_regimes_are_named_by_the_imbalance():
    neuron = figure([-5.0, 0.0, 1e-12, 5.0])
    assert neuron.regime().tolist() == ["downstream", "balanced", "balanced", "upstream"]
    assert neuron.regime(tolerance=1e-15).tolist()[2] == "upstream"
    np.testing.assert_allclose(neuron.imbalance[[0, 3]], np.array([-5, 5]) / np.sqrt(29))
    assert SingleNeuron(0.0, [0.0], [0.0]).regime() == "balanced"


def test_the_imbalance_is_the_shape_of_the_preconditioner_at_the_target():
    neuron = random_neuron(-1.5, np.random.default_rng(0), eta_a=0.5, eta_w=2.0)
    size = np.sort(np.linalg.eigvalsh(neuron.preconditioner(1e4)))
    assert size[0] / size[-1] == pytest.approx((1 + neuron.imbalance) / 2, rel=1e-9)


@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.3, 2.0)])
@pytest.mark.parametrize("delta", [-3.0, 0.0, 2.0])
def test_the_preconditioner_moves_the_function_and_depends_on_it_alone(delta, rates):
    neuron = random_neuron(delta, np.random.default_rng(5), 4, *rates)
    t = np.linspace(0.0, 2.0, 5)
    m, beta = neuron.preconditioner(t), neuron.beta(t)
    r = np.linalg.norm(beta, axis=-1)
    kappa = np.sqrt(delta**2 + 4 * rates[0] * rates[1] * r**2)
    unit = beta / r[:, None]
    expected = (kappa + delta)[:, None, None] / 2 * np.eye(4)
    expected = expected + ((kappa - delta) / 2)[:, None, None] * unit[:, :, None] * unit[:, None]
    np.testing.assert_allclose(m, expected, rtol=1e-10, atol=1e-10)
    h = 1e-5
    moved = (neuron.beta(t[1:] + h) - neuron.beta(t[1:] - h)) / (2 * h)
    pushed = -np.einsum("tij,tj->ti", m[1:], beta[1:] - neuron.target)
    np.testing.assert_allclose(moved, pushed, atol=1e-7)


@pytest.mark.parametrize("delta", [-3.0, 0.0, 2.0])
def test_scale_and_angle_follow_equation_2(delta):
    ea, ew = 0.5, 2.0
    neuron = random_neuron(delta, np.random.default_rng(6), 4, ea, ew)
    t, h = np.linspace(0.1, 2.0, 5), 1e-5
    mu, phi = neuron.mu_phi(t)
    mu_moved, phi_moved = (np.array(neuron.mu_phi(t + h)) - neuron.mu_phi(t - h)) / (2 * h)
    s, kappa = np.linalg.norm(neuron.target), np.sqrt(delta**2 + 4 * ea * ew * mu**2)
    np.testing.assert_allclose(mu_moved, kappa * (phi * s - mu), rtol=1e-6, atol=1e-6)
    turning = 2 * ea * ew * mu * s * (1 - phi**2) / (kappa - delta)
    np.testing.assert_allclose(phi_moved, turning, rtol=1e-6, atol=1e-6)


# --- kernel distance ----------------------------------------------------------------------------


def test_kernel_distances_are_those_of_the_kernels():
    neuron = random_neuron(-1.0, np.random.default_rng(2), 4, 0.5, 2.0)
    x = np.random.default_rng(3).standard_normal((7, 4))
    for inputs in (None, x):
        m = neuron.preconditioner([0.0, 1.5])
        k1, k2 = m if inputs is None else x @ m @ x.T
        expected = 1 - (k1 * k2).sum() / np.linalg.norm(k1) / np.linalg.norm(k2)
        found = neuron.kernel_distance(0.0, 1.5, inputs=inputs)
        assert found == pytest.approx(expected, abs=1e-12)
    assert neuron.kernel_distance(0.0, 1.5) != pytest.approx(found, abs=0.01)
    whitened = np.linalg.qr(x)[0]
    assert neuron.kernel_distance(0.0, 1.5, inputs=whitened) == pytest.approx(
        neuron.kernel_distance(0.0, 1.5), abs=1e-12
    )


def test_distances_of_the_published_notebook_are_those_of_another_norm():
    for delta, printed in ((-2.0, 0.182), (-1.0, 0.304), (0.0, 0.206)):
        neuron = figure(delta)
        (a, b), (w, v) = neuron.solve([0.0, 1.0])
        inner = 2 * a**2 * b**2 + a**2 * v @ v + b**2 * w @ w + (w @ v) ** 2
        own = 2 * a**4 + 2 * a**2 * w @ w + (w @ w) ** 2
        faulty = 2 * b**4 + 2 * a**2 * v @ v + (v @ v) ** 2
        assert 1 - inner / np.sqrt(own * faulty) == pytest.approx(printed, abs=1e-3)
        assert neuron.kernel_distance(0.0, 1.0) < printed - 0.08


def test_a_kernel_that_only_grows_has_not_moved():
    neuron = SingleNeuron(1e-3, [0.0, 1e-3], [0.0, 1.0])
    a, _ = neuron.solve([0.0, 30.0])
    assert a[1] > 100 * a[0]
    assert neuron.kernel_distance(0.0, 30.0) < 1e-12
    assert np.isnan(SingleNeuron(0.0, [0.0, 0.0], [0.0, 1.0]).kernel_distance(0.0, 1.0))


def test_distances_lie_between_0_and_1_and_do_not_know_which_time_is_first():
    t = np.logspace(-3, 3, 20)
    neuron = wild()
    there = neuron.kernel_distance(0.5, t)
    back = neuron.kernel_distance(t, 0.5)
    known = ~np.isnan(there)
    np.testing.assert_allclose(there[known], back[known], atol=1e-14)
    assert ((there[known] >= 0) & (there[known] <= 1)).all()
    assert known.mean() > 0.95


# --- symmetries, shapes -------------------------------------------------------------------------


@given(st.integers(0, 300))
def test_turning_weights_and_target_turns_the_path_and_turning_one_changes_it(seed):
    neuron, turn = random_neuron(-1.0, np.random.default_rng(seed), 3), ortho_group.rvs(3, seed)
    turned = SingleNeuron(neuron.a0, neuron.w0 @ turn, neuron.target @ turn)
    np.testing.assert_allclose(turned.beta(2.0), neuron.beta(2.0) @ turn, atol=1e-12)
    one = SingleNeuron(neuron.a0, neuron.w0 @ turn, neuron.target)
    assert np.abs(one.beta(2.0) - turned.beta(2.0)).max() > 1e-6


@given(st.integers(0, 300), st.floats(-3, 3), st.floats(0.2, 5))
def test_both_rates_are_a_unit_of_time_and_one_rate_is_not(seed, delta, c):
    neuron = random_neuron(delta, np.random.default_rng(seed), 3)
    faster = SingleNeuron(neuron.a0, neuron.w0, neuron.target, eta_a=c, eta_w=c)
    np.testing.assert_allclose(faster.beta(2.0), neuron.beta(2.0 * c), atol=1e-10)
    if abs(c - 1) > 0.1:
        one = SingleNeuron(neuron.a0, neuron.w0, neuron.target, eta_a=c)
        assert np.abs(one.beta(0.3) - neuron.beta(0.3 * c)).max() > 1e-6


def test_both_signs_turned_learn_the_same_function():
    neuron = random_neuron(-2.0, np.random.default_rng(0), turned=False)
    other = random_neuron(-2.0, np.random.default_rng(0), turned=True)
    np.testing.assert_allclose(neuron.beta(1.0), other.beta(1.0), atol=1e-15)
    assert neuron.basin() == -other.basin()
    assert neuron.solve(0.3)[0] == -other.solve(0.3)[0]


def test_many_trajectories_are_each_alone_in_their_order():
    rng, t = np.random.default_rng(0), np.array([0.3, 2.0, 1.0])
    delta, beta0 = rng.uniform(-3, 3, (2, 1)), rng.standard_normal((2, 3, 4))
    eta_a = np.array([0.5, 1.0, 2.0])
    target = rng.standard_normal((3, 4))
    many = SingleNeuron.from_delta(delta, beta0, target, eta_a=eta_a)
    a, w = many.solve(t)
    assert a.shape == (2, 3, 3)
    assert w.shape == (2, 3, 3, 4)
    assert many.solve(1.0)[1].shape == (2, 3, 4)
    assert many.preconditioner(t).shape == (2, 3, 3, 4, 4)
    assert many.preconditioner(1.0).shape == (2, 3, 4, 4)
    assert many.kernel_distance(0.0, t).shape == (2, 3, 3)
    assert many.simulate(t)[1].shape == (2, 3, 3, 4)
    for i in range(2):
        for j in range(3):
            alone = SingleNeuron.from_delta(
                delta[i, 0], beta0[i, j], target[j], eta_a=eta_a[j], eta_w=1.0
            )
            for k, time in enumerate(t):
                assert alone.solve(time)[0] == a[i, j, k]
                np.testing.assert_array_equal(alone.solve(time)[1], w[i, j, k])
                np.testing.assert_allclose(alone.mu_phi(time)[1], many.mu_phi(t)[1][i, j, k])
                assert alone.kernel_distance(0.0, time) == many.kernel_distance(0.0, t)[i, j, k]


def test_a_neuron_stays_what_it_was_when_the_arrays_given_change():
    w0 = np.array([1.0, 2.0])
    neuron = SingleNeuron(1.0, w0, [0.0, 1.0])
    before = neuron.beta(1.0)
    w0[:] = 0
    np.testing.assert_array_equal(neuron.beta(1.0), before)
    with pytest.raises(ValueError, match="read-only"):
        neuron.w0[0] = 3.0
    assert SingleNeuron(np.empty(0), [1.0, 2.0], [0.0, 1.0]).solve([1.0])[1].shape == (0, 1, 2)


def test_inputs_that_are_not_whitened_take_another_path_to_the_same_end():
    rng = np.random.default_rng(0)
    neuron, x = random_neuron(1.0, rng, 3), rng.standard_normal((10, 3))
    whitened = neuron.simulate(1.0, inputs=np.linalg.qr(x)[0])[1]
    np.testing.assert_allclose(whitened, neuron.solve(1.0)[1], atol=1e-9)
    assert np.abs(neuron.simulate(1.0, inputs=x)[1] - whitened).max() > 0.01
    a, w = neuron.simulate([50.0, 0.0], inputs=x)
    np.testing.assert_allclose(a[0] * w[0], neuron.target, atol=1e-9)
    assert (w[1] == neuron.w0).all()


# --- scales --------------------------------------------------------------------------------------


def test_scales_and_imbalance_are_two_names_of_one_thing():
    tau, alpha = np.array([[0.1], [2.0]]), np.array([1e-3, 0.3, 1.0, 7.0, 1e3])
    delta = delta_of_scale(tau, alpha)
    np.testing.assert_allclose(delta, (alpha * tau) ** 2 - (tau / alpha) ** 2, rtol=1e-9)
    np.testing.assert_allclose(scale_of_delta(tau, delta), np.broadcast_to(alpha, (2, 5)))
    assert (delta[:, 2] == 0).all()
    assert scale_of_delta(0.1, 1.0) == pytest.approx(10, rel=1e-3)  # upstream: readouts near 1


@given(st.floats(-1e8, 1e8), st.floats(0, 1e8))
def test_halves_have_the_difference_and_the_product_that_were_asked_for(delta, size):
    a, w = halves(delta, size)
    assert a - w == pytest.approx(delta, rel=1e-12, abs=1e-15 * size)
    assert np.sqrt(a) * np.sqrt(w) == pytest.approx(size, rel=1e-12, abs=1e-150)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SingleNeuron(np.nan, [1.0], [1.0]), "a0 is not finite"),
        (lambda: SingleNeuron(1.0, [1.0, 2.0], [1.0]), r"do not fit; pass w0 and target"),
        (lambda: SingleNeuron(1.0, 1.0, 1.0), r"do not fit; pass w0 and target"),
        (lambda: SingleNeuron([1.0, 2.0], np.ones((3, 1)), [1.0]), "do not fit"),
        (lambda: SingleNeuron(1.0, [1.0], [1.0], eta_w=0.0), "eta_a or eta_w is not above 0"),
        (lambda: SingleNeuron(1e200, [1.0], [1.0]), "squares overflow"),
        (lambda: SingleNeuron.from_delta(-1.0, [0.0], [1.0]), "beta0 is 0 where delta is below 0"),
        (lambda: SingleNeuron(1.0, [1.0], [1.0]).solve(-1.0), "pass finite times from 0 on"),
        (lambda: SingleNeuron(1.0, [1.0], [1.0]).solve([[1.0]]), "pass finite times from 0 on"),
        (
            lambda: SingleNeuron(1.0, [1.0], [1.0]).simulate(1.0, inputs=[1.0]),
            r"inputs have shape \(1,\); pass finite \(sample, input\), 1 inputs",
        ),
        (lambda: delta_of_scale(0.0, 1.0), "tau or alpha is not above 0"),
        (lambda: scale_of_delta(0.0, 1.0), "tau is not above 0"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
