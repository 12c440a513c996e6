"""Mean-field theory of abstraction: the problem, its gap, closed forms and predicted geometry.

C1 to C16 are the checks of the derivation; every number is ours, none a paper's.
"""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, linprog, minimize
from scipy.stats import norm, ortho_group

from neurogeom import theory
from neurogeom.formulas.geometries import crossed_levels
from neurogeom.theory import meanfield_patterns as enumerated
from neurogeom.theory.activations import Activation, named
from neurogeom.theory.meanfield_search import best_units

# d, g, lv, lw, b, L of whitened inputs
WHITENED = """
1 0 .1 .1 0.45000 0.19000000
2 0 .1 .1 0.32855 0.54568542
3 0 .1 .1 0.23750 1.17000000
4 0 .1 .1 0.17053 2.22274170
2 0 .5 .2 0.43402 1.58885438
3 0 .5 .2 0.33278 3.49473319
1 1 .1 .1 0.56237 0.15663265
2 1 .1 .1 0.43144 0.42617805
3 1 .1 .1 0.32291 0.87776052
4 1 .1 .1 0.23671 1.62520995
2 1 .5 .2 0.59669 1.26564065
3 1 .5 .2 0.46783 2.66176046
"""
# d, g, b, L of inputs aligned with the targets, lv = .2, lw = 1
ALIGNED = """
2 .5 .22386 1.3272602
2 1. .26623 1.1649111
2 2. .31515 1.0204451
3 .5 .24886 2.0908902
3 1. .29123 1.8223666
3 2. .34015 1.5869177
"""


def table(text):
    return [tuple(float(x) for x in line.split()) for line in text.strip().split("\n")]


def targets(d):
    return crossed_levels(d).astype(float)


def modular(y, b):
    """Two units a target, silent at 0, whose kernel is sum b_k (11' + y_k y_k')."""
    return np.maximum(np.hstack([y, -y]), 0) * np.sqrt(2 * np.tile(b, 2))


def whitened(d, g=1.0, lv=0.1, lw=0.1, **options):
    y = targets(d)
    decays = {"bias_power": g, "readout_decay": lv, "weight_decay": lw}
    return theory.AbstractionProblem(np.eye(len(y)), y @ y.T, **decays, **options)


# --- closed forms (C1, C2, C6, C7, C8, C13) -------------------------------------------------------


@pytest.mark.parametrize(("d", "g", "lv", "lw", "b", "loss"), table(WHITENED))
def test_whitened_inputs_have_the_kernel_of_the_closed_form(d, g, lv, lw, b, loss):
    found = theory.whitened_abstraction(
        2 ** int(d), int(d), bias_power=g, readout_decay=lv, weight_decay=lw
    )
    np.testing.assert_allclose(found.b, b, atol=6e-6)
    assert found.loss == pytest.approx(loss, abs=1e-8)


@pytest.mark.parametrize(("d", "g", "lv", "lw", "b", "loss"), table(WHITENED))
def test_no_unit_helps_the_closed_form_of_whitened_inputs(d, g, lv, lw, b, loss):
    problem, y = whitened(int(d), g, lv, lw), targets(int(d))
    closed = theory.whitened_abstraction(
        len(y), int(d), bias_power=g, readout_decay=lv, weight_decay=lw
    )
    units = modular(y, closed.b)
    np.testing.assert_allclose(problem.kernel(units), closed.kernel(y), atol=1e-12)
    assert problem.loss(units) == pytest.approx(loss, abs=1e-8)
    gap = theory.optimality_gap(problem, units, n_starts=40)
    assert gap.kind == ("certified" if d <= 3 else "searched")
    assert gap.extreme == pytest.approx(1, abs=1e-8)
    assert gap.gap < 1e-8
    assert theory.optimality_gap(problem, 1.1 * units, n_starts=40).gap > 1e-4


@pytest.mark.parametrize(("d", "g", "b", "loss"), table(ALIGNED))
def test_no_unit_helps_the_closed_form_of_aligned_inputs(d, g, b, loss):
    y, decays = targets(int(d)), {"bias_power": g, "readout_decay": 0.2, "weight_decay": 1.0}
    closed = theory.aligned_abstraction(np.ones(int(d)), len(y), **decays)
    np.testing.assert_allclose(closed.b, b, atol=6e-6)
    assert closed.loss == pytest.approx(loss, abs=1e-7)
    problem = theory.AbstractionProblem(y @ y.T, y @ y.T, **decays)
    mean = min(1.0, g)  # inputs along the targets and the bias alone: h < 0 on the silent side
    units = (np.hstack([y, -y]) + mean) / (1 + mean) * np.sqrt(2 * np.tile(closed.b, 2))
    assert problem.loss(units) == pytest.approx(loss, abs=1e-7)
    gap = theory.optimality_gap(problem, units, n_starts=40)
    assert (gap.kind, gap.extreme) == ("certified", pytest.approx(1, abs=1e-8))


