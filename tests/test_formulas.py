"""The formulas against simulations, brute force, and what must not change them."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import ortho_group

from neurogeom.formulas import expected, geometries, parallelism, participation_ratio

LEVELS = np.array(list(product([-1, 1], repeat=3)))
SIDES = np.array(
    [[1 if i in chosen else -1 for i in range(8)] for chosen in combinations(range(8), 4)][:35]
)
FACTOR_PAIRS = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])


def every_pair(side):
    return np.array(list(product(np.flatnonzero(side > 0), np.flatnonzero(side < 0))))


def unstructured(n_neurons, seed=0):
    return np.random.default_rng(seed).standard_normal((8, n_neurons))


# --- expected readouts --------------------------------------------------------------------------


def nearest_mean_by_simulation(means, side, n_trials, noise_sd, n_recordings, rng, held_out=None):
    """Accuracy with estimated means, integrated over test trials: one value a recording."""
    scores = []
    for _ in range(n_recordings):
        seen = means + noise_sd * rng.standard_normal(means.shape) / np.sqrt(n_trials)
        trained = side != 0 if held_out is None else ~np.isin(np.arange(len(side)), held_out)
        plus, minus = (seen[trained & (side == s)].mean(axis=0) for s in (1, -1))
        direction, halfway = plus - minus, (plus + minus) / 2
        z = side * ((means - halfway) @ direction) / np.linalg.norm(direction * noise_sd)
        tested = side != 0 if held_out is None else np.isin(np.arange(len(side)), held_out)
        scores.append(ndtr(z[tested]).mean())
    return np.array(scores)


@pytest.mark.parametrize(("n_neurons", "n_trials"), [(20, 3), (50, 5), (100, 20), (300, 5)])
@pytest.mark.parametrize("held_out", [None, [0, 4]])
def test_finite_trials_are_predicted(n_neurons, n_trials, held_out):
    """Unequal noise, an unequal number of conditions a side, with and without a held-out pair."""
    rng = np.random.default_rng(n_neurons)
    noise_sd = rng.uniform(0.5, 2, n_neurons)
    means = 4 * unstructured(n_neurons, seed=1) / np.sqrt(n_neurons)
    side = np.array([1, 1, 1, 0, -1, -1, -1, -1])
    simulated = nearest_mean_by_simulation(
        means, side, n_trials, noise_sd, 1500, rng, held_out=held_out
    )
    options = {"noise_sd": noise_sd, "n_trials": n_trials}
    if held_out is None:
        predicted = expected.accuracy(means, side, **options)
    else:
        predicted = expected.ccgp(means, side, [held_out], **options)
    # The Gaussian approximation itself is within 0.003 down to 20 neurons.
    error = simulated.std() / np.sqrt(simulated.size)
    assert abs(simulated.mean() - predicted) < 4 * error + 0.003


@pytest.mark.parametrize("scale", [1, 3])  # noise in the means matters more, or less
def test_score_of_a_new_trial_has_the_moments_that_the_formula_takes(scale):
    """400 000 training sets of two trials, seven neurons, three conditions against four."""
    rng, n_draws, n_trials = np.random.default_rng(0), 400_000, 2
    means, noise_sd = scale * unstructured(7), np.linspace(0.5, 2, 7)
    side = np.array([1, 1, 1, 0, -1, -1, -1, -1])
    error = noise_sd / np.sqrt(n_trials)
    noise = {
        s: error / np.sqrt((side == s).sum()) * rng.standard_normal((n_draws, 7)) for s in (1, -1)
    }
    plus, minus = (means[side == s].mean(axis=0) + noise[s] for s in (1, -1))
    predicted = expected.by_condition(
        means, side, side != 0, noise_sd=noise_sd, n_trials=n_trials
    )[0]
    for condition in np.flatnonzero(side):
        trial = means[condition] + noise_sd * rng.standard_normal((n_draws, 7))
        score = side[condition] * np.sum((plus - minus) * (trial - (plus + minus) / 2), axis=1)
        z = score.mean() / score.std()
        kurtosis = np.mean(((score - score.mean()) / score.std()) ** 4)
        # Delta method for mean / sd, an upper bound that ignores the skewness.
        standard_error = (1 + abs(z) / 2 * np.sqrt(kurtosis - 1)) / np.sqrt(n_draws)
        assert abs(z - ndtri(predicted[condition])) < 4 * standard_error


def test_many_trials_are_the_population_value():
    means = unstructured(30)
    many = expected.accuracy(means, SIDES, n_trials=10**9)
    np.testing.assert_allclose(many, expected.accuracy(means, SIDES), atol=1e-6)


@pytest.mark.parametrize("side", [[1, 1, 1, 1, -1, -1, -1, -1], [1, 1, 0, 1, -1, -1, -1, -1]])
def test_lda_is_the_discriminant_of_infinitely_many_trials(side):
    """scikit-learn's direction from a large sample, scored with the true distributions."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng, side = np.random.default_rng(0), np.array(side)
    means, noise_sd = 2 * unstructured(6), np.array([0.5, 0.7, 1.0, 1.0, 1.5, 2.0])
    used = np.flatnonzero(side)
    condition = np.repeat(used, 40_000)
    x = means[condition] + noise_sd * rng.standard_normal((condition.size, 6))
    model = LinearDiscriminantAnalysis(solver="lsqr").fit(x, side[condition])
    direction = model.coef_[0]
    halfway = (means[side == 1].mean(axis=0) + means[side == -1].mean(axis=0)) / 2
    z = side * ((means - halfway) @ direction) / np.linalg.norm(direction * noise_sd)
    predicted = expected.by_condition(
        means, side, side != 0, noise_sd=noise_sd, readout="lda"
    )[0, used]
    # A direction with relative error e costs at most e |z| phi(z); e is near 1 / sqrt(trials).
    np.testing.assert_allclose(predicted, ndtr(z[used]), atol=5 / np.sqrt(condition.size))


