"""The read-out table: right where the answer is known, at chance where there is none."""

import warnings

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LinearRegression, RidgeClassifier

import neurogeom as ng
from neurogeom.features import factor_readout
from neurogeom.features.factor_readout import _folds
from neurogeom.stimuli import images

N = 300


def made(seed=0, n=N):
    rng = np.random.default_rng(seed)
    factors = {
        "size": rng.uniform(1, 2, n),
        "shape": rng.choice(["cross", "disc", "square"], n),
        "angle": rng.uniform(0, 360, n),
    }
    turn = 2 * np.pi * factors["angle"] / 360
    code = np.column_stack([
        factors["size"], *(factors["shape"] == s for s in ("cross", "disc", "square")),
        np.cos(turn), np.sin(turn),
    ]) @ rng.standard_normal((6, 12))  # fmt: skip
    return code + 0.3 * rng.standard_normal(code.shape), factors


def read(code, factors, **options):
    return factor_readout(code, factors, circular={"angle": 360.0}, **{"n_null": 0, **options})


def by_hand(code, y, seed, model):
    fold = _folds(ng.from_arrays(code), 5, seed)
    out = np.empty_like(y)
    for f in range(5):
        out[fold == f] = model.fit(code[fold != f], y[fold != f]).predict(code[fold == f])
    return out


def test_read_outs_are_those_of_scikit_learn_on_the_same_parts():
    code, factors = made()
    found = read(code, factors, penalties=[1e-9], seed=2)
    assert found.statistic.values.tolist() == ["pearson", "accuracy", "cosine"]
    size = by_hand(code, factors["size"], 2, LinearRegression())
    r = np.corrcoef(size, factors["size"])[0, 1]
    assert float(found.estimate[0]) == pytest.approx(r, abs=2e-3)  # from the means that were fitted
    shape = by_hand(code, factors["shape"], 2, RidgeClassifier(1e-9))
    each = [(shape == s)[factors["shape"] == s].mean() for s in np.unique(shape)]
    assert float(found.estimate[1]) == pytest.approx(np.mean(each))
    turn = 2 * np.pi * factors["angle"] / 360
    both = by_hand(code, np.column_stack([np.cos(turn), np.sin(turn)]), 2, LinearRegression())
    error = np.arctan2(both[:, 1], both[:, 0]) - turn
    assert float(found.estimate[2]) == pytest.approx(np.cos(error).mean())


def test_chance_is_what_shuffles_give_and_noise_is_there():
    code, factors = made()
    noise = np.random.default_rng(9).standard_normal((N, 4))
    found = read({"code": code, "noise": noise}, factors, n_null=39)
    np.testing.assert_allclose(found.chance, [[0, 1 / 3, 0]] * 2, atol=0.08)
    assert (found.p_value.sel(representation="code") == 1 / 40).all()
    assert (found.p_value.sel(representation="noise") > 0.05).all()
    within = found.estimate.sel(representation="noise") - found.chance.sel(representation="noise")
    assert (np.abs(within) < 0.15).all()


def test_a_shuffle_is_scored_as_the_factor_itself_would_be():
    code, factors = made()
    found = read(code, factors, n_null=2)
    order = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(84,))).permutation(N)
    moved = read(code, {k: v[order] for k, v in factors.items()})
    np.testing.assert_allclose(found.null[0], moved.estimate)


def test_few_trials_and_many_neurons_stay_at_chance_without_least_squares():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(60)
    found = factor_readout(rng.standard_normal((60, 200)), {"y": y}, n_null=0)
    assert -0.35 < found.estimate < 0.35
    assert found.r_squared < 0.15


def test_raw_input_stands_beside_the_estimate():
    code, factors = made()
    found = read(code, factors, raw=code[:, :1])
    alone = read(code[:, :1], factors)
    np.testing.assert_array_equal(found.raw, alone.estimate)
    np.testing.assert_array_equal(found.raw_r_squared, alone.r_squared)
    assert (found.estimate > found.raw).all()
    assert np.isnan(read(code, factors).raw).all()


def test_rotation_and_offset_of_the_code_change_nothing_and_a_lost_direction_does():
    code, factors = made()
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    a, b = read(code, factors), read(3 * code @ turn + 5, factors)
    np.testing.assert_allclose(a.estimate, b.estimate, atol=1e-9)
    assert (read(code[:, :3], factors).estimate < a.estimate).all()


