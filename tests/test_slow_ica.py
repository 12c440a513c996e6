"""Linear independent components of increments: recovered where jumps are sparse, told where not."""

import warnings

import numpy as np
import pytest

from neurogeom.features import slow_ica
from neurogeom.formulas.match import mcc
from neurogeom.sequences import mixed_pairs


def pairs(law, seed, n=20_000, d=5):
    """Latents that move by independent laws, mixed by a random matrix."""
    rng = np.random.default_rng(seed)
    z0 = rng.standard_normal((n, d))
    jump = rng.laplace(size=(n, d)) if law == "laplace" else rng.standard_normal((n, d))
    mixing = rng.standard_normal((d, d))
    return z0, z0 @ mixing, (z0 + jump / 6) @ mixing


@pytest.mark.parametrize("seed", [0, 1])
def test_laplace_jumps_give_the_latents_back(seed):
    """B5, first half."""
    z0, x0, x1 = pairs("laplace", seed)
    found = slow_ica(x0, x1)
    assert mcc(z0, x0 @ found.unmixing.values.T).value >= 0.99
    assert found.attrs["notes"] == []
    np.testing.assert_allclose(found.increment_shape, 1.0, atol=0.1)


def test_gaussian_jumps_do_not_and_the_result_says_so():
    """B5, second half."""
    z0, x0, x1 = pairs("gaussian", 0)
    found = slow_ica(x0, x1)
    assert mcc(z0, x0 @ found.unmixing.values.T).value <= 0.9
    assert any("nearly Gaussian" in note for note in found.attrs["notes"])


def test_a_series_and_its_lag_are_the_pairs_of_its_moments():
    x = np.cumsum(np.random.default_rng(2).laplace(size=(2000, 3)), axis=0)
    own, given = slow_ica(x, lag=2), slow_ica(x[:-2], x[2:])
    np.testing.assert_array_equal(own.unmixing, given.unmixing)


def test_features_that_repeat_one_another_leave_as_many_components_as_there_are_dimensions():
    _, x0, x1 = pairs("laplace", 3, n=3000, d=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = slow_ica(np.column_stack([x0, x0[:, :1]]), np.column_stack([x1, x1[:, :1]]))
    assert found.sizes["component"] == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slow_ica(np.ones((5, 2)), np.ones((5, 2))), "no feature changes"),
        (lambda: slow_ica(np.ones((5, 2)), np.ones((4, 2))), "the same pairs twice"),
        (lambda: slow_ica(np.ones((2, 2)), lag=2), "no moments 2 apart"),
        (lambda: slow_ica(np.full((5, 2), np.nan), np.ones((5, 2))), "x0 is not all finite"),
    ],
)
def test_what_has_no_increments_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bytes_do_not_wrap_where_moments_are_subtracted():
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.laplace(size=(500, 2)), axis=0)
    x = np.rint(255 * (x - x.min(axis=0)) / np.ptp(x, axis=0))
    one, other = slow_ica(x.astype(np.uint8)), slow_ica(x)
    assert one.identical(other)


def test_components_do_not_hang_on_units_or_offsets():
    _, x0, x1 = pairs("laplace", 3, n=3000, d=3)
    units, offset = np.array([1e-8, 1.0, 1e12]), np.array([0.0, 1e6, 0.0])
    one, other = slow_ica(x0, x1), slow_ica(x0 * units + offset, x1 * units + offset)
    np.testing.assert_allclose(other.unmixing * units, one.unmixing, rtol=1e-4, atol=1e-4)


def test_a_constant_with_rounding_is_no_component():
    _, x0, x1 = pairs("laplace", 3, n=3000, d=2)
    noise = 1e5 * (1 + 1e-15 * np.random.default_rng(0).standard_normal((2, 3000, 1)))
    found = slow_ica(np.column_stack([x0, noise[0]]), np.column_stack([x1, noise[1]]))
    assert found.sizes["component"] == 2
    np.testing.assert_array_equal(found.unmixing[:, 2], 0)


def test_a_lag_of_pairs_is_refused():
    with pytest.raises(ValueError, match="lag=3 has no effect"):
        slow_ica(np.eye(3), np.eye(3)[::-1], lag=3)


def test_few_pairs_tell_no_exponent_and_are_not_called_gaussian():
    x0, x1 = np.random.default_rng(0).standard_normal((2, 5, 2))
    assert slow_ica(x0, x1).attrs["notes"] == [
        "2 of 2 components move in fewer than ten pairs, which tell no exponent"
    ]
    with pytest.raises(TypeError, match="x0 must be an array of real numbers"):
        slow_ica([[1, 2], [3]])


def test_no_start_ends_where_axes_are_turned_by_half_a_right_angle():
    own = mixed_pairs(2, 2000, n_layers=1)
    found = [slow_ica(own.x0, own.x1, seed=seed) for seed in range(100)]
    matched = [mcc(own.z0, own.x0 @ each.unmixing.values.T).value for each in found]
    assert min(matched) > 0.98
    assert all(each.attrs["converged"] for each in found)