@pytest.mark.parametrize("readout", ["nearest_mean", "lda"])
def test_mean_ccgp_over_balanced_dichotomies_is_one_half(readout):
    means, noise_sd = unstructured(12), np.linspace(0.3, 2, 12)
    scores = [
        expected.ccgp(means, side, every_pair(side), noise_sd=noise_sd, readout=readout)
        for side in SIDES
    ]
    assert np.ptp(scores) > 0.1
    np.testing.assert_allclose(np.mean(scores), 0.5, atol=1e-12)


@pytest.mark.parametrize("readout", ["nearest_mean", "lda"])
def test_turning_permuting_shifting_and_swapping_change_nothing(readout):
    means, side = unstructured(12), SIDES[3]
    turned = means @ ortho_group.rvs(12, random_state=0)
    shuffled = means[:, np.random.default_rng(1).permutation(12)] + 7.0
    before = expected.ccgp(means, side, every_pair(side), readout=readout)
    for same, same_side in [(turned, side), (shuffled, side), (means, -side)]:
        after = expected.ccgp(same, same_side, every_pair(side), readout=readout)
        np.testing.assert_allclose(after, before, atol=1e-12)


def test_scaling_noise_per_neuron_changes_nothing_for_lda_alone():
    means, side, scale = unstructured(12), SIDES[3], np.linspace(0.2, 3, 12)
    for readout, moves in [("lda", False), ("nearest_mean", True)]:
        before = expected.accuracy(means, side, readout=readout)
        after = expected.accuracy(means * scale, side, noise_sd=scale, readout=readout)
        assert (abs(after - before) > 1e-3) == moves


def test_one_split_is_the_mean_over_its_tested_conditions():
    means, side = unstructured(12), SIDES[3]
    trained = ~np.isin(np.arange(8), [1, 6, 7])
    each = expected.by_condition(means, side, trained)[0, ~trained]
    assert expected.ccgp_split(means, side, trained, ~trained) == pytest.approx(each.mean())