def test_targets_with_weaker_inputs_are_weaker_in_the_kernel():
    y = targets(2)
    decays = {"readout_decay": 0.2, "weight_decay": 1.0}
    closed = theory.aligned_abstraction([1.0, 0.5], 4, **decays)
    np.testing.assert_allclose(closed.b, [0.26623, 0.20820], atol=6e-6)
    problem = theory.AbstractionProblem((y * [1.0, 0.5]) @ y.T, y @ y.T, **decays)
    found = theory.column_generation(problem, n_starts=40)
    assert found.gap_kind == "certified"
    assert found.gap < 1e-6
    assert found.loss == pytest.approx(closed.loss, abs=1e-6)
    np.testing.assert_allclose(found.kernel, closed.kernel(y), atol=1e-3)


def test_a_target_whose_inputs_are_too_weak_is_dropped():
    decays = {"readout_decay": 0.2, "weight_decay": 1.0, "bias_power": 0.0}
    kept, dropped = theory.aligned_abstraction([1.0, 0.04], 4, **decays).b
    assert kept > 0
    assert dropped == 0
    assert theory.aligned_abstraction([1.0, 0.06], 4, **decays).b[1] > 0  # R = 4 a > lv lw


def test_latents_that_no_target_names_vanish_from_the_kernel():
    y = targets(3)[:, :2]
    closed = theory.whitened_abstraction(8, 2)
    assert closed.b[0] == pytest.approx(0.32291, abs=6e-6)
    assert closed.loss == pytest.approx(0.5851737, abs=1e-7)
    found = theory.column_generation(theory.AbstractionProblem(np.eye(8), y @ y.T), n_starts=40)
    assert found.gap < 1e-6
    np.testing.assert_allclose(found.kernel, closed.kernel(y), atol=1e-4)


@pytest.mark.parametrize(("decay", "b", "loss"), [(1.7, 0.031435, 3.981027), (1.9, 0.0, 4.0)])
def test_decays_above_the_ratio_silence_the_network(decay, b, loss):
    closed = theory.whitened_abstraction(4, 2, weight_decay=decay, readout_decay=decay)
    np.testing.assert_allclose(closed.ratio, 10 / 3)
    np.testing.assert_allclose(closed.b, b, atol=1e-6)
    assert closed.loss == pytest.approx(loss, abs=1e-6)
    found = theory.column_generation(whitened(2, lv=decay, lw=decay), n_starts=40)
    assert found.loss == pytest.approx(loss, abs=1e-6)
    assert np.trace(found.kernel) == pytest.approx(4 * 4 * b, abs=1e-4)
    assert (found.extreme < 0.99) == (b == 0)


# --- inputs with structure of their own (C9) ------------------------------------------------------


def anisotropic(times):
    y = targets(2)
    xor = y.prod(axis=1, keepdims=True)
    return theory.AbstractionProblem(
        np.eye(4) + 0.25 * times * xor @ xor.T, y @ y.T, bias_power=0.25
    ), xor[:, 0]


@pytest.mark.parametrize(
    ("times", "ratio"), [(0.5, 1.0), (1.0, 1.0), (1.1, 1.0081), (1.5, 1.0385), (3.0, 1.125)]
)
def test_units_of_one_stimulus_win_where_exclusive_or_is_stronger_than_the_bias(times, ratio):
    """With h = 0 off the stimulus they would reach 1.0345 and 1.0909 at 1.5 and 3 only."""
    problem, _ = anisotropic(times)
    closed = theory.whitened_abstraction(4, 2, bias_power=0.25)
    gap = theory.optimality_gap(problem, modular(targets(2), closed.b), n_starts=40)
    assert gap.extreme == pytest.approx(ratio, abs=1e-4)
    found = theory.anisotropic_abstraction(0.25 * times, bias_power=0.25)
    assert max(found.conjunctive / found.modular, 1) == pytest.approx(gap.extreme, abs=1e-9)
    assert found.abstract == (times < 1)


