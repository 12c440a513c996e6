"""Geometries whose scores are known: what the formulas must give to the last printed digit.

Centroids are in units of the noise sd; d' is the distance between the sides of a variable. Numbers
have four decimals, so they are held to 1e-4 at most.
"""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import ortho_group

from neurogeom.formulas import expected, geometries, parallelism, participation_ratio

LEVELS = geometries.crossed_levels(3)
SIDES = np.array(
    [[1 if c in (0, *others) else -1 for c in range(8)] for others in combinations(range(1, 8), 3)]
)
MAIN = LEVELS[:, 0]
MAJORITY = np.sign(LEVELS.sum(axis=1))
EXCLUSIVE_OR = LEVELS[:, 0] * LEVELS[:, 1]
PARITY = LEVELS.prod(axis=1)
INTERACTIONS = np.column_stack([EXCLUSIVE_OR, LEVELS[:, 0] * LEVELS[:, 2],
                                LEVELS[:, 1] * LEVELS[:, 2], PARITY])  # fmt: skip
ROUNDING = 0.5e-4 + 1e-9


def pairs_of(side, n_differences=(1, 2, 3)):
    """Pairs across a dichotomy of the cube that differ in so many variables."""
    pairs = product(np.flatnonzero(side > 0), np.flatnonzero(side < 0))
    return np.array([p for p in pairs if np.sum(LEVELS[p[0]] != LEVELS[p[1]]) in n_differences])


def embedded(axes, n_neurons, rng):
    """The same arrangement on random orthonormal directions among neurons."""
    basis, _ = np.linalg.qr(rng.standard_normal((n_neurons, axes.shape[1])))
    return axes @ basis.T


def unstructured(n_neurons, distance, rng):
    """Isotropic Gaussian centroids with that distance on average."""
    return rng.standard_normal((8, n_neurons)) * distance / np.sqrt(2 * n_neurons)


# --- accuracy and shattering --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d_prime", "shattering", "kinds"),
    [
        (2, 0.6918, {0.8413: 3, 0.7782: 4, 0.7107: 12, 0.6707: 12, 0.5: 4}),
        (4, 0.7545, {0.9772: 3, 0.9069: 4, 0.7488: 12, 0.7386: 12, 0.5: 4}),
    ],
)
def test_35_dichotomies_of_a_cube(d_prime, shattering, kinds):
    means = geometries.cube(LEVELS, d_prime)
    scores = np.sort(expected.accuracy(means, SIDES))
    printed = np.sort(np.repeat(list(kinds), list(kinds.values())))
    np.testing.assert_allclose(scores, printed, rtol=0, atol=ROUNDING)
    assert expected.shattering(means, SIDES) == pytest.approx(shattering, abs=ROUNDING)


def linear_separators(points, sides):
    """For each side whether a plane has all conditions on the right side, by linear programming."""
    from scipy.optimize import linprog

    augmented = np.hstack([points, np.ones((len(points), 1))])
    solutions = (
        linprog(np.zeros(4), A_ub=-side[:, None] * augmented, b_ub=-np.ones(8), bounds=(None, None))
        for side in sides
    )
    return np.array([solution.status == 0 for solution in solutions])


def most_on_the_right_side(separable, colourings, sides):
    """Share of conditions that the best plane gets right: the nearest separable colouring."""
    return np.max(sides @ colourings[separable].T, axis=1) / 16 + 0.5


def test_planes_through_a_cube_without_noise():
    colourings = np.array(list(product([-1, 1], repeat=8)))
    separable = linear_separators(LEVELS, colourings)
    assert separable.sum() == 104
    best = most_on_the_right_side(separable, colourings, SIDES)
    assert np.sum(best == 1) == 7
    assert best.mean() == pytest.approx(0.885714285714, abs=1e-12)
    names = {tuple(s * s[0]) for s in (*LEVELS.T, MAJORITY)}
    assert names <= {tuple(s * s[0]) for s in SIDES[best == 1]}


