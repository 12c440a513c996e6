"""The solver finds the support vector machine: not a tolerance away, whichever way it takes."""

import warnings
from itertools import product

import naive
import numpy as np
import pytest

from neurogeom.kernels import svm_dual, svm_primal
from neurogeom.kernels.svm import solve_many, solve_many_primal
from neurogeom.kernels.workspace import COST, LABEL, A, F, workspace

N_CONDITIONS = 8
ALL = np.array([s for s in product([1, -1], repeat=8) if sum(s) == 0 and s[0] == 1], np.int8)
COSTS = (1e-3, 1.0, 10.0)


def trials(n_repeats=20, n_neurons=80, signal=0.6, seed=0, n_conditions=N_CONDITIONS):
    """Activity of conditions, z-scored, and where each condition begins."""
    rng = np.random.default_rng(seed)
    means = signal * rng.standard_normal((n_conditions, n_neurons))
    x = np.repeat(means, n_repeats, axis=0)
    x = x + rng.standard_normal(x.shape)
    return (x - x.mean(0)) / x.std(0), np.arange(n_conditions + 1) * n_repeats


def labels(sign, offsets):
    return np.repeat(sign, np.diff(offsets), axis=-1).astype(float)


def solve(x, offsets, sign, C, weight=None, **options):
    weight = np.ones(sign.shape) if weight is None else weight
    return solve_many(x @ x.T, offsets, sign, weight, C, **options)[:4]


def weights_of(coef, x):
    """Weights and intercept of coefficients."""
    return np.column_stack([coef @ x, coef.sum(axis=1)])


def held_out():
    """One dichotomy on the 16 training sets that lack one condition of each side."""
    sign = np.repeat(ALL[:1], 16, axis=0)
    for row, (i, j) in zip(
        sign, product(np.flatnonzero(ALL[0] > 0), np.flatnonzero(ALL[0] < 0)), strict=True
    ):
        row[[i, j]] = 0
    return sign


def objective(w, x, label, weight, C):
    hinge = np.maximum(0, 1 - label * (x @ w[:-1] + w[-1])) ** 2
    return w @ w / 2 + C * (weight * hinge).sum()


def liblinear(x, label, weight, C):
    """Weights of scikit-learn's primal solver, taken to the end; a warning of it is an error."""
    from sklearn.svm import LinearSVC

    used = label != 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = LinearSVC(C=C, dual=False, tol=1e-10, max_iter=20_000).fit(
            x[used], label[used], sample_weight=weight[used]
        )
    return np.append(fitted.coef_[0], fitted.intercept_)


def compare(x, offsets, sign, C, weight=None):
    """Every problem in both ways against scikit-learn: objective to rounding, no trial moved."""
    weight = np.ones(sign.shape) if weight is None else weight
    coef, gap, _, converged = solve(x, offsets, sign, C, weight)
    assert converged.all()
    assert gap.max() <= 1e-8
    for w, s, c in zip(weights_of(coef, x), sign, weight, strict=True):
        label, each = labels(s, offsets), labels(c, offsets)
        theirs = liblinear(x, label, each, C)
        best = objective(theirs, x, label, each * (label != 0), C)
        assert objective(w, x, label, each * (label != 0), C) <= best * (1 + 1e-12)
        np.testing.assert_allclose(x @ w[:-1] + w[-1], x @ theirs[:-1] + theirs[-1], atol=1e-4)


# --- a second opinion ---------------------------------------------------------------------------


@pytest.mark.parametrize("signal", [0.6, 0.0], ids=["signal", "noise"])
@pytest.mark.parametrize("C", COSTS)
def test_solutions_are_those_of_scikit_learn_taken_to_the_end(C, signal):
    x, offsets = trials(signal=signal)
    compare(x, offsets, ALL[::5], C)  # few problems on a training set
    compare(x, offsets, held_out()[::5], C)


@pytest.mark.parametrize("C", [1e-3, 1.0])
def test_weights_are_those_of_trials(C):
    x, offsets = trials(n_neurons=30)
    weight = np.random.default_rng(1).uniform(0.2, 3, (4, N_CONDITIONS))
    compare(x, offsets, ALL[::9], C, weight)


@pytest.mark.slow
@pytest.mark.parametrize("signal", [0.6, 0.0], ids=["signal", "noise"])
@pytest.mark.parametrize("C", COSTS)
def test_more_trials_than_neurons_make_it_no_less_exact(C, signal):
    """800 trials of 400 neurons: K is singular, and D small beside it."""
    x, offsets = trials(100, 400, signal)
    coef, gap, _, converged = solve(x, offsets, ALL, C)
    assert converged.all()
    assert gap.max() <= 1e-8
    compare(x, offsets, ALL[[3, 20]], C)
    few = solve(x, offsets, ALL[:3], C)[0]
    np.testing.assert_allclose(few @ x, coef[:3] @ x, atol=1e-9)


