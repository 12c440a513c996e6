"""What regularised readouts are expected to score: against trained ones, limits, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from neurogeom.engine.readouts import LDA
from neurogeom.formulas import expected, parallelism, participation_ratio

LEVELS = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
SIDE = LEVELS[:, 0]
HELD_OUT = np.array([0, 4])
TRAINED = ~np.isin(np.arange(8), HELD_OUT)
ASYMPTOTIC = 0.006  # of accuracy: what is left of 1 / neurons at ten of them


def world(n_neurons, seed=0):
    """A tilted cube in correlated noise: means (condition, neuron), noise covariance."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((n_neurons, n_neurons)))[0][:3]
    means = LEVELS @ axes + 0.3 * rng.standard_normal((8, n_neurons)) / np.sqrt(n_neurons) * 3
    root = np.diag(np.exp(0.3 * rng.standard_normal(n_neurons)))
    root = root + 0.3 * rng.standard_normal((n_neurons, n_neurons)) / np.sqrt(n_neurons)
    return means, root @ root.T


def trained(means, covariance, n_trials, fit, *, n_sets, seed=1):
    """Accuracy of fitted readouts in closed form, mean and standard error, (condition,) each."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(covariance)
    rows = np.repeat(np.flatnonzero(TRAINED), n_trials)
    found = []
    for _ in range(n_sets):
        x = means[rows] + rng.standard_normal((len(rows), len(covariance))) @ root.T
        w, b = fit(x, SIDE[rows], rows)
        found.append(ndtr(SIDE * (means @ w + b) / np.sqrt(w @ covariance @ w)))
    return np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(n_sets)


def svm(C):
    from sklearn.svm import LinearSVC

    def fit(x, y, rows):
        fitted = LinearSVC(C=C, dual=False, tol=1e-6, max_iter=10_000).fit(x, y)
        return fitted.coef_[0], fitted.intercept_[0]

    return fit


def ridge(penalty):
    def fit(x, y, rows):
        z = np.column_stack([x, np.ones(len(x))])
        w = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ y)
        return w[:-1], w[-1]

    return fit


def lda(x, y, rows):
    """Ledoit-Wolf shrinkage of the total scatter, by scikit-learn."""
    from sklearn.covariance import ledoit_wolf

    scatter, _ = ledoit_wolf(x - x.mean(axis=0), assume_centered=True)
    plus, minus = x[y > 0].mean(axis=0), x[y < 0].mean(axis=0)
    w = np.linalg.solve(scatter, plus - minus)
    return w, -w @ (plus + minus) / 2


@pytest.mark.parametrize("n_neurons", [10, 60])
@pytest.mark.parametrize("n_trials", [4, 15])
@pytest.mark.parametrize(
    ("readout", "option", "fit", "n_sets"),
    [
        ("svm", {"C": 1.0}, svm(1.0), 40),
        ("svm", {"C": 0.01}, svm(0.01), 40),
        ("ridge", {"penalty": 1.0}, ridge(1.0), 200),
        ("ridge", {"penalty": 100.0}, ridge(100.0), 200),
        ("lda", {}, lda, 100),
    ],
)
def test_expected_scores_are_those_of_readouts_trained_on_few_trials(
    n_neurons, n_trials, readout, option, fit, n_sets
):
    means, covariance = world(n_neurons)
    predicted = expected.by_condition(
        means, SIDE, TRAINED, noise_covariance=covariance, n_trials=n_trials, readout=readout,
        **option,
    )[0]  # fmt: skip
    found, error = trained(means, covariance, n_trials, fit, n_sets=n_sets)
    for members in (TRAINED, ~TRAINED):
        difference = predicted[members].mean() - found[members].mean()
        # accuracies of the conditions of a set go up and down together
        assert abs(difference) < 3 * error[members].mean() + ASYMPTOTIC


def test_the_readouts_of_this_test_are_those_of_the_engine():
    """LDA with Ledoit-Wolf shrinkage, and conditions that weigh the same."""
    assert LDA().shrinkage == "ledoit-wolf"


@pytest.mark.parametrize("readout", ["ridge", "svm", "lda"])
def test_noise_lowers_what_is_expected_and_trials_raise_it(readout):
    means, covariance = world(40)
    few, many, all_ = (
        expected.accuracy(means, SIDE, noise_covariance=covariance, readout=readout, n_trials=n)
        for n in (5, 40, None)
    )
    assert few + 0.02 < many < all_ - 0.005


def test_least_squares_on_all_trials_is_the_linear_discriminant():
    means, covariance = world(20)
    options = {"noise_covariance": covariance}
    ridge_, discriminant = (
        expected.by_condition(means, SIDE, TRAINED, readout=readout, **options)
        for readout in ("ridge", "lda")
    )
    np.testing.assert_allclose(ridge_, discriminant, atol=1e-6)


def test_shrunk_lda_on_very_many_trials_is_the_linear_discriminant():
    means, covariance = world(20)
    options = {"noise_covariance": covariance, "readout": "lda"}
    many = expected.by_condition(means, SIDE, TRAINED, n_trials=1e7, **options)
    np.testing.assert_allclose(
        many, expected.by_condition(means, SIDE, TRAINED, **options), atol=1e-4
    )


def test_a_strong_penalty_leaves_the_nearest_mean():
    """Both are approximations: of the moments of a score, and of many neurons."""
    means, covariance = world(60)
    options = {"noise_covariance": covariance, "n_trials": 10}
    strong = expected.accuracy(means, SIDE, readout="ridge", penalty=1e7, **options)
    nearest = expected.accuracy(means, SIDE, readout="nearest_mean", **options)
    weak = expected.accuracy(means, SIDE, readout="ridge", penalty=1.0, **options)
    assert abs(strong - nearest) < ASYMPTOTIC
    assert abs(weak - nearest) > 3 * ASYMPTOTIC


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["nearest_mean", "lda", "ridge", "svm"]))
def test_turning_neurons_with_their_noise_changes_nothing(seed, readout):
    means, covariance = world(12, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((12, 12)))[0]
    before, after, noise_left = (
        expected.accuracy(m, SIDE, noise_covariance=c, readout=readout, n_trials=6)
        for m, c in (
            (means, covariance),
            (means @ turn, turn.T @ covariance @ turn),
            (means @ turn, covariance),
        )
    )
    assert after == pytest.approx(before, abs=1e-7)
    assert noise_left != pytest.approx(before, abs=1e-7)


def test_scaled_neurons_score_the_same_in_any_unit_and_others_do_not():
    means, covariance = world(30)
    unit = np.exp(np.random.default_rng(0).standard_normal(30))
    options = {"readout": "svm", "n_trials": 8}
    for scale in (True, False):
        before, after = (
            expected.accuracy(m, SIDE, noise_covariance=c, scale=scale, **options)
            for m, c in ((means, covariance), (means * unit, covariance * np.outer(unit, unit)))
        )
        assert (abs(before - after) < 1e-9) == scale


def test_many_problems_at_once_are_those_one_by_one():
    means, covariance = world(25)
    sides = np.array([SIDE, LEVELS[:, 1], LEVELS[:, 0] * LEVELS[:, 1]])
    options = {"noise_covariance": covariance, "readout": "svm", "n_trials": 7}
    together = expected.accuracy(means, sides, **options)
    each = [expected.accuracy(means, side, **options) for side in sides]
    np.testing.assert_allclose(together, each, atol=1e-7)


PAIRS = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])


def test_the_naive_parallelism_of_few_trials_is_as_expected():
    means, covariance = world(40)
    rng, root = np.random.default_rng(2), np.linalg.cholesky(covariance)
    found = [
        parallelism.naive(means + rng.standard_normal(means.shape) @ root.T / np.sqrt(6), PAIRS)
        for _ in range(400)
    ]
    options = {"noise_covariance": covariance}
    predicted = expected.parallelism(means, PAIRS, n_trials=6, **options)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - predicted) < 3 * error + 0.005  # a ratio of expectations
    whole = expected.parallelism(means, PAIRS, **options)
    assert whole == pytest.approx(parallelism.naive(means, PAIRS), abs=1e-12)
    assert whole > predicted + 0.1


def test_the_moments_in_the_expected_participation_ratio_are_exact():
    means, covariance = world(15)
    rng, root = np.random.default_rng(3), np.linalg.cholesky(covariance)
    traces, squares = [], []
    for _ in range(4000):
        x = means + rng.standard_normal(means.shape) @ root.T / np.sqrt(4)
        spread = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
        traces.append(spread.sum() ** 2)
        squares.append((spread**2).sum())
    predicted = expected.participation_ratio(means, noise_covariance=covariance, n_trials=4)
    ratio = np.mean(traces) / np.mean(squares)
    relative = np.std(np.array(traces) / np.mean(traces) - np.array(squares) / np.mean(squares))
    assert abs(ratio / predicted - 1) < 3 * relative / np.sqrt(len(traces))
    none = expected.participation_ratio(means, noise_covariance=covariance)
    assert none == pytest.approx(participation_ratio.naive(means), abs=1e-10)
    assert predicted > none + 0.3


def test_expected_geometry_refuses_pairs_that_share_a_condition():
    with pytest.raises(ValueError, match="no two or more disjoint pairs"):
        expected.parallelism(np.eye(8), [[0, 1], [0, 2]])