@pytest.mark.parametrize(
    ("times", "parallelism", "share", "aligned", "most"),
    [(0.9, 1.0, 0.0, 1.0, 0.474899), (1.1, 0.0, 0.25, 0.8165, 0.473037)],
)
def test_abstraction_ends_sharply(times, parallelism, share, aligned, most):
    """``most`` is the loss of units trained by gradient: no minimum is above it."""
    problem, xor = anisotropic(times)
    found = theory.column_generation(problem, n_starts=40)
    assert found.gap_kind == "certified"
    assert found.gap < 1e-7
    assert most - 2e-5 < found.loss <= most
    seen = theory.kernel_geometry(found.kernel, targets(2))
    np.testing.assert_allclose(seen.parallelism, parallelism, atol=1e-3)
    assert xor @ found.kernel @ xor / 4 / np.trace(found.kernel) == pytest.approx(share, abs=1e-3)
    assert float(seen.cka_target) == pytest.approx(aligned, abs=1e-3)


# --- no bias, no single kernel (C5) ---------------------------------------------------------------


def test_without_a_bias_a_kernel_without_structure_is_as_good():
    """One unit a stimulus has the loss of the abstract kernel, and no parallelism."""
    problem, closed = whitened(2, g=0.0), theory.whitened_abstraction(4, 2, bias_power=0.0)
    one_a_stimulus = np.eye(4) * np.sqrt(4 * closed.b[0])
    assert problem.loss(one_a_stimulus) == pytest.approx(closed.loss, abs=1e-12)
    assert theory.optimality_gap(problem, one_a_stimulus, n_starts=20).gap < 1e-8
    assert theory.optimality_gap(problem, modular(targets(2), closed.b), n_starts=20).gap < 1e-8
    seen = theory.kernel_geometry(problem.kernel(one_a_stimulus), targets(2))
    np.testing.assert_allclose(seen.parallelism, 0, atol=1e-9)
    with_bias = whitened(2, g=0.01)
    assert theory.optimality_gap(with_bias, one_a_stimulus, n_starts=20).gap > 1e-3


@pytest.mark.parametrize(("g", "unique"), [(0.0, False), (1.0, None)])
def test_a_solution_says_that_it_is_one_of_many(g, unique):
    problem = whitened(2, g)
    found = theory.column_generation(problem, n_starts=60)
    closed = theory.whitened_abstraction(4, 2, bias_power=g)
    assert found.loss == pytest.approx(closed.loss, abs=1e-6)
    label = targets(2)[:, 0]
    assert label @ found.kernel @ label / 16 == pytest.approx(closed.b[0], rel=1e-3)
    assert found.unique is unique
    if unique is False:
        assert found.spread > 0.1
        other = label @ found.alternative @ label / 16
        assert other == pytest.approx(closed.b[0], rel=1e-3)
        assert np.linalg.eigvalsh(found.alternative)[0] > -1e-9
    else:
        np.testing.assert_allclose(found.kernel, closed.kernel(targets(2)), atol=1e-4)


# --- other units (C15) ----------------------------------------------------------------------------

UNITS = {
    "tanh_relu": (1.4407, 0.09987, 1.00840),
    "clipped_relu": (1.0, 0.125, 0.76667),
    "tanh": (0.9472, 0.27269, 0.51535),
    "erf": (None, None, 0.45383),
    "hardtanh": (None, 0.475, 0.39),
    "linear": (None, 0.475, 0.39),
}


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_helps_a_modular_network_of_units_that_saturate(name):
    scale, b, loss = UNITS[name]
    closed = theory.modular_units(name, 4, 2)
    assert closed.loss == pytest.approx(loss, abs=6e-6)
    assert scale is None or closed.scale == pytest.approx(scale, abs=6e-5)
    assert b is None or closed.b[0] == pytest.approx(b, abs=6e-6)
    problem = whitened(2, g=0.0, activation=name, measure="probability")
    y = targets(2)
    units = closed.scale * np.hstack([y, -y])
    units = np.maximum(units, 0) if named(name).family == "one-sided" else units
    np.testing.assert_allclose(problem.kernel(units), closed.kernel(y), atol=1e-12)
    assert problem.loss(units) == pytest.approx(closed.loss, abs=1e-9)
    gap = theory.optimality_gap(problem, units, n_starts=20)
    assert gap.gap < 2e-5
    assert gap.kind == ("certified" if name == "linear" else "searched")
    worse = theory.optimality_gap(problem, 0.8 * units, n_starts=20)
    assert worse.gap > problem.loss(0.8 * units) - closed.loss > 1e-3


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "leaky_relu"])
def test_units_without_a_modular_solution_are_refused(name):
    with pytest.raises(ValueError, match="no modular solution is known"):
        theory.modular_units(name, 4, 2)