@pytest.mark.parametrize("C", COSTS)
def test_a_general_optimiser_finds_nothing_better(C):
    from scipy.optimize import minimize

    x, offsets = trials(2, 3, seed=4)
    w = weights_of(solve(x, offsets, ALL[:1], C)[0], x)[0]
    label, one = labels(ALL[0], offsets), np.ones(len(x))
    found = minimize(objective, np.zeros(4), (x, label, one, C), options={"gtol": 1e-9})
    assert objective(w, x, label, one, C) <= found.fun * (1 + 1e-12)
    np.testing.assert_allclose(w, found.x, atol=1e-5)


@pytest.mark.parametrize("C", COSTS)
def test_the_slow_twin_agrees(C):
    x, offsets = trials(6, 10, signal=0.2, seed=2)
    weight = np.random.default_rng(0).uniform(0.5, 2, (1, N_CONDITIONS))
    slow = naive.svm(x, labels(ALL[7], offsets), labels(weight[0], offsets), C)
    dual = weights_of(solve(x, offsets, ALL[7:8], C, weight)[0], x)[0]
    primal = solve_many_primal(x, offsets, ALL[7:8], weight, C)[0][0]
    np.testing.assert_allclose(dual, slow, atol=1e-10)
    np.testing.assert_allclose(primal, slow, atol=1e-10)


# --- one solution, whichever way ----------------------------------------------------------------


@pytest.mark.parametrize("signal", [0.6, 0.0], ids=["signal", "noise"])
@pytest.mark.parametrize("C", COSTS)
@pytest.mark.parametrize("n_neurons", [20, 70, 300])
def test_shared_inverse_systems_and_weights_lead_to_one_solution(n_neurons, C, signal):
    x, offsets = trials(12, n_neurons, signal)
    weight = np.tile(np.linspace(0.5, 2, N_CONDITIONS), (len(ALL), 1))
    shared, gap, _, converged = solve(x, offsets, ALL, C, weight)
    single = np.concatenate(
        [solve(x, offsets, ALL[[q]], C, weight[[q]])[0] for q in range(len(ALL))]
    )
    primal, primal_gap, _, primal_converged = solve_many_primal(x, offsets, ALL, weight, C)
    assert converged.all()
    assert primal_converged.all()
    assert max(gap.max(), primal_gap.max()) <= 1e-8
    np.testing.assert_allclose(shared, single, atol=1e-9)
    np.testing.assert_allclose(weights_of(shared, x), primal, atol=1e-9)


def test_noise_where_pivoting_cycles_is_solved_all_the_same():
    """As many steps as this means that phase 2 was needed."""
    x, offsets = trials(30, 120, signal=0, seed=1)
    _, gap, steps, converged = solve(x, offsets, ALL, 10.0)
    assert steps.max() > 12
    assert converged.all()
    assert gap.max() <= 1e-8


@pytest.mark.parametrize("n_problems", [3, 35], ids=["systems", "shared inverse"])
def test_a_guess_of_the_support_changes_the_steps_alone(n_problems):
    x, offsets = trials(signal=0.1)
    sign = ALL[:n_problems]
    cold, _, steps, _ = solve(x, offsets, sign, 1.0)
    warm, _, fewer, _ = solve(x, offsets, sign, 1.0, start=cold != 0)
    nothing = solve(x, offsets, sign, 1.0, start=np.zeros(cold.shape, bool))[0]
    np.testing.assert_allclose(warm, cold, atol=1e-11)
    np.testing.assert_allclose(nothing, cold, atol=1e-11)
    assert (fewer == 1).all()
    assert steps.max() > 1


# --- what is said of a solution -------------------------------------------------------------------


def test_the_gap_is_primal_less_dual_and_bounds_the_distance_to_the_minimum():
    """At points that are no solution; a gap of 0 would pass every other test."""
    x, offsets = trials(3, 10, signal=0.2)
    y, m, C = labels(ALL[0], offsets), len(x), 0.5
    kernel, cost = x @ x.T + 1, np.linspace(0.5, 1.5, m)  # weights, as 2 C is 1
    best = objective(naive.svm(x, y, cost, C), x, y, cost, C)
    for seed in range(5):
        a = y * np.random.default_rng(seed).exponential(0.02, m)
        w = np.append(a @ x, a.sum())
        f = x @ w[:-1] + w[-1]
        primal = objective(w, x, y, cost, C)
        work = workspace(m, m, N_CONDITIONS)
        work.vectors[[COST, LABEL, A, F], :m] = cost, y, a, f
        dual = y @ a - a @ kernel @ a / 2 - (a**2 / cost).sum() / 2
        np.testing.assert_allclose(svm_dual._gap(m, work), 1 - dual / primal)
        assert dual <= best <= primal
        design = np.column_stack([x, np.ones(m)])
        alpha = cost * np.maximum(0, 1 - y * f)  # of the weights the dual point is their own
        dual = alpha.sum() - alpha * y @ kernel @ (alpha * y) / 2 - (alpha**2 / cost).sum() / 2
        np.testing.assert_allclose(svm_primal._gap(design, cost, y, f, w), 1 - dual / primal)
        assert dual <= best