def test_an_angle_is_read_around_its_seam_and_as_a_number_it_is_not():
    code, factors = made()
    circular = read(code, factors).estimate[2]
    plain = factor_readout(code, {"angle": factors["angle"]}, n_null=0)
    assert plain.statistic.item() == "pearson"
    assert circular > 0.9
    assert plain.r_squared < 0.7
    half = factor_readout(code, {"angle": factors["angle"]}, n_null=0, circular={"angle": 180})
    assert half.estimate < 0.3  # of 180 degrees the code holds nothing


def test_numbers_are_levels_where_named():
    code, factors = made()
    codes = np.unique(factors["shape"], return_inverse=True)[1]
    as_levels = factor_readout(code, {"shape": codes}, discrete=["shape"], n_null=0)
    assert float(as_levels.estimate[0]) == float(read(code, factors).estimate[1])
    assert factor_readout(code, {"shape": codes}, n_null=0).statistic.item() == "pearson"


def test_the_order_of_trials_changes_nothing_and_arrays_follow_the_activity():
    code, factors = made()
    x = ng.from_arrays(code, trial=factors, session="a")
    order = np.random.default_rng(3).permutation(N)
    names = ["size", "shape", "angle"]
    plain = read(x, names, raw=code[:, :2])
    moved = x.isel(trial=order)
    np.testing.assert_array_equal(plain.estimate, read(moved, names).estimate)
    arrays = read(moved, {k: v[order] for k, v in factors.items()}, raw=code[order, :2])
    np.testing.assert_array_equal(plain.estimate, arrays.estimate)
    np.testing.assert_array_equal(plain.raw, arrays.raw)
    np.testing.assert_array_equal(plain.raw, read(moved, names, raw=code[order, :2]).raw)
    assert plain.estimate.equals(read(code, factors).estimate)


def test_trials_of_a_block_stay_together_so_that_a_drift_does_not_pass_for_a_code():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(20), 10)
    code, y = rng.standard_normal((20, 40))[block], rng.standard_normal(20)[block]
    free, kept = (
        factor_readout(ng.from_arrays(code, trial=trial, session="a"), ["y"], n_null=1)
        for trial in ({"y": y}, {"y": y, "block": block})
    )
    assert free.estimate > 0.9
    assert kept.estimate < 0.5
    assert kept.notes == ["p-values take trials to be exchangeable, and these have blocks"]
    assert not free.notes


def test_a_neuron_that_does_not_vary_passes_in_silence():
    code, factors = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dead = read(np.column_stack([code, np.full(N, 2.0)]), factors)
        nothing = read(np.zeros((N, 2)), factors)
    np.testing.assert_allclose(dead.estimate, read(code, factors).estimate, atol=1e-9)
    assert float(nothing.estimate[0]) == 0.0
    assert 0.2 < nothing.estimate[1] <= 1 / 3 + 1e-9