def test_units_that_grow_faster_than_their_input_are_refused():
    with pytest.raises(ValueError, match="no energy is the lowest"):
        Activation("square", lambda h: np.maximum(h, 0) ** 2, lambda h: 2 * np.maximum(h, 0))
    with pytest.raises(ValueError, match="did you mean 'tanh_relu'"):
        whitened(1, activation="tanhrelu")


@pytest.mark.parametrize(
    "name",
    "relu leaky_relu linear tanh erf hardtanh clipped_relu tanh_relu "
    "sqrt_relu sigmoid softplus".split(),
)
def test_slopes_are_those_of_the_values(name):
    phi = named(name)
    for h in (-2.3, -0.4, 0.37, 0.9, 1.8):
        value, slope = (lambda x: phi.value(x)[0]), phi.slope
        assert check_grad(value, slope, np.array([h])) < 1e-6


# --- loss, energy, gap (C14, C16) -----------------------------------------------------------------


def random_problem(rng, activation="relu", n=5, rank=3, d=2):
    x, y = rng.standard_normal((n, rank)), rng.standard_normal((n, d))
    options = {"activation": activation, "bias_power": 0.3, "weight_decay": 0.2}
    return theory.AbstractionProblem(x @ x.T, y @ y.T, **options), x, y


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_energy_is_the_derivative_of_the_loss(activation):
    rng = np.random.default_rng(0)
    problem, _, _ = random_problem(rng, activation)
    h, new = (problem.basis @ rng.standard_normal((4, n)) for n in (6, 3))
    w = rng.uniform(0.1, 1, 6)
    energy = problem.energy(new, problem.kernel(h, w))
    for j in range(3):
        units = np.column_stack([h, new[:, j]])
        up, down = (problem.loss(units, np.append(w, 1.0 + step)) for step in (1e-6, -1e-6))
        there = problem.kernel(units, np.append(w, 1.0))
        slope = problem.energy(new[:, [j]], there)[0]
        assert (up - down) / 2e-6 == pytest.approx(slope, abs=1e-6)
    assert np.abs(energy).max() > 0.1


@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_the_loss_is_convex_in_the_measure(seed, share):
    rng = np.random.default_rng(seed)
    problem, _, _ = random_problem(rng)
    h = problem.basis @ rng.standard_normal((4, 6))
    v, w = rng.uniform(0, 1, (2, 6))
    mixed = problem.loss(h, share * v + (1 - share) * w)
    apart = share * problem.loss(h, v) + (1 - share) * problem.loss(h, w)
    assert mixed <= apart + 1e-9 * abs(apart)


def test_the_loss_is_that_of_a_network_with_the_shortest_weights():
    """Equation of the loss with explicit W, bias and ridge readout."""
    rng = np.random.default_rng(1)
    problem, x, y = random_problem(rng)
    g, lw, lv = 0.3, problem.weight_decay, problem.readout_decay
    wide = np.column_stack([x, np.full(5, np.sqrt(g))])  # a bias is a weight on sqrt(g)
    h = wide @ rng.standard_normal((4, 7))
    weights = np.linalg.pinv(wide) @ h
    r = np.maximum(h, 0)
    v = np.linalg.solve(r.T @ r + lv * np.eye(7), r.T @ y)
    explicit = np.sum((y - r @ v) ** 2) / 2 + lv / 2 * np.sum(v**2) + lw / 2 * np.sum(weights**2)
    assert problem.loss(h) == pytest.approx(explicit, rel=1e-12)


@given(seed=st.integers(0, 10**6))
def test_rotations_of_inputs_and_targets_change_nothing_and_scales_do(seed):
    rng = np.random.default_rng(seed)
    _, x, y = random_problem(rng)
    h = x @ rng.standard_normal((3, 4))
    turned = ortho_group.rvs(3, random_state=seed)
    of = theory.AbstractionProblem.from_data
    plain, rotated = of(x, y), of(x @ turned, y @ ortho_group.rvs(2, random_state=seed))
    assert plain.loss(h) == pytest.approx(rotated.loss(h), rel=1e-9)
    assert plain.loss(h) > of(2 * x, y).loss(h)


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0, 0.01)])
@pytest.mark.parametrize(("n", "rank"), [(4, 4), (6, 3), (5, 2), (3, 1)])
def test_enumerated_patterns_have_the_largest_ratio(n, rank, slopes):
    rng = np.random.default_rng(n)
    b, z = rng.standard_normal((n, rank)), rng.standard_normal((n, 2))
    value, h = enumerated.largest_ratio(b, z, slopes)
    a = rng.standard_normal((rank, 100_000))
    a /= np.linalg.norm(a, axis=0)
    drawn = b @ a
    ratios = ((z.T @ (np.where(drawn > 0, slopes[0], slopes[1]) * drawn)) ** 2).sum(axis=0)
    assert ratios.max() <= value * (1 + 1e-9)
    assert ratios.max() > 0.9 * value
    a = np.linalg.pinv(b) @ h
    there = z.T @ (np.where(h > 0, slopes[0], slopes[1]) * h)
    assert there @ there / (a @ a) == pytest.approx(value, rel=1e-9)