@pytest.mark.parametrize("n_problems", [1, 35], ids=["systems", "shared inverse"])
def test_not_a_number_never_reads_as_converged(n_problems):
    """Inputs are checked above the kernels; what slips through must neither hang nor pass."""
    x, offsets = trials(3, 10)
    x[5, 2] = np.nan
    sign, one = ALL[:n_problems], np.ones((n_problems, N_CONDITIONS))
    assert not solve(x, offsets, sign, 1.0)[3].any()
    assert not solve_many_primal(x, offsets, sign, one, 1.0)[3].any()


# --- invariances --------------------------------------------------------------------------------


def mixed():
    """Many problems on all conditions among problems on training sets of their own."""
    sign = np.concatenate([ALL[:20], held_out(), ALL[20:]])
    weight = np.ones(sign.shape)
    weight[::7] = np.linspace(1, 2, N_CONDITIONS)
    return sign, weight


@pytest.mark.parametrize("way", ["dual", "primal"])
def test_order_and_company_of_problems_change_no_bit(way):
    x, offsets = trials(12, 40, signal=0.2)
    sign, weight = mixed()

    def solution(rows):
        if way == "primal":
            return solve_many_primal(x, offsets, sign[rows], weight[rows], 1.0)[0]
        return solve(x, offsets, sign[rows], 1.0, weight[rows])[0]

    shuffled = np.random.default_rng(0).permutation(len(sign))
    together = solution(np.arange(len(sign)))
    np.testing.assert_array_equal(solution(shuffled), together[shuffled])
    # Alone, a problem with a training set of its own takes the same way to the last bit; among the
    # many on all conditions it shares an inverse, which a single one does not.
    for q in range(21, 34, 4):
        np.testing.assert_array_equal(solution(np.array([q]))[0], together[q])


@pytest.mark.parametrize("C", COSTS)
def test_exchanging_the_classes_flips_every_sign_exactly(C):
    x, offsets = trials(12, 40, signal=0.2)
    sign, weight = mixed()
    ours, swapped = (solve(x, offsets, s, C, weight)[0] for s in (sign, -sign))
    np.testing.assert_array_equal(swapped, -ours)
    ours, swapped = (solve_many_primal(x, offsets, s, weight, C)[0] for s in (sign, -sign))
    np.testing.assert_array_equal(swapped, -ours)


def test_every_problem_sees_its_own_training_set():
    """Each against a call with nothing but its own trials: means over problems would hide it."""
    x, offsets = trials(12, 40, signal=0.2)
    sign, weight = mixed()
    together = solve(x, offsets, sign, 1.0, weight)[0]
    for coef, s, c in zip(together, sign, weight, strict=True):
        own = np.flatnonzero(np.repeat(s, 12))
        alone, _ = trials(12, 40, signal=0.2)
        bounds = np.arange((s != 0).sum() + 1) * 12
        only = solve(alone[own], bounds, s[s != 0][None], 1.0, c[s != 0][None])[0][0]
        np.testing.assert_allclose(coef[own], only, atol=1e-12)
        assert not np.delete(coef, own).any()


@pytest.mark.parametrize("n_problems", [2, 35], ids=["alone", "sharing an inverse"])
def test_decision_values_are_those_of_every_trial_in_training_or_not(n_problems):
    x, offsets = trials(12, 40, signal=0.2)
    sign = ALL[:n_problems].copy()
    sign[:, [2, 5]] = 0
    coef, _, _, _, value = solve_many(x @ x.T, offsets, sign, np.ones(sign.shape), 1.0)
    np.testing.assert_allclose(value, coef @ (x @ x.T + 1), atol=1e-10)


@pytest.mark.parametrize("C", COSTS)
@pytest.mark.parametrize("held_out", [False, True])
def test_moved_condition_means_need_no_new_gram(C, held_out):
    """x + shift of its condition: half is x.shift + shift.shift / 2, and no Gram matrix is made."""
    x, offsets = trials(12, 40, signal=0.2)
    shift = np.random.default_rng(1).normal(size=(N_CONDITIONS, 40))
    condition = np.repeat(np.arange(N_CONDITIONS), 12)
    sign = ALL.copy()
    if held_out:
        sign = sign[:3]
        sign[:, [2, 5]] = 0
    half = x @ shift.T + 0.5 * (shift @ shift.T)[condition]
    weight = np.random.default_rng(2).uniform(0.2, 3, sign.shape)
    moved = solve_many(x @ x.T, offsets, sign, weight, C, half=half)
    y = x + shift[condition]
    again = solve_many(y @ y.T, offsets, sign, weight, C)
    assert moved[3].all()
    assert moved[1].max() <= 1e-8
    np.testing.assert_allclose(moved[0], again[0], atol=1e-9)
    np.testing.assert_allclose(moved[4], again[4], atol=1e-8)


