"""Scores of recovery: what they forgive, what they do not, what chance is."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from neurogeom.features import class_vector_recovery, linear_recovery, orthogonality
from neurogeom.features.recovery import KEY


def made(seed=0, n=600, d=3, noise=0.5):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, d))
    return z, z @ rng.standard_normal((d, d)) + noise * rng.standard_normal((n, d))


def test_the_estimate_is_what_scikit_learn_scores_on_the_other_half():
    z, code = made()
    order = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(KEY,))).permutation(600)
    fit, test = order[:300], order[300:]
    predicted = LinearRegression().fit(code[fit], z[fit]).predict(code[test])
    each = r2_score(z[test], predicted, multioutput="raw_values")
    found = linear_recovery(code, z, seed=3)
    np.testing.assert_allclose(found.r_squared, each, atol=1e-12)
    assert float(found.estimate) == pytest.approx(each.mean())


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_an_invertible_affine_map_of_the_code_changes_nothing_but_the_mcc(seed):
    """B8, first half."""
    z, code = made(seed)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    mapped = 7 + code @ turn * rng.uniform(0.5, 5, 3) @ turn
    a, b = linear_recovery(code, z), linear_recovery(mapped, z)
    np.testing.assert_allclose(a.r_squared, b.r_squared, atol=1e-8)
    assert abs(float(a.mcc - b.mcc)) > 1e-4


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_mcc_stays_under_permutation_sign_and_scale_and_r2_falls_with_what_is_lost(seed):
    """B8, second half; and a map that is not invertible changes R^2."""
    z, code = made(seed, noise=0.05)
    rng = np.random.default_rng(seed)
    moved = code[:, rng.permutation(3)] * rng.choice([-1, 1], 3) * rng.uniform(0.5, 5, 3)
    a, b = linear_recovery(code, z), linear_recovery(moved, z)
    assert float(a.mcc) == pytest.approx(float(b.mcc))
    flat = np.column_stack([code[:, :2], code[:, :1]])
    assert linear_recovery(flat, z).estimate < a.estimate


def test_the_direction_is_from_the_code_to_the_latents():
    """More components than latents cost nothing; in the other direction they would."""
    z, _ = made(n=2000)
    wide = np.column_stack([z, np.random.default_rng(1).standard_normal((2000, 5))])
    assert linear_recovery(wide, z).estimate > 0.99
    assert linear_recovery(wide, z).method == "ridge"
    assert linear_recovery(z, wide).estimate < 0.5


def test_a_code_of_noise_has_chance_and_ridge_keeps_a_wide_one_there():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((400, 2))
    assert float(linear_recovery(rng.standard_normal((400, 2)), z).estimate) == pytest.approx(
        0, abs=0.05
    )
    wide = rng.standard_normal((400, 90))
    ridge, ols = (float(linear_recovery(wide, z, method=m).estimate) for m in ("ridge", "ols"))
    assert ols < -0.3 < -0.1 < ridge < 0.1


def test_raw_observations_stand_beside_and_a_note_says_where_they_do_as_well():
    z, code = made()
    better = linear_recovery(code, z, raw=z + 2 * np.sign(z))
    assert 0 < better.raw < 1
    assert not linear_recovery(z, z, raw=code).notes
    (note,) = linear_recovery(code, z, raw=z).notes
    assert "nothing was recovered" in note
    assert np.isnan(linear_recovery(code, z).raw)


def test_too_few_components_are_noted():
    z, code = made()
    found = linear_recovery(code[:, :2], z)
    assert found.notes == ["2 components cannot hold 3 latents"]


def test_vectors_are_recovered_of_classes_that_were_not_fitted():
    rng = np.random.default_rng(0)
    v = rng.standard_normal((40, 4))
    classes = np.arange(200) % 40
    weights = v[classes] @ rng.standard_normal((4, 4)) + 0.01 * rng.standard_normal((200, 4))
    assert class_vector_recovery(weights, v, classes).estimate > 0.99
    assert class_vector_recovery(weights, rng.permutation(v), classes).estimate < 0.1


def test_rows_of_a_class_on_both_sides_would_pass_what_says_nothing():
    """14 classes, 5 components: a division over rows scores the map on what it was fitted to."""
    ours, over_rows = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        v, w = rng.standard_normal((2, 14, 5))
        classes = rng.permutation(np.arange(140) % 14)
        ours.append(float(class_vector_recovery(w[classes], v, classes, seed=seed).estimate))
        fit, test = slice(0, 70), slice(70, 140)
        model = LinearRegression().fit(w[classes[fit]], v[classes[fit]])
        over_rows.append(model.score(w[classes[test]], v[classes[test]]))
    assert np.median(ours) < 0 < 0.2 < np.median(over_rows)


def test_few_classes_are_not_estimable_and_say_why():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = class_vector_recovery(np.eye(5), np.eye(5))
    assert np.isnan(found.estimate)
    assert "5 classes are too few: 14 are needed" in found.reasons["estimate"]


def test_what_does_not_vary_among_what_is_scored_says_why():
    z, code = made(n=40)
    order = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(KEY,))).permutation(40)
    z[:, 1] = 0
    z[order[0], 1] = 1.0  # in the half that is fitted to
    v = np.random.default_rng(0).standard_normal((20, 3)) * [1, 0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, vectors = linear_recovery(code, z, seed=0), class_vector_recovery(v + 1e-3, v)
    assert np.isnan(found.r_squared).values.tolist() == [False, True, False]
    for result, things in ((found, "samples"), (vectors, "classes")):
        assert np.isnan(result.estimate)
        reason = f"latent 1 does not vary among the {things} that are scored"
        assert result.reasons["estimate"].startswith(reason)
    assert linear_recovery(code, z[:, ::2]).reasons == {}


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_of_latents_change_nothing(unit):
    z, code = made(n=60)
    for name, value in linear_recovery(code, z * unit).items():
        np.testing.assert_allclose(value, linear_recovery(code, z)[name], rtol=1e-9)


def test_a_turned_code_is_orthogonal_and_a_stretched_one_is_not():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    found = orthogonality(10 * z @ turn, z, kappa=10.0)
    np.testing.assert_allclose(found.singular_values, 1.0)
    assert float(found.estimate) == pytest.approx(0, abs=1e-12)
    stretched = orthogonality(10 * z @ turn * [1, 1, 1, 2], z, kappa=10.0)
    np.testing.assert_allclose(stretched.singular_values, [1, 1, 1, 0.5])
    assert float(stretched.estimate) == pytest.approx(0.125)
    np.testing.assert_allclose(orthogonality(z @ turn, z, kappa=10.0).singular_values, 10.0)


def test_a_constant_component_passes_in_silence():
    z, code = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = linear_recovery(np.column_stack([code, np.ones(600)]), z)
        same = linear_recovery(np.column_stack([code, np.ones(600)]), z, method="ols")
    assert same.estimate == pytest.approx(float(linear_recovery(code, z).estimate))
    assert found.estimate == pytest.approx(float(same.estimate), abs=0.01)


Z, ROWS = np.random.default_rng(0).standard_normal((40, 2)), np.arange(40)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear_recovery(Z[:10], Z), r"the code of shape \(10, 2\).*\(40, channel\)"),
        (lambda: linear_recovery(Z[:, 0], Z), "must be a filled matrix"),
        (lambda: linear_recovery(Z, Z, raw=Z[:9]), "raw of shape"),
        (lambda: linear_recovery(Z + np.inf, Z), "the code: not all values are finite"),
        (lambda: linear_recovery(Z, Z * [1, 0]), "latent 1 does not vary"),
        (lambda: linear_recovery(Z, 0.1 + 1e-17 * Z), "latent 0 does not vary"),
        (lambda: linear_recovery(Z, Z, method="lasso"), "method='lasso' is unknown"),
        (lambda: linear_recovery(Z[:7], Z[:7]), "7 samples for the 2 components"),
        (lambda: class_vector_recovery(Z, Z[:5]), "40 rows of weights and 5 vectors"),
        (lambda: class_vector_recovery(Z, Z, ROWS - 1), "give classes, the number of the vector"),
        (lambda: class_vector_recovery(Z, Z, ROWS[:9]), "9 entries but there are 40 rows"),
        (lambda: class_vector_recovery(Z, Z, ROWS + 0.0), "whole numbers, not of float64"),
        (lambda: class_vector_recovery(Z, Z, ROWS > 7), "whole numbers, not of bool"),
        (lambda: class_vector_recovery(Z, Z, ROWS.astype(str)), "whole numbers, not of <U"),
        (lambda: orthogonality(Z, Z, kappa=0), "kappa=0 is not possible"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_sentence(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_components_of_any_size_and_constants_leave_recovery_as_it_is():
    z = np.random.default_rng(0).standard_normal((200, 3))
    code = np.column_stack([z * [1.0, 1e-18, 1e150], np.full(200, 0.1)])
    code[::2, 3] = 0.3 - 0.2  # the same, but for rounding
    assert linear_recovery(code, z, method="ols").estimate == pytest.approx(1.0)
    assert class_vector_recovery(code, z).estimate == pytest.approx(1.0)
    noise = np.random.default_rng(1).standard_normal((200, 3))
    found = [
        linear_recovery(c, z, method="ols").estimate.item() for c in (noise, noise * code[:, 3:])
    ]
    assert found[0] == pytest.approx(found[1])
