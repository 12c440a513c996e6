"""Subspaces: closed forms, the rows of the ground truth, second opinions, and the measure."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_population import crossed, embedded, recording, unstructured
from scipy.linalg import subspace_angles
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays
from neurogeom.formulas import subspaces as formulas
from neurogeom.measures.subspaces import subspaces

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1.0
PLAIN = {"n_null": 0, "target": "none"}
RAW = {**PLAIN, "scale": "none"}


def _of(result, quantity, field="estimate", pair=0):
    return result[field].sel(quantity=quantity).values[pair]


# --- formulas: truth ----------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "n"), [(1, 10), (2, 20), (4, 50)])
def test_random_subspaces_overlap_by_their_dimension_over_neurons(d, n):
    """Row 33."""
    bases = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 3000, n, d)))[0]
    overlap = formulas.mean_squared_cosine(*bases)
    assert overlap.mean() == pytest.approx(d / n, abs=0.005)
    cosine = np.cos(formulas.principal_angles(*bases)) ** 2
    np.testing.assert_allclose(cosine.mean(axis=-1), overlap, atol=1e-10)


def _contexts(rng, shared, n_parts):
    """Row 32: 24 conditions, 4 dimensions of sd 2, 100 neurons, 20 trials in equal parts."""
    turn = np.linalg.qr(rng.standard_normal((100, 8)))[0].T
    for axes in (turn[:4], turn[:4] if shared else turn[4:]):
        signal = 2.0 * rng.standard_normal((24, 4)) @ axes
        yield signal + rng.standard_normal((n_parts, 24, 100)) / np.sqrt(20 / n_parts)


@pytest.mark.parametrize(("shared", "naive", "corrected"), [(True, 0.893, 0.98), (False, 0.014, 0)])
def test_noise_lowers_the_alignment_of_one_subspace_and_raises_that_of_two(
    shared, naive, corrected
):
    """Row 32."""
    rng = np.random.default_rng(1)
    raw, top, bottom = [], [], []
    for _ in range(20):
        first, second = _contexts(rng, shared, 5)
        basis = formulas.basis(first.mean(axis=0), 4)
        raw.append(formulas.alignment_index(basis, second.mean(axis=0)))
        t, b = formulas.crossvalidated(first, second, 4)
        top.append(t)
        bottom.append(b)
    assert np.mean(raw) == pytest.approx(naive, abs=0.03)
    assert np.mean(top) / np.mean(bottom) == pytest.approx(corrected, abs=0.03)


def test_alignment_of_known_covariances():
    points = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    one = np.eye(3)[:, :1]
    assert formulas.alignment_index(one, points) == pytest.approx(1.0)
    assert formulas.alignment_index(np.eye(3)[:, 1:2], points) == pytest.approx(0.25)
    assert formulas.alignment_index(np.eye(3)[:, 1:], points) == pytest.approx(4 / 10)


def test_distances_of_one_angle_and_of_orthogonal_planes():
    one = formulas.distances(np.array([0.3]))
    assert one["chordal"] == pytest.approx(np.sin(0.3))
    for name in ("geodesic", "fubini_study", "asimov"):
        assert one[name] == pytest.approx(0.3)
    far = formulas.distances(np.full(2, np.pi / 2))
    assert far["chordal"] == pytest.approx(1)
    assert far["geodesic"] == pytest.approx(np.pi / 2)


# --- formulas: a second opinion -----------------------------------------------------------------


@pytest.mark.parametrize(("d1", "d2"), [(1, 1), (2, 4), (3, 3), (5, 2)])
def test_angles_are_those_of_scipy(d1, d2):
    rng = np.random.default_rng(2)
    a = np.linalg.qr(rng.standard_normal((9, d1)))[0]
    b = np.linalg.qr(rng.standard_normal((9, d2)))[0]
    found = formulas.principal_angles(a, b)
    np.testing.assert_allclose(found, np.sort(subspace_angles(a, b)), atol=1e-12)


def test_small_angles_are_not_lost_in_rounding():
    a, b = np.eye(4)[:, :1], np.array([[1.0], [1e-9], [0], [0]])
    assert formulas.principal_angles(a, b)[0] == pytest.approx(1e-9, rel=1e-6)


def test_components_are_those_of_sklearn():
    from sklearn.decomposition import PCA

    points = np.random.default_rng(3).standard_normal((12, 6)) * [5, 4, 3, 2, 1, 0.5]
    ours, theirs = formulas.basis(points, 3), PCA(3).fit(points).components_.T
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


def test_crossvalidation_is_a_loop_over_two_parts_and_the_rest():
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((2, 4, 6, 5))
    top = bottom = 0.0
    for b in range(4):
        for c in range(4):
            if b >= c:
                continue
            rest = [p for p in range(4) if p not in (b, c)]
            m1, m2 = first[rest].mean(axis=0), second[rest].mean(axis=0)
            u1, u2 = (np.linalg.svd(m - m.mean(axis=0))[2][:2].T for m in (m1, m2))
            db, dc = (second[k] - second[k].mean(axis=0) for k in (b, c))
            top += np.trace(u1.T @ db.T @ dc @ u1) / 6
            bottom += np.trace(u2.T @ db.T @ dc @ u2) / 6
    found = formulas.crossvalidated(first, second, 2)
    np.testing.assert_allclose(found, (top, bottom), rtol=1e-10)


def test_biased_subspaces_lean_towards_the_covariance():
    """With 5 of 40 directions in use, random planes of those overlap by 2/5 and not 2/40."""
    rng = np.random.default_rng(5)
    inside = np.linalg.qr(rng.standard_normal((40, 5)))[0]
    planes = formulas.biased_basis(inside @ rng.standard_normal((2, 2000, 5, 2)))
    assert formulas.mean_squared_cosine(*planes).mean() == pytest.approx(2 / 5, abs=0.02)


# --- formulas: invariances ----------------------------------------------------------------------


@given(st.integers(0, 2**20))
def test_turning_neurons_changes_no_angle_and_turning_one_set_does(seed):
    """Row 42."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 6, 8))
    turn = ortho_group.rvs(8, random_state=seed)

    def all_of(p, q):
        u, v = formulas.basis(p, 2), formulas.basis(q, 2)
        return np.array([*formulas.principal_angles(u, v), formulas.alignment_index(u, q)])

    before = all_of(a, b)
    np.testing.assert_allclose(all_of(a @ turn, b @ turn), before, atol=1e-8)
    np.testing.assert_allclose(all_of(3 * a + 1, 0.2 * b - 4), before, atol=1e-8)
    assert np.abs(all_of(a @ turn, b) - before).max() > 1e-4


