"""The region of three alignments: kernels lie in it, its edges are reached, and no further."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurogeom.formulas import cka
from neurogeom.formulas.alignment_region import gram_determinant, interval, partial


def populations(seed, n=7):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, d)) for d in rng.integers(1, 5, 3)]


def alignments(x, y, z):
    """c, i, o of inputs x, targets y and a representation z."""
    return cka.naive(x, y), cka.naive(z, x), cka.naive(z, y)


def mixed(x, y, weight):
    """A population whose kernel is a sum of those of x and y, each of length 1."""
    parts = []
    for p, w in ((x, weight), (y, 1 - weight)):
        centred = p - p.mean(axis=0)
        parts.append(np.sqrt(w / np.linalg.norm(centred @ centred.T)) * centred)
    return np.hstack(parts)


@settings(max_examples=50)
@given(st.integers(0, 2000))
def test_any_three_populations_lie_in_the_region(seed):
    c, i, o = alignments(*populations(seed))
    matrix = np.array([[1, c, i], [c, 1, o], [i, o, 1]])
    assert gram_determinant(c, i, o) == pytest.approx(np.linalg.det(matrix), abs=1e-12)
    assert gram_determinant(c, i, o) > -1e-12
    low, high = interval(c, i)
    assert low - 1e-12 <= o <= high + 1e-12


@settings(max_examples=25)
@given(st.integers(0, 500), st.floats(0.05, 0.95))
def test_a_representation_of_inputs_and_targets_alone_lies_on_the_upper_edge(seed, weight):
    x, y, other = populations(seed)
    c, i, o = alignments(x, y, mixed(x, y, weight))
    assert gram_determinant(c, i, o) == pytest.approx(0, abs=1e-9)
    assert o == pytest.approx(interval(c, i)[1], abs=1e-9)
    c, i, o = alignments(x, y, np.hstack([mixed(x, y, weight), other]))
    assert gram_determinant(c, i, o) > 0


def test_beyond_an_end_of_the_interval_the_determinant_is_negative():
    c, i = np.meshgrid([0.1, 0.5, 0.9], [0.2, 0.6, 0.95])
    ends = np.moveaxis(interval(c, i), -1, 0)
    plain = ends[0] > 0  # elsewhere the end is that of kernels, and not of the determinant
    np.testing.assert_allclose(gram_determinant(c, i, ends[1]), 0, atol=1e-12)
    np.testing.assert_allclose(gram_determinant(c, i, ends[0])[plain], 0, atol=1e-12)
    assert (gram_determinant(c, i, ends[1] + 0.01) < 0).all()
    assert (gram_determinant(c, i, ends[0] - 0.01)[plain] < 0).all()
    assert (gram_determinant(c, i, ends[0]) > -1e-12).all()
    assert 0 < plain.sum() < plain.size


def test_the_partial_alignment_is_the_correlation_of_what_the_inputs_leave():
    populations_ = populations(3)
    kernels = []
    for p in populations_:
        centred = p - p.mean(axis=0)
        kernels.append((centred @ centred.T).ravel())
    x, y, z = (k / np.linalg.norm(k) for k in kernels)
    left = [k - (k @ x) * x for k in (y, z)]
    hand = left[0] @ left[1] / np.linalg.norm(left[0]) / np.linalg.norm(left[1])
    assert partial(*alignments(*populations_)) == pytest.approx(hand)


def test_partial_alignment_is_1_minus_1_and_0_on_the_edges_and_the_middle():
    c, i = 0.9, 0.8
    low, high = interval(c, i)
    assert partial(c, i, np.array([low, c * i, high])) == pytest.approx([-1, 0, 1])
    assert low > 0


def test_where_the_inputs_are_the_targets_nothing_is_left():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(partial([1.0, 0.5], [0.3, 1.0], [0.3, 0.5])).all()
        np.testing.assert_allclose(interval(1.0, 0.3), [0.3, 0.3])


def test_alignments_outside_of_0_1_have_no_interval():
    with pytest.raises(ValueError, match=r"outside \[0, 1\]; pass alignments at face value"):
        interval(-0.1, 0.5)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        interval(0.5, np.nan)
