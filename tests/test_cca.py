"""Canonical correlations against scikit-learn, closed forms and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.cross_decomposition import CCA

from neurogeom.formulas import cca

pytestmark = pytest.mark.filterwarnings("error")


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def shared(n, p_x, p_y, n_latents=3, noise=1.0, seed=0):
    """Two populations that see the same latent variables through their own mixtures."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, n_latents)) * np.arange(n_latents, 0, -1)
    return tuple(
        latent @ rng.standard_normal((n_latents, p)) + noise * rng.standard_normal((n, p))
        for p in (p_x, p_y)
    )


# --- at face value ------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "expected", "top"), [(20, 0.101, 0.57), (50, 0.251, 0.85)])
def test_independent_populations_have_canonical_correlations(p, expected, top):
    """Row 37, and the largest one; the mean square is p / (n - 1)."""
    found = cca.canonical_correlations(values(30, 200, p), values(30, 200, p, seed=1))
    assert (found**2).mean() == pytest.approx(expected, abs=0.01)
    assert (found**2).mean() == pytest.approx(p / 199, abs=0.003)
    assert found[:, 0].mean() == pytest.approx(top, abs=0.02)


def test_populations_of_unequal_size_have_those_of_the_larger():
    found = cca.canonical_correlations(values(200, 40, 4), values(200, 40, 12, seed=1))
    square = (found**2).mean(axis=1)
    assert abs(square.mean() - 12 / 39) < 3 * square.std() / np.sqrt(200) < 0.03


def test_correlations_are_those_of_scikit_learn():
    x, y = shared(150, 6, 5)
    u, v = CCA(5, max_iter=20_000, tol=1e-12).fit(x, y).transform(x, y)
    peer = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(5)]
    assert cca.canonical_correlations(x, y) == pytest.approx(peer, abs=1e-5)


def test_correlations_are_cosines_of_principal_angles():
    x, y = shared(30, 7, 4)
    angles = subspace_angles(x - x.mean(axis=0), y - y.mean(axis=0))
    assert cca.canonical_correlations(x, y) == pytest.approx(np.sort(np.cos(angles))[::-1])


@given(st.integers(0, 10_000))
def test_invertible_mixtures_and_offsets_do_not_count_and_projections_do(seed):
    x, y = shared(25, 5, 4, seed=seed)
    found = cca.canonical_correlations(x, y)
    mixture = values(5, 5, seed=seed) + 3 * np.eye(5)
    assert cca.canonical_correlations(x @ mixture + 7, y) == pytest.approx(found, abs=1e-8)
    assert cca.canonical_correlations(y, x) == pytest.approx(found, abs=1e-10)
    assert cca.canonical_correlations(x, x) == pytest.approx(np.ones(5))
    assert not np.allclose(cca.canonical_correlations(x[:, :4], y), found, atol=1e-3)
    assert not np.allclose(cca.canonical_correlations(x[::-1], y), found, atol=1e-3)


def test_collinear_and_constant_neurons_add_no_correlation():
    x, y = shared(30, 3, 4)
    doubled = np.column_stack([x, x[:, 0] + x[:, 1], np.full(30, 2.0)])
    found = cca.canonical_correlations(doubled, y)
    assert found[:3] == pytest.approx(cca.canonical_correlations(x, y))
    assert found.shape == (4,)
    assert np.isnan(found[3])
    assert np.isnan(cca.canonical_correlations(np.ones((30, 2)), y)).all()


def test_more_neurons_than_conditions_are_the_same_whatever_they_say():
    found = cca.canonical_correlations(values(10, 30), values(10, 20, seed=1))
    assert found == pytest.approx(np.ones(9))


# --- held out -----------------------------------------------------------------------------------


def by_scikit_learn(x, y, fold, d):
    """Components and canonical directions of the training conditions; pooled held-out scores."""
    products, squares = np.zeros(d), np.zeros((2, d))
    for f in np.unique(fold):
        train, reduced = fold != f, []
        for z in (x, y):
            mean = z[train].mean(axis=0)
            axes = np.linalg.svd(z[train] - mean)[2][:d].T
            reduced.append((z - mean) @ axes)
        model = CCA(d, max_iter=20_000, tol=1e-12).fit(*(z[train] for z in reduced))
        both = model.transform(*reduced)
        # Scikit-learn's directions have another length; ours have training scores of sd 1.
        scores = [z[~train] / z[train].std(axis=0) for z in both]
        products += (scores[0] * scores[1]).sum(axis=0)
        squares += np.array([(z**2).sum(axis=0) for z in scores])
    return products / np.sqrt(squares.prod(axis=0))


def test_held_out_correlations_are_those_of_scikit_learn_step_by_step():
    x, y = shared(60, 8, 12)
    fold = np.arange(60) % 5
    found = cca.cross_validated(x, y, fold, n_components=3)
    assert found.correlations == pytest.approx(by_scikit_learn(x, y, fold, 3), abs=1e-4)


