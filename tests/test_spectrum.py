"""Spectra, ranks and nearest neighbours: known exponents, dimensions and slow twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas import spectrum


def power_world(alpha, n_stimuli, n_neurons, noise, seed):
    """Two repeats of stimuli whose population variances are k ** -alpha in 300 dimensions."""
    rng = np.random.default_rng(seed)
    variance = np.arange(1.0, 301) ** -alpha
    latent = rng.standard_normal((n_stimuli, 300)) * np.sqrt(variance)
    axes = np.linalg.qr(rng.standard_normal((n_neurons, 300)))[0].T
    signal = latent @ axes
    return signal + noise * rng.standard_normal((2, n_stimuli, n_neurons))


# --- rows 34 and 35 of the table of ground truth --------------------------------------------------


@pytest.mark.parametrize(("d", "expected", "tolerance"), [(2, 2.03, 0.15), (5, 5.03, 0.3)])
def test_two_nearest_neighbours_count_the_dimensions_of_a_gaussian_cloud(d, expected, tolerance):
    x = (
        np.random.default_rng(0).standard_normal((1000, d))
        @ ortho_group.rvs(50, random_state=0)[:d]
    )
    found = spectrum.twonn(x)
    assert found.mle == pytest.approx(expected, abs=tolerance)
    assert found.slope == pytest.approx(expected, abs=2 * tolerance)


def test_the_exponent_of_a_power_law_is_that_of_the_cross_validated_spectrum_alone():
    found = []
    for seed in range(2):
        x, y = power_world(1.0, 1000, 800, 0.05, seed)
        found.append(
            [
                spectrum.power_law(s, (10, 100))
                for s in (spectrum.cvpca(x, y), spectrum.variances(x))
            ]
        )
    cross, naive = np.mean(found, axis=0)
    assert cross == pytest.approx(1.00, abs=0.03)
    assert naive == pytest.approx(0.85, abs=0.03)


# --- spectra ----------------------------------------------------------------------------------


@given(st.integers(0, 200))
def test_cvpca_agrees_with_projections_on_principal_components(seed):
    x, y = np.random.default_rng(seed).standard_normal((2, 7, 5))
    x0, y0 = x - x.mean(axis=0), y - y.mean(axis=0)
    axes = np.linalg.svd(x0, full_matrices=False)[2]
    by_hand = ((x0 @ axes.T) * (y0 @ axes.T)).sum(axis=0) / 6
    np.testing.assert_allclose(spectrum.cvpca(x, y), by_hand, atol=1e-10)
    wide = spectrum.cvpca(x[:4], y[:4])
    assert wide.shape == (3,)


def test_cross_validated_variance_of_noise_is_zero_and_naive_is_not():
    found = [
        spectrum.cvpca(*np.random.default_rng(s).standard_normal((2, 30, 20))) for s in range(200)
    ]
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(mean) < 4.5 * error).all()
    assert spectrum.variances(np.random.default_rng(0).standard_normal((30, 20)))[0] > 1.5


def test_turning_the_neurons_changes_no_spectrum_and_stretching_one_does():
    x, y = np.random.default_rng(0).standard_normal((2, 12, 6))
    turn = ortho_group.rvs(6, random_state=1)
    np.testing.assert_allclose(spectrum.cvpca(x @ turn, y @ turn), spectrum.cvpca(x, y), atol=1e-10)
    stretch = np.r_[5.0, np.ones(5)]
    assert not np.allclose(spectrum.cvpca(x * stretch, y * stretch), spectrum.cvpca(x, y))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_exponent_of_an_exact_power_law_is_exact(alpha):
    assert spectrum.power_law(np.arange(1.0, 200.0) ** -alpha, (3, 150)) == pytest.approx(alpha)


def test_a_variance_below_zero_leaves_no_exponent():
    assert np.isnan(spectrum.power_law(np.r_[1.0, 0.5, -0.1, 0.2], (1, 4)))
    with pytest.raises(ValueError, match="no range"):
        spectrum.power_law(np.ones(5), (3, 9))


# --- rank -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_as_many_components_are_kept_as_there_are_beyond_noise(rank):
    rng = np.random.default_rng(rank)
    signal = 2.0 * rng.standard_normal((12, rank)) @ rng.standard_normal((rank, 60))
    error = np.zeros(12)
    for seed in range(5):
        train, test = signal + 0.5 * np.random.default_rng(seed).standard_normal((2, 12, 60))
        half = np.random.default_rng(seed).permutation(60) % 2 == 0
        error += spectrum.bi_cross_validation(train, test, half)
    assert np.argmin(error) == rank


def test_the_error_is_that_of_the_reconstruction():
    rng = np.random.default_rng(0)
    train, test = rng.standard_normal((2, 6, 9))
    half = np.arange(9) < 4
    train0, test0 = train - train.mean(axis=0), test - test.mean(axis=0)
    u = np.linalg.svd(train0[:, ~half], full_matrices=False)[0]
    by_hand = [
        np.sum((test0[:, half] - u[:, :k] @ u[:, :k].T @ train0[:, half]) ** 2) for k in range(6)
    ]
    np.testing.assert_allclose(spectrum.bi_cross_validation(train, test, half), by_hand)


def test_without_neurons_on_either_side_nothing_is_predicted():
    with pytest.raises(ValueError, match="leave some on each side"):
        spectrum.bi_cross_validation(np.ones((4, 3)), np.ones((4, 3)), np.ones(3, bool))


# --- neighbours -------------------------------------------------------------------------------


def test_noise_inflates_the_dimension_and_its_scale_shows_it():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((1000, 2)) @ np.eye(2, 50)
    noisy = clean + 0.1 * rng.standard_normal((1000, 50))
    assert spectrum.twonn(noisy).mle == pytest.approx(23.5, abs=2)
    n_points, dimension = spectrum.twonn_scale(noisy, rng.permutation(1000))
    assert n_points[-1] < 40
    assert (np.diff(dimension[:4]) < 0).all()
    _, flat = spectrum.twonn_scale(clean, rng.permutation(1000))
    np.testing.assert_allclose(flat[:4], 2, atol=0.4)


def test_moving_turning_and_scaling_a_cloud_change_no_dimension_and_bending_a_line_does_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    moved = 7.0 * x @ ortho_group.rvs(3, random_state=0) + 2.0
    assert spectrum.twonn(moved).mle == pytest.approx(spectrum.twonn(x).mle)
    t = rng.uniform(0, 6, 600)
    helix = np.column_stack([np.cos(t), np.sin(t), t])
    assert spectrum.twonn(helix).mle == pytest.approx(1, abs=0.15)


def test_few_points_duplicates_and_lattices_have_no_dimension():
    assert np.isnan(spectrum.twonn(np.zeros((100, 3))).mle)
    assert spectrum.twonn(np.zeros((100, 3))).n_duplicates == 99
    lattice = np.array(np.meshgrid(range(10), range(10))).reshape(2, -1).T
    assert np.isnan(spectrum.twonn(lattice).mle)


@pytest.mark.peers
def test_two_nearest_neighbours_agree_with_scikit_dimension():
    from skdim.id import TwoNN

    x = np.random.default_rng(0).standard_normal((500, 4))
    theirs = TwoNN(discard_fraction=0.1).fit(x).dimension_
    assert spectrum.twonn(x).slope == pytest.approx(theirs, rel=2e-3)