def test_silent_population_is_at_chance():
    np.testing.assert_array_equal(expected.accuracy(np.full((8, 5), 3.0), SIDES), 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": np.zeros(8)}, r"means have shape \(8,\); pass finite"),
        ({"side": np.ones(8)}, "lacks one of the two sides; train on conditions of both"),
        ({"side": np.ones(4)}, "side names 4 conditions, means have 8"),
        ({"noise_sd": 0.0}, "noise_sd has a value of 0; every neuron needs some noise"),
        ({"readout": "tree"}, "readout='tree' is unknown here; choose from"),
        ({"noise_covariance": np.eye(4)}, "shape .4, 4.; pass a symmetric one of 5 neurons"),
        ({"noise_covariance": np.ones((5, 5))}, "eigenvalue of .*; every direction needs noise"),
        ({"n_trials": 0}, "n_trials=0 leaves no training; pass 1 or more"),
    ],
)
def test_expected_refuses(change, message):
    arguments = {"means": unstructured(5), "side": SIDES[0], **change}
    with pytest.raises(ValueError, match=message):
        expected.accuracy(arguments.pop("means"), arguments.pop("side"), **arguments)


# --- parallelism --------------------------------------------------------------------------------


def slow_naive(means, pairs):
    vectors = [means[a] - means[b] for a, b in pairs]
    cosines = [u @ v / np.sqrt((u @ u) * (v @ v)) for u, v in combinations(vectors, 2)]
    return np.mean(cosines)


def test_naive_score_is_the_mean_cosine():
    means = unstructured(20)
    assert parallelism.naive(means, FACTOR_PAIRS) == pytest.approx(slow_naive(means, FACTOR_PAIRS))


def test_correction_takes_the_noise_from_the_lengths_only():
    """Numerator and denominator of the corrected score are unbiased: 4000 draws of the means."""
    rng = np.random.default_rng(0)
    means, error = 0.2 * unstructured(40), rng.uniform(0.01, 0.1, (8, 40))
    drawn = means + np.sqrt(error) * rng.standard_normal((4000, 8, 40))
    vectors = parallelism.coding_vectors(drawn, FACTOR_PAIRS)
    true = parallelism.coding_vectors(means, FACTOR_PAIRS)
    length = (vectors**2).sum(axis=(1, 2)) / 4
    corrected = length * parallelism.reliability(drawn, error, FACTOR_PAIRS)
    product_of_two = parallelism.parallelism(drawn, error, FACTOR_PAIRS) * corrected
    gram = true @ true.T
    for estimate, truth in [
        (corrected, np.trace(gram) / 4),
        (product_of_two, (gram.sum() - np.trace(gram)) / 12),
    ]:
        assert abs(estimate.mean() - truth) < 4 * estimate.std() / np.sqrt(4000)


def test_surrogates_in_one_call_are_surrogates_one_by_one():
    means = np.stack([unstructured(10, seed=s) for s in range(5)])
    pairs = parallelism.best_pairing(means, SIDES[0])
    assert pairs.shape == (5, 4, 2)
    for function in (
        parallelism.naive,
        lambda x, p: parallelism.parallelism(x, np.full_like(x, 0.1), p),
        lambda x, p: parallelism.reliability(x, np.full_like(x, 0.1), p),
    ):
        single = [function(means[i], pairs[i]) for i in range(5)]
        np.testing.assert_allclose(function(means, pairs), single, atol=1e-14)


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_best_pairing_is_the_best_of_all(m):
    means = np.random.default_rng(m).standard_normal((2 * m, 6))
    side = np.repeat([1, -1], m)
    best = max(
        slow_naive(means, [(i, m + j) for i, j in enumerate(order)])
        for order in permutations(range(m))
    )
    found = parallelism.naive(means, parallelism.best_pairing(means, side))
    assert found == pytest.approx(best, abs=1e-12)


def test_swaps_find_the_best_of_720_pairings_almost_always(monkeypatch):
    """40 unstructured populations of 12 conditions; local maxima may win in a few."""
    means = np.random.default_rng(0).standard_normal((40, 12, 8))
    side = np.repeat([1, -1], 6)
    climbed = parallelism.naive(means, parallelism.best_pairing(means, side))
    monkeypatch.setattr(parallelism, "EXACT_UP_TO", 6)
    exact = parallelism.naive(means, parallelism.best_pairing(means, side))
    assert (climbed <= exact + 1e-12).all()
    assert np.mean(np.isclose(climbed, exact)) >= 0.9


