"""Alignment of second moments: chance, invariances, exponents, phases (checks C5, C7, C8, C10)."""

import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group, pearsonr

from neurogeom.formulas import matrix_alignment as ma
from neurogeom.formulas import polynomial_alignment as pa

# A relation as a line a p + b q = c in the exponents (derived from H_b ~ Z^(p+1), G_a ~ Z^(q+1)).
LINES = {
    "a-RWA": (1, 0, 1),
    "a-GWA": (0, 1, 0),
    "a-RGA": (1, -1, 1),
    "b-RWA": (1, 0, 0),
    "b-GWA": (0, 1, 1),
    "b-RGA": (-1, 1, 1),
}


def second_moment(n, rows, rng):
    x = rng.standard_normal((rows, n))
    return x.T @ x / rows


def power(Z, exponent):
    """Of a positive matrix, on its range."""
    values, axes = np.linalg.eigh(Z)
    inside = values > 1e-9 * values[-1]
    return (axes[:, inside] * values[inside] ** exponent) @ axes[:, inside].T


def weights(n_b, n_a, rng, smallest=0.5, largest=2.0):
    k = min(n_b, n_a)
    U = ortho_group.rvs(n_b, random_state=rng)[:, :k]
    V = ortho_group.rvs(n_a, random_state=rng)[:, :k]
    return U * np.geomspace(largest, smallest, k) @ V.T


# --- the measure ----------------------------------------------------------------------------------


@given(st.integers(0, 500), st.floats(1e-9, 1e9))
def test_alignment_is_the_correlation_of_entries_whatever_the_scale(seed, c):
    rng = np.random.default_rng(seed)
    A, B = second_moment(6, 9, rng), second_moment(6, 9, rng)
    found = ma.alignment(A, B)
    assert found == pytest.approx(pearsonr(A.ravel(), B.ravel())[0], abs=1e-12)
    assert ma.alignment(c * A, B) == pytest.approx(found, abs=1e-12)
    assert ma.alignment(-c * A, B) == pytest.approx(-found, abs=1e-12)


@given(st.integers(0, 500))
def test_turning_both_leaves_the_traceless_cosine_alone_and_not_the_alignment(seed):
    rng = np.random.default_rng(seed)
    A, B = second_moment(6, 9, rng), second_moment(6, 9, rng)
    Q = ortho_group.rvs(6, random_state=rng)
    turned = Q @ A @ Q.T, Q @ B @ Q.T
    assert ma.traceless(*turned) == pytest.approx(ma.traceless(A, B), abs=1e-12)
    assert abs(ma.alignment(*turned) - ma.alignment(A, B)) > 1e-9
    assert abs(ma.traceless(turned[0], B) - ma.traceless(A, B)) > 1e-9


@pytest.mark.parametrize("aspect", [1, 4])
def test_chance_is_what_random_rotations_give(aspect):
    rng = np.random.default_rng(0)
    A, B = second_moment(32, 32 * aspect, rng), second_moment(32, 32 * aspect, rng)
    turns = ortho_group.rvs(32, size=400, random_state=rng)
    found = [(ma.alignment(A, Q @ B @ Q.T), ma.traceless(A, Q @ B @ Q.T)) for Q in turns]
    pearson, cosine = np.mean(found, axis=0)
    assert ma.chance(A, B) > 0.4  # not nothing
    assert ma.chance(A, B) == pytest.approx(pearson, abs=0.02)
    assert cosine == pytest.approx(0, abs=0.02)


def test_chance_is_wrong_for_a_large_mean_entry_and_the_traceless_cosine_is_not():
    """Raw moments of rectified units: the limit that the docstring names."""
    rng = np.random.default_rng(1)
    A = second_moment(32, 64, rng) + 5.0
    B = second_moment(32, 64, rng)
    turns = ortho_group.rvs(32, size=400, random_state=rng)
    found = [(ma.alignment(A, Q @ B @ Q.T), ma.traceless(A, Q @ B @ Q.T)) for Q in turns]
    pearson, cosine = np.mean(found, axis=0)
    assert abs(ma.chance(A, B) - pearson) > 0.1
    assert cosine == pytest.approx(0, abs=0.03)


def test_excess_is_zero_at_chance_and_one_at_identity():
    A, B = np.diag([1.0, 2.0, 4.0]), np.diag([4.0, 2.0, 1.0])
    low = ma.chance(A, B)
    assert ma.excess(A, A) == pytest.approx(1)
    assert ma.excess(A, B) == pytest.approx((ma.alignment(A, B) - low) / (1 - low))
    assert np.isnan(ma.excess(np.eye(3), np.eye(3)))


