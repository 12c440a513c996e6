"""Distances between conditions and their comparison: definitions by loops, bias, invariances."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.covariance import ledoit_wolf

from neurogeom.formulas import rsa

pytestmark = pytest.mark.filterwarnings("error")


def means(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def positive(n, seed=0):
    root = means(n, 2 * n, seed=seed)
    return root @ root.T / (2 * n)


def over_ordered_fold_pairs(m, precision):
    """The definition: every pair of conditions, every ordered pair of folds."""
    n_folds, n_conditions, n_neurons = m.shape
    found = []
    for a, b in combinations(range(n_conditions), 2):
        products = [
            (m[f, a] - m[f, b]) @ precision @ (m[g, a] - m[g, b])
            for f, g in permutations(range(n_folds), 2)
        ]
        found.append(np.mean(products) / n_neurons)
    return np.array(found)


# --- distances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_crossnobis_is_the_mean_over_ordered_pairs_of_folds(n_folds):
    m, matrix = means(n_folds, 6, 9), positive(9)
    for precision, full in (
        (None, np.eye(9)),
        (matrix, matrix),
        (np.arange(1.0, 10), np.diag(np.arange(1.0, 10))),
    ):
        truth = over_ordered_fold_pairs(m, full)
        assert rsa.crossnobis(m, precision) == pytest.approx(truth, rel=1e-12, abs=1e-13)


def test_distances_come_in_the_order_of_the_upper_triangle():
    line = np.array([[0.0], [1.0], [10.0], [100.0]])
    a, b = np.triu_indices(4, 1)
    assert rsa.naive_distances(line) == pytest.approx((line[a] - line[b])[:, 0] ** 2)


def test_crossnobis_is_unbiased_and_naive_distances_add_the_noise_of_the_means():
    """Row 36: noise variance 1, folds of one trial; 4,000 recordings."""
    n_trials, truth = 6, means(5, 10, seed=1) * 0.6
    trials = truth + means(4000, n_trials, 5, 10, seed=2)
    exact = rsa.naive_distances(truth)
    for found, expected in (
        (rsa.crossnobis(trials), exact),
        (rsa.naive_distances(trials.mean(axis=1)), exact + 2 / n_trials),
    ):
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        assert (abs(found.mean(axis=0) - expected) < 3.5 * error).all()  # ten pairs, 3 se each
        assert abs(found.mean() - expected.mean()) < 3 * error.mean()
        assert error.max() < 0.01


def test_equal_conditions_are_nearer_than_nothing_half_of_the_time():
    found = rsa.crossnobis(means(2000, 2, 2, 20))
    assert 0.45 < (found < 0).mean() < 0.55


def distances_with_an_estimated_precision(signal, n_conditions, n_folds, n_each, centre):
    """200 recordings of 30 neurons with correlated noise: the truth, and mean distances.

    The precision is that of the same trials about the mean of their ``centre``, without the known
    factor df / (df - N - 1) of an inverse covariance.
    """
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(positive(30, seed=1))
    truth = rng.standard_normal((n_conditions, 30)) * signal
    found = []
    for _ in range(200):
        noise = rng.standard_normal((n_conditions, n_folds, n_each, 30)) @ root.T
        cells = truth[:, None, None] + noise
        axes = (2,) if centre == "cell" else (1, 2)
        residual = (cells - cells.mean(axis=axes, keepdims=True)).reshape(-1, 30)
        freedom = len(residual) - n_conditions * (n_folds if centre == "cell" else 1)
        # The inverse of a covariance is too large by df / (df - N - 1), as that of a Wishart is.
        precision = (freedom - 31) * np.linalg.inv(residual.T @ residual)
        found.append(rsa.crossnobis(np.swapaxes(cells.mean(axis=2), 0, 1), precision).mean())
    exact = rsa.naive_distances(truth, np.linalg.inv(root @ root.T)).mean()
    return exact, np.mean(found), np.std(found, ddof=1) / np.sqrt(200)


@pytest.mark.parametrize("signal", [0, 0.5])
def test_residuals_within_fold_leave_only_the_factor_of_an_inverse_covariance(signal):
    exact, found, error = distances_with_an_estimated_precision(signal, 8, 4, 3, "cell")
    assert abs(found - exact) < 3 * error < 0.05


@pytest.mark.parametrize("signal", [0, 0.17])
def test_residuals_about_all_trials_would_set_equal_conditions_apart(signal):
    """Differences between folds are then in the covariance that divides their products."""
    exact, found, error = distances_with_an_estimated_precision(signal, 4, 12, 1, "condition")
    assert found - exact > 10 * error
    assert found - exact == pytest.approx(0.12, abs=0.03)


@given(st.integers(0, 10_000))
def test_rotations_and_offsets_leave_distances_and_scale_squares_them(seed):
    m = means(3, 4, 6, seed=seed)
    found = rsa.crossnobis(m)
    rotated = m @ ortho_group.rvs(6, random_state=seed)
    assert rsa.crossnobis(rotated) == pytest.approx(found, abs=1e-12)
    assert rsa.crossnobis(m[::-1] + means(3, 1, 6, seed=1)) == pytest.approx(found, abs=1e-12)
    assert rsa.crossnobis(3 * m) == pytest.approx(9 * found, abs=1e-12)
    assert not np.allclose(rsa.crossnobis(m * np.arange(1, 7)), found)


def test_a_large_baseline_costs_no_precision():
    m = means(4, 5, 6)
    assert rsa.crossnobis(m + 1e6) == pytest.approx(rsa.crossnobis(m), abs=1e-8)


def test_surrogates_are_one_call():
    m, precision = means(5, 2, 3, 4, 6), positive(6)
    each = [[rsa.crossnobis(one, precision) for one in row] for row in m]
    assert rsa.crossnobis(m, precision) == pytest.approx(np.array(each))
    each = [[rsa.naive_distances(one, precision) for one in row] for row in m[:, :, 0]]
    assert rsa.naive_distances(m[:, :, 0], precision) == pytest.approx(np.array(each))


@pytest.mark.parametrize(
    ("shape", "precision", "says"),
    [
        ((1, 4, 5), None, "two folds"),
        ((3, 1, 5), None, "two conditions"),
        ((3, 4, 0), None, "one neuron"),
        ((4, 5), None, "means have shape"),
        ((3, 4, 5), np.eye(4), "does not fit 5 neurons"),
    ],
)
def test_what_has_no_crossnobis_distance_says_so(shape, precision, says):
    with pytest.raises(ValueError, match=says):
        rsa.crossnobis(np.zeros(shape), precision)


# --- noise covariance ---------------------------------------------------------------------------


def test_shrinkage_is_that_of_ledoit_and_wolf_for_pairs_of_trials():
    """The difference of two trials / sqrt 2 is one draw of the noise, with mean 0."""
    pairs = means(12, 2, 8, seed=3) @ positive(8)
    cell = np.repeat(np.arange(12), 2)
    found = rsa.within_fold_covariance(pairs.reshape(24, 8), cell % 3, cell // 3)
    independent = (pairs[:, 0] - pairs[:, 1]) / np.sqrt(2)
    assert found == pytest.approx(ledoit_wolf(independent, assume_centered=True)[0], rel=1e-12)


def test_shrinkage_counts_degrees_of_freedom_and_not_trials():
    """Cells of three: as much as from two draws with a known mean, more than from three."""
    rng, root = np.random.default_rng(0), np.linalg.cholesky(positive(10, seed=2))
    cell = np.repeat(np.arange(10), 3)
    found, known, taken_as_trials = [], [], []
    for _ in range(300):
        trials = rng.standard_normal((30, 10)) @ root.T
        residual = trials - trials.reshape(10, 3, 10).mean(axis=1)[cell]
        sample = residual.T @ residual / 20
        shrunk = rsa.within_fold_covariance(trials, cell, np.zeros(30))
        found.append(1 - shrunk[0, 1] / sample[0, 1])
        known.append(ledoit_wolf(rng.standard_normal((20, 10)) @ root.T, assume_centered=True)[1])
        taken_as_trials.append(ledoit_wolf(residual, assume_centered=True)[1])
    error = np.hypot(np.std(found), np.std(known)) / np.sqrt(300)
    assert abs(np.mean(found) - np.mean(known)) < 3 * error < 0.03
    assert np.mean(found) - np.mean(taken_as_trials) > 0.05


def test_the_diagonal_is_the_pooled_variance_within_folds():
    trials = means(40, 5) + 7
    condition, fold = np.arange(40) % 4, np.arange(40) // 4 % 3
    found = rsa.within_fold_covariance(trials, condition, fold, "diagonal")
    squares, freedom = np.zeros(5), 0
    for c in range(4):
        for f in range(3):
            cell = trials[(condition == c) & (fold == f)]
            squares += ((cell - cell.mean(axis=0)) ** 2).sum(axis=0)
            freedom += len(cell) - 1
    assert found == pytest.approx(np.diag(squares / freedom))


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "diagonal"])
def test_cells_of_one_trial_and_the_means_of_cells_say_nothing_about_noise(shrinkage):
    trials = means(20, 4)
    condition, fold = np.arange(20) % 5, np.arange(20) // 10
    found = rsa.within_fold_covariance(trials, condition, fold, shrinkage)
    moved = trials + 10 * means(5, 2, 4)[condition, fold]
    assert rsa.within_fold_covariance(moved, condition, fold, shrinkage) == pytest.approx(found)
    more = np.vstack([trials, means(2, 4, seed=9)])
    single = [*condition, 0, 1], [*fold, 7, 8]
    assert rsa.within_fold_covariance(more, *single, shrinkage) == pytest.approx(found)
    widened = np.vstack([trials, trials[:1] + 9])
    assert not np.allclose(
        rsa.within_fold_covariance(widened, [*condition, 0], [*fold, 0], shrinkage), found
    )


def test_more_neurons_than_trials_and_a_silent_neuron_have_a_precision():
    trials = means(12, 20)
    trials[:, 3] = 0
    condition, fold = np.repeat(np.arange(3), 4), np.arange(12) % 2
    for shrinkage in ("ledoit_wolf", "diagonal"):
        covariance = rsa.within_fold_covariance(trials, condition, fold, shrinkage)
        precision = rsa.noise_precision(covariance)
        told = np.arange(20) != 3
        assert (precision @ covariance)[told][:, told] == pytest.approx(np.eye(19))
        assert np.isfinite(precision).all()
    assert precision[3, 3] == 0


def test_a_covariance_without_an_inverse_says_so():
    with pytest.raises(ValueError, match="no inverse"):
        rsa.noise_precision(np.ones((3, 3)))


def test_noise_that_cannot_be_estimated_says_so():
    with pytest.raises(ValueError, match="no condition has two trials"):
        rsa.within_fold_covariance(means(4, 3), [0, 0, 1, 1], [0, 1, 0, 1])
    with pytest.raises(ValueError, match="a value is missing"):
        rsa.within_fold_covariance(np.full((4, 3), np.nan), [0, 0, 1, 1], [0, 0, 0, 0])
    with pytest.raises(ValueError, match="ledoit_wolf"):
        rsa.within_fold_covariance(means(4, 3), [0, 0, 1, 1], [0, 0, 0, 0], "full")


# --- comparisons --------------------------------------------------------------------------------


def tau_by_pairs(a, b):
    signs = [np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in combinations(range(len(a)), 2)]
    return np.mean(signs)


def whitened_by_inverse(a, b):
    n = rsa._n_conditions(a)
    inverse = np.linalg.inv(rsa.rdm_covariance(n))
    return a @ inverse @ b / np.sqrt((a @ inverse @ a) * (b @ inverse @ b))


SLOW = {
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    "pearson": lambda a, b: np.corrcoef(a, b)[0, 1],
    "tau_a": tau_by_pairs,
    "whitened_cosine": whitened_by_inverse,
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("n_conditions", [3, 8])
def test_comparisons_are_their_definitions_over_all_surrogates(name, n_conditions):
    n_pairs = n_conditions * (n_conditions - 1) // 2
    a = np.round(means(n_pairs) * 2)  # with ties
    b = np.round(means(4, 2, n_pairs, seed=1) * 2)
    found = rsa.COMPARISONS[name][0](a, b)
    assert found.shape == (4, 2)
    for index in np.ndindex(4, 2):
        assert found[index] == pytest.approx(SLOW[name](a, b[index]), abs=1e-12)


@pytest.mark.parametrize("name", SLOW)
def test_what_comparisons_do_not_see(name):
    compare, _ = rsa.COMPARISONS[name]
    a, b = means(2, 28) ** 2
    found = compare(a, b)
    assert compare(3 * a, b) == pytest.approx(found)
    assert compare(b, a) == pytest.approx(found)
    assert compare(a, a) == pytest.approx(1)
    blind_to_offset = name in ("pearson", "tau_a")
    assert (abs(compare(a + 1, b) - found) < 1e-12) == blind_to_offset
    assert (abs(compare(a**3, b) - found) < 1e-12) == (name == "tau_a")


@pytest.mark.parametrize("name", SLOW)
def test_nothing_to_compare_is_no_number_or_zero_without_a_warning(name):
    compare, _ = rsa.COMPARISONS[name]
    b = means(6)
    zero, flat, missing = (compare(a, b) for a in (np.zeros(6), np.full(6, 0.1), b * np.nan))
    assert np.isnan(missing)
    assert zero == 0 if name == "tau_a" else np.isnan(zero)
    if name in ("pearson", "tau_a"):
        assert flat == 0 if name == "tau_a" else np.isnan(flat)


def test_whitened_cosine_of_plain_distances_is_linear_cka():
    x, y = means(9, 5), means(9, 30, seed=1)
    centre = np.eye(9) - 1 / 9
    k, l_ = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    cka = np.sum(k * l_) / np.linalg.norm(k) / np.linalg.norm(l_)
    found = rsa.whitened_cosine(rsa.naive_distances(x), rsa.naive_distances(y), 9)
    assert found == pytest.approx(cka, rel=1e-12)


def test_the_covariance_of_distances_is_that_of_noise():
    """20,000 recordings of noise alone: correlations 1, 1/4 where a condition is shared, else 0."""
    found = rsa.crossnobis(means(20_000, 3, 5, 8))
    expected = rsa.rdm_covariance(5) / 4
    assert set(np.unique(expected)) == {0, 0.25, 1}
    assert np.corrcoef(found.T) == pytest.approx(expected, abs=0.04)


def test_distances_of_no_whole_number_of_conditions_say_so():
    with pytest.raises(ValueError, match="4 distances are not those"):
        rsa.whitened_cosine(np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="6 distances, 5 conditions"):
        rsa.whitened_cosine(np.ones(6), np.ones(6), 5)


def test_relabelled_distances_are_those_of_relabelled_means():
    m = means(7, 4)
    orders = np.array([np.random.default_rng(s).permutation(7) for s in range(5)])
    found = rsa.relabelled(rsa.naive_distances(m), orders)
    assert found == pytest.approx(rsa.naive_distances(m[orders]))


# --- noise ceiling ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whitened_cosine", "cosine", "pearson"])
def test_no_model_is_above_the_upper_bound(name):
    """Nor is the neighbourhood of the mean RDM that reaches it."""
    rng = np.random.default_rng(0)
    subjects = rng.gamma(2, size=15) + 0.5 * rng.standard_normal((6, 15))
    compare, normalise = rsa.COMPARISONS[name]
    lower, upper = rsa.noise_ceiling(subjects, name)
    best = normalise(subjects).mean(axis=0)
    near = best + 0.02 * np.std(best) * rng.standard_normal((500, 15))
    far = rng.standard_normal((500, 15))
    for models in (near, far):
        scores = compare(models[:, None], subjects).mean(axis=1)
        assert scores.max() < upper
        assert scores.max() > upper - 1e-3 or models is far
    assert compare(best, subjects).mean() == pytest.approx(upper)
    assert lower < upper


@pytest.mark.parametrize("name", SLOW)
def test_the_lower_bound_leaves_the_subject_out(name):
    subjects = means(2, 4, 10) ** 2
    compare, normalise = rsa.COMPARISONS[name]
    lower, upper = rsa.noise_ceiling(subjects, name)
    for i, rdms in enumerate(subjects):
        scores = [
            compare(rdms[s], normalise(np.delete(rdms, s, axis=0)).mean(axis=0)) for s in range(4)
        ]
        assert lower[i] == pytest.approx(np.mean(scores))
        assert upper[i] > lower[i]


@pytest.mark.parametrize("name", SLOW)
def test_the_true_model_lies_between_the_bounds(name):
    """Means over 50 experiments of eight noisy subjects."""
    rng = np.random.default_rng(1)
    truth = rng.gamma(2, size=28)
    subjects = truth + 1.0 * rng.standard_normal((50, 8, 28))
    lower, upper = rsa.noise_ceiling(subjects, name)
    model = rsa.COMPARISONS[name][0](truth, subjects).mean(axis=1)
    assert lower.mean() < model.mean() < upper.mean()


def test_a_ceiling_needs_two_subjects_and_a_known_comparison():
    with pytest.raises(ValueError, match="two subjects"):
        rsa.noise_ceiling(np.ones((1, 3)))
    with pytest.raises(ValueError, match="whitened_cosine, cosine, pearson, tau_a"):
        rsa.noise_ceiling(np.ones((2, 3)), "spearman")