def test_buffers_that_are_kept_hold_nothing_back():
    """The same bits whether a call finds the buffers of another size, of its own, or none."""
    x, offsets = trials(12, 40, signal=0.2)
    first = solve(x, offsets, ALL[:5], 1.0)[0]
    solve(2 * x + 1, offsets, ALL[20:], 10.0)
    small = np.where(np.arange(N_CONDITIONS) < 6, ALL[:2], 0).astype(np.int8)
    solve(x, offsets, small, 0.1)
    np.testing.assert_array_equal(solve(x, offsets, ALL[:5], 1.0)[0], first)


def test_trials_without_weight_are_not_in_training():
    x, offsets = trials(12, 40)
    weight = np.ones((1, N_CONDITIONS))
    weight[0, [0, 4]] = 0
    without = ALL[:1] * (weight > 0)
    for way in (solve_many, solve_many_primal):
        data = x @ x.T if way is solve_many else x
        ours = way(data, offsets, ALL[:1], weight, 1.0)[0]
        same = way(data, offsets, without.astype(np.int8), np.ones_like(weight), 1.0)[0]
        np.testing.assert_array_equal(ours, same)


# --- the edge -----------------------------------------------------------------------------------


@pytest.mark.parametrize("C", COSTS)
def test_silent_neurons_leave_the_intercept(C):
    """All activity 0: f is one number b, with b + 2 C sum_i w_i (b - y_i) = 0 while |b| < 1."""
    x, offsets = np.zeros((16, 5)), np.arange(9) * 2
    weight = np.where(ALL[:1] > 0, 3.0, 1.0)
    b = 2 * C * (24 - 8) / (1 + 2 * C * 32)
    coef, gap, _, converged = solve(x, offsets, ALL[:1], C, weight)
    w, primal_gap, _, primal_converged = solve_many_primal(x, offsets, ALL[:1], weight, C)
    np.testing.assert_allclose(coef.sum(), b, rtol=1e-10)
    np.testing.assert_allclose(w[0], [0, 0, 0, 0, 0, b], rtol=1e-10)
    assert converged.all()
    assert primal_converged.all()
    assert max(gap[0], primal_gap[0]) <= 1e-8


@pytest.mark.parametrize("n_problems", [1, 35])
def test_a_trial_twice_counts_like_one_of_twice_the_weight(n_problems):
    x, offsets = trials(3, 40, signal=0.2)
    sign, one = ALL[:n_problems], np.ones((n_problems, N_CONDITIONS))
    double = solve(np.repeat(x, 2, axis=0), 2 * offsets, sign, 1.0, one)
    heavy = solve(x, offsets, sign, 1.0, 2 * one)
    assert double[3].all()
    pairs = double[0].reshape(n_problems, -1, 2).sum(axis=2)
    np.testing.assert_allclose(pairs, heavy[0], atol=1e-10)


@pytest.mark.parametrize("C", COSTS)
def test_one_trial_a_side_has_the_known_margin(C):
    """At +x and -x the intercept is 0 and f(x) = 2 k / (2 k + 1 / (2 C)) with k = |x|^2."""
    x = np.array([[0.3, -1.2], [-0.3, 1.2]])
    k = (x[0] ** 2).sum()
    coef = solve(x, np.arange(3), np.array([[1, -1]], np.int8), C)[0]
    w = weights_of(coef, x)[0]
    np.testing.assert_allclose([x[0] @ w[:2], w[2]], [2 * k / (2 * k + 1 / (2 * C)), 0], atol=1e-14)


def test_no_problems_give_no_solutions():
    x, offsets = trials(3, 4)
    none = np.empty((0, N_CONDITIONS))
    assert solve(x, offsets, none.astype(np.int8), 1.0)[0].shape == (0, 24)
    assert solve_many_primal(x, offsets, none.astype(np.int8), none, 1.0)[0].shape == (0, 5)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("n_problems", [2, 35], ids=["systems", "shared inverse"])
def test_units_far_from_one_are_solved_as_well(scale, n_problems):
    """Rates in Hz are not z-scores: K grows a million times beside D, or shrinks."""
    x, offsets = trials(12, 40, signal=0.2)
    x = scale * (x + 3)
    _, gap, _, converged = solve(x, offsets, ALL[:n_problems], 1.0)
    assert converged.all()
    assert gap.max() <= 1e-8