def test_alignment_is_blind_to_exponents():
    rng = np.random.default_rng(0)
    s = np.exp(rng.uniform(-1.5, 1.5, 12))
    Q = ortho_group.rvs(12, random_state=rng)
    A = Q * s @ Q.T
    assert 0.9 < ma.alignment(A, A @ A) < 0.99
    assert 0.8 < ma.alignment(A, A @ A @ A) < ma.alignment(A, A @ A)


def test_six_relations_are_those_of_their_pairs():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 6))
    H_a, G_a = second_moment(6, 20, rng), second_moment(6, 20, rng)
    H_b, G_b = second_moment(4, 20, rng), second_moment(4, 20, rng)
    found = ma.relations(W, H_a, G_a, H_b, G_b)
    Z_a, Z_b = W.T @ W, W @ W.T
    pairs = {
        "a-RGA": (H_a, G_a),
        "a-RWA": (H_a, Z_a),
        "a-GWA": (G_a, Z_a),
        "b-RGA": (H_b, G_b),
        "b-RWA": (H_b, Z_b),
        "b-GWA": (G_b, Z_b),
    }
    assert tuple(pairs) == ma.RELATIONS
    for name in ("alignment", "chance", "excess", "traceless"):
        wanted = [getattr(ma, name)(*pair) for pair in pairs.values()]
        np.testing.assert_allclose(getattr(found, name), wanted, atol=1e-12)


# --- exponents and phases -------------------------------------------------------------------------


def test_the_nine_pairs_of_relations_give_the_phases_or_a_contradiction():
    points = {}
    for a, b in product(("RWA", "GWA", "RGA"), repeat=2):
        lines = np.array([LINES[f"a-{a}"], LINES[f"b-{b}"]], dtype=float)
        if abs(np.linalg.det(lines[:, :2])) < 1e-12:
            assert a == b  # parallel, and apart
            assert np.linalg.matrix_rank(lines) == 2
        else:
            points[f"b-{b} + a-{a}"] = tuple(np.linalg.solve(lines[:, :2], lines[:, 2]))
    ours = {k: v for k, v in pa.PHASES.items() if k.count("+") == 1}
    assert len(ours) == 6
    assert ours == points


def test_every_phase_is_named_by_all_relations_that_meet_there():
    for name, (p, q) in pa.PHASES.items():
        met = {r for r, (a, b, c) in LINES.items() if a * p + b * q == c}
        assert met == set(name.split(" + "))


@pytest.mark.parametrize("name", [*pa.PHASES])
def test_matrices_of_a_phase_have_its_exponents_and_its_relations(name):
    p, q = pa.PHASES[name]
    W = weights(5, 7, np.random.default_rng(0))
    H_a, G_b = power(W.T @ W, p), power(W @ W.T, q)
    fit = pa.exponents(W, H_a, G_b)
    np.testing.assert_allclose(fit.estimate, (p, q), atol=1e-6)
    np.testing.assert_allclose(fit.interval, np.array([(p, p), (q, q)]), atol=1e-6)
    np.testing.assert_allclose(fit.commutation, 0, atol=1e-12)
    assert pa.phase(*fit.estimate) == name
    six = ma.relations(W, H_a, W.T @ G_b @ W, W @ H_a @ W.T, G_b)
    whole = {r for r, x in zip(ma.RELATIONS, six.alignment, strict=True) if x > 1 - 1e-9}
    assert whole == set(name.split(" + "))


