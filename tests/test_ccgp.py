"""CCGP against closed forms, an exact sum rule, and loops over scikit-learn."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_population import crossed, embedded, recording, unstructured
from scipy.special import ndtr
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC

import neurogeom as ng
from neurogeom.design import balanced_dichotomies, conditions
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.population import population
from neurogeom.engine.problems import Problems, held_out_pairs
from neurogeom.engine.readouts import SVM, NearestMean
from neurogeom.engine.resampling import resamples
from neurogeom.formulas import expected

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
PLAIN = {"n_null": 0, "target": "none"}
NEAREST = {**PLAIN, "readout": "nearest_mean", "scale": "none"}
UNEQUAL = [5, 6, 7, 8, 5, 6, 9, 8]


# --- truth: 2000 trials a condition of populations with known scores ----------------------------

CUBE_ANY = {  # main variables, exclusive or, parity, with any pair held out
    2.0: (0.7332, 0.7332, 0.7332, 0.1187, 0.1294),
    4.0: (0.8745, 0.8745, 0.8745, 0.0125, 0.0171),
}


def cube(d_prime, n_trials, n_neurons=10):
    return recording(embedded(SIGN * np.asarray(d_prime) / 2, n_neurons), n_trials, seed=1)


def error(truth, n_tests):
    """Standard error of an accuracy from independent test trials; training adds less than that."""
    return np.sqrt(np.asarray(truth) * (1 - np.asarray(truth)) / n_tests)


@pytest.mark.parametrize("d_prime", [2.0, 4.0])
def test_any_pair_held_out_of_a_cube(d_prime):
    """16 000 trials are tested in four splits each."""
    found = ng.ccgp(
        cube(d_prime, 2000), NAMES, contrasts=["a:b", "a:b:c"], held_out="any", **NEAREST
    )
    means = embedded(SIGN * d_prime / 2, 10)
    for name, printed in zip(["a", "b", "c", "a:b", "a:b:c"], CUBE_ANY[d_prime], strict=True):
        side = SIGN[:, ["abc".index(v) for v in name.split(":")]].prod(axis=1)
        pairs = [(a, b) for a in np.flatnonzero(side > 0) for b in np.flatnonzero(side < 0)]
        # Coding directions of products are short, so that noise in the means of ten neurons turns
        # them a little: the formula for finite trials says how far.
        truth = expected.ccgp(means, side, pairs, n_trials=2000)
        assert truth == pytest.approx(printed, abs=0.003)
        ours = found.estimate.sel(variable=name).item()
        assert ours == pytest.approx(truth, abs=4 * error(truth, 16_000))


@pytest.mark.parametrize("d_prime", [2.0, 4.0])
@pytest.mark.parametrize("readout", ["nearest_mean", "svm"])
def test_matched_pairs_of_a_cube_are_read_like_trained_ones(d_prime, readout):
    found = ng.ccgp(cube(d_prime, 2000), NAMES, **{**NEAREST, "readout": readout})
    truth = {2.0: 0.8413, 4.0: 0.9772}[d_prime]
    np.testing.assert_allclose(found.estimate, truth, atol=4 * error(truth, 16_000) + 0.5e-4)


def test_splits_are_scored_by_how_many_other_variables_differ():
    """h others differ: Phi(d'(1/2 - h/6) / sqrt(1 + h/9)) = 0.8413, 0.7365, 0.6185 for d' = 2."""
    found = ng.ccgp(cube(2.0, 2000), NAMES, held_out="any", **NEAREST)
    mine = found.split_accuracy[found.split_variable.values == "a"].values
    differ = np.array([(SIGN[a] != SIGN[b]).sum() - 1 for a in range(4, 8) for b in range(4)])
    for h, truth, count in ((0, 0.8413, 4), (1, 0.7365, 8), (2, 0.6185, 4)):
        assert (differ == h).sum() == count
        assert mine[differ == h].mean() == pytest.approx(truth, abs=4 * error(truth, 4000 * 2))


def test_the_weakest_variable_of_a_cuboid_is_below_chance_with_any_pair_and_not_with_matched():
    x = cube((3.0, 2.0, 1.0), 2000)
    every, matched = (ng.ccgp(x, NAMES, held_out=h, **NEAREST).estimate for h in ("any", "matched"))
    np.testing.assert_allclose(every, [0.9084, 0.7014, 0.3798], atol=4 * error(0.5, 16_000))
    np.testing.assert_allclose(matched, ndtr([1.5, 1.0, 0.5]), atol=4 * error(0.5, 16_000))


@pytest.mark.parametrize(("d_prime", "truth"), [(2.0, 0.7799), (4.0, 0.9614)])
def test_a_discriminant_carries_over_to_any_pair_of_a_cube_better_than_the_nearest_mean(
    d_prime, truth
):
    found = ng.ccgp(cube(d_prime, 2000), NAMES, held_out="any", **{**NEAREST, "readout": "lda"})
    np.testing.assert_allclose(found.estimate, truth, atol=4 * error(truth, 16_000) + 0.5e-4)


def test_a_cube_with_interactions_generalises_less():
    """Three linear axes of 2 noise sd and four interactions of 1: 0.6774 with any pair."""
    mixed = [SIGN[:, g].prod(axis=1) for g in ([0, 1], [0, 2], [1, 2], [0, 1, 2])]
    axes = np.column_stack([SIGN, *(m / 2 for m in mixed)])
    x = recording(embedded(axes, 10), 2000, seed=1)
    found = ng.ccgp(x, NAMES, held_out="any", **NEAREST).estimate
    np.testing.assert_allclose(found, 0.6774, atol=4 * error(0.6774, 16_000) + 0.5e-4)
    shattered = ng.shattering(x, NAMES, n_resamples=4, **NEAREST)
    assert shattered.estimate == pytest.approx(0.7527, abs=4 * error(0.5, 16_000))


def test_an_exclusive_or_code_generalises_to_the_opposite_and_its_product_generalises():
    """0.1587 matched, 0.3293 any; the product itself is read at 0.8413."""
    two = 2 * crossed(2, 2) - 1
    x = recording(embedded(two[:, :1] * two[:, 1:], 10), 2000, seed=1)
    tolerance = 4 * error(0.5, 8000)
    matched = ng.ccgp(x, ["a", "b"], contrasts=["a:b"], **NEAREST).estimate
    np.testing.assert_allclose(matched, [0.1587, 0.1587, 0.8413], atol=tolerance)
    every = ng.ccgp(x, ["a", "b"], held_out="any", **NEAREST).estimate
    np.testing.assert_allclose(every, [0.3293, 0.3293], atol=tolerance)


@pytest.mark.parametrize("held_out", ["matched", "any"])
def test_a_simplex_generalises_at_chance(held_out):
    """The fitted direction is noise for the pair that is held out: an error of its own."""
    axes = embedded(np.eye(8) * 4 / np.sqrt(2), 10)
    recordings = (recording(axes, 300, seed=s) for s in range(8))
    found = [
        ng.ccgp(x, NAMES, held_out=held_out, **NEAREST).estimate.mean().item() for x in recordings
    ]
    assert abs(np.mean(found) - 0.5) < 4 * np.std(found, ddof=1) / np.sqrt(8) < 0.03


# --- the sum rule -------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    n_neurons=st.integers(1, 12),
    which=st.sampled_from([SVM(), NearestMean()]),
)
@settings(max_examples=12)
def test_the_mean_over_all_dichotomies_and_pairs_is_one_half_for_any_data(seed, n_neurons, which):
    x = recording(unstructured(8, n_neurons, seed), 3, seed=seed)
    design = conditions([x], NAMES)
    _, sides, _ = balanced_dichotomies(design, max_dichotomies=1000, seed=0)
    parts = [
        held_out_pairs(s, [(a, b) for a in np.flatnonzero(s > 0) for b in np.flatnonzero(s < 0)])
        for s in sides
    ]
    p = population([x], design, min_trials=2)
    draws = Draws(p, resamples(p, n_resamples=1, n_pseudo=None, seed=0, split=False))
    problems = Problems.joined(parts)
    group = np.repeat(np.arange(35), 16)
    e = Experiment(draws, problems, group, which)
    assert e.average(e.observe())[0].mean() == pytest.approx(0.5, abs=1e-9)


def test_a_readout_without_direction_guesses():
    """One condition alone is active: what is fitted or tested is silent, ties are half right."""
    active = np.zeros((8, 3))
    active[0] = 1.0
    found = ng.ccgp(recording(active, 5, seed=0, noise=0.0), NAMES, **NEAREST)
    np.testing.assert_array_equal(found.split_accuracy, 0.5)


# --- a second opinion ---------------------------------------------------------------------------

CLASSIFIERS = {
    "nearest_mean": NearestCentroid(),
    "svm": LinearSVC(dual=False, tol=1e-10, max_iter=20_000),
}


@pytest.mark.parametrize("held_out", ["matched", "any"])
@pytest.mark.parametrize("scale", ["resample", "split", "none"])
@pytest.mark.parametrize("which", CLASSIFIERS)
def test_every_split_agrees_with_loops_over_scikit_learn(which, scale, held_out):
    """Trials are equal for nearest centroids, which take no weights, and unequal for the other."""
    counts = 6 if which == "nearest_mean" else UNEQUAL
    x = recording(unstructured(8, 12, 0, 0.7), counts, seed=0)
    found = ng.ccgp(x, NAMES, held_out=held_out, readout=which, scale=scale, **PLAIN)
    for i, name in enumerate(NAMES):
        pairs = naive.pairs_of(SIGN, SIGN[:, i], held_out)
        theirs = naive.ccgp(CLASSIFIERS[which], x, NAMES, SIGN[:, i], pairs, scale)
        ours = found.split_accuracy[found.split_variable.values == name]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
        assert found.estimate[i] == pytest.approx(theirs.mean(), abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 3), (4, 3)])
@pytest.mark.parametrize("held_out", ["matched", "any", "across"])
def test_more_levels_are_all_pairs_of_levels(sizes, held_out):
    """6, 9 and 12 conditions; whole levels of b are held out with "across"."""
    x = recording(unstructured(np.prod(sizes), 12, 0, 0.7), 6, seed=0, sizes=sizes)
    across = {"across": "b"} if held_out == "across" else {}
    found = ng.ccgp(x, ["a", "b"], held_out=held_out, **across, **NEAREST)
    levels, theirs = crossed(*sizes), []
    for high in range(sizes[0]):
        for low in range(high):
            side = (levels[:, 0] == high) * 1 - (levels[:, 0] == low) * 1
            if held_out == "across":
                held = [
                    set(np.flatnonzero((levels[:, 1] == v) & (side != 0))) for v in range(sizes[1])
                ]
            else:
                held = naive.pairs_of(levels, side, held_out)
            theirs.append(naive.ccgp(NearestCentroid(), x, ["a", "b"], side, held, "none").mean())
    assert found.estimate[0] == pytest.approx(np.mean(theirs), abs=1e-12)


def test_scaling_once_a_resample_is_near_scaling_every_split():
    """What the reference is for: the two differ by little, and are not the same."""
    differences = []
    for seed in range(8):
        x = recording(unstructured(8, 20, seed, 0.6), 8, seed=seed)
        one, other = (
            ng.ccgp(x, NAMES, scale=s, readout="nearest_mean", **PLAIN)
            for s in ("resample", "split")
        )
        differences.append((one.estimate - other.estimate).values)
    assert 0 < np.abs(differences).max() < 0.1
    assert abs(np.mean(differences)) < 4 * np.std(differences, ddof=1) / np.sqrt(24)


def test_the_names_of_a_split_are_the_conditions_that_it_holds_out():
    x = recording(unstructured(4, 12, 0), 6, seed=0)
    found = ng.ccgp(x, ["a", "b"], **NEAREST)
    assert found.held_out_a.values.tolist() == ["a=1, b=0", "a=1, b=1", "a=0, b=1", "a=1, b=1"]
    assert found.held_out_b.values.tolist() == ["a=0, b=0", "a=0, b=1", "a=0, b=0", "a=1, b=0"]
    assert found.contexts.values.tolist() == ["b", "a"]