# --- formulas: what has no answer ---------------------------------------------------------------


def test_points_that_span_less_have_no_subspace():
    line = np.outer([1.0, 2.0, 4.0, 0.0], [1.0, 1.0, 0.0])
    assert np.isnan(formulas.basis(line, 2)).all()
    assert np.isnan(formulas.basis(np.full((3, 4), 7.3), 1)).all()
    assert np.isnan(formulas.principal_angles(formulas.basis(line, 2), np.eye(3)[:, :2])).all()
    assert np.isnan(formulas.alignment_index(np.eye(3)[:, :1], np.ones((4, 3))))


def test_errors_of_formulas_say_what_is_wrong():
    with pytest.raises(ValueError, match="3 points of 5 neurons span at most 2 dimensions, not 3"):
        formulas.basis(np.zeros((3, 5)), 3)
    with pytest.raises(ValueError, match="2 and 2 parts; pass three or more of both"):
        formulas.crossvalidated(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), 1)


# --- the measure: truth -------------------------------------------------------------------------


def _planes(shared, seed, n_neurons=40, n_trials=20, size=3.0):
    """a is the context; b and c span one plane in both of its levels, or one in each."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_neurons, 5)))[0].T * size
    bc = SIGN[:, 1:] / 2
    other = turn[:2] if shared else turn[2:4]
    means = np.where(SIGN[:, :1] < 0, bc @ turn[:2], bc @ other) + (SIGN[:, :1] > 0) * turn[4]
    return recording(means, n_trials, seed=500 + seed)


@pytest.mark.parametrize(("shared", "truth"), [(True, 1.0), (False, 0.0)])
def test_planes_of_two_contexts_are_one_or_orthogonal(shared, truth):
    names = ["mean squared cosine", "alignment forward", "alignment backward"]
    found = np.array([
        subspaces(_planes(shared, s), NAMES, between="a", **RAW)
        .estimate.sel(quantity=names).values[0]
        for s in range(12)
    ])  # fmt: skip
    error = found.std(axis=0, ddof=1) / np.sqrt(12)
    # What is left after the correction is of the order of the squared noise of a basis.
    assert (np.abs(found.mean(axis=0) - truth) < 4 * error + 0.02).all()
    naive = subspaces(_planes(shared, 0), NAMES, between="a", **RAW)
    assert abs(_of(naive, "mean squared cosine", "naive") - truth) > 0.001


def test_row_32_through_the_measure():
    """24 conditions in each of two contexts, 4 dimensions, 100 neurons, 20 trials."""
    for shared, naive, corrected in ((True, 0.893, 0.98), (False, 0.014, 0.003)):
        raw, found = [], []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            turn = np.linalg.qr(rng.standard_normal((100, 8)))[0].T
            other = turn[:4] if shared else turn[4:]
            signal = [2.0 * rng.standard_normal((24, 4)) @ axes for axes in (turn[:4], other)]
            x = recording(np.concatenate(signal), 20, seed=100 + seed, sizes=(2, 4, 6))
            result = subspaces(x, NAMES, between="a", n_dims=4, **RAW)
            raw.append(_of(result, "alignment forward", "naive"))
            found.append(_of(result, "alignment forward"))
        assert np.median(raw) == pytest.approx(naive, abs=0.03)
        assert np.median(found) == pytest.approx(corrected, abs=0.03)


def test_a_variance_ratio_keeps_the_noise_of_the_points_and_the_alignment_does_not():
    """Orthogonal planes: noise of 2 dimensions / 10 trials over it and the signal of axes of 3."""
    found = [subspaces(_planes(False, s), NAMES, between="a", **RAW) for s in range(6)]
    signal, noise = 2 * 4 * 1.5**2, 2 * 3 / 10
    ratio, alignment = (
        np.mean([_of(f, f"{name} forward") for f in found])
        for name in ("variance ratio", "alignment")
    )
    assert ratio > noise / (signal + noise) > alignment


def test_row_21_through_the_measure():
    """Axes of length 2 with cosine 0.5 in two contexts, 100 neurons, 40 trials."""
    naive, corrected = [], []
    for seed in range(60):
        u, v, w = np.linalg.qr(np.random.default_rng(seed).standard_normal((100, 3)))[0].T
        axis = np.array([u, 0.5 * u + np.sqrt(0.75) * v]) * 2
        levels = crossed(2, 2)
        means = (levels[:, 1:] - 0.5) * axis[levels[:, 0]] + levels[:, :1] * w
        x = recording(means, 40, seed=1000 + seed)
        found = subspaces(x, ["a", "b"], between="a", **RAW)
        naive.append(_of(found, "axis of b", "naive"))
        corrected.append(_of(found, "axis of b"))
    assert np.mean(naive) == pytest.approx(0.222, abs=0.03)
    spread = 1.25 * np.nanstd(corrected, ddof=1) / np.sqrt(60)
    assert abs(np.nanmedian(corrected) - 0.52) < 0.06 + 2 * spread


@pytest.mark.parametrize("counts", [12, [5, 6, 7, 8, 5, 6, 30, 8]])
def test_cosines_of_variables_are_a_loop_over_conditions(counts):
    x = recording(unstructured(8, 12, 0, 1.5) + SIGN[:, :1], counts, seed=0)
    found = subspaces(x, NAMES, **RAW)
    number = 4 * x.a.values + 2 * x.b.values + x.c.values
    means = np.array([x.values[number == c].mean(axis=0) for c in range(8)])
    error = np.array(
        [x.values[number == c].var(axis=0, ddof=1) / (number == c).sum() for c in range(8)]
    )
    for i, j in ((0, 1), (0, 2), (1, 2)):
        v, w = SIGN[:, i] @ means / 4, SIGN[:, j] @ means / 4
        noise = [(SIGN[:, k] * SIGN[:, m] @ error).sum() / 16 for k, m in ((i, j), (i, i), (j, j))]
        cosine = (v @ w - noise[0]) / np.sqrt((v @ v - noise[1]) * (w @ w - noise[2]))
        pair = f"{NAMES[i]} | {NAMES[j]}"
        assert found.estimate.sel(pair=pair, quantity="cosine") == pytest.approx(cosine, rel=1e-9)
        raw = v @ w / np.linalg.norm(v) / np.linalg.norm(w)
        assert found.naive.sel(pair=pair, quantity="cosine") == pytest.approx(raw, rel=1e-9)


def test_a_plane_that_turns_has_its_rotation():
    t = np.radians(50.0)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 2)))[0].T * 4
    levels = crossed(2, 4)
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])[levels[:, 1]]
    rotation = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    means = np.where(levels[:, :1] > 0, square @ rotation, square) @ turn
    x = recording(means, 15, sizes=(2, 4), names="ab")
    found = subspaces(x, ["a", "b"], between="a", **RAW)
    assert _of(found, "rotation") == pytest.approx(50, abs=8)
    assert found.reflected.item() == 0.0
    mirrored = np.where(levels[:, :1] > 0, (square * [1, -1]), square) * [1, 0.5] @ turn
    x = recording(mirrored, 15, sizes=(2, 4), names="ab")
    # A mirrored square is a turned one but for the order of its corners.
    found = subspaces(x, ["a", "b"], between="a", **RAW)
    assert found.reflected.item() == 1.0
    assert "a reflection brings a=0 | a=1 closer than any rotation" in " ".join(found.notes)


# --- the measure: equivalence, ceiling, chance ---------------------------------------------------


def test_orthogonal_is_said_with_enough_neurons_and_trials_and_not_with_few():
    sure = recording(embedded(SIGN * 8.0, 400), 40, seed=0)
    unsure = recording(embedded(SIGN * 1.0, 30), 6, seed=0)
    said = [subspaces(x, NAMES, delta=0.25, n_null=0) for x in (sure, unsure)]
    assert (said[0].equivalent.sel(quantity="cosine") == 1).all()
    assert not (said[1].equivalent.sel(quantity="cosine") == 1).any()
    assert np.isnan(said[0].equivalent.sel(quantity="first angle")).all()


def test_parallel_axes_are_never_equivalent_to_orthogonal_ones():
    axes = SIGN @ np.array([[1, 0, 0], [1, 0.2, 0], [0, 0, 1]]) * 3.0
    found = subspaces(recording(embedded(axes, 60), 20), NAMES, delta=0.25, n_null=0)
    said = found.equivalent.sel(quantity="cosine", pair="a | b")
    bounds = found.interval.sel(quantity="cosine", pair="a | b")
    assert bounds[0] > 0.25
    assert said == 0


def test_the_naive_angle_of_equal_planes_is_what_the_ceiling_says():
    found = [subspaces(_planes(True, s), NAMES, between="a", **RAW) for s in range(8)]
    for name in ("first angle", "geodesic distance", "chordal distance"):
        estimate = np.array([_of(f, name) for f in found])
        ceiling = np.array([_of(f, name, "ceiling") for f in found])
        difference = estimate - ceiling
        assert abs(difference.mean()) < 4 * difference.std(ddof=1) / np.sqrt(8) + 0.01
        chance = [_of(f, name, "chance") for f in found]
        assert (estimate < chance).all()


# --- the measure: the null ----------------------------------------------------------------------


def test_axes_that_are_alike_are_told_from_chance_and_independent_ones_are_not():
    p = []
    for seed in range(20):
        means = SIGN[:, :2] @ np.random.default_rng(seed).standard_normal((2, 30)) * 0.4
        x = recording(means[[0, 2, 4, 6]], 10, seed=seed)
        found = subspaces(x, ["a", "b"], null="flip", n_null=99, target="none")
        p.append(_of(found, "cosine", "p_value"))
    assert (np.array(p) <= 0.05).sum() <= 5  # probability of more 0.0003
    v, w = np.random.default_rng(0).standard_normal((2, 30))
    x = recording(crossed(2, 2) @ np.array([v, v + 0.2 * w]) * 0.8, 10)
    found = subspaces(x, ["a", "b"], null="flip", n_null=99, target="none")
    assert _of(found, "cosine", "p_value") == 0.02


def test_neurons_recorded_together_have_no_null_of_a_cosine_unless_asked_for():
    x = recording(unstructured(4, 10, 0), 8)
    found = subspaces(x, ["a", "b"], n_null=19)
    assert np.isnan(_of(found, "cosine", "p_value"))
    assert "1 unit(s) recorded together of the 6" in _of(found, "cosine", "null_method")
    asked = subspaces(x, ["a", "b"], n_null=19, null="flip")
    assert np.isfinite(_of(asked, "cosine", "p_value"))


def test_random_subspaces_of_the_measure_lean_towards_the_population():
    """Shared noise in 3 of 40 directions: random planes overlap far more than 2 / 40."""
    rng = np.random.default_rng(0)
    x = _planes(False, 0)
    inside = np.linalg.qr(rng.standard_normal((40, 3)))[0].T
    noisy = x.copy(data=x.values + 8.0 * rng.standard_normal((len(x), 3)) @ inside)
    options = {"between": "a", "n_null": 99, "target": "none", "scale": "none"}
    low, high = (
        subspaces(d, NAMES, **options).null.sel(quantity="mean squared cosine").mean()
        for d in (x, noisy)
    )
    assert high > 0.25
    assert low < 0.15


def test_random_subspaces_keep_the_covariance_of_single_trials():
    from made_population import gathered

    from neurogeom.engine import nulls
    from neurogeom.measures._overlap import _Columns

    x = recording(unstructured(4, 5, 0), [6, 9, 12, 7], seed=0)
    x = x.copy(data=x.values @ np.random.default_rng(1).standard_normal((5, 5)))
    _, p = gathered(x, ["a", "b"])
    draw = _Columns(p, nulls.standardised(p, "none"), 0, 2)
    columns = draw(20000)
    found = np.einsum("sid,sjd->ij", columns, columns) / 40000
    number = 2 * x.a.values + x.b.values
    means = np.array([x.values[number == c].mean(axis=0) for c in range(4)])
    residual = x.values - means[number]
    expected = residual.T @ residual / (len(x) - 4) + np.cov(means.T, ddof=0)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


# --- the measure: invariances -------------------------------------------------------------------


def test_turning_neurons_changes_nothing_without_z_scores_and_something_with_them():
    """Row 42."""
    x = recording(unstructured(8, 12, 0, 1.5) * np.linspace(0.2, 3, 12), 8, seed=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    for options, same in ((RAW, True), (PLAIN, False)):
        before, after = (subspaces(d, NAMES, **options).estimate for d in (x, turned))
        assert (np.abs(before - after).max() < 1e-7) == same


def test_order_of_trials_neurons_and_a_silent_neuron_change_nothing():
    x = recording(unstructured(8, 12, 0, 1.5), [5, 6, 7, 8, 5, 6, 9, 8], seed=0)
    rng, trial = np.random.default_rng(0), {n: x[n].values for n in NAMES}
    options = {"n_null": 9, "null": "flip"}
    before = subspaces(x, NAMES, **options)
    moved = x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(12))
    same = subspaces(moved, NAMES, **options)
    for field in ("estimate", "p_value", "interval", "ceiling"):
        np.testing.assert_array_equal(same[field], before[field])
    more = from_arrays(np.column_stack([x.values, np.full(len(x), 3.0)]), trial=trial, session="s1")
    cosine = [subspaces(d, NAMES, **PLAIN).estimate.sel(quantity="cosine") for d in (x, more)]
    np.testing.assert_allclose(*cosine, atol=1e-9)


def test_names_of_levels_turn_the_sign_of_a_cosine():
    x = recording(unstructured(4, 12, 0, 1.5), 8, seed=0)
    other = x.assign_coords(a=("trial", 1 - x.a.values))
    before, after = (subspaces(d, ["a", "b"], **PLAIN) for d in (x, other))
    assert _of(after, "cosine") == pytest.approx(-_of(before, "cosine"), rel=1e-9)


# --- the measure: what has no answer ------------------------------------------------------------


def test_pure_noise_has_no_estimate_and_reasons():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = subspaces(recording(np.zeros((8, 600)), 5, seed=3), NAMES, n_null=19)
    gone = np.isnan(found.estimate.sel(quantity=["cosine", "mean squared cosine"]))
    assert gone.all()
    assert "trial noise exceeds the signal of a | b: reliability" in " ".join(
        found.attrs["reasons"].values()
    )
    assert np.isfinite(found.naive).all()


@pytest.mark.parametrize("n_trials", [2, 3])
def test_few_trials_give_numbers_or_reasons(n_trials):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = recording(embedded(SIGN * 2, 20), n_trials, seed=0)
        found = subspaces(x, NAMES, n_null=19, min_trials=2)
        subspaces(x, NAMES, between="a", n_null=19, min_trials=2)
    missing = {k for k, v in found.attrs["reasons"].items() if "fewer than the 3" in v}
    assert ("alignment forward of a | b" in missing) == (n_trials == 2)


def test_one_neuron_constant_neurons_and_a_variable_without_signal():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = subspaces(recording(crossed(2, 2) @ np.array([[3.0], [2.0]]), 6), ["a", "b"])
        assert "span fewer" not in " ".join(one.attrs["reasons"].values())
        plane = subspaces(recording(SIGN.sum(axis=1)[:, None], 6), NAMES, between="a", n_null=19)
        assert "span fewer dimensions" in plane.attrs["reasons"]["first angle of a=0 | a=1"]
        exact = recording(embedded(crossed(2, 2)[:, :1] * 3.0, 6), 6, noise=0.0)
        still = subspaces(exact, ["a", "b"], n_null=19, scale="none")
    assert "has no length" in still.attrs["reasons"]["cosine of a | b"]


def test_identical_axes_are_one_and_not_a_warning():
    x = recording(embedded(SIGN[[0, 2, 4, 6], :1] * 2.0 + SIGN[[0, 2, 4, 6], 1:2] * 2.0, 20), 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = subspaces(x, ["a", "b"], **PLAIN)
    assert _of(found, "cosine") == pytest.approx(1, abs=0.1)
    assert _of(found, "mean squared cosine") == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delta": 1.5}, r"delta=1.5 is no cosine between 0 and 1"),
        ({"n_dims": 0}, "n_dims=0 leaves no subspace; give at least 1"),
        ({"between": "a", "n_dims": 4}, "4 conditions in each level of 'a' span 3 dimensions"),
        ({"null": "labels"}, r"null='labels' is unknown for subspaces; choose from \['flip'\]"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, message):
    x = recording(unstructured(8, 5, 0), 6)
    with pytest.raises(ValueError, match=message):
        subspaces(x, NAMES, **{"n_null": 9, **options})


def test_one_variable_alone_or_an_unknown_context_is_an_error():
    x = recording(unstructured(8, 5, 0), 6)
    with pytest.raises(ValueError, match="'a' alone has no other subspace; name a second"):
        subspaces(x, ["a"])
    with pytest.raises(KeyError, match="between='d' is not one of the variables"):
        subspaces(x, NAMES, between="d")


# --- the measure: shapes ------------------------------------------------------------------------


def test_three_levels_span_a_plane_and_have_no_one_axis():
    x = recording(unstructured(6, 15, 0, 2.0), 10, sizes=(3, 2), names="ab")
    found = subspaces(x, ["a", "b"], **PLAIN)
    assert found.attrs["reasons"] == {"cosine of a | b": "'a' has more than two levels"}
    assert np.isfinite(_of(found, "alignment forward"))
    assert found.sizes["angle"] == 1


def test_every_window_is_a_measure_of_its_own_and_it_saves(tmp_path):
    one = recording(unstructured(8, 10, 0, 1.5), 8, seed=0)
    trial = {n: one[n].values for n in NAMES}
    values = np.stack([one.values, 2 * one.values + 1], axis=2)
    x = from_arrays(values, trial=trial, time=[0.0, 0.1], session="s1")
    found = subspaces(x, NAMES, between="a", delta=0.2, n_null=19)
    assert found.estimate.dims == ("time", "pair", "quantity")
    np.testing.assert_allclose(found.estimate[0], found.estimate[1], atol=1e-8)
    ng.save(found, tmp_path / "found.nc")
    assert ng.load(tmp_path / "found.nc").attrs["measure"] == "subspaces"


# --- the measure: across time -------------------------------------------------------------------


def _turning(seed, degrees, shared=0.0):
    """Two variables in three windows; the axis of a turns, that of b is stable.

    shared : sd of noise that the windows of a trial have in common
    """
    rng = np.random.default_rng(seed)
    u, v, w = np.linalg.qr(rng.standard_normal((40, 3)))[0].T * 4
    levels = np.repeat(crossed(2, 2), 20, axis=0)
    common = shared * rng.standard_normal((len(levels), 40))
    windows = []
    for t in np.radians(degrees):
        axes = np.array([np.cos(t) * u + np.sin(t) * v, w])
        noise = common + rng.standard_normal((len(levels), 40))
        windows.append((levels - 0.5) @ axes + noise)
    trial = {"a": levels[:, 0], "b": levels[:, 1]}
    return from_arrays(np.stack(windows, axis=2), trial=trial, time=[0.1, 0.2, 0.3], session="s")


def test_an_axis_that_turns_in_time_has_the_cosine_of_its_angle():
    found = [
        subspaces(_turning(s, [0, 60, 90]), ["a", "b"], between="time", **RAW) for s in range(8)
    ]
    assert found[0].pair.values.tolist()[1] == "window=0.1 | window=0.3"
    for name, truth in (("axis of a", [0.5, 0, np.cos(np.pi / 6)]), ("axis of b", [1, 1, 1])):
        values = np.array([f.estimate.sel(quantity=name).values for f in found])
        error = values.std(axis=0, ddof=1) / np.sqrt(8)
        assert (np.abs(values.mean(axis=0) - truth) < 4 * error + 0.02).all()


def test_noise_that_windows_share_is_no_stable_code():
    """Orthogonal axes in two windows, most noise in common: naive and corrected cosine."""
    found = [
        subspaces(_turning(s, [0, 90, 90], shared=2.0), ["a", "b"], between="time", **RAW)
        for s in range(12)
    ]
    values, naive = (
        np.array([_of(f, "axis of a", k) for f in found]) for k in ("estimate", "naive")
    )
    assert abs(np.mean(values)) < 4 * np.std(values, ddof=1) / np.sqrt(12) + 0.02
    assert np.mean(naive) > 0.2


def test_windows_that_cannot_be_compared_are_errors():
    with pytest.raises(ValueError, match="between='time' compares windows; read activity with"):
        subspaces(recording(unstructured(4, 5, 0), 6), ["a", "b"], between="time")
    trial = {"a": [0, 1] * 6}
    x = from_arrays(np.zeros((12, 3, 17)), trial=trial, time=np.arange(17.0), session="s")
    with pytest.raises(ValueError, match="compares at most 16 windows with one another, not 17"):
        subspaces(x, ["a"], between="time")