def test_simplex_is_the_same_for_every_dichotomy():
    means = geometries.simplex(LEVELS, 2.0)
    assert np.linalg.norm(means[0] - means[1]) == pytest.approx(4)
    np.testing.assert_allclose(expected.accuracy(means, SIDES), ndtr(1), atol=1e-12)
    for side in SIDES:
        pairs = pairs_of(side)
        np.testing.assert_allclose(expected.ccgp(means, side, pairs), 0.5, atol=1e-12)
        best = parallelism.best_pairing(means, side)
        np.testing.assert_allclose(parallelism.naive(means, best), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("n_neurons", "n_trials", "simulated"),
    [(100, 5, 0.697), (100, 20, 0.781), (100, 100, 0.826), (400, 5, 0.617)],
)
def test_simplex_with_few_trials(n_neurons, n_trials, simulated):
    means = embedded(geometries.simplex(LEVELS, 2.0), n_neurons, np.random.default_rng(0))
    predicted = expected.shattering(means, SIDES, n_trials=n_trials)
    # The simulations were printed with three digits and errors up to 0.002.
    assert predicted == pytest.approx(simulated, abs=0.0025)


# --- CCGP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("readout", ["nearest_mean", "lda"])
@pytest.mark.parametrize("geometry", ["cube", "cube_nonlinear", "planes", "simplex"])
def test_mean_over_all_dichotomies_is_one_half(geometry, readout):
    means = getattr(geometries, geometry)(LEVELS, 2.0)
    scores = [expected.ccgp(means, side, pairs_of(side), readout=readout) for side in SIDES]
    assert np.mean(scores) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("d_prime", "kinds"),
    [
        (2, {0.7332: 3, 0.6237: 4, 0.5562: 12, 0.4704: 12, 0.1187: 3, 0.1294: 1}),
        (4, {0.8745: 3, 0.6365: 4, 0.5371: 12, 0.4859: 12, 0.0125: 3, 0.0171: 1}),
    ],
)
def test_any_pair_held_out_of_a_cube(d_prime, kinds):
    means = geometries.cube(LEVELS, d_prime)
    scores = np.sort([expected.ccgp(means, side, pairs_of(side)) for side in SIDES])
    printed = np.sort(np.repeat(list(kinds), list(kinds.values())))
    np.testing.assert_allclose(scores, printed, rtol=0, atol=ROUNDING)
    named = [0.7332, 0.6237, 0.1187, 0.1294] if d_prime == 2 else [0.8745, 0.6365, 0.0125, 0.0171]
    for side, value in zip((MAIN, MAJORITY, EXCLUSIVE_OR, PARITY), named, strict=True):
        score = expected.ccgp(means, side, pairs_of(side))
        assert score == pytest.approx(value, abs=ROUNDING)


@pytest.mark.parametrize(("d_prime", "value"), [(2, 0.7799), (4, 0.9614)])
def test_any_pair_held_out_of_a_cube_with_lda(d_prime, value):
    means = geometries.cube(LEVELS, d_prime)
    score = expected.ccgp(means, MAIN, pairs_of(MAIN), readout="lda")
    assert score == pytest.approx(value, abs=ROUNDING)


@pytest.mark.parametrize("readout", ["nearest_mean", "lda"])
@pytest.mark.parametrize("d_prime", [2, 4])
def test_matched_pairs_of_a_cube_are_read_like_trained_ones(d_prime, readout):
    means = geometries.cube(LEVELS, d_prime)
    score = expected.ccgp(means, MAIN, pairs_of(MAIN, (1,)), readout=readout)
    assert score == pytest.approx(ndtr(d_prime / 2), abs=1e-12)


@pytest.mark.parametrize("d_prime", [2, 4])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_ccgp_by_the_number_of_other_variables_that_differ(d_prime, other):
    means = geometries.cube(LEVELS, d_prime)
    score = expected.ccgp(means, MAIN, pairs_of(MAIN, (1 + other,)))
    exact = ndtr(d_prime * (0.5 - other / 6) / np.sqrt(1 + other / 9))
    assert score == pytest.approx(exact, abs=1e-12)
    printed = {2: (0.8413, 0.7365, 0.6185), 4: (0.9772, 0.8970, 0.7268)}
    assert score == pytest.approx(printed[d_prime][other], abs=ROUNDING)