@given(st.integers(0, 500))
def test_the_far_exponents_are_one_more_whatever_the_matrices(seed):
    """So that they are no evidence: nothing here commutes."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((5, 7))
    H_a, G_b = second_moment(7, 20, rng), second_moment(5, 20, rng)
    near = pa.exponents(W, H_a, G_b, tolerance=1e-6)
    # W' maps side b to side a: the far matrices are the near ones of the transposed layer.
    far = pa.exponents(W.T, W @ H_a @ W.T, W.T @ G_b @ W, tolerance=1e-6)
    np.testing.assert_allclose(far.estimate, near.estimate + 1, atol=1e-10)
    assert near.commutation.min() > 1e-3


def test_phase_is_none_between_phases():
    assert pa.phase(0.2, -0.2) == "b-RWA + a-GWA"
    assert pa.phase(0.2, -0.3) == "none"
    assert pa.phase(np.nan, 0.0) == "none"


def test_the_interval_covers_the_slope_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(1500):
        s = np.exp(rng.uniform(0, 2.3, 10))
        h = s**2.6 * np.exp(0.5 * rng.standard_normal(10))
        low, high = pa.exponents(np.diag(s), np.diag(h), None, tolerance=1e-3).interval[0]
        hits.append(low <= 1.3 <= high)
    assert 0.92 < np.mean(hits) < 0.98


def test_small_singular_values_have_no_say():
    s = np.array([4.0, 3.0, 2.0, 1.0, 1e-3])
    h = np.append(s[:4] ** 2, 7.0)  # the last is off the line
    fit = pa.exponents(np.diag(s), np.diag(h), np.diag(h))
    np.testing.assert_allclose(fit.estimate, 1, atol=1e-9)
    assert fit.n_directions.tolist() == [4, 4]
    assert abs(pa.exponents(np.diag(s), np.diag(h), None, tolerance=1e-9).estimate[0] - 1) > 0.1


def test_isometries_and_few_directions_have_no_exponents():
    Q = ortho_group.rvs(5, random_state=0)
    for W in (Q, np.ones((5, 5)), np.diag([2.0, 1, 0, 0, 0])):
        fit = pa.exponents(W, np.eye(5), np.eye(5))
        assert np.isnan(fit.estimate).all()
        assert pa.phase(*fit.estimate) == "none"


# --- weight decay and collapse --------------------------------------------------------------------


def test_stationarity_is_refused_without_decay():
    with pytest.raises(ValueError, match="pass the positive decay"):
        ma.stationarity(np.eye(2), np.eye(2), 0.0)


@given(st.integers(2, 8))
def test_collapse_is_all_ones_for_a_simplex_and_not_for_random_weights(k):
    rng = np.random.default_rng(k)
    S = np.eye(k) - 1 / k
    frame = S @ ortho_group.rvs(10, random_state=rng)[:k]  # K features in ten units
    found = ma.neural_collapse(3 * frame, frame.T @ frame, S, 1e-8 * S)
    np.testing.assert_allclose(found, 1, atol=1e-9)
    other = ma.neural_collapse(rng.standard_normal((k + 1, 10)), np.diag(np.arange(10.0)), *2 * [
        second_moment(k + 1, 5 * k, rng)])  # fmt: skip
    assert min(other) < 0.95


# --- what cannot be -------------------------------------------------------------------------------


def test_degenerate_matrices_give_nan_and_no_warning():
    A = np.diag([1.0, 2.0, 3.0])
    zero, one, flat = np.zeros((3, 3)), np.eye(3), np.ones((3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(ma.alignment(A, zero))
        assert np.isnan(ma.alignment(A, flat))
        assert np.isnan(ma.alignment([[2.0]], [[3.0]]))
        assert np.isnan(ma.traceless(A, 7 * one))
        assert np.isnan(ma.chance(A, zero))
        assert np.isnan(ma.excess(A, zero))
        assert ma.alignment(1e-200 * A, 1e200 * A) == pytest.approx(1)
        assert ma.chance(1e-200 * A, A) == pytest.approx(ma.chance(A, A))
        assert np.isnan(ma.relations(zero, A, A, A, A).alignment[[1, 2, 4, 5]]).all()
        assert np.isnan(pa.exponents(zero, A, A).estimate).all()
        assert np.isnan(pa.exponents(A, zero, flat * np.nan).estimate).all()
        assert np.isnan(ma.stationarity(zero, zero, 0.1))


def test_matrices_of_other_sizes_or_with_holes_are_refused():
    with pytest.raises(ValueError, match="two square ones of one size"):
        ma.alignment(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="not finite"):
        ma.alignment(np.eye(2), np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="two classes at least"):
        ma.neural_collapse(np.ones((1, 3)), np.eye(3), np.eye(1), np.eye(1))


def test_few_rows_lower_alignment_and_participation_ratio_as_the_tracker_says():
    rng, n = np.random.default_rng(0), 40
    found = {}
    for rows in (20, 40, 400, 4000):
        each = []
        for _ in range(20):
            w, x = rng.standard_normal((n, n)), rng.standard_normal((rows, n))
            moment, h = x.T @ x / rows, x @ w.T
            ratio = ma.participation_ratio(moment)
            each.append((ma.alignment(h.T @ h / rows, w @ w.T), ratio))
        found[rows] = np.median(each, axis=0)
        assert found[rows][1] == pytest.approx(n / (1 + n / rows), rel=0.04)
    alignments = [found[rows][0] for rows in found]
    np.testing.assert_allclose(alignments, [0.71, 0.81, 0.98, 1.0], atol=0.02)
