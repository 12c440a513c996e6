"""Procrustes similarity and shape distances: known values, scipy's own, axioms of a metric."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.stats import ortho_group

from neurogeom.formulas import procrustes

# --- known values -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "p", "value"), [(50, 100, 0.878), (500, 100, 0.373)])
def test_independent_gaussians_look_alike(n, p, value):
    rng = np.random.default_rng(0)
    found = [procrustes.similarity(*rng.standard_normal((2, n, p))) for _ in range(6)]
    assert np.mean(found) == pytest.approx(value, abs=0.01)


def test_independent_gaussians_are_not_aligned_on_new_conditions():
    x, y = np.random.default_rng(1).standard_normal((2, 300, 12, 5))
    found = procrustes.held_out(x, y, np.arange(12))
    assert abs(found.mean()) < 4 * found.std(ddof=1) / np.sqrt(300)
    assert procrustes.similarity(x, y).mean() > 0.5


def test_orthogonal_codes_of_the_same_length_have_a_known_angle():
    """X codes a and b, Y codes a alone: the cosine is 1 / sqrt(2)."""
    a, b = np.repeat([1.0, -1.0], 2), np.tile([1.0, -1.0], 2)
    found = procrustes.angle(np.column_stack([a, b]), a[:, None])
    assert found == pytest.approx(np.pi / 4, rel=1e-12)
    assert procrustes.angle(a[:, None], b[:, None]) == pytest.approx(np.pi / 2, rel=1e-12)


def test_a_noisy_turn_is_scored_without_the_noise_of_its_scale():
    """The same shape, noise as large as the signal: the corrected score is 1 but for the turn."""
    rng = np.random.default_rng(2)
    fold = np.arange(60) % 10
    found = []
    for _ in range(20):
        signal, turn = rng.standard_normal((60, 3)), ortho_group.rvs(3, random_state=rng)
        x, y = (m + rng.standard_normal((2, 60, 3)) for m in (signal, signal @ turn))
        length = [procrustes.spread(*m, fold) for m in (x, y)]
        means = [m.mean(axis=0) for m in (x, y)]
        corrected = procrustes.aligned(*means, fold) / np.sqrt(np.prod(length))
        found.append((corrected, procrustes.held_out(*means, fold)))
    corrected, naive = np.mean(found, axis=0)
    assert naive == pytest.approx(1 / 1.5, abs=0.06)
    assert corrected == pytest.approx(0.98, abs=0.04)


# --- a second opinion ---------------------------------------------------------------------------


def test_agrees_with_the_orthogonal_procrustes_of_scipy():
    rng = np.random.default_rng(3)
    x, y = (m - m.mean(axis=0) for m in rng.standard_normal((2, 30, 6)))
    turn, total = orthogonal_procrustes(x, y)
    np.testing.assert_allclose(procrustes.rotation(x, y), turn, atol=1e-10)
    expected = total / (np.linalg.norm(x) * np.linalg.norm(y))
    assert procrustes.similarity(x, y) == pytest.approx(expected, rel=1e-12)


def test_without_the_length_of_axes_it_is_the_mean_of_canonical_correlations():
    rng = np.random.default_rng(4)
    z = rng.standard_normal((40, 2))
    x, y = (z @ rng.standard_normal((2, 5)) + rng.standard_normal((40, 5)) for _ in range(2))
    canonical = np.cos(subspace_angles(x - x.mean(axis=0), y - y.mean(axis=0)))
    found = procrustes.similarity(x, y, alpha=0.0)
    assert found == pytest.approx(canonical.mean(), rel=1e-9)


def test_the_family_between_agrees_with_whitening_by_a_matrix_root():
    from scipy.linalg import fractional_matrix_power

    rng = np.random.default_rng(5)
    x, y = (m - m.mean(axis=0) for m in rng.standard_normal((2, 20, 4)) * [3, 2, 1, 0.5])

    def partly(m):
        gram = m.T @ m
        typical = np.sqrt(np.trace(gram) / 4)
        root = np.real(fractional_matrix_power(gram, -0.5))
        return m @ (0.3 * np.eye(4) / typical + 0.7 * root)

    expected = procrustes.similarity(partly(x), partly(y))
    assert procrustes.similarity(x, y, alpha=0.3) == pytest.approx(expected, rel=1e-9)


def test_silent_neurons_fill_up_the_smaller_population():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 7))
    filled = np.hstack([x, np.zeros((20, 4))])
    for alpha in (1.0, 0.4, 0.0):
        found = procrustes.angle(x, y, alpha=alpha)
        assert procrustes.angle(filled, y, alpha=alpha) == pytest.approx(found, rel=1e-9)


def test_held_out_conditions_agree_with_a_loop_over_scipy():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((2, 12, 4))
    y = x + 0.5 * y
    fold, top, length = np.arange(12) % 4, 0.0, np.zeros(2)
    for f in range(4):
        out = fold == f
        (x_in, x_out), (y_in, y_out) = (
            (m[~out] - m[~out].mean(axis=0), m[out] - m[~out].mean(axis=0)) for m in (x, y)
        )
        turn = orthogonal_procrustes(x_in, y_in)[0]
        top += np.sum(x_out @ turn * y_out)
        length += np.sum(x_out**2), np.sum(y_out**2)
    expected = top / np.sqrt(length.prod())
    assert procrustes.held_out(x, y, fold) == pytest.approx(expected, rel=1e-10)
    assert 0.5 < expected < 1


def test_many_at_once_are_as_one_at_a_time():
    x, y = np.random.default_rng(8).standard_normal((2, 5, 9, 6))
    fold = np.arange(9) % 3
    for score in (
        procrustes.similarity,
        lambda a, b: procrustes.similarity(a, b, alpha=0.5),
        lambda a, b: procrustes.held_out(a, b, fold),
    ):
        np.testing.assert_allclose(score(x, y), [score(a, b) for a, b in zip(x, y, strict=True)])
        np.testing.assert_allclose(score(x[0], y), [score(x[0], b) for b in y])


def test_coordinates_keep_every_inner_product():
    first, second = np.random.default_rng(9).standard_normal((2, 5, 40)) + 3
    u, v = procrustes.coordinates(first, second)
    assert u.shape[1] <= 10
    centred = [m - m.mean(axis=0) for m in (first, second)]
    np.testing.assert_allclose(u @ v.T, centred[0] @ centred[1].T, atol=1e-10)


# --- axioms -------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_angle_is_a_metric(seed, alpha):
    rng = np.random.default_rng(seed)
    x, y, z = (rng.standard_normal((12, p)) for p in (3, 4, 5))
    d = {k: procrustes.angle(*m, alpha=alpha)
         for k, m in {"xy": (x, y), "yx": (y, x), "yz": (y, z), "xz": (x, z)}.items()}  # fmt: skip
    assert d["xy"] == pytest.approx(d["yx"], rel=1e-9)
    assert d["xz"] <= d["xy"] + d["yz"] + 1e-9
    assert d["xy"] > 1e-3


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0]))
def test_turning_shifting_and_units_change_nothing(seed, alpha):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((12, 4)), rng.standard_normal((12, 6))
    moved = 7.0 * x @ ortho_group.rvs(4, random_state=rng) + 30.0
    before = procrustes.angle(x, y, alpha=alpha)
    assert procrustes.angle(moved, y, alpha=alpha) == pytest.approx(before, rel=1e-8)


@given(st.integers(0, 10_000))
def test_an_invertible_map_changes_the_distance_unless_axes_have_no_length(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 12, 4))
    mapped = x @ (np.eye(4) + np.diag([0.0, 1.0, 2.0, 3.0]))
    lengthless = [procrustes.angle(m, y, alpha=0.0) for m in (x, mapped)]
    assert lengthless[0] == pytest.approx(lengthless[1], rel=1e-8)
    assert procrustes.angle(x, mapped, alpha=0.0) == pytest.approx(0, abs=1e-6)
    assert procrustes.angle(x, mapped) > 1e-3


def test_directions_that_one_population_lacks_are_not_turned():
    """Two conditions to fit, one direction: what lies across it stays out of the prediction."""
    x = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    turn = procrustes.rotation(x, x[:, [1, 0, 2]])
    np.testing.assert_allclose(turn, np.outer([1, 0, 0], [0, 1, 0]), atol=1e-12)


# --- what has no answer -------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_conditions_that_are_all_alike_have_no_shape():
    x, flat = np.random.default_rng(10).standard_normal((6, 3)), np.full((6, 3), 0.1)
    for alpha in (0.0, 0.5, 1.0):
        assert np.isnan(procrustes.similarity(x, flat, alpha=alpha))
    assert np.isnan(procrustes.held_out(x, np.zeros((6, 3)), np.arange(6)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: procrustes.similarity(x, x, alpha=1.5), r"alpha=1.5 is outside \[0, 1\]"),
        (lambda x: procrustes.similarity(x, x[1:]), "with as many conditions"),
        (lambda x: procrustes.aligned(x, x[1:], np.arange(5)), "with as many conditions"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal((5, 3)))