def test_patterns_of_stimuli_on_few_axes_are_those_of_all_signs():
    """With many stimuli on three axes the arrangement is walked; with few all signs are tried."""
    rng = np.random.default_rng(3)
    b = rng.standard_normal((12, 3))
    b[5] = -2 * b[4]  # a plane that two stimuli share
    b[7] = b[1] + b[2]  # three planes through one line
    z = rng.standard_normal((12, 2))
    every, _ = enumerated.largest_ratio(b, z, (1.0, 0.0))
    padded, more = np.vstack([b, np.zeros((2, 3))]), np.vstack([z, np.ones((2, 2))])
    walked, _ = enumerated.largest_ratio(padded, more, (1.0, 0.0))
    assert walked == pytest.approx(every, rel=1e-9)


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_a_cell_is_listed_exactly_if_some_point_has_its_signs(seed):
    rng = np.random.default_rng(seed)
    b = rng.integers(-2, 3, (6, 3)).astype(float)
    b[:3] = np.eye(3)
    listed = {tuple(s) for s in enumerated.patterns(b)}
    drawn = np.sign(b @ rng.standard_normal((3, 4000))).astype(int)
    assert {tuple(s) for s in drawn.T} <= listed
    for s in listed:
        rows = np.array(s)[:, None] * b
        used = rows[np.abs(rows).max(axis=1) > 0]
        found = linprog(np.zeros(3), A_ub=-used, b_ub=-np.ones(len(used)), bounds=(None, None))
        assert found.status == 0


def test_the_search_finds_what_enumeration_finds():
    rng = np.random.default_rng(5)
    for _ in range(5):
        problem, _, _ = random_problem(rng, n=8, rank=8)
        found = best_units(problem, np.zeros((8, 8)), n_starts=60)
        cost = problem.weight_decay * problem.readout_decay
        largest, _ = enumerated.largest_ratio(problem.basis, problem.targets, (1.0, 0.0))
        assert found.value == pytest.approx(largest / cost, rel=1e-9)
        np.testing.assert_allclose(
            found.values, problem.energy_ratio(found.units, np.zeros((8, 8))), rtol=1e-6
        )


def test_the_gap_bounds_how_far_a_loss_is_from_the_minimum():
    rng = np.random.default_rng(7)
    problem, _, _ = random_problem(rng)
    lowest = theory.column_generation(problem, n_starts=40)
    assert lowest.gap < 1e-6
    for size in (0.3, 1.0, 2.0):
        h = size * problem.basis @ rng.standard_normal((4, 6))
        gap = theory.optimality_gap(problem, h, n_starts=20)
        assert gap.gap >= problem.loss(h) - lowest.loss - 1e-9
        assert gap.kind == "certified"


# --- deep and recurrent (C10, C11) ----------------------------------------------------------------


def test_a_deep_network_of_one_layer_is_the_network_of_one_layer():
    closed = theory.whitened_abstraction(8, 3, weight_decay=0.05)
    deep = theory.deep_abstraction(8, 3, 1, weight_decay=0.05)
    assert deep.b[0] == pytest.approx(closed.b[0], rel=1e-6)
    assert deep.loss == pytest.approx(closed.loss, rel=1e-10)


@pytest.mark.parametrize(
    ("d", "g", "loss", "b"),
    [
        (2, 1, 0.267439, (0.34292, 0.52131)),
        (2, 0, 0.340106, (0.28064, 0.42004)),
        (3, 0, 0.620398, (0.17132, 0.35220)),
    ],
)
def test_two_layers_have_these_strengths(d, g, loss, b):
    decays = {"weight_decay": 0.05, "readout_decay": 0.05, "bias_power": g}
    found = theory.deep_abstraction(2**d, d, 2, **decays)
    assert found.loss == pytest.approx(loss, abs=1e-6)
    np.testing.assert_allclose(found.b, b, atol=1e-5)


def test_a_deep_network_that_is_best_silent_is_refused():
    with pytest.raises(ValueError, match="a silent network is best at depth 3"):
        theory.deep_abstraction(4, 2, 3, weight_decay=2.0, readout_decay=2.0)