@pytest.mark.parametrize(
    ("readout", "values"),
    [("nearest_mean", (0.9084, 0.7014, 0.3798)), ("lda", (0.9191, 0.7902, 0.5083))],
)
def test_weakest_variable_of_a_cuboid_is_below_chance(readout, values):
    means = geometries.cube(LEVELS, (3, 2, 1))
    for side, value, d_prime in zip(LEVELS.T, values, (3, 2, 1), strict=True):
        score = expected.ccgp(means, side, pairs_of(side), readout=readout)
        assert score == pytest.approx(value, abs=ROUNDING)
        matched = expected.ccgp(means, side, pairs_of(side, (1,)), readout=readout)
        assert matched == pytest.approx(ndtr(d_prime / 2), abs=1e-12)
        assert parallelism.naive(means, pairs_of(side, (1,))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n_neurons", "n_trials", "value"),
    [(50, 5, 0.7219), (50, 40, 0.8169), (200, 5, 0.6378), (200, 40, 0.7685), (200, 200, 0.8224)],
)
def test_matched_pairs_of_a_cube_with_few_trials(n_neurons, n_trials, value):
    """Values from 4000 simulated recordings each, standard errors below 0.0004.

    The form that keeps only the noise in the direction, Phi(2 / sqrt(4 + 2 N / 3 n)), is up to
    0.009 above them; so are the values .730, .819, .641 and .770 that it gives.
    """
    means = embedded(geometries.cube(LEVELS, 2.0), n_neurons, np.random.default_rng(0))
    predicted = expected.ccgp(means, MAIN, pairs_of(MAIN, (1,)), n_trials=n_trials)
    assert predicted == pytest.approx(value, abs=0.002)
    short = ndtr(2 / np.sqrt(4 + 2 * n_neurons / (3 * n_trials)))
    assert value < short < value + 0.009


def test_unstructured_centroids_generalise_at_chance_with_a_known_spread():
    rng = np.random.default_rng(0)
    pairs = pairs_of(MAIN)
    scores = np.array(
        [expected.ccgp(unstructured(100, 4.0, rng), MAIN, pairs) for _ in range(2000)]
    )
    standard_error = scores.std() / np.sqrt(2000)
    assert abs(scores.mean() - 0.5) < 4 * standard_error
    # The spread 0.050 was printed with three decimals; its error here is sd / sqrt(2 n).
    assert abs(scores.std() - 0.050) < 0.0005 + 4 * scores.std() / np.sqrt(4000)


def test_exclusive_or_alone_generalises_to_the_opposite():
    levels = geometries.crossed_levels(2)
    means, main, product_of_two = geometries.exclusive_or(levels, 2.0), levels[:, 0], levels.prod(1)
    matched, every = [[2, 0], [3, 1]], list(product([2, 3], [0, 1]))
    assert expected.ccgp(means, main, matched) == pytest.approx(1 - ndtr(1), abs=1e-12)
    assert expected.ccgp(means, main, every) == pytest.approx(0.3293, abs=ROUNDING)
    across = list(product([0, 3], [1, 2]))
    assert expected.ccgp(means, product_of_two, across) == pytest.approx(ndtr(1), abs=1e-12)


# --- parallelism --------------------------------------------------------------------------------


def test_best_pairings_of_a_cube():
    def best(side):
        return parallelism.naive(LEVELS, parallelism.best_pairing(LEVELS, side))

    named = [best(side) for side in (MAIN, MAJORITY, EXCLUSIVE_OR, PARITY)]
    np.testing.assert_allclose(named, [1, 1 / 3, -0.3047, -0.2738], rtol=0, atol=ROUNDING)
    values, count = np.unique(np.round([best(side) for side in SIDES], 4), return_counts=True)
    found = dict(zip(values.tolist(), count.tolist(), strict=True))
    assert found == {-0.3047: 3, -0.2738: 1, 0.0: 12, 0.3333: 16, 1.0: 3}


def test_unstructured_centroids_have_a_best_pairing_above_zero():
    rng = np.random.default_rng(0)
    for n_neurons, mean, upper in [(10, 0.105, 0.385), (50, 0.044, 0.149), (100, 0.028, 0.097)]:
        means = rng.standard_normal((4000, 8, n_neurons))
        score = parallelism.naive(means, parallelism.best_pairing(means, MAIN))
        assert abs(score.mean() - mean) < 0.001 + 4 * score.std() / np.sqrt(4000)
        # Share above the printed quantile, with its own sampling error doubled.
        assert abs(np.mean(score > upper) - 0.05) < 8 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(
    ("n_neurons", "n_trials", "printed"),
    [(50, 10, 0.283), (100, 10, 0.168), (100, 50, 0.503), (300, 10, 0.063)],
)
def test_naive_parallelism_of_a_cube_is_too_small_and_the_correction_mends_it(
    n_neurons, n_trials, printed
):
    """A cube with d' = 2; means and their standard errors drawn as trials would give them."""
    rng, n_recordings = np.random.default_rng(n_neurons), 600
    means = embedded(geometries.cube(LEVELS, 2.0), n_neurons, rng)
    seen = means + rng.standard_normal((n_recordings, 8, n_neurons)) / np.sqrt(n_trials)
    freedom = n_trials - 1
    error = rng.chisquare(freedom, seen.shape) / freedom / n_trials
    pairs = pairs_of(MAIN, (1,))
    naive = parallelism.naive(seen, pairs)
    attenuated = 4 / (4 + 2 * n_neurons / n_trials)
    assert abs(naive.mean() - attenuated) < 0.01
    assert abs(naive.mean() - printed) < 0.0105
    corrected = parallelism.parallelism(seen, error, pairs)
    if n_trials == 50:
        # A ratio of means is biased by its own squared spread.
        bias = corrected.var()
        assert abs(corrected.mean() - 1) < 4 * corrected.std() / np.sqrt(n_recordings) + bias
        assert corrected.std() == pytest.approx(0.079, abs=0.012)
    reliability = np.median(parallelism.reliability(seen, error, pairs))
    assert reliability == pytest.approx(attenuated, abs=0.02)


