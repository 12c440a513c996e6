"""Geometries whose scores are known, once through the public measures: 2,000 trials a condition.

The formulas are held to 1e-4 in test_ground_truth.py. A trial is tested in one split or in several,
so the error of an accuracy is at most that of as many independent trials as there are; what 2,000
trials leave of noise in the training means of ten neurons is below ``LEFT``.
"""

from functools import cache

import numpy as np
import pytest
from made_population import crossed, embedded, recording, unstructured
from scipy.special import ndtr
from test_ground_truth import (
    EXCLUSIVE_OR,
    INTERACTIONS,
    LEVELS,
    MAIN,
    MAJORITY,
    PARITY,
    SIDES,
    pairs_of,
)

import neurogeom as ng
from neurogeom.formulas import expected, geometries

NAMES, N_TRIALS, LEFT = ["a", "b", "c"], 2000, 0.002
PLAIN = {"n_null": 0, "target": "none", "scale": "none"}
NEAREST = {**PLAIN, "readout": "nearest_mean"}


def with_sides(x, sides, levels=LEVELS):
    """The recording with a column for every dichotomy {name: side}."""
    names = NAMES[: levels.shape[1]]
    number = sum(2 ** (len(names) - 1 - i) * x[n].values for i, n in enumerate(names))
    return x.assign_coords({k: ("trial", side[number]) for k, side in sides.items()})


@cache
def world(name, separation, n_trials=N_TRIALS, seed=0):
    """Centroids of formulas.geometries on random axes among ten neurons."""
    levels = geometries.crossed_levels(2 if name == "exclusive_or" else 3)
    means = embedded(getattr(geometries, name)(levels, separation), 10, seed)
    return recording(means, n_trials, seed=seed)


def close(found, truth, n_tested=8 * N_TRIALS):
    """Within four standard errors of a share of so many trials."""
    found, truth = np.broadcast_arrays(np.asarray(found, float), np.asarray(truth, float))
    error = np.sqrt(truth * (1 - truth) / n_tested)
    np.testing.assert_array_less(np.abs(found - truth), 4 * error + LEFT)


# --- rows 1 to 9 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d_prime", "named"),
    [(2.0, [0.7332, 0.6237, 0.1187, 0.1294]), (4.0, [0.8745, 0.6365, 0.0125, 0.0171])],
)
def test_rows_1_to_3_any_pair_held_out_of_all_dichotomies_of_a_cube(d_prime, named):
    names = [f"d{i}" for i in range(35)]
    x = with_sides(world("cube", d_prime), dict(zip(names, SIDES, strict=True)))
    result = ng.ccgp(x, NAMES, contrasts=names, held_out="any", n_resamples=1, **NEAREST)
    found = result.estimate.sel(variable=names).values
    assert abs(found.mean() - 0.5) < 1e-9
    means = geometries.cube(LEVELS, d_prime)
    close(found, [expected.ccgp(means, side, pairs_of(side)) for side in SIDES])
    for side, value in zip((MAIN, MAJORITY, EXCLUSIVE_OR, PARITY), named, strict=True):
        close(found[np.flatnonzero(np.abs(SIDES @ side) == 8)], value)


@pytest.mark.parametrize(("d_prime", "any_pair"), [(2.0, 0.7799), (4.0, 0.9614)])
def test_rows_4_and_5_lda_and_matched_pairs_of_a_cube(d_prime, any_pair):
    x, lda = world("cube", d_prime), {**PLAIN, "readout": "lda", "n_resamples": 1}
    close(ng.ccgp(x, NAMES, held_out="any", **lda).estimate, any_pair)
    for options in (lda, {**NEAREST, "n_resamples": 1}):
        close(ng.ccgp(x, NAMES, **options).estimate, ndtr(d_prime / 2))


def test_row_6_by_the_number_of_other_variables_that_differ():
    result = ng.ccgp(world("cube", 2.0), ["a", "b", "c"], held_out="any", n_resamples=1, **NEAREST)
    conditions = [
        [set(str(n).split(", ")) for n in result[f"held_out_{k}"].values] for k in ("a", "b")
    ]
    differ = np.array([len(one - other) for one, other in zip(*conditions, strict=True)])
    for h, truth in enumerate([0.8413, 0.7365, 0.6185]):
        mine = result.split_accuracy.values[differ == 1 + h]
        assert len(mine) == 3 * 4 * (1, 2, 1)[h]
        close(mine.mean(), truth)


@pytest.mark.parametrize(("d_prime", "truth"), [(2.0, 0.6918), (4.0, 0.7545)])
def test_row_7_shattering_of_a_cube(d_prime, truth):
    close(ng.shattering(world("cube", d_prime), NAMES, n_resamples=4, **NEAREST).estimate, truth)


def test_row_8_planes_separate_seven_dichotomies_of_a_cube():
    result = ng.shattering(world("cube", 60.0, 8), NAMES, n_resamples=4, **PLAIN)
    assert (result.accuracy == 1).sum() == 7
    assert (result.accuracy.sel(dichotomy=NAMES) == 1).all()


@pytest.mark.parametrize(
    ("readout", "truth"),
    [("nearest_mean", [0.9084, 0.7014, 0.3798]), ("lda", [0.9191, 0.7902, 0.5083])],
)
def test_row_9_any_pair_held_out_of_a_cuboid(readout, truth):
    x = recording(embedded(geometries.cube(LEVELS, (3, 2, 1)), 10), N_TRIALS)
    options = {**PLAIN, "readout": readout, "held_out": "any", "n_resamples": 1}
    close(ng.ccgp(x, NAMES, **options).estimate, truth)