def recurrent_loss(problem, h, weights=None):
    w = np.ones(h.shape[1]) if weights is None else weights
    r = np.maximum(h, 0)
    k = (r * w) @ r.T
    cost = np.trace(np.linalg.solve(problem.augmented + k, (h * w) @ h.T))
    return problem.readout_loss(k) + problem.weight_decay / 2 * cost


@pytest.mark.parametrize(
    ("d", "g", "b", "loss"),
    [(2, 1, 0.07704, 0.534220), (2, 0, 0.06306, 0.662949), (3, 1, 0.06841, 1.030769)],
)
def test_a_recurrent_network_rests_at_modular_units(d, g, b, loss):
    found = theory.recurrent_abstraction(2**d, d, bias_power=g)
    assert found.b == pytest.approx(b, abs=6e-6)
    assert found.loss == pytest.approx(loss, abs=1e-6)
    assert found.eigenvalue < 1
    problem, y = whitened(d, g, lv=0.02, lw=1.0), targets(d)
    h = modular(y, np.full(d, found.b))
    assert recurrent_loss(problem, h) == pytest.approx(found.loss, abs=1e-9)
    np.testing.assert_allclose(theory.recurrent_energy(problem, h, h), 0, atol=1e-6)
    assert theory.recurrent_energy(problem, h, np.eye(2**d)).min() > -1e-6
    # explicit weights: the shortest J and W rest at h, and a push dies out
    r = np.maximum(h, 0)
    seen = np.column_stack([r, np.eye(2**d), np.full(2**d, np.sqrt(g))])
    weights = np.linalg.pinv(seen) @ h
    own = weights[: r.shape[1]]
    assert np.sum(weights**2) == pytest.approx(
        np.trace(np.linalg.solve(problem.augmented + r @ r.T, h @ h.T))
    )
    drive = seen[:, r.shape[1] :] @ weights[r.shape[1] :]
    z = r + 0.1 * np.random.default_rng(0).standard_normal(r.shape)
    for _ in range(200):
        z = np.maximum(z @ own + drive, 0)
    np.testing.assert_allclose(z, r, atol=1e-9)


def test_the_recurrent_energy_is_the_derivative_of_the_recurrent_loss():
    rng = np.random.default_rng(0)
    problem = whitened(2, lv=0.02, lw=1.0)
    h, new = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    energy = theory.recurrent_energy(problem, h, new)
    for j in range(3):
        units = np.column_stack([h, new[:, j]])
        more, none = (recurrent_loss(problem, units, np.append(np.ones(5), e)) for e in (1e-6, 0))
        assert (more - none) / 1e-6 == pytest.approx(energy[j], abs=1e-5)
    with pytest.raises(ValueError, match="of homogeneous units"):
        theory.recurrent_energy(whitened(2, activation="tanh"), h, new)


def test_recurrent_gain_without_bound_is_refused():
    with pytest.raises(ValueError, match="no interior solution"):
        theory.recurrent_abstraction(8, 3, weight_decay=0.5, readout_decay=0.1, bias_power=0.0)


@pytest.mark.slow
def test_cheap_recurrent_gain_grows_without_bound_and_is_refused():
    """Networks below modular units (0.7183) whose loss falls towards d lw / 2."""
    with pytest.raises(ValueError, match="grows without bound"):
        theory.recurrent_abstraction(4, 2, weight_decay=0.5, readout_decay=0.1, bias_power=0.0)
    problem = whitened(2, g=0.0, lv=0.1, lw=0.5)

    def objective(flat):
        h = flat.reshape(4, -1)
        return recurrent_loss(problem, h), _recurrent_slope(problem, h).ravel()

    rng = np.random.default_rng(0)
    options = {"maxiter": 4000, "maxfun": 8000, "ftol": 1e-15, "gtol": 1e-12}
    ends = [
        minimize(objective, rng.standard_normal(96), jac=True, method="L-BFGS-B", options=options)
        for _ in range(4)
    ]
    best = min(ends, key=lambda end: end.fun)
    activity = np.maximum(best.x, 0).reshape(4, -1)
    assert 0.5 < best.fun < 0.55
    assert np.linalg.norm(activity @ activity.T) > 100


def _recurrent_slope(problem, h):
    r = np.maximum(h, 0)
    g = np.linalg.inv(problem.augmented + r @ r.T)
    z = problem.residual(r @ r.T)
    pull = problem.weight_decay * g @ h @ (h.T @ g @ r) + z @ (z.T @ r) / problem.readout_decay
    return problem.weight_decay * g @ h - (h > 0) * pull