def test_vectors_that_share_a_condition_are_parallel_in_pure_noise_and_so_refused():
    seen = np.random.default_rng(0).standard_normal((500, 3, 100))
    first, second = seen[:, 0] - seen[:, 1], seen[:, 0] - seen[:, 2]
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = np.sum(first * second, axis=1) / lengths
    assert abs(cosine.mean() - 0.5) < 4 * cosine.std() / np.sqrt(500) + 1 / 100
    with pytest.raises(ValueError, match="share a condition"):
        parallelism.naive(seen, [[0, 1], [0, 2]])


def test_cosine_of_one_half():
    """Two coding vectors of 2 noise sd at 60 degrees, 100 neurons, 40 trials."""
    rng, n_recordings = np.random.default_rng(0), 2000
    means = np.zeros((4, 100))
    means[0, 0], means[2, :2] = 2, (1, np.sqrt(3))
    seen = means + rng.standard_normal((n_recordings, 4, 100)) / np.sqrt(40)
    error = rng.chisquare(39, seen.shape) / 39 / 40
    pairs = [[0, 1], [2, 3]]
    naive = parallelism.naive(seen, pairs)
    assert naive.mean() == pytest.approx(0.222, abs=0.02)
    corrected = parallelism.parallelism(seen, error, pairs)
    median_error = 1.25 * corrected.std() / np.sqrt(n_recordings)
    assert abs(np.median(corrected) - 0.52) < 0.02 + 4 * median_error


# --- all together -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nonlinear", "ccgp", "shattering", "score", "ratio"),
    [(1, 0.6774, 0.7527, 0.4286, 4.923), (2, 0.5, 0.8413, 0, 7)],
)
def test_cube_with_interactions(nonlinear, ccgp, shattering, score, ratio):
    means = np.hstack([LEVELS, INTERACTIONS * nonlinear / 2])
    if nonlinear == 1:
        gram = geometries.cube_nonlinear(LEVELS, 2.0)
        np.testing.assert_allclose(means @ means.T, gram @ gram.T, atol=1e-12)
    matched = pairs_of(MAIN, (1,))
    assert expected.ccgp(means, MAIN, pairs_of(MAIN)) == pytest.approx(ccgp, abs=ROUNDING)
    assert expected.shattering(means, SIDES) == pytest.approx(shattering, abs=ROUNDING)
    assert parallelism.naive(means, matched) == pytest.approx(score, abs=ROUNDING)
    corrected = parallelism.parallelism(means, np.zeros_like(means), matched)
    assert corrected == pytest.approx(score, abs=ROUNDING)
    assert participation_ratio.naive(means) == pytest.approx(ratio, abs=0.0005)


@pytest.mark.parametrize("seed", range(3))
def test_neuron_order_and_rotation_change_no_formula(seed):
    rng = np.random.default_rng(seed)
    means, side = unstructured(20, 4.0, rng), SIDES[int(rng.integers(35))]
    shuffled = means[:, rng.permutation(20)]
    turned = means @ ortho_group.rvs(20, random_state=seed)

    def scores(x):
        pairs = parallelism.best_pairing(x, side)
        return [
            expected.shattering(x, SIDES),
            expected.ccgp(x, side, pairs_of(side)),
            expected.ccgp(x, side, pairs_of(side), n_trials=7),
            parallelism.naive(x, pairs),
            parallelism.parallelism(x, np.full_like(x, 0.01), pairs),
            participation_ratio.naive(x),
        ]

    for same in (shuffled, turned):
        np.testing.assert_allclose(scores(same), scores(means), atol=1e-10)
