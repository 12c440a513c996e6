"""Disentanglement scores: closed forms, codes whose scores are known, nulls, kinds, bad input."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy, f_oneway

import neurogeom as ng
from neurogeom.features._exchange_rows import Exchange
from neurogeom.features._factors import factors_of
from neurogeom.features._informativeness import single_code_accuracy
from neurogeom.features._votes import beta_vae, factor_vae
from neurogeom.features.disentanglement import BLIND_SPOTS, SCORES, disentanglement
from neurogeom.formulas.disentanglement import dci, mig, modularities, sap

BARE = {"n_null": 0, "n_null_learned": 0, "n_rotations": 0}
FIVE = tuple("abcde")


def _levels(n, seed, k=5):
    return np.random.default_rng(seed).integers(0, 10, (n, k))


def _named(y):
    return dict(zip(FIVE, y.T, strict=False))


def _turned(z, pairs):
    """Each of the first pairs of codes turned by 45 degrees."""
    z = z.astype(float).copy()
    for a in range(0, 2 * pairs, 2):
        z[:, a], z[:, a + 1] = z[:, a] + z[:, a + 1], z[:, a] - z[:, a + 1]
    return z


def _codes(y, seed):
    """Representations of the acceptance table, by name."""
    noise = np.random.default_rng(seed).standard_normal(y.shape)
    z = (y - 4.5) / np.sqrt(8.25)
    return {
        "identity": z,
        "permuted": z[:, [2, 0, 1, 4, 3]] * [3.0, -1.0, 2.0, -0.1, 1.0],
        "cubic": z**3,
        "duplicated": np.hstack([z, z]),
        "and noise": np.hstack([z, noise]),
        "one pair": _turned(z, 1),
        "two pairs": _turned(z, 2),
        "noise": noise,
        "zeros": 0.0 * z,
    }


def _found(codes, factors, **options):
    result = disentanglement(codes, factors, **{**BARE, **options})
    return dict(zip(result.score.values.tolist(), result.estimate.values, strict=True))


# --- closed forms -------------------------------------------------------------------------------


def test_matrices_with_known_scores_have_them():
    eye = np.eye(5)
    assert dci(eye)[:2] == pytest.approx((1.0, 1.0), abs=1e-9)
    copies = dci(np.vstack([eye, eye]))
    assert copies[:2] == pytest.approx((1.0, 1.0 - np.log(2) / np.log(10)), abs=1e-9)
    wide = dci(np.hstack([eye, eye]))
    assert wide[:2] == pytest.approx((1.0 - np.log(2) / np.log(10), 1.0), abs=1e-9)
    assert dci(np.ones((4, 3)))[:2] == pytest.approx((0.0, 0.0), abs=1e-9)
    dead = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert dci(dead)[:2] == pytest.approx((1.0, 1.0), abs=1e-9)
    assert modularities(dead).mean() == pytest.approx(2 / 3, abs=1e-9)
    assert modularities(np.hstack([eye, eye])).mean() == pytest.approx(8 / 9, abs=1e-9)
    assert mig(2.0 * eye, np.full(5, 2.0)) == pytest.approx(1.0, abs=1e-9)
    assert mig(np.vstack([eye, eye]), np.ones(5)) == pytest.approx(0.0, abs=1e-9)
    assert sap(np.array([[0.7, 0.3]])) == pytest.approx(0.5, abs=1e-9)  # one code has no second


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_dci_is_that_of_scipys_entropies_and_knows_no_order(seed, d, k):
    rng = np.random.default_rng(seed)
    r = rng.random((d, k)) ** 3
    found = dci(r)
    of_code = 1 - entropy(r, axis=1) / np.log(k)
    of_factor = 1 - entropy(r, axis=0) / np.log(d)
    assert found.disentanglement == pytest.approx(r.sum(axis=1) @ of_code / r.sum())
    assert found.completeness == pytest.approx(r.sum(axis=0) @ of_factor / r.sum())
    shuffled = r[rng.permutation(d)][:, rng.permutation(k)]
    assert dci(shuffled)[:2] == pytest.approx(found[:2])
    assert dci(r.T)[:2] == pytest.approx(found[1::-1])
    assert dci(r + 0.1).disentanglement < found.disentanglement


def test_one_factor_has_no_disentanglement_and_one_code_no_completeness():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one_factor, one_code = dci(np.ones((3, 1))), dci(np.ones((1, 3)))
        assert np.isnan(one_factor.disentanglement)
        assert one_factor.completeness == pytest.approx(0.0)
        assert one_code.disentanglement == pytest.approx(0.0)
        assert np.isnan(one_code.completeness)
        assert np.isnan(modularities(np.ones((3, 1)))).all()


def test_zero_matrices_score_zero_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zero = np.zeros((3, 2))
        assert (*dci(zero)[:2], mig(zero, np.ones(2)), modularities(zero).max()) == (0, 0, 0, 0)


# --- codes whose scores are known ---------------------------------------------------------------

SEVEN = 0.7  # Spearman correlation of U with U + V, both uniform
COUNTED = {  # of the acceptance table: MIG in equal widths, SAP continuous, modularity, MCC
    "identity": (0.999, 0.999, 1.0, 1.0),
    "permuted": (0.999, 0.999, 1.0, 1.0),
    "cubic": (0.879, 0.853, 1.0, 1.0),
    "duplicated": (0.0, 0.0, 1.0, 1.0),
    "and noise": (0.998, 0.999, 0.616, 1.0),
    "one pair": (0.600, 0.603, 0.900, (3 + 2 * SEVEN) / 5),
    "two pairs": (0.202, 0.205, 0.800, (1 + 4 * SEVEN) / 5),
    "noise": (0.0, 0.0, 0.282, 0.009),
    "zeros": (0.0, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", COUNTED)
def test_counted_scores_are_those_of_the_table(name):
    y = _levels(5_000, 0)
    codes = _codes(y, 1)[name]
    found = disentanglement(
        codes, _named(y), kinds="continuous", binning="equal_width", scores=SCORES[:4], **BARE
    )
    gap, linear_gap, naive_modularity, mean_correlation = COUNTED[name]
    assert found.estimate.sel(score="mig") == pytest.approx(gap, abs=0.02)
    assert found.estimate.sel(score="sap_continuous") == pytest.approx(linear_gap, abs=0.02)
    assert found.estimate.sel(score="mcc") == pytest.approx(mean_correlation, abs=0.02)
    tolerance = 0.08 if "noise" in name else 0.02  # five noise codes: each row its own draw
    naive = found.naive.sel(score="modularity")
    assert naive == pytest.approx(naive_modularity, abs=tolerance)


def test_without_ranks_a_monotone_distortion_and_a_turn_cost_what_pearson_says():
    y = _levels(3_000, 0)
    expected = {"cubic": 0.923, "one pair": (3 + 2**0.5) / 5, "two pairs": (1 + 8**0.5) / 5}
    for name, value in expected.items():
        options = {"kinds": "continuous", "correlation": "pearson", "scores": ("mcc",)}
        found = _found(_codes(y, 1)[name], _named(y), **options)
        assert found["mcc"] == pytest.approx(value, abs=0.02)


LEARNED = {  # DCI disentanglement and completeness, informativeness, FactorVAE, BetaVAE
    "identity": (1.0, 1.0, 1.0, 1.0, 1.0),
    "duplicated": (1.0, 0.702, 1.0, 1.0, 1.0),
    "one pair": (0.823, 0.823, None, 0.808, 0.790),
    "zeros": (0.0, 0.0, 0.1, 0.0, 0.202),
}
LEARNT = ("dci_disentanglement", "dci_completeness", "informativeness", "factor_vae", "beta_vae")


@pytest.mark.parametrize("name", LEARNED)
def test_scores_that_train_models_are_those_of_the_table(name):
    y = _levels(3_000, 0)
    found = _found(_codes(y, 1)[name], _named(y), scores=LEARNT)
    for score, value in zip(LEARNT, LEARNED[name], strict=True):
        tolerance = 0.05 if "vae" in score else 0.02  # 1,000 votes: a standard error of 0.013
        assert value is None or found[score] == pytest.approx(value, abs=tolerance), score


BOOSTED = {  # DCI disentanglement and completeness, informativeness, all by gradient boosting
    "identity": (1.0, 1.0, 1.0),
    "permuted": (1.0, 1.0, 1.0),
    "cubic": (1.0, 1.0, 1.0),
    "duplicated": (1.0, 0.702, 1.0),
    "and noise": (1.0, 1.0, 1.0),
    "one pair": (0.823, 0.823, 0.97),
    "two pairs": (0.644, 0.644, 0.94),
    "noise": (0.003, 0.003, 0.10),
    "zeros": (0.0, 0.0, 0.10),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOOSTED)
def test_importances_of_boosted_trees_are_those_of_the_table(name):
    y = _levels(4_500, 0)
    found = _found(_codes(y, 1)[name], _named(y), scores=LEARNT[:3], importance="boosting")
    for score, value in zip(LEARNT, BOOSTED[name], strict=False):
        assert found[score] == pytest.approx(value, abs=0.03 if score == LEARNT[2] else 0.02), score


def test_a_linear_classifier_of_one_code_tells_few_of_ten_ordered_levels_apart():
    """Its penalty knows units: 0.19 where the code is 0 to 9, 0.1 in units of its spread."""
    y = _levels(5_000, 3)
    factors = factors_of(_named(y), None, None, len(y))
    train, test = np.arange(2_500), np.arange(2_500, 5_000)
    accuracy = single_code_accuracy(y.astype(float), factors[:1], train, test)
    assert sap(accuracy) == pytest.approx(0.191, abs=0.02)
    own_units = _found(y, _named(y), scores=("sap_discrete",))["sap_discrete"]
    assert own_units == pytest.approx(0.1, abs=0.03)
    assert _found(np.hstack([y, y]), _named(y[:, :2]), scores=("sap_discrete",))[
        "sap_discrete"
    ] == pytest.approx(0.0, abs=0.01)


def test_explicitness_of_ordered_levels_is_that_of_thresholds_and_of_separate_levels_is_one():
    """Level k of ten by a threshold: the share of other levels on its better side, 0.778."""
    y = _levels(4_000, 4, 1)
    expected = np.mean([max(k, 9 - k) / 9 for k in range(10)])
    found = _found(-3.0 * y, {"a": y[:, 0]}, scores=("explicitness",))["explicitness"]
    assert found == pytest.approx(expected, abs=0.01)
    one_hot = (y == np.arange(10)).astype(float)
    found = _found(one_hot, {"a": y[:, 0]}, scores=("explicitness",))["explicitness"]
    assert found == pytest.approx(1.0, abs=1e-6)


# --- what scores see and what not ---------------------------------------------------------------


@given(st.integers(0, 10_000))
@settings(max_examples=5, deadline=None)
def test_order_sign_and_scale_of_codes_change_no_counted_score_and_a_rotation_does(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((300, 3))
    z = y + 0.3 * rng.standard_normal((300, 3))
    scale = rng.choice([-1, 1], 3) * rng.uniform(0.01, 50, 3)
    options = {"scores": ("mcc", "mig", "sap_continuous"), "seed": seed}
    found = _found(z, _named(y), **options)
    again = _found(7.0 + z[:, rng.permutation(3)] * np.abs(scale), _named(y), **options)
    assert again == pytest.approx(found)
    signed = _found(z * scale, _named(y), **options)
    assert signed["mcc"] == pytest.approx(found["mcc"])
    turned = _found(z @ np.linalg.qr(rng.standard_normal((3, 3)))[0], _named(y), **options)
    assert turned["mcc"] < found["mcc"]
    assert turned["mig"] < found["mig"]


def test_a_random_rotation_is_seen_by_some_scores_and_hardly_by_others():
    y = _levels(2_000, 5)
    names = ("mig", "sap_continuous", "modularity", "factor_vae", "beta_vae")
    found = disentanglement(
        y, _named(y), kinds="continuous", scores=names, n_null=19, n_null_learned=0, seed=2
    )
    seen = dict(zip(found.score.values.tolist(), found.rotated.values, strict=True))
    assert seen["mig"] < 0.4
    assert seen["sap_continuous"] < 0.6
    assert min(seen["modularity"], seen["factor_vae"], seen["beta_vae"]) > 0.75
    assert found.rotations.dims == ("rotation", "score")
    reading = found.reading.sel(score="mig").item()
    assert reading.startswith("0.99; shuffled rows 0.00, p = 0.05; turned codes")
    assert "same codes on random axes" in reading


def test_copies_of_codes_pass_some_scores_and_fail_others():
    y = _levels(2_000, 6)
    names = ("mcc", "mig", "modularity", "sap_continuous")
    found = _found(np.hstack([y, -y]), _named(y), kinds="continuous", scores=names)
    assert found["mcc"] == pytest.approx(1.0)
    assert found["modularity"] > 0.99
    assert max(found["mig"], found["sap_continuous"]) < 0.01


def test_a_missing_code_costs_its_factor():
    y = _levels(1_000, 7)
    assert _found(y[:, :3], _named(y), kinds="continuous", scores=("mcc",))["mcc"] < 0.67


def test_codes_without_information_lower_modularity_only_where_they_are_counted():
    y = _levels(2_000, 8)
    noise = np.random.default_rng(8).standard_normal((2_000, 5))
    codes = np.hstack([y, noise, np.ones((2_000, 2))])
    found = disentanglement(codes, _named(y), scores=("modularity",), **{**BARE, "n_null": 99})
    assert found.estimate.item() > 0.97
    assert found.naive.item() == pytest.approx((5 + 5 * 0.25) / 12, abs=0.05)
    assert found.informative.values[:5].all()
    assert found.informative.values[5:].sum() <= 1
    assert found.attrs["n_codes_constant"] == 2
    assert found.attrs["notes"] == ["2 codes do not vary"]


def test_mutual_information_loses_its_bias():
    rng = np.random.default_rng(9)
    y, z = rng.integers(0, 4, (300, 1)), rng.standard_normal((300, 40))
    found = disentanglement(z, {"a": y[:, 0]}, scores=("mig",), n_bins=6, n_null=99, n_rotations=0)
    expected = 5 * 3 / 600  # (bins - 1)(levels - 1) / 2n
    naive = found.naive_mutual_information.values
    assert naive.mean() == pytest.approx(expected, rel=0.25)
    assert found.mutual_information.values.mean() < 0.4 * expected  # its half above 0
    own = rng.integers(0, 4, 300)
    half = np.where(rng.random(300) < 0.5, own, rng.integers(0, 4, 300))[:, None]
    few = disentanglement(half, {"a": own}, scores=("mig",), n_bins=4, n_null=99, n_rotations=0)
    p = np.full((4, 4), 0.125 / 4) + 0.125 * np.eye(4)
    truth = (p * np.log(p * 16)).sum()
    assert few.mutual_information.item() == pytest.approx(truth, abs=0.09)
    assert few.mutual_information.item() < few.naive_mutual_information.item()


# --- kinds of factors ---------------------------------------------------------------------------


def test_an_angle_is_read_from_its_cosine_whatever_the_turns_and_a_number_is_not():
    rng = np.random.default_rng(10)
    orientation = rng.uniform(0, 180, 2_000)
    codes = np.column_stack([np.cos(2 * np.deg2rad(orientation) - 0.4), rng.standard_normal(2_000)])
    names = ("mcc", "mig", "sap_continuous", "informativeness")
    circular = {"scores": names, "periods": {"o": 180.0}}
    found = _found(codes, {"o": orientation}, **circular)
    assert found["mcc"] == pytest.approx(1.0)
    assert found["sap_continuous"] > 0.98
    assert found["mig"] > 0.4
    turned = _found(codes, {"o": orientation + 540.0}, **circular)
    assert turned == pytest.approx(found, abs=0.002)
    number = _found(codes, {"o": orientation}, kinds="continuous", scores=("mcc",))
    assert number["mcc"] < 0.5
    both = np.column_stack([codes[:, 0], np.sin(2 * np.deg2rad(orientation) - 0.4)])
    found = _found(both, {"o": orientation}, **circular)
    assert found["mig"] < 0.05
    assert found["informativeness"] > 0.9


def test_correlations_are_those_of_independent_formulas():
    rng = np.random.default_rng(11)
    level, angle, z = rng.integers(0, 4, 200), rng.uniform(0, 6, 200), rng.standard_normal((200, 2))
    z[:, 0] += 0.5 * (level == 2) + np.cos(angle)
    found = disentanglement(
        z, {"level": level.astype(str), "angle": angle, "value": angle},
        periods={"angle": 2 * np.pi}, scores=("mcc",), correlation="pearson", **BARE,
    )  # fmt: skip
    assert found.kind.values.tolist() == ["discrete", "circular", "continuous"]
    f = np.array([f_oneway(*(z[level == k, j] for k in range(4))).statistic for j in range(2)])
    np.testing.assert_allclose(found.correlation[:, 0], np.sqrt(3 * f / (3 * f + 196)), atol=1e-12)
    c, s = np.cos(angle), np.sin(angle)
    for j in range(2):
        (xc, xs), cs = (np.corrcoef(z[:, j], t)[0, 1] for t in (c, s)), np.corrcoef(c, s)[0, 1]
        expected = np.sqrt((xc**2 + xs**2 - 2 * xc * xs * cs) / (1 - cs**2))
        assert found.correlation[j, 1].item() == pytest.approx(expected, abs=1e-12)
        expected = abs(np.corrcoef(z[:, j], angle)[0, 1])
        assert found.correlation[j, 2].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("model", ["forest", "boosting", "lasso"])
def test_every_model_finds_which_code_holds_which_number(model):
    rng = np.random.default_rng(12)
    y = rng.standard_normal((400, 2))
    angle = np.pi * np.tanh(y[:, 1])
    codes = np.column_stack([np.cos(angle), np.sin(angle), -y[:, 0]])
    found = disentanglement(
        codes, {"a": y[:, 0], "b": angle}, periods={"b": 2 * np.pi}, scores=LEARNT[:3],
        importance=model, **BARE,
    )  # fmt: skip
    assert found.importance.values[2].round(1).tolist() == [1.0, 0.0]
    assert found.importance.values[:2, 0].max() < 0.05
    assert found.estimate.sel(score="dci_disentanglement") > 0.85
    assert found.informativeness_of_factor.values.min() > 0.7


def test_kinds_are_inferred_from_what_columns_hold_unless_given():
    rng = np.random.default_rng(13)
    columns = {
        "rule": np.array(["A", "B"])[rng.integers(0, 2, 100)],
        "correct": rng.random(100) < 0.5,
        "contrast": rng.integers(0, 6, 100) / 5,
        "speed": rng.standard_normal(100),
        "size": rng.integers(0, 6, 100),
    }
    kinds = [f.kind for f in factors_of(columns, {"size": "continuous"}, None, 100)]
    assert kinds == ["discrete", "discrete", "discrete", "continuous", "continuous"]


def test_scores_without_a_factor_of_their_kind_are_missing_with_a_reason():
    rng = np.random.default_rng(14)
    y = rng.standard_normal((60, 1))
    found = disentanglement(y, {"a": y[:, 0]}, n_null=2, n_null_learned=2, n_rotations=1)
    lacking = [s for s in SCORES if np.isnan(found.estimate.sel(score=s))]
    assert lacking == [
        "modularity", "dci_disentanglement", "dci_completeness", "sap_discrete", "explicitness",
        "factor_vae", "beta_vae",
    ]  # fmt: skip
    assert set(found.attrs["reasons"]) == set(lacking)
    assert found.reading.sel(score="factor_vae").item().startswith("not estimable: needs two")
    assert np.isnan(found.p_value.sel(score="factor_vae"))


# --- votes --------------------------------------------------------------------------------------


def _slow_votes(codes, y, train, test, rng):
    """FactorVAE as its paper says it: one batch after the other."""
    table, right = np.zeros((codes.shape[1], y.shape[1])), 0
    for rows, n in ((train, 2000), (test, 1000)):
        for _ in range(n):
            k = rng.integers(y.shape[1])
            level = y[rng.choice(rows), k]
            batch = codes[rng.choice(rows[y[rows, k] == level], 64)]
            calm = np.argmin(batch.var(axis=0) / codes.var(axis=0))
            if rows is train:
                table[calm, k] += 1
            else:
                right += table[calm].argmax() == k
    return right / 1000


def test_votes_are_those_of_batches_drawn_one_by_one():
    y = np.random.default_rng(15).integers(0, 5, (800, 3))
    z = _turned(np.c_[y, y[:, 2]], 1)[:, :3] + np.random.default_rng(16).standard_normal((800, 3))
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    train, test = np.arange(400), np.arange(400, 800)
    slow = _slow_votes(z, y, train, test, np.random.default_rng(17))
    factors = factors_of(_named(y), None, None, 800)
    fast = factor_vae(z, factors, train, test, np.random.default_rng(18))
    assert 0.5 < slow < 0.97
    assert fast == pytest.approx(slow, abs=4 * np.sqrt(0.5 / 1000))


def test_votes_are_counted_on_rows_that_taught_nothing():
    """Codes follow the factors on one half of the rows alone."""
    y = np.random.default_rng(19).integers(0, 4, (400, 3))
    z = np.random.default_rng(20).standard_normal((400, 3))
    z[:200] = y[:200] - 1.5
    train, test = np.arange(200), np.arange(200, 400)
    factors = factors_of(_named(y), None, None, 400)
    for score in (factor_vae, beta_vae):
        assert score(z, factors, train, train, np.random.default_rng(0)) > 0.99
        assert score(z, factors, train, test, np.random.default_rng(0)) < 0.6


def test_levels_of_one_row_hold_no_batch():
    y = np.column_stack([np.arange(40) % 20, np.arange(40) % 2])
    factors = factors_of(_named(y), None, None, 40)
    z = np.random.default_rng(21).standard_normal((40, 2))
    train, test = np.arange(20), np.arange(20, 40)  # each level of the first factor once
    assert factor_vae(z, factors, train, test, np.random.default_rng(0)) == 1.0
    assert np.isnan(beta_vae(z, factors, train, test, np.random.default_rng(0)))


# --- nulls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "chance"), [(5, 0.044), (10, 0.056), (50, 0.080)])
def test_the_chance_level_of_mcc_grows_with_the_codes(d, chance):
    rng = np.random.default_rng(d)
    y, z = rng.standard_normal((1000, 5)), rng.standard_normal((1000, d))
    found = disentanglement(z, _named(y), scores=("mcc",), n_null=40, n_rotations=0)
    assert found.chance.item() == pytest.approx(chance, abs=0.006)
    assert found.p_value.item() > 0.02


def test_codes_that_know_factors_stand_out_from_shuffled_rows():
    y = np.random.default_rng(22).integers(0, 3, (200, 2))
    found = disentanglement(
        y + np.random.default_rng(1).standard_normal(y.shape), _named(y), n_rotations=0,
        scores=("mcc", "mig", "explicitness", "factor_vae"), n_null=39, n_null_learned=19,
    )  # fmt: skip
    assert found.p_value.values.tolist() == [1 / 40, 1 / 40, 1 / 20, 1 / 20]
    assert found.null.dims == ("surrogate", "score")
    assert np.isfinite(found.null).sum("surrogate").values.tolist() == [39, 39, 19, 19]


def test_workers_change_nothing_and_the_seed_does():
    y = np.random.default_rng(23).integers(0, 3, (100, 2))
    options = {"scores": ("mcc", "mig", "beta_vae"), "n_null": 9, "n_null_learned": 3}
    one = disentanglement(y, _named(y), **options, n_rotations=1)
    two = disentanglement(y, _named(y), **options, n_rotations=1, n_jobs=2)
    other = disentanglement(y, _named(y), **options, n_rotations=1, seed=1)
    assert one.equals(two)
    assert (one.null.values[:3] != other.null.values[:3]).any()


def _exchanged(columns, block, shuffle, seed=0):
    factors = factors_of(columns, None, None, len(block))
    exchange = Exchange(factors, block, shuffle)
    moved = exchange.moved(factors, np.random.default_rng(seed))
    return exchange.notes(factors), [f.values for f in moved]


def test_rows_move_within_blocks_and_blocks_of_one_level_as_a_whole():
    block = np.repeat(np.arange(12), 10)
    stimulus = np.tile([0, 1, 2, 3, 4], 24) + 10 * block
    rule = block % 2
    notes, (moved, moved_rule) = _exchanged({"s": stimulus // 2, "r": rule}, block, "rows")
    assert not notes
    before = (stimulus // 2).reshape(12, 10)
    np.testing.assert_array_equal(np.sort(moved.reshape(12, 10)), np.sort(before))
    assert (moved.reshape(12, 10) != before).any()
    assert (np.ptp(moved_rule.reshape(12, 10), axis=1) == 0).all()
    assert sorted(moved_rule[::10]) == sorted(rule[::10].astype(float))
    assert (moved_rule != rule).any()


def test_factors_move_together():
    y = np.random.default_rng(24).integers(0, 3, 60)
    _, (a, b) = _exchanged({"a": y, "b": 2 - y}, np.zeros(60, int), "rows")
    np.testing.assert_array_equal(a, 2 - b)


def test_a_shift_keeps_the_order_of_rows_and_every_lag_is_drawn():
    y = np.random.default_rng(25).standard_normal(21)
    drawn = set()
    for seed in range(150):
        notes, (moved,) = _exchanged({"a": y}, np.zeros(21, int), "shift", seed)
        (lag,) = [lag for lag in range(21) if (np.roll(y, lag) == moved).all()]
        drawn.add(lag)
    assert drawn == set(range(21))
    assert notes == ["shuffle='shift' allows 21 arrangements of 21 rows, so p is coarse"]


def test_shifts_within_short_blocks_reject_no_more_often_than_said():
    """Without a lag of 0 each block of two could only be swapped: half of all data sets at 0.01."""
    block, p = np.repeat(np.arange(10), 2), []
    for s in range(20):
        x, y = np.random.default_rng(s).standard_normal((2, 20))
        found = disentanglement(x[:, None], {"y": y}, blocks=block, shuffle="shift", seed=s,
                                scores=("mcc",), n_null=19, n_rotations=0)  # fmt: skip
        p.append(found.p_value.item())
    assert (np.array(p) <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)


def test_few_blocks_are_said_to_leave_p_coarse():
    block = np.repeat(np.arange(4), 10)
    notes, _ = _exchanged({"rule": block % 2}, block, "rows")
    assert notes == [
        "4 blocks, in each of which factor 'rule' is constant, allow 6 arrangements of its "
        "values, so p is coarse"
    ]


def _rejected(make, n, names, **options):
    """Share of p at most 0.05 by score, over n data sets."""
    p = [
        disentanglement(*make(np.random.default_rng(s)), scores=names, n_rotations=0, seed=s,
                        **options).p_value.values
        for s in range(n)
    ]  # fmt: skip
    return dict(zip(names, (np.array(p) <= 0.05).mean(axis=0), strict=True))


def _independent(rng):
    y = rng.integers(0, 4, (120, 3))
    return rng.standard_normal((120, 4)) @ rng.standard_normal((4, 4)), {
        "a": y[:, 0].astype(str), "b": y[:, 1].astype(str), "c": rng.standard_normal(120)
    }  # fmt: skip


@pytest.mark.slow
def test_codes_that_know_nothing_are_rejected_no_more_often_than_said():
    counted = ("mcc", "mig", "modularity", "sap_continuous")
    found = _rejected(_independent, 200, counted, n_null=39)
    assert max(found.values()) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert min(found[s] for s in ("mcc", "mig", "sap_continuous")) > 0.005
    trained = ("sap_discrete", "explicitness", "factor_vae", "beta_vae")
    found = _rejected(_independent, 30, trained, n_null_learned=19)
    assert max(found.values()) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 30)


def _slow_series(rng):
    """Independent autocorrelated codes and factors, of time constant 20 rows."""
    from scipy.signal import lfilter

    x = lfilter([1.0], [1.0, -0.95], rng.standard_normal((400, 6)), axis=0)
    return x[:, :3], _named(x[:, 3:])


@pytest.mark.slow
def test_slow_series_need_shifts_and_reject_too_often_without():
    names = ("mcc", "mig")
    shuffled = _rejected(_slow_series, 100, names, n_null=39)
    shifted = _rejected(_slow_series, 100, names, n_null=39, shuffle="shift")
    assert min(shuffled.values()) > 0.5
    assert max(shifted.values()) < 0.12


# --- activity -----------------------------------------------------------------------------------


def _recording(rng, n=80):
    rule, shape = rng.integers(0, 2, n), rng.integers(0, 3, n)
    values = np.column_stack([rule, shape, rule + shape, shape]) + 0.2 * rng.standard_normal((n, 4))
    trial = {"rule": np.array(["A", "B"])[rule], "shape": shape}
    return values, trial


def test_neurons_and_task_variables_score_as_arrays_do_in_any_order():
    values, trial = _recording(np.random.default_rng(26))
    options = {"scores": ("mcc", "mig", "factor_vae"), "n_null": 9, "n_null_learned": 2}
    options["n_rotations"] = 0
    x = ng.from_arrays(values, trial=trial, session="monday")
    found = disentanglement(x, ["rule", "shape"], **options)
    plain = disentanglement(values, trial, **options)
    np.testing.assert_array_equal(found.estimate, plain.estimate)
    mixed = x.isel(trial=np.random.default_rng(0).permutation(80), neuron=[2, 0, 3, 1])
    again = disentanglement([mixed], ["rule", "shape"], **options)
    np.testing.assert_array_equal(found.null, again.null)
    assert found.code.values.tolist() == x.unit_id.values.tolist()
    assert found.kind.values.tolist() == ["discrete", "discrete"]


def test_neurons_and_trials_with_gaps_are_left_out_and_counted():
    values, trial = _recording(np.random.default_rng(27))
    values[:40, 3] = np.nan
    values[7] = np.nan
    trial["rule"][9] = ""
    x = ng.from_arrays(values, trial=trial)
    found = disentanglement(x, ["rule", "shape"], scores=("mcc",), **BARE)
    assert found.sizes["code"] == 3
    assert found.attrs["n_neurons_dropped"] == 1
    assert found.attrs["n_trials_dropped"] == 2
    assert found.attrs["n_rows"] == 78


def test_blocks_of_a_recording_stay_together():
    values, trial = _recording(np.random.default_rng(28))
    trial["block"] = np.repeat(np.arange(8), 10)
    x = ng.from_arrays(values, trial=trial)
    found = disentanglement(x, ["rule", "shape"], scores=("mcc", "sap_discrete"), **BARE)
    assert found.attrs["n_blocks"] == 8
    given = disentanglement(
        values, {k: trial[k] for k in ("rule", "shape")}, blocks=trial["block"],
        scores=("mcc", "sap_discrete"), **BARE,
    )  # fmt: skip
    np.testing.assert_array_equal(found.estimate, given.estimate)


# --- what a result says, and what cannot be scored ----------------------------------------------


def test_every_score_says_what_it_cannot_see():
    assert set(BLIND_SPOTS) == set(SCORES)
    y = np.random.default_rng(29).integers(0, 2, (60, 2))
    found = disentanglement(y, _named(y), n_null=1, n_null_learned=1, n_rotations=1)
    assert found.score.values.tolist() == list(SCORES)
    assert all(found.blind_spots.values)
    assert "0.1 and not 1" in found.blind_spots.sel(score="sap_discrete").item()


def test_constant_codes_score_zero_or_chance_in_silence():
    y = np.random.default_rng(30).integers(0, 3, (200, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = disentanglement(
            np.full((200, 3), 0.1), _named(y), n_null=9, n_null_learned=2, n_rotations=1
        )
    zero = ("mcc", "mig", "modularity", "dci_disentanglement", "dci_completeness", "factor_vae")
    assert found.estimate.sel(score=list(zero)).values.tolist() == [0.0] * 6
    assert found.estimate.sel(score="explicitness").item() == pytest.approx(0.5)
    assert found.attrs["notes"] == ["3 codes do not vary"]
    assert found.p_value.sel(score="mig").item() == 1.0


_Y = np.arange(40) % 4
_X = np.random.default_rng(31).standard_normal((40, 2))
_A = ng.from_arrays(_X, trial={"rule": _Y}, session="a")
_GAPS = np.where(np.eye(40, 2, dtype=bool), np.nan, _X)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: disentanglement(_X, {"a": np.ones(40)}), "'a' has one level, 1.0; leave it out"),
        (lambda: disentanglement(_GAPS, {"a": _Y}), "codes are not finite in 2 of 40 rows"),
        (lambda: disentanglement(_X[:, 0], {"a": _Y}), "are no matrix"),
        (lambda: disentanglement(_X, {"a": _Y[:30]}), "30 entries but there are 40 rows"),
        (lambda: disentanglement(_X, {}), "factors is empty"),
        (lambda: disentanglement(_X[:10], {"a": _Y[:10]}), "10 rows are too few"),
        (lambda: disentanglement(_X, {"a": [None, *_Y[1:]]}), "'a' is missing in 1 rows"),
        (lambda: disentanglement(_X, {"a": np.arange(40)}, kinds="discrete"), "40 levels in 40"),
        (
            lambda: disentanglement(_X, {"a": _Y.astype(str)}, kinds="continuous"),
            "holds text and cannot be continuous",
        ),
        (lambda: disentanglement(_X, {"a": _Y}, kinds="circular"), "of unknown period"),
        (
            lambda: disentanglement(_X, {"a": _Y}, kinds="discrete", periods={"a": 4.0}),
            "has a period and the kind 'discrete'",
        ),
        (lambda: disentanglement(_X, {"a": _Y}, periods={"a": -1.0}), "give a number above 0"),
        (lambda: disentanglement(_X, {"a": _Y}, kinds={"b": "discrete"}), "'b' of kinds"),
        (lambda: disentanglement(_X, {"a": _Y}, kinds="cyclic"), "kind='cyclic' is unknown"),
        (lambda: disentanglement(_X, {"a": _Y}, scores=("mig", "dci")), "'dci' of scores"),
        (lambda: disentanglement(_X, {"a": _Y}, n_bins=1), "n_bins=1 is not possible"),
        (lambda: disentanglement(_X, {"a": _Y}, n_bins=0), "n_bins=0 is not possible"),
        (lambda: disentanglement(_X, {"a": _Y}, importance="lasso"), "'a' is discrete"),
        (lambda: disentanglement(_X, {"a": _Y}, shuffle="time"), "shuffle='time' is unknown"),
        (lambda: disentanglement(_X, {"a": _Y}, blocks=np.ones(40)), "all rows are in one block"),
        (lambda: disentanglement([_A, _A], ["rule"]), "2 sessions share no trials"),
        (lambda: disentanglement(_A, ["rule"], blocks=_Y), "their? coordinate|coordinate 'block'"),
        (lambda: disentanglement(ng.from_arrays(_GAPS, trial={"r": _Y}), ["r"]), "no neuron was"),
        (
            lambda: disentanglement(ng.from_arrays(_X[:, :, None], {"r": _Y}, time=[0.0]), ["r"]),
            "has a time axis",
        ),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_units_and_offsets_change_no_score():
    """Seconds since 1970, whose squares rounded away what a forest learns; and volts as squares."""
    rng = np.random.default_rng(5)
    y = rng.standard_normal((60, 2))
    codes = y + 0.1 * rng.standard_normal((60, 2))
    names = ("mcc", "sap_continuous", "mig", "dci_completeness", "informativeness")
    some = {"scores": names, "n_null": 2, "n_null_learned": 1, "n_rotations": 0}
    plain, moved, large = (
        disentanglement(unit * codes, {"a": unit * y[:, 0] + shift, "b": y[:, 1]}, **some).estimate
        for unit, shift in ((1, 0), (2.0**-10, 1.7e9), (2.0**600, 0))
    )
    np.testing.assert_allclose(moved, plain, atol=1e-3)
    np.testing.assert_allclose(large, plain, atol=1e-9)


def test_one_factor_has_no_modularity_whether_codes_know_it_or_not():
    for codes in (_X, np.ones_like(_X)):
        found = disentanglement(codes, {"a": _Y}, scores=("modularity",), n_null=1, n_rotations=1)
        assert np.isnan(found.estimate.item())


def test_a_value_worse_than_the_mean_is_within_the_range_that_is_said():
    y, some = np.random.default_rng(32).standard_normal(40), {"n_null": 1, "n_rotations": 0}
    for scores, least in ((("informativeness",), -np.inf), (("mcc",), 0.0)):
        found = disentanglement(_X, {"a": y}, scores=scores, n_null_learned=1, **some)
        assert found.attrs["range"] == [least, 1.0]
        assert (found.estimate < 0) == (least < 0)
    assert disentanglement(_X, {"a": _Y}, n_null_learned=1, **some).attrs["range"] == [0.0, 1.0]


def test_blocks_that_leave_nothing_to_learn_from_are_refused_where_a_model_is_trained():
    block, some = np.r_[0, np.ones(len(_Y) - 1)], {"n_null": 1, "n_rotations": 0}
    with pytest.raises(ValueError, match="blocks leave .* give more blocks alike"):
        disentanglement(_X, {"a": _Y}, blocks=block, scores=("informativeness",), **some)
    assert disentanglement(_X, {"a": _Y}, blocks=block, scores=("mcc",), **some).estimate >= 0


def test_angles_are_taken_as_bytes_too():
    y, some = np.arange(0, 240, 4), {"scores": ("mcc",), "n_null": 0, "n_rotations": 0}
    codes = np.cos(np.deg2rad(y))[:, None]
    one, two = (
        disentanglement(codes, {"a": y.astype(kind)}, periods={"a": 360}, **some).estimate.item()
        for kind in (np.uint8, float)
    )
    assert one == two


def test_factors_of_the_wrong_sort_are_refused():
    for options in ({"kinds": ["discrete"]}, {"periods": 180.0}):
        with pytest.raises(TypeError, match=f"{next(iter(options))}=.* mapping; give names"):
            disentanglement(_X, {"a": _Y}, **options)
    with pytest.raises(TypeError, match="codes must be an array of real numbers"):
        disentanglement([[1, 2], [3]], {"a": _Y})
    with pytest.raises(TypeError, match="mapping of names to arrays"):
        disentanglement(_X, ["a"])
    with pytest.raises(TypeError, match="list of its trial columns"):
        disentanglement(_A, {"rule": _Y})
    with pytest.raises(KeyError, match="'shape' is not a column"):
        disentanglement(_A, ["shape"])


def test_a_factor_that_is_mostly_at_its_maximum_is_no_error():
    rng = np.random.default_rng(0)
    most = np.where(np.arange(400) < 370, 1.0, rng.random(400))
    codes = np.c_[most, rng.standard_normal(400)]
    with np.errstate(all="ignore"):
        found = disentanglement(
            codes, {"most": most, "other": codes[:, 1]}, scores=("mcc", "mig"), n_null=3,
            n_rotations=0,
        )  # fmt: skip
    assert found.estimate.values[0] > 0.9
    assert found.estimate.values[1] > 0.5
    near = {"angle": rng.uniform(-3, 3, 400), "other": codes[:, 1]}  # of one arc of ten
    found = disentanglement(codes, near, periods={"angle": 360.0}, scores=("mig",), n_null=3,
                            n_rotations=0)  # fmt: skip
    assert "falls into one bin" in found.attrs["reasons"]["mig"]


def test_a_sparse_code_and_its_negative_have_the_same_information():
    z = np.maximum(np.random.default_rng(0).standard_normal((1000, 2)) - 0.5, 0)
    options = {"scores": ("mig", "modularity"), "n_null": 3, "n_rotations": 0}
    one, other = (
        disentanglement(sign * z, {"a": z[:, 0], "b": z[:, 1]}, **options) for sign in (1, -1)
    )
    np.testing.assert_allclose(one.estimate, other.estimate, atol=0.02)
    assert (one.estimate > 0.9).all()


def test_two_opposite_angles_have_one_axis_and_one_angle_is_refused():
    rng = np.random.default_rng(0)
    angle = np.where(np.arange(200) % 2, 0.0, 180.0)
    code = np.c_[angle, rng.standard_normal(200)]
    options = {"periods": {"a": 360.0}, "scores": ("mcc",), "n_null": 3, "n_rotations": 0}
    found = disentanglement(code, {"a": angle, "b": code[:, 1]}, **options)
    expected = abs(np.corrcoef(code.T)[0, 1])
    np.testing.assert_allclose(found.correlation.sel(factor="a"), [1.0, expected], atol=1e-12)
    with pytest.raises(ValueError, match="one angle of period 360"):
        disentanglement(code, {"a": 2 * angle, "b": code[:, 1]}, **options)


def test_neurons_that_come_and_go_are_told_with_what_to_keep():
    values = np.random.default_rng(0).random((50, 3))
    values[:20, 0], values[20:, 1:] = np.nan, np.nan
    x = ng.from_arrays(values, trial={"a": np.arange(50) % 2}, neuron={"unit_id": [7, 8, 9]})
    with pytest.raises(ValueError, match="all 50 trials .* unit_id 7, was on 30, with 0 others of"):
        disentanglement(x, ["a"])
    some = ng.select(x, neurons="unit_id == 7")
    found = disentanglement(some, ["a"], scores=("mcc",), n_null=1)
    assert found.attrs["n_trials_dropped"] == 20
    with pytest.raises(ValueError, match="on any of the trials that have labels; check the window"):
        disentanglement(x * np.nan, ["a"])