# --- predicted geometry (C12) ---------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3])
def test_the_abstract_kernel_has_an_abstract_geometry(d):
    y, b = targets(d), 0.3
    kernel = b * (d + y @ y.T)
    seen = theory.kernel_geometry(kernel, y, input_kernel=np.eye(2**d), noise_sd=0.7)
    np.testing.assert_allclose(seen.parallelism, 1)
    np.testing.assert_allclose(seen.ccgp, 1)
    np.testing.assert_allclose(seen.ccgp_in_noise, norm.cdf(np.sqrt(b) / 0.7))
    assert float(seen.cka_target) == pytest.approx(1)
    assert float(seen.cka_input) == pytest.approx(np.sqrt(d / (2**d - 1)))
    assert float(seen.participation_ratio) == pytest.approx(d)
    apart = np.diag(kernel)[:, None] + np.diag(kernel) - 2 * kernel
    np.testing.assert_allclose(apart, 4 * b * (y[:, None] != y[None]).sum(axis=2))
    if d == 3:
        assert float(seen.separable) == pytest.approx(7 / 35)


def test_ccgp_in_noise_is_what_noisy_trials_give():
    y, b, sd = targets(2), 0.4, 0.8
    means = np.maximum(np.hstack([y, -y]), 0) * np.sqrt(2 * b)
    rng = np.random.default_rng(0)
    trials = means[:, None] + sd * rng.standard_normal((4, 20_000, 4))
    train, test = trials.mean(axis=1), trials
    hits = []
    for held in ((0, 2), (1, 3)):  # the first target, carried over the second
        plus, minus = next((p, m) for p, m in ((0, 2), (1, 3)) if (p, m) != held)
        axis = train[minus] - train[plus]
        middle = axis @ (train[plus] + train[minus]) / 2
        hits += [(test[held[1]] @ axis > middle).mean(), (test[held[0]] @ axis < middle).mean()]
    seen = theory.kernel_geometry(means @ means.T, y, noise_sd=sd)
    # both training conditions and axis known: the score of a pair has the spread of 80 000 trials
    assert np.mean(hits) == pytest.approx(float(seen.ccgp_in_noise[0]), abs=0.01)
    assert float(seen.ccgp_in_noise[0]) == pytest.approx(norm.cdf(np.sqrt(b) / sd), abs=1e-9)


def test_a_kernel_without_structure_is_decoded_and_does_not_generalise():
    seen = theory.kernel_geometry(np.eye(8), targets(3))
    np.testing.assert_allclose(seen.parallelism, 0, atol=1e-12)
    np.testing.assert_allclose(seen.ccgp, 0.5)
    np.testing.assert_allclose(seen.decoding, 1)
    assert float(seen.separable) == 1


def test_stimuli_with_the_same_targets_are_one_condition():
    y = targets(2)
    kernel = 0.3 * (2 + y @ y.T)
    twice = np.kron(kernel, np.ones((2, 2))) + 0.5 * np.kron(np.eye(4), [[1, -1], [-1, 1]])
    seen = theory.kernel_geometry(twice, np.repeat(y, 2, axis=0))
    np.testing.assert_allclose(seen.parallelism, 1)
    assert seen.attrs["n_conditions"] == 4
    assert float(seen.cka_target) < 0.9


def test_silence_has_no_geometry():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = theory.kernel_geometry(np.zeros((4, 4)), targets(2), input_kernel=np.eye(4))
    assert np.isnan(seen.parallelism).all()
    assert np.isnan([seen.cka_target, seen.cka_input, seen.participation_ratio]).all()
    np.testing.assert_allclose(seen.ccgp, 0.5)
    one = theory.kernel_geometry(np.eye(2), [[1], [-1]])
    assert np.isnan(one.ccgp).all()
    assert float(one.decoding[0]) == 1


# --- one's own data, and what is refused ----------------------------------------------------------


def test_task_variables_of_a_recording_are_targets():
    rule, cue = np.array(["go", "stop"])[[0, 0, 1, 1]], [3.0, 7.0, 3.0, 7.0]
    problem = theory.AbstractionProblem.from_data(None, {"rule": rule, "cue": cue})
    same = whitened(2)
    np.testing.assert_array_equal(problem.target_kernel, same.target_kernel)
    found = theory.column_generation(problem, n_starts=30)
    seen = theory.kernel_geometry(found.kernel, {"rule": rule, "cue": cue})
    assert seen.target.values.tolist() == ["rule", "cue"]
    np.testing.assert_allclose(seen.parallelism, 1, atol=1e-4)