def test_swaps_pair_sixteen_conditions_of_a_cube_by_their_variable():
    levels = geometries.crossed_levels(4)
    shuffled = np.random.default_rng(0).permutation(16)
    pairs = parallelism.best_pairing(levels[shuffled], levels[shuffled, 0])
    assert parallelism.naive(levels[shuffled], pairs) == pytest.approx(1)


def test_pairing_with_a_vector_of_no_length_is_nan_and_not_chosen():
    exclusive_or = np.array([[1.0], [-1.0], [-1.0], [1.0]])  # condition (2 x 2, one neuron)
    equal = [[0, 3], [1, 2]]
    assert np.isnan(parallelism.naive(exclusive_or, equal))
    assert np.isnan(parallelism.parallelism(exclusive_or, np.zeros((4, 1)), equal))
    assert np.isnan(parallelism.reliability(exclusive_or, np.zeros((4, 1)), equal))
    found = parallelism.best_pairing(exclusive_or, [1, 1, -1, -1])
    assert found.tolist() == [[0, 2], [1, 3]]
    assert parallelism.naive(exclusive_or, found) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 1]], r"pairs have shape \(1, 2\); pass at least two pairs"),
        ([[0, 1], [1, 2]], "two pairs share a condition and so its noise; pass disjoint pairs"),
    ],
)
def test_parallelism_refuses_pairs(pairs, message):
    with pytest.raises(ValueError, match=message):
        parallelism.naive(unstructured(5), pairs)


def test_pairing_refuses_unequal_sides():
    with pytest.raises(ValueError, match="sides of 1 and 7 conditions have no pairing"):
        parallelism.best_pairing(unstructured(5), [1, -1, -1, -1, -1, -1, -1, -1])


# --- participation ratio ------------------------------------------------------------------------


def test_participation_ratio_counts_equal_axes():
    assert participation_ratio.naive(LEVELS + 5.0) == pytest.approx(3)
    assert participation_ratio.naive(np.eye(8)) == pytest.approx(7)
    spectrum = np.array([4.0, 2.0, 1.0])
    turn = ortho_group.rvs(3, random_state=0)
    ratio = participation_ratio.from_covariance(turn @ np.diag(spectrum) @ turn.T)
    assert ratio == pytest.approx(49 / 21)


def test_participation_ratio_of_nothing_is_nan_and_of_no_matrix_refused():
    assert np.isnan(participation_ratio.naive(np.ones((8, 3))))
    with pytest.raises(ValueError, match=r"the covariance has shape \(3,\); pass a square matrix"):
        participation_ratio.from_covariance(np.ones(3))
    with pytest.raises(ValueError, match=r"means have shape \(3,\); pass \(condition, neuron\)"):
        participation_ratio.naive(np.ones(3))


# --- geometries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cube", "cube_nonlinear", "planes", "simplex"])
@pytest.mark.parametrize("n_variables", [2, 3, 4])
def test_separation_is_the_distance_between_the_sides_of_each_variable(name, n_variables):
    levels = geometries.crossed_levels(n_variables)
    means = getattr(geometries, name)(levels, 1.7)
    for column in levels.T:
        apart = means[column > 0].mean(axis=0) - means[column < 0].mean(axis=0)
        assert np.linalg.norm(apart) == pytest.approx(1.7)
        assert expected.accuracy(means, column) == pytest.approx(ndtr(0.85))


def test_exclusive_or_hides_both_variables_and_shows_their_product():
    levels = geometries.crossed_levels(3)
    means = geometries.exclusive_or(levels, 2.0)
    sides = np.stack([*levels.T, levels[:, 0] * levels[:, 1]])
    np.testing.assert_allclose(expected.accuracy(means, sides), [0.5, 0.5, ndtr(1), ndtr(1)])


def test_planes_are_parallel_within_and_orthogonal_between():
    means = geometries.planes(geometries.crossed_levels(3), 2.0)
    vectors = parallelism.coding_vectors(means, [[0, 2], [1, 3], [4, 6], [5, 7]])
    within = np.kron(np.eye(2), np.ones((2, 2)))
    np.testing.assert_allclose(vectors @ vectors.T, 8 * within, atol=1e-12)