CODE, FACTORS = made(n=20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: factor_readout(CODE, {"y": np.ones(20)}), "factor 'y' has the one level 1.0"),
        (lambda: factor_readout(CODE, {"y": np.ones(19)}), "numbers of trials differ"),
        (lambda: factor_readout(CODE, {}), "no factor was named"),
        (lambda: factor_readout({}, FACTORS), "mapping of representations is empty"),
        (lambda: factor_readout(CODE, ["size"]), "there is no activity that has them"),
        (lambda: factor_readout(CODE[:, 0], FACTORS), r"'x' has shape \(20,\)"),
        (lambda: factor_readout(CODE * np.nan, FACTORS), "were not observed"),
        (lambda: factor_readout(CODE, {"y": np.full(20, np.nan)}), "'y' is missing on 20 trials"),
        (lambda: factor_readout(CODE, {"y": np.r_[np.inf, np.ones(19)]}), "'y' is infinite"),
        (lambda: factor_readout(CODE, {"y": np.ones((20, 2))}), r"'y' has shape \(20, 2\)"),
        (lambda: factor_readout(CODE, FACTORS, discrete=["shap"]), "did you mean 'shape'"),
        (lambda: factor_readout(CODE, FACTORS, discrete="size"), "discrete='size' is no list"),
        (lambda: factor_readout(CODE, FACTORS, circular=["size"]), "is no mapping; give names"),
        (lambda: factor_readout(CODE, FACTORS, penalties=()), r"penalties=\(\) is not possible"),
        (lambda: factor_readout(CODE, FACTORS, penalties=[1.0, 0]), "penalties=0 is not possible"),
        (lambda: factor_readout(CODE, {"y": ["a", None] * 10}), "'y' is missing on 10 trials"),
        (lambda: factor_readout(CODE, {"y": ["a", 1] * 10}), "'y' holds numbers and text"),
        (lambda: factor_readout(CODE, {"y": [1, 1j] * 10}), "'y' holds complex and numbers"),
        (lambda: factor_readout(CODE, {"y": [0, 360] * 10}, circular={"y": 360}), "has one angle"),
        (lambda: factor_readout(CODE, FACTORS, circular={"shape": 1.0}), "text, which has no peri"),
        (lambda: factor_readout(CODE, FACTORS, circular={"size": 0}), "the period of size=0"),
        (lambda: factor_readout(CODE, FACTORS, n_folds=11), "20 trials in 11 parts are too few"),
        (lambda: factor_readout(CODE, FACTORS, n_folds=1), "n_folds=1 is not possible"),
        (lambda: factor_readout([ng.from_arrays(CODE)], FACTORS), "several sessions"),
        (lambda: factor_readout(ng.from_arrays(CODE), 5), "factors=5 are no names of columns"),
        (lambda: factor_readout(CODE, FACTORS, discrete=["size"], circular={"size": 1}), "both na"),
        (lambda: factor_readout({"raw input": CODE}, FACTORS, raw=CODE), "is the name of raw"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_unknown_columns_time_and_other_trials_are_refused():
    x = ng.from_arrays(CODE, trial=FACTORS, session="a")
    with pytest.raises(KeyError, match="'colour' is not a column"):
        factor_readout(x, ["colour"])
    with pytest.raises(ValueError, match="has a time axis"):
        factor_readout(ng.from_arrays(CODE[:, :, None], time=[0.0]), FACTORS)
    other = x.assign_coords(trial_id=("trial", np.arange(5, 25)))
    with pytest.raises(ValueError, match="different trial_ids"):
        factor_readout({"a": x, "b": other}, ["size"])


def test_pixels_of_sprites_say_size_and_place_and_not_the_shape():
    rng = np.random.default_rng(0)
    factors = {
        "shape": rng.choice(["disc", "square", "cross", "triangle"], 500),
        "size": rng.uniform(0.12, 0.25, 500),
        "row": rng.uniform(0.3, 0.7, 500),
        "angle": rng.uniform(0, 2 * np.pi, 500),
    }
    x = images(factors["shape"], factors["size"], factors["row"], np.full(500, 0.5),
               angle=factors["angle"])  # fmt: skip
    found = factor_readout(x, factors, circular={"angle": 2 * np.pi}, n_null=0)
    assert (found.estimate.sel(factor=["size", "row"]) > 0.9).all()
    assert found.estimate.sel(factor="shape") < 0.6
    assert abs(found.estimate.sel(factor="angle")) < 0.2


def test_levels_that_are_never_named_are_said_to_bound_accuracy():
    shape = np.array(["a", "b"] * 20 + ["c"])
    code = np.eye(3)[np.unique(shape, return_inverse=True)[1]]
    found = factor_readout(code, {"shape": shape}, n_null=0)
    assert float(found.estimate[0]) == pytest.approx(2 / 3)
    (note,) = found.attrs["notes"]
    assert note.startswith("1 of 3 levels of 'shape'")
    assert "at most 0.67" in note
    assert factor_readout(code[:-1], {"shape": shape[:-1]}, n_null=0).attrs["notes"] == []


def test_arrays_follow_an_activity_as_given_and_labelled_factors_their_trial_ids():
    rng = np.random.default_rng(0)
    x = ng.from_arrays(rng.random((40, 3)))
    x = x.assign_coords(r=("trial", x.values[:, 0]))
    given = x.isel(trial=rng.permutation(40))
    want = factor_readout(x, ["r"], raw=x.values, n_null=0)
    for factors in (["r"], {"r": x.r}, {"r": given.r.values}):
        found = factor_readout(given, factors, raw=given.values, n_null=0)
        xr.testing.assert_allclose(found[["estimate", "raw"]], want[["estimate", "raw"]])
    with pytest.raises(ValueError, match="r of 40 trials are not of the 40 of this activity"):
        factor_readout(given, {"r": x.r.assign_coords(trial_id=x.trial_id + 1)}, n_null=0)
