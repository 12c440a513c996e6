"""Weights on the axes between and within classes: known axes, and what turns with them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas.weight_planes import axes, projections

SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
XOR = SIGNS.prod(axis=1)


def nudged(separability, d=4):
    """b1 m1 + b2 m2 + eps b1 b2 m3 on the first three of d axes."""
    means = np.zeros((4, d))
    means[:, :2], means[:, 2] = SIGNS, separability * XOR
    return means


def test_the_axis_between_the_classes_of_a_separable_xor_is_their_product():
    found = axes(nudged(0.5), XOR)
    np.testing.assert_allclose(found.inter, [[0, 0, 1, 0]], atol=1e-12)
    assert found.intra.shape == (2, 4)
    np.testing.assert_allclose(found.intra[:, 2:], 0, atol=1e-12)


def test_an_xor_has_no_axis_between_its_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = projections(np.eye(4), nudged(0.0), XOR)
    assert found.inter.shape == (4, 0)
    np.testing.assert_allclose(found.inter_share, 0)
    np.testing.assert_allclose(found.intra_share, [1, 1, 0, 0], atol=1e-12)


def test_projections_are_inner_products_and_shares_are_of_the_squared_length():
    means = nudged(0.5)[:, :3] * [3, 1, 1]
    weights = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, -5.0], [0.0, 0.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = projections(weights, means, XOR)
    np.testing.assert_allclose(found.inter[:, 0], [2, -5, 0], atol=1e-12)
    np.testing.assert_allclose(found.intra, [[1, 2], [0, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.inter_share, [4 / 9, 1, np.nan])
    np.testing.assert_allclose(found.intra_share, [5 / 9, 0, np.nan], atol=1e-12)


def test_the_axis_points_from_the_class_that_sorts_first_to_the_other():
    means = nudged(0.5)
    np.testing.assert_allclose(axes(means, XOR).inter, -axes(means, -XOR).inter)
    named = np.where(XOR > 0, "no", "yes")  # "yes" sorts last
    np.testing.assert_allclose(axes(means, named).inter, axes(means, -XOR).inter)


def test_axes_within_classes_leave_out_those_between_them():
    """Of unequal means the deviations within a class lean towards the other class."""
    means = np.array([[1.0, 0.0], [3.0, 1.0], [-1.0, 0.0], [-3.0, 1.0]])
    found = axes(means, [1, 1, 0, 0])
    np.testing.assert_allclose(found.inter, [[1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.intra, [[0, 1]], atol=1e-12)


def test_three_classes_have_two_axes_of_which_the_first_holds_more():
    means = np.array([[0.0, 0.0, 1], [10.0, 0.0, 1], [5.0, 1.0, 1]])
    found = axes(means, [0, 1, 2])
    np.testing.assert_allclose(np.abs(found.inter), np.eye(3)[:2], atol=1e-12)
    assert found.intra.shape == (0, 3)


@settings(max_examples=30)
@given(st.integers(0, 500))
def test_turning_weights_and_means_together_changes_no_share_and_weights_alone_do(seed):
    rng = np.random.default_rng(seed)
    means, weights = rng.standard_normal((6, 5)), rng.standard_normal((2, 8, 5))
    classes = [0, 0, 0, 1, 1, 1]
    turn = ortho_group.rvs(5, random_state=seed)
    first = projections(weights, means, classes)
    both = projections(3 * weights @ turn, means @ turn + 1, classes)
    np.testing.assert_allclose(both.inter_share, first.inter_share, atol=1e-9)
    np.testing.assert_allclose(both.inter, 3 * first.inter, atol=1e-9)
    np.testing.assert_allclose(both.intra_share, first.intra_share, atol=1e-9)
    np.testing.assert_allclose(first.inter_share + first.intra_share, 1)  # they span the inputs
    alone = projections(weights @ turn, means, classes)
    assert np.abs(alone.inter_share - first.inter_share).max() > 1e-3


def test_random_weights_have_the_share_of_dimensions():
    weights = np.random.default_rng(0).standard_normal((4000, 10))
    found = projections(weights, nudged(0.5, d=10), XOR)
    assert found.inter_share.mean() == pytest.approx(0.1, abs=0.01)
    assert found.intra_share.mean() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: axes(np.ones((4, 2)), [1, 2]), r"means have shape \(4, 2\) and classes \(2,\)"),
        (lambda: axes(np.ones((4, 2)), [1] * 4), r"all conditions are of class \[1\]"),
        (
            lambda: projections(np.ones((3, 5)), nudged(1.0), XOR),
            r"weights have shape \(3, 5\) and the means 4 inputs",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
