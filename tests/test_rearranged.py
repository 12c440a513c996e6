"""Recordings made from recordings: without interactions, and without structure."""

import numpy as np
import pytest
from made_population import crossed, embedded, gathered, recording
from made_population import unstructured as random_means

import neurogeom as ng
from neurogeom.engine.rearranged import unstructured, without_interactions
from neurogeom.formulas.anova import additive_fit

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
FAST = {"n_null": 0, "target": "none", "n_resamples": 6}


def means_of(population):
    return population.moments(population.everything())[0]


def residuals_of(population):
    return population.shifted(-means_of(population)).values


def correlated(seed, n_neurons=12, n_trials=8, strength=0.5):
    """A cube with one shared factor in the noise."""
    x = recording(embedded(SIGN * 1.0, n_neurons), n_trials, seed=seed, noise=1.0)
    shared = np.random.default_rng(1000 + seed).standard_normal((x.sizes["trial"], 1))
    return x * np.sqrt(1 - strength) + np.sqrt(strength) * shared


def test_the_additive_fit_is_the_sum_of_marginal_means_when_levels_are_crossed():
    table = crossed(2, 3)
    means = np.random.default_rng(0).standard_normal((6, 4))
    grid = means.reshape(2, 3, 4)
    by_hand = grid.mean(axis=1)[:, None] + grid.mean(axis=0) - grid.mean(axis=(0, 1))
    np.testing.assert_allclose(additive_fit(means, table), by_hand.reshape(6, 4), atol=1e-12)


def test_residuals_and_main_effects_stay_and_interactions_are_replaced():
    design, population = gathered(correlated(0))
    made = without_interactions(population, design.table, np.random.default_rng(0))
    np.testing.assert_allclose(residuals_of(made), residuals_of(population), atol=1e-12)
    before, after = means_of(population), means_of(made)
    table = design.table
    np.testing.assert_allclose(additive_fit(after, table), additive_fit(before, table), atol=1e-12)
    assert not np.allclose(after, before, atol=0.1)


def test_new_interactions_have_the_covariance_of_noise_in_the_means():
    covariances = []
    for seed in range(60):
        design, population = gathered(correlated(seed, n_trials=[6, 8, 10, 12] * 2))
        made = without_interactions(population, design.table, np.random.default_rng(seed))
        new = means_of(made) - additive_fit(means_of(made), design.table)
        covariances.append(new.T @ new)
    covariances = np.array(covariances)
    # 4 of 8 degrees of freedom are interactions; the noise of a mean is that of 1/n trials.
    per_trial = np.mean([1 / n for n in [6, 8, 10, 12]]) * 4
    variance = np.diagonal(covariances, axis1=1, axis2=2).mean(axis=1)
    error = variance.std(ddof=1) / np.sqrt(len(variance))
    assert abs(variance.mean() - per_trial) < 4 * error
    off = (covariances.sum(axis=(1, 2)) - variance * 12) / (12 * 11)
    error = off.std(ddof=1) / np.sqrt(len(off))
    assert abs(off.mean() - 0.5 * per_trial) < 4 * error + 0.02 * per_trial


def test_without_structure_every_neuron_keeps_its_means_in_another_order():
    _, population = gathered(correlated(1))
    made = unstructured(population, np.random.default_rng(0))
    before, after = means_of(population), means_of(made)
    np.testing.assert_allclose(np.sort(after, axis=0), np.sort(before, axis=0), atol=1e-12)
    np.testing.assert_allclose(residuals_of(made), residuals_of(population), atol=1e-12)
    moved = np.argsort(after, axis=0) != np.argsort(before, axis=0)
    assert moved.any(axis=0).all()
    assert len({tuple(column) for column in np.argsort(after, axis=0).T}) > 6


def test_a_constant_neuron_stays_constant():
    x = correlated(2)
    x[:, 3] = 1.0
    design, population = gathered(x)
    for made in (
        without_interactions(population, design.table, np.random.default_rng(0)),
        unstructured(population, np.random.default_rng(0)),
    ):
        assert np.isfinite(made.values).all()
        assert np.ptp(means_of(made)[:, 3]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("readout", ["nearest_mean", "svm"])
@pytest.mark.parametrize("strength", [0.0, 0.4])
@pytest.mark.parametrize("own", ["cuboid", "random"])
def test_shattering_meets_the_reference_of_its_own_geometry(own, strength, readout):
    other = {"cuboid": "random", "random": "cuboid"}[own]
    gaps, others = [], []
    for seed in range(10):
        cube, tuned_at_random = embedded(SIGN * 1.0, 40, seed=seed), random_means(8, 40, seed, 0.35)
        x = recording(cube if own == "cuboid" else tuned_at_random, 12, seed=seed)
        shared = np.random.default_rng(1000 + seed).standard_normal((x.sizes["trial"], 1))
        x = x + np.sqrt(strength) * shared * (-1.0) ** np.arange(40)
        found = ng.shattering(x, NAMES, readout=readout, n_references=4, **FAST)
        gaps.append(float(found.reference.sel(geometry=own) - found.estimate))
        others.append(float(found.reference.sel(geometry=other) - found.estimate))
    error = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 4 * error
    sign = {"cuboid": 1, "random": -1}[own]
    assert sign * np.mean(others) > 4 * np.std(others, ddof=1) / np.sqrt(len(others))


def test_the_references_do_not_depend_on_the_order_of_neurons_and_on_the_seed_they_do():
    x = recording(embedded(SIGN * 1.0, 20), 10)
    turned = x.isel(neuron=np.random.default_rng(0).permutation(20))
    one, again = (ng.shattering(d, NAMES, **FAST).reference for d in (x, turned))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, ng.shattering(x, NAMES, **FAST, seed=1).reference, atol=1e-6)
    assert "reference" not in ng.shattering(x, NAMES, n_references=0, **FAST)


def test_two_trials_a_condition_are_enough_for_references():
    x = recording(embedded(SIGN * 1.0, 20), 2)
    found = ng.shattering(x, NAMES, min_trials=2, readout="nearest_mean", **FAST)
    assert np.isfinite(found.reference).all()