Y = targets(2)
REFUSED = {
    "not symmetric": lambda: theory.AbstractionProblem(np.triu(np.ones((4, 4))), Y @ Y.T),
    "negative eigenvalue": lambda: theory.AbstractionProblem(np.eye(4), 1 - np.eye(4)),
    "one stimulus": lambda: theory.AbstractionProblem([[1.0]], [[1.0]]),
    "targets are zero": lambda: theory.AbstractionProblem(np.eye(4), np.zeros((4, 4))),
    "no input": lambda: theory.AbstractionProblem(np.zeros((4, 4)), Y @ Y.T, bias_power=0),
    "same input and different targets": lambda: theory.AbstractionProblem(
        np.zeros((4, 4)), Y @ Y.T
    ),
    "4 stimuli and the targets 2": lambda: theory.AbstractionProblem(np.eye(4), np.eye(2)),
    "weight_decay=0": lambda: whitened(2, lw=0),
    "bias_power=-1": lambda: whitened(2, g=-1),
    "do not scale": lambda: whitened(2, activation="tanh", measure="positive"),
    "measure='mass'": lambda: whitened(2, measure="mass"),
    "span 1 dimensions": lambda: theory.AbstractionProblem.from_data(None, Y[:, [0, 0]]),
    "has 3 levels": lambda: theory.AbstractionProblem.from_data(None, {"cue": [1, 2, 3, 1]}),
    "inputs of shape": lambda: theory.AbstractionProblem.from_data(np.eye(3), Y),
    "finite": lambda: theory.AbstractionProblem(np.full((4, 4), np.nan), Y @ Y.T),
    "with 4 stimuli": lambda: whitened(2).loss(np.ones((3, 2))),
    "weights of 2 units": lambda: whitened(2).loss(np.ones((4, 2)), [1.0, -1.0]),
    "multiple of 8 stimuli": lambda: theory.whitened_abstraction(4, 3),
    "one number above 0": lambda: theory.aligned_abstraction([1.0, 0.0], 4),
    "numbers from 0 on": lambda: theory.anisotropic_abstraction(-1),
    "not crossed": lambda: theory.whitened_abstraction(4, 2).kernel(Y[:, [0, 0]]),
    "2 targets": lambda: theory.whitened_abstraction(4, 2).kernel(Y[:, :1]),
    "decays are above 0": lambda: theory.modular_units("tanh", 4, 2, weight_decay=0),
    "no hidden layer": lambda: theory.deep_abstraction(4, 2, 0),
    "not all -1 or 1": lambda: theory.kernel_geometry(np.eye(4), 2 * Y),
    "has one level": lambda: theory.kernel_geometry(np.eye(4), np.ones((4, 1))),
    "of 4 stimuli": lambda: theory.kernel_geometry(np.eye(4), Y[:2]),
    "is not above 0": lambda: theory.kernel_geometry(np.eye(4), Y, noise_sd=0),
    "counts of particles": lambda: theory.particle_solution(whitened(1), n_particles=0),
    "max_rounds": lambda: theory.column_generation(whitened(1), max_rounds=0),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_ill_posed_is_refused_in_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        REFUSED[sentence]()
    assert str(raised.value).count(". ") == 0


def test_zero_eigenvalues_and_extreme_scales_are_safe():
    """Inputs on one axis, and inputs and targets that are huge or tiny."""
    y = np.array([[1.0], [1], [-1], [-1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e-6, 1.0, 1e6):
            problem = theory.AbstractionProblem.from_data(
                scale * y, y, weight_decay=0.1 * scale**2, bias_power=0.0
            )
            found = theory.column_generation(problem, n_starts=20)
            assert problem.basis.shape == (4, 1)
            closed = theory.aligned_abstraction(1.0, 4, bias_power=0.0)
            assert found.loss == pytest.approx(closed.loss, rel=1e-6)
            assert found.gap_kind == "certified"
        off = np.array([[1.0], [0], [0], [0]])
        assert np.isinf(problem.cost(off)).all()


def test_collinear_targets_are_one_target_with_more_weight():
    y = targets(1)
    problem = theory.AbstractionProblem(np.eye(2), 2 * y @ y.T, readout_decay=0.2)
    once = theory.AbstractionProblem(np.eye(2), y @ y.T, readout_decay=0.2, weight_decay=0.05)
    twice, one = (theory.column_generation(p, n_starts=20) for p in (problem, once))
    np.testing.assert_allclose(twice.kernel, one.kernel, atol=1e-5)
    assert twice.loss == pytest.approx(2 * one.loss, rel=1e-6)
