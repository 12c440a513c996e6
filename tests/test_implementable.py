"""Implementable colourings: 104 of a cube, all of a simplex, and chance."""

from itertools import product

import numpy as np
import pytest
from made_population import crossed, embedded, recording

from neurogeom.formulas.colourings import separable
from neurogeom.measures.implementable import implementable

NAMES = ["a", "b", "c"]
SIGN = 2.0 * crossed(2, 2, 2) - 1
FAST = {"readout": "nearest_mean", "n_resamples": 4, "n_null": 99}


def every(n):
    return np.array(list(product([-1, 1], repeat=n)))


def value(found, quantity, which="estimate"):
    return float(found[which].sel(quantity=quantity))


def test_104_of_256_colourings_of_a_cube_are_separable_and_all_of_a_simplex():
    assert separable(SIGN, every(8)).sum() == 104
    assert separable(np.eye(8), every(8)).all()


def test_a_colouring_and_its_opposite_are_separable_alike_and_moving_the_cloud_is_nothing():
    rng = np.random.default_rng(0)
    means, sides = rng.standard_normal((6, 2)), every(6)
    found = separable(means, sides)
    np.testing.assert_array_equal(found, separable(means, -sides))
    np.testing.assert_array_equal(found, separable(3.0 * means + 5.0, sides))
    assert 0 < found.sum() < len(sides)


def test_colourings_in_the_plane_are_those_of_cover_1965():
    """n points in general position: 2 * sum of binomials (n - 1, k) for k up to the dimension."""
    from math import comb

    for n in (4, 6):
        means = np.random.default_rng(n).standard_normal((n, 2))
        assert separable(means, every(n)).sum() == 2 * sum(comb(n - 1, k) for k in range(3))


def test_without_noise_the_naive_number_is_that_of_the_geometry():
    x = recording(embedded(SIGN * 2, 20), 6, noise=1e-9)
    found = implementable(x, NAMES, threshold=0.99, **{**FAST, "readout": "svm", "scale": "none"})
    assert value(found, "log2_implementable", "naive") == pytest.approx(np.log2(104))
    assert value(found, "log2_implementable") == pytest.approx(np.log2(104))


def test_a_simplex_implements_all_and_noise_one_in_a_hundred():
    simplex = implementable(recording(embedded(np.eye(8) * 6, 40), 10), NAMES, **FAST)
    assert value(simplex, "implementable_fraction") == 1
    fractions = [
        value(implementable(recording(np.zeros((4, 12)), 8, seed=s), ["a", "b"], **FAST),
              "implementable_fraction") for s in range(12)
    ]  # fmt: skip
    chance = (2 + 0.01 * 14) / 16
    error = np.std(fractions, ddof=1) / np.sqrt(12)
    assert np.mean(fractions) < chance + 4 * max(error, 0.01)


def test_a_sample_of_colourings_stands_for_all():
    x = recording(embedded(SIGN * 1.5, 40), 10)
    whole = implementable(x, NAMES, threshold=0.75, **FAST)
    some = implementable(x, NAMES, threshold=0.75, max_colourings=80, **FAST)
    assert whole.sizes["colouring"] == 127
    assert some.sizes["colouring"] < 127
    n = some.sizes["colouring"]
    p = value(whole, "implementable_fraction")
    assert value(some, "implementable_fraction") == pytest.approx(
        p, abs=4 * np.sqrt(p * (1 - p) / n)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_null": 20}, "n_null=20 surrogates have no 99th percentile"),
        ({"threshold": 1.5}, "threshold=1.5 is no accuracy"),
        ({"max_colourings": 2}, "max_colourings=2 is too few"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        implementable(recording(SIGN, 6), NAMES, **{**FAST, **options})


def test_order_changes_no_bit_and_the_number_of_workers_neither():
    x = recording(embedded(SIGN, 10), 6)
    rng = np.random.default_rng(0)
    mixed = x.isel(trial=rng.permutation(48), neuron=rng.permutation(10))
    found = [implementable(d, NAMES, n_jobs=j, **FAST) for d, j in ((x, 1), (mixed, 1), (x, 2))]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].accuracy, other.accuracy)
        np.testing.assert_array_equal(found[0].implementable, other.implementable)
