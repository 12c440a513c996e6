"""Ridge predictions against loops and scikit-learn; what is explained, against noise-free means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas import predictivity as p

pytestmark = pytest.mark.filterwarnings("error")


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tuned(rng, n_conditions, n_trials, signal_to_noise, shared=0.7, n_neurons=40):
    """Noise-free x (condition, neuron) and y, and trials of y (trial, condition, neuron).

    ``shared`` of the variance of y follows from x.
    """
    latent, own = rng.standard_normal((2, n_conditions, 4))
    x = latent @ rng.standard_normal((4, 30)) / 2
    y = np.sqrt(shared) * latent @ rng.standard_normal((4, n_neurons)) / 2
    y = y + np.sqrt(1 - shared) * own @ rng.standard_normal((4, n_neurons)) / 2
    noise = rng.standard_normal((n_trials, n_conditions, n_neurons)) / np.sqrt(signal_to_noise)
    return x, y, y + noise


def squared_error(trials):
    return trials.var(axis=0, ddof=1) / len(trials)


# --- predictions --------------------------------------------------------------------------------


def by_loops(x, y, fold, penalties):
    """Every penalty fitted without every training condition in turn, by normal equations."""

    def fit(x, y, penalty):
        mean = x.mean(axis=0)
        gram = (x - mean).T @ (x - mean) + penalty * np.eye(x.shape[1])
        slope = np.linalg.solve(gram, (x - mean).T @ (y - y.mean(axis=0)))
        return lambda z: (z - mean) @ slope + y.mean(axis=0)

    predicted, chosen = np.empty_like(y), []
    for f in np.unique(fold):
        train = np.flatnonzero(fold != f)
        a, b = x[train], y[train]
        unit = np.sum((a - a.mean(axis=0)) ** 2) / len(a)
        errors = []
        for penalty in penalties:
            residual = [
                b[i] - fit(np.delete(a, i, 0), np.delete(b, i, 0), penalty * unit)(a[i : i + 1])[0]
                for i in range(len(a))
            ]
            relative = np.sum(np.square(residual), axis=0) / np.sum((b - b.mean(axis=0)) ** 2, 0)
            errors.append(relative.mean())
        chosen.append(penalties[np.argmin(errors)])
        predicted[fold == f] = fit(a, b, chosen[-1] * unit)(x[fold == f])
    return predicted, chosen


@pytest.mark.parametrize("n_predictors", [3, 20])
def test_nested_ridge_is_that_of_loops_over_every_condition_left_out(n_predictors):
    x, y = values(14, n_predictors), values(14, 5, seed=1)
    y[:, :4] += x[:, :2] @ values(2, 4, seed=2)
    fold = np.arange(14) % 3
    found = p.held_out(x, y, fold)
    predicted, chosen = by_loops(x, y, fold, p.PENALTIES)
    assert found.penalty == pytest.approx(chosen)
    assert found.predicted == pytest.approx(predicted, rel=1e-6, abs=1e-8)
    for f in range(3):
        assert (found.baseline[fold == f] == y[fold != f].mean(axis=0)).all()


def test_the_penalty_and_the_map_are_those_of_scikit_learn():
    from sklearn.linear_model import RidgeCV

    x, y = values(40, 6), values(40, 1, seed=1)
    y += x[:, :1]
    fold = np.arange(40) // 10
    found = p.held_out(x, y, fold)
    for f in range(4):
        train = fold != f
        unit = np.sum((x[train] - x[train].mean(axis=0)) ** 2) / 30
        peer = RidgeCV(unit * np.array(p.PENALTIES)).fit(x[train], y[train, 0])
        assert found.penalty[f] * unit == pytest.approx(peer.alpha_)
        assert found.predicted[~train, 0] == pytest.approx(peer.predict(x[~train]))


def test_noise_is_shrunk_and_signal_is_not():
    x, y = values(40, 30), values(40, 30, seed=1)
    fold = np.arange(40) % 5
    assert p.held_out(x, y, fold).penalty.min() >= 10
    assert p.held_out(x, x @ values(30, 30, seed=2), fold).penalty.max() <= 1e-2


def test_what_is_held_out_is_not_looked_at():
    x, y = values(12, 4), values(12, 3, seed=1)
    fold = np.arange(12) % 3
    found = p.held_out(x, y, fold)
    other = y.copy()
    other[fold == 0] += 100
    moved = p.held_out(x, other, fold)
    assert (moved.predicted[fold == 0] == found.predicted[fold == 0]).all()
    assert not np.allclose(moved.predicted[fold == 1], found.predicted[fold == 1])


@given(st.integers(0, 10_000))
def test_rotations_offsets_and_units_of_x_do_not_count_and_units_of_its_neurons_do(seed):
    x, y = values(15, 4, seed=seed), values(15, 3, seed=seed + 1)
    fold = np.arange(15) % 5
    found = p.held_out(x, y + x[:, :3], fold).predicted
    turned = 9 * x @ ortho_group.rvs(4, random_state=seed) + 5
    assert p.held_out(turned, y + x[:, :3], fold).predicted == pytest.approx(found, abs=1e-6)
    stretched = x * [1, 10, 100, 1000]
    assert not np.allclose(p.held_out(stretched, y + x[:, :3], fold).predicted, found, atol=1e-6)


def test_surrogates_are_one_call_with_their_own_penalties():
    x, y = values(20, 6), values(20, 4, seed=1)
    y += x[:, :4]
    fold = np.arange(20) % 4
    orders = np.array([np.arange(20), *(np.random.default_rng(s).permutation(20) for s in (1, 2))])
    found = p.held_out(x, y[orders], fold)
    assert found.penalty.shape == (3, 4)
    assert found.penalty[0].max() < found.penalty[1:].max()
    error = np.full_like(y, 0.01)
    for i, order in enumerate(orders):
        one = p.held_out(x, y[order], fold)
        assert found.predicted[i] == pytest.approx(one.predicted)
        assert found.penalty[i] == pytest.approx(one.penalty)
        assert p.r(found, y[orders])[i] == pytest.approx(p.r(one, y[order]))
        for pooled in (False, True):
            for share in (p.r_squared, p.r_squared_er, p.reliability):
                together = share(found, y[orders], error[orders], pooled=pooled)[i]
                assert together == pytest.approx(share(one, y[order], error[order], pooled=pooled))


# --- what is explained --------------------------------------------------------------------------


def test_values_are_their_definitions():
    x, y = values(12, 4), values(12, 3, seed=1) + values(12, 4)[:, :3]
    found = p.held_out(x, y, np.arange(12) % 4)
    error = values(12, 3, seed=3) ** 2 / 20
    tops, bottoms = [], []
    for j in range(3):
        a, t = (found.predicted - found.baseline)[:, j], (y - found.baseline)[:, j]
        e = error[:, j]
        assert p.r(found, y)[j] == pytest.approx(a @ t / np.sqrt((a @ a) * (t @ t)))
        assert p.r_squared(found, y)[j] == pytest.approx(1 - (t - a) @ (t - a) / (t @ t))
        signal = t @ t - e.sum()
        tops.append([t @ t - (t - a) @ (t - a), ((a @ t) ** 2 - a**2 @ e) / (a @ a), signal])
        bottoms.append([signal, signal, t @ t])
    for i, share in enumerate((p.r_squared, p.r_squared_er, p.reliability)):
        each = np.array(tops)[:, i] / np.array(bottoms)[:, i]
        assert share(found, y, error) == pytest.approx(each)
        whole = np.sum(tops, axis=0)[i] / np.sum(bottoms, axis=0)[i]
        assert share(found, y, error, pooled=True) == pytest.approx(whole)


@pytest.fixture(scope="module")
def corrected():
    """Estimates minus what is explained of noise-free means, per (conditions, trials): 80 each."""
    rng, found = np.random.default_rng(0), {}
    for n_conditions, n_trials in ((8, 5), (8, 20), (24, 5), (24, 20)):
        rows = []
        for _ in range(80):
            x, truth, trials = tuned(rng, n_conditions, n_trials, signal_to_noise=0.5)
            y, error = trials.mean(axis=0), squared_error(trials)
            fit = p.held_out(x, y, np.arange(n_conditions) % 8)
            none = np.zeros_like(error)
            exact = [f(fit, truth, none, pooled=True) for f in (p.r_squared, p.r_squared_er)]
            rows.append(
                [
                    p.r_squared(fit, y, error, pooled=True) - exact[0],
                    p.r_squared_er(fit, y, error, pooled=True) - exact[1],
                    p.r_squared(fit, y, pooled=True) - exact[0],
                ]
            )
        found[n_conditions, n_trials] = np.array(rows)
    return found


def test_corrected_values_are_those_of_noise_free_means_and_naive_ones_are_too_small(corrected):
    for (n_conditions, n_trials), rows in corrected.items():
        error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        r2, er, naive = rows.mean(axis=0)
        assert abs(r2) < 3 * error[0] < 0.05
        assert abs(er) < 3 * error[1] + 0.02
        if n_conditions == 24:
            assert naive < -3 * error[2]
            assert n_trials == 20 or naive < -0.1


def test_reliability_is_the_share_of_signal():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        x, truth, trials = tuned(rng, 20, 5, signal_to_noise=0.5)
        y, error = trials.mean(axis=0), squared_error(trials)
        fit = p.held_out(x, y, np.arange(20) % 5)
        signal = np.sum((truth - fit.baseline) ** 2)
        noise = y.size / 0.5 / 5
        found.append(p.reliability(fit, y, error, pooled=True) - signal / (signal + noise))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60) < 0.05


@pytest.mark.parametrize("n_conditions", [8, 16])
def test_unrelated_populations_explain_nothing_and_plain_correlation_would_be_negative(
    n_conditions,
):
    """Correlation about the mean of all conditions punishes predicting that of the others."""
    shares, correlations, plain = [], [], []
    for seed in range(150):
        x = values(n_conditions, 30, seed=seed)
        y = values(n_conditions, 20, seed=seed + 1000)
        fit = p.held_out(x, y, np.arange(n_conditions) % 8)
        shares.append(p.r_squared(fit, y, pooled=True))
        correlations.append(p.r(fit, y).mean())
        plain.append([np.corrcoef(a, b)[0, 1] for a, b in zip(fit.predicted.T, y.T, strict=True)])
    assert abs(np.mean(shares)) < 0.02
    assert -0.12 < np.mean(correlations) < 0
    assert np.mean(plain) < -0.5


def test_noise_that_both_share_would_be_explained_unless_trials_are_apart():
    """No signal in common, two noise modes in both; 80 recordings."""
    rng = np.random.default_rng(0)
    found = {"same trials": [], "other trials": []}
    for _ in range(80):
        signal_x, signal_y = rng.standard_normal((2, 16, 10))
        noise = rng.standard_normal((8, 16, 2)) @ rng.standard_normal((2, 10))
        halves = {"same trials": (noise[:4], noise[:4]), "other trials": (noise[:4], noise[4:])}
        for name, (noise_x, noise_y) in halves.items():
            x, y = signal_x + noise_x.mean(axis=0), signal_y + noise_y.mean(axis=0)
            fit = p.held_out(x, y, np.arange(16) % 8)
            error = squared_error(noise_y)
            found[name].append(p.r_squared(fit, y, error, pooled=True))
    same, other = (np.array(found[name]) for name in found)
    assert same.mean() > 5 * same.std() / np.sqrt(80)
    assert -0.03 < other.mean() < 3 * other.std() / np.sqrt(80)


def test_a_population_explains_its_part_and_the_part_does_not_explain_it():
    latent = values(60, 8)
    whole, part = latent @ values(8, 50, seed=1), latent[:, :3] @ values(3, 50, seed=2)
    fold = np.arange(60) % 6
    forward = p.r_squared(p.held_out(whole, part, fold), part, pooled=True)
    backward = p.r_squared(p.held_out(part, whole, fold), whole, pooled=True)
    assert forward > 0.99
    assert backward < 0.6


def test_gain_and_offset_of_predictions_are_free_in_the_squared_correlation_only():
    y = values(10, 3)
    zero = np.zeros_like(y)
    fit = p.Prediction(0.5 * y, zero, np.ones(1))
    assert p.r_squared_er(fit, y, zero) == pytest.approx(np.ones(3))
    assert p.r(fit, y) == pytest.approx(np.ones(3))
    assert p.r_squared(fit, y) == pytest.approx(np.full(3, 0.75))


def test_neurons_and_populations_that_do_not_vary_have_no_value_and_disturb_no_other():
    x, y = values(12, 4), values(12, 3, seed=1)
    fold = np.arange(12) % 4
    expected = p.held_out(x, y, fold)
    more = np.column_stack([y, np.full(12, 3.0)])
    found = p.held_out(x, more, fold)
    assert found.predicted[:, :3] == pytest.approx(expected.predicted)
    none = np.zeros_like(more)
    for value in (p.r(found, more), *(f(found, more, none) for f in (p.r_squared, p.r_squared_er))):
        assert np.isnan(value).tolist() == [False, False, False, True]
    flat = p.held_out(np.ones((12, 4)), y, fold)
    assert flat.predicted == pytest.approx(flat.baseline)
    assert p.r_squared(flat, y) == pytest.approx(np.zeros(3))
    assert p.r_squared_er(flat, y, np.zeros_like(y)) == pytest.approx(np.zeros(3))
    assert np.isnan(p.r(flat, y)).all()
    assert np.isnan(p.r_squared(expected, y, np.full_like(y, 100.0))).all()


@pytest.mark.parametrize(
    ("x", "y", "fold", "penalties", "says"),
    [
        (values(6, 3), values(5, 3), np.arange(6), [1], "the same conditions"),
        (values(2, 6, 3), values(6, 3), np.arange(6), [1], "the same conditions"),
        (values(1, 3), values(1, 3), np.arange(1), [1], "too few to fit to"),
        (values(2, 3), values(2, 3), np.arange(2), [1], "too few to fit to"),
        (values(6, 3), values(6, 3), np.zeros(6), [1], "two folds"),
        (values(6, 3), values(6, 3), np.arange(4), [1], "one fold for each of 6"),
        (values(6, 3), values(6, 3), np.arange(6), [0, 1], "above 0"),
        (values(6, 3), values(6, 3), np.arange(6), [], "above 0"),
    ],
)
def test_what_cannot_be_predicted_says_so(x, y, fold, penalties, says):
    with pytest.raises(ValueError, match=says):
        p.held_out(x, y, fold, penalties)