@pytest.mark.parametrize(
    ("n_folds", "ridge"),
    [(5, 0.0), (5, 1.0), (30, 0.0), pytest.param(30, 1.0, marks=pytest.mark.slow)],
)
def test_independent_populations_have_held_out_correlations_of_zero(n_folds, ridge):
    """Where correlations at face value are 0.7: 20 neurons, 30 conditions."""
    x, y = values(400, 30, 20), values(400, 30, 20, seed=1)
    assert cca.canonical_correlations(x, y).mean() > 0.7
    found = cca.cross_validated(x, y, np.arange(30) % n_folds, n_components=3, ridge=ridge)
    for summary in (found.mean, found.projection_weighted):
        error = summary.std(ddof=1) / np.sqrt(400)
        assert abs(summary.mean()) < 3 * error < 0.04


def test_a_shared_latent_space_is_found_again_on_held_out_conditions():
    x, y = shared(200, 40, 60, noise=0.5)
    found = cca.cross_validated(x, y, np.arange(200) % 5, n_components=3)
    assert (found.correlations > 0.98).all()
    unrelated = cca.cross_validated(x, values(200, 60), np.arange(200) % 5, n_components=3)
    assert (abs(unrelated.correlations) < 0.3).all()


def test_components_beyond_the_shared_ones_do_not_correlate():
    x, y = shared(200, 20, 20, n_latents=2, noise=0.3)
    found = cca.cross_validated(x, y, np.arange(200) % 5, n_components=6).correlations
    assert (found[:2] > 0.9).all()
    assert (abs(found[3:]) < 0.3).all()


def test_projection_weights_are_shares_of_the_neurons_of_the_training_conditions():
    """By loops over variates and neurons (Morcos et al. 2018)."""
    x, y = shared(40, 6, 5)
    fold = np.arange(40) % 4
    found = cca.cross_validated(x, y, fold, n_components=5)
    expected = np.zeros(5)
    for f in range(4):
        train = fold != f
        a, b = (z[train] - z[train].mean(axis=0) for z in (x, y))
        axes = np.linalg.svd(a)[2][:5].T
        qx, qy = (np.linalg.qr(z)[0] for z in (a @ axes, b))
        variates = qx @ np.linalg.svd(qx.T @ qy)[0]
        loads = [sum(abs(h @ a[:, j]) for j in range(6)) for h in variates.T]
        expected += np.array(loads) / np.sum(loads) / 4
    assert found.weights_x == pytest.approx(expected)
    assert found.projection_weighted == pytest.approx(expected @ found.correlations)
    assert found.weights_y.sum() == pytest.approx(1)
    assert not np.allclose(found.weights_x, found.weights_y)
    swapped = cca.cross_validated(y, x, fold, n_components=5)
    assert swapped.weights_x == pytest.approx(found.weights_y)
    assert swapped.correlations == pytest.approx(found.correlations)


def test_a_strong_ridge_seeks_covariance_instead_of_correlation():
    """A weak component that is shared exactly loses to a strong one that is shared in part."""
    rng = np.random.default_rng(0)
    strong, weak = rng.standard_normal(300), 0.3 * rng.standard_normal(300)
    x = np.column_stack([3 * strong, weak])
    y = np.column_stack([3 * (0.6 * strong + 0.8 * rng.standard_normal(300)), weak])
    first = [
        cca.cross_validated(x, y, np.arange(300) % 5, n_components=2, ridge=ridge).correlations[0]
        for ridge in (0, 100)
    ]
    assert first[0] > 0.99
    assert first[1] == pytest.approx(0.6, abs=0.1)


def test_surrogates_are_one_call_and_the_order_of_conditions_does_not_matter():
    x, y = shared(24, 6, 7)
    fold = np.arange(24) % 4
    orders = np.array([np.random.default_rng(s).permutation(24) for s in range(6)])
    found = cca.cross_validated(x, y[orders], fold, n_components=2)
    for i, order in enumerate(orders):
        one = cca.cross_validated(x, y[order], fold, n_components=2)
        assert found.correlations[i] == pytest.approx(one.correlations)
        assert found.projection_weighted[i] == pytest.approx(one.projection_weighted)
        same = cca.cross_validated(x[order], y[order], fold[order], n_components=2)
        whole = cca.cross_validated(x, y, fold, n_components=2)
        assert same.correlations == pytest.approx(whole.correlations)
    assert not np.allclose(found.correlations[0], found.correlations[1])


@pytest.mark.parametrize(
    ("x", "y", "fold", "n_components", "says"),
    [
        (values(6, 3), values(5, 3), np.arange(6), 1, "the same conditions"),
        (values(1, 3), values(1, 3), np.arange(1), 1, "at least two"),
        (values(6, 3), values(6, 3), np.zeros(6), 1, "two folds are needed"),
        (values(6, 3), values(6, 3), np.arange(5), 1, "one fold for each of 6"),
        (values(6, 3), values(6, 2), np.arange(6), 3, "y spans 2 dimensions"),
        (np.ones((6, 3)), values(6, 2), np.arange(6), 1, "x spans 0 dimensions"),
        (values(6, 30), values(6, 30), np.arange(6) % 2, 3, "x spans 2 dimensions"),
        (values(6, 3), values(6, 3), np.arange(6), 0, "n_components=0"),
    ],
)
def test_what_cannot_be_cross_validated_says_so(x, y, fold, n_components, says):
    with pytest.raises(ValueError, match=says):
        cca.cross_validated(x, y, fold, n_components=n_components)