# --- rows 12 to 19 -------------------------------------------------------------------------------


def test_row_12_a_simplex():
    x = world("simplex", 2.0)
    close(ng.shattering(x, NAMES, n_resamples=4, **NEAREST).estimate, ndtr(1))
    close(ng.ccgp(x, NAMES, n_resamples=1, **NEAREST).estimate, 0.5)
    score = ng.parallelism(x, NAMES, **PLAIN).estimate
    # v.w of two vectors of squared length 4: each of 10 neurons adds noise of 2 / n to a vector
    assert np.abs(score).max() < 4 * np.sqrt(2 * 4 * 2 / N_TRIALS) / 4


def test_row_14_unstructured_centroids_generalise_at_chance_with_a_known_spread():
    """The spread of the estimates is that of geometries, and a little of the trials."""
    found = np.concatenate(
        [
            ng.ccgp(
                recording(unstructured(8, 100, i, 4 / np.sqrt(200)), 200, seed=i),
                NAMES,
                held_out="any",
                n_resamples=1,
                **NEAREST,
            ).estimate.values
            for i in range(60)
        ]
    )
    assert abs(found.mean() - 0.5) < 4 * 0.05 / np.sqrt(len(found))
    assert abs(found.std() - 0.050) < 4 * 0.05 / np.sqrt(2 * len(found)) + LEFT


def test_row_15_the_best_pairing_of_unstructured_centroids_is_above_zero():
    found = np.array(
        [
            ng.parallelism(
                recording(unstructured(8, 100, i, 4.0), 30, seed=i), ["a", "b", "c"],
                pairing="max", **PLAIN,
            ).estimate.values
            for i in range(100)
        ]
    ).ravel()  # fmt: skip
    error = found.std() / np.sqrt(100)  # three variables of a recording count once
    assert abs(found.mean() - 0.028) < 4 * error
    assert abs(np.mean(found > 0.097) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 100)


def test_row_16_exclusive_or_alone():
    x, options = world("exclusive_or", 2.0), {**NEAREST, "n_resamples": 1}
    tested = 4 * N_TRIALS
    close(ng.ccgp(x, ["a", "b"], **options).estimate, 1 - ndtr(1), tested)
    every = ng.ccgp(x, ["a", "b"], contrasts=["a:b"], held_out="any", **options).estimate
    close(every.sel(variable=["a", "b"]), 0.3293, tested)
    close(every.sel(variable="a:b"), ndtr(1), tested)


def test_row_17_best_pairings_of_a_cube():
    x = with_sides(world("cube", 100.0, 20), {"majority": MAJORITY})
    contrasts = ["a:b", "a:b:c", "majority"]
    result = ng.parallelism(x, NAMES, contrasts=contrasts, pairing="max", **PLAIN)
    found = result.estimate.sel(variable=["a", "majority"])
    np.testing.assert_allclose(found, [1, 1 / 3], atol=4 * np.sqrt(2 / 20) / 100)


def test_row_19_a_cube_with_interactions():
    axes = np.hstack([LEVELS, INTERACTIONS / 2])
    x = recording(embedded(axes, 10), N_TRIALS)
    close(ng.ccgp(x, NAMES, held_out="any", n_resamples=1, **NEAREST).estimate, 0.6774)
    close(ng.shattering(x, NAMES, n_resamples=4, **NEAREST).estimate, 0.7527)
    # coding vectors of squared length 7 with noise 2 / n along any axis; four of them are averaged
    error = np.sqrt(2 * 7 * 2 / N_TRIALS) / 7 / np.sqrt(4)
    assert np.abs(ng.parallelism(x, NAMES, **PLAIN).estimate - 0.4286).max() < 4 * error


# --- rows 20 and 21 ------------------------------------------------------------------------------


def test_row_20_pure_noise_is_parallel_to_nothing():
    """Vectors of three levels share conditions: paired, they would be parallel by 1/2."""
    found = np.array(
        [
            ng.parallelism(
                recording(np.zeros((6, 30)), 20, seed=i, sizes=(3, 2)),
                ["a", "b"],
                **PLAIN | {"n_null": 1},
            ).statistic.values
            for i in range(60)
        ]
    )
    assert (np.abs(found.mean(axis=0)) < 4 * found.std(axis=0) / np.sqrt(60)).all()


def test_row_21_a_cosine_of_one_half():
    means = np.zeros((4, 100))
    means[2, 0], means[3, :2] = 2, (1, np.sqrt(3))  # levels of a differ; contexts are those of b
    results = [
        ng.parallelism(recording(means, 40, seed=i), ["a", "b"], **PLAIN).sel(variable="a")
        for i in range(150)
    ]
    naive, corrected = (np.array([float(r[k]) for r in results]) for k in ("naive", "estimate"))
    assert abs(naive.mean() - 0.222) < 4 * naive.std() / np.sqrt(150) + 0.0005
    assert abs(np.median(corrected) - 0.52) < 4 * 1.25 * corrected.std() / np.sqrt(150)


def test_two_levels_are_those_of_the_tests_above():
    """EXCLUSIVE_OR and the rest are sides in the order of conditions that recordings have."""
    np.testing.assert_array_equal(2 * crossed(2, 2, 2) - 1, LEVELS)
    np.testing.assert_array_equal(EXCLUSIVE_OR, LEVELS[:, 0] * LEVELS[:, 1])
