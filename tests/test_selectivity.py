"""Selectivity of single neurons, and what interactions do, where the truth is known."""

import warnings

import numpy as np
import pytest
import xarray as xr
from made_population import crossed, recording

import neurogeom as ng
from neurogeom.engine.setting import NothingToAsk
from neurogeom.linked import additive, interaction_effect
from neurogeom.measures.selectivity import CLASSES, selectivity

SIDE = 2.0 * crossed(2, 2) - 1.0
PROFILES = {
    "none": 0 * SIDE[:, 0],
    "pure": SIDE[:, 0],
    "linear mixed": SIDE.sum(axis=1),
    "nonlinear mixed": SIDE.prod(axis=1),
}


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def of(found, quantity, name="estimate"):
    """One number of a quantity."""
    return float(found[name].sel(quantity=quantity))


def each_class(n=10, n_trials=20, size=2.0, seed=0, **options):
    """n neurons of each class, sides of a variable 2 * size noise sd apart."""
    means = size * np.repeat(np.array(list(PROFILES.values())).T, n, axis=1)
    return recording(means, n_trials, seed=seed, names="ab", **options)


def test_neurons_made_pure_or_mixed_are_found_to_be_so():
    found = selectivity(each_class(), ["a", "b"], n_null=199)
    wrong = found.neuron_class.values != np.repeat(CLASSES, 10)
    assert wrong.sum() <= 3  # false discoveries at .05 among 40
    for name in CLASSES:
        share = of(found, f"share_{name.replace(' ', '_')}")
        assert share == np.mean(found.neuron_class.values == name)


@pytest.mark.parametrize("apart", [False, True])
def test_the_nonlinear_index_is_the_share_of_interactions(apart):
    values = []
    for seed in range(6):
        x = ng.simulate("cube_nonlinear", 2.0, n_neurons=60, n_trials=20, apart=apart, n_truth=0,
                        seed=seed)  # fmt: skip
        found = selectivity(x, ["a", "b", "c"], n_null=0)
        values.append([of(found, "nonlinear_index"), of(found, "variance_a")])
        assert of(found, "nonlinear_index", "naive") > of(found, "nonlinear_index")
    error = np.std(values, axis=0) / np.sqrt(6)
    assert (np.abs(np.mean(values, axis=0) - 0.25) < 4 * error + 0.005).all()


def test_pure_noise_has_shares_of_a_seventh_before_correction_and_no_estimate_after():
    x = recording(np.zeros((8, 400)), 10)
    found = selectivity(x, ["a", "b", "c"], n_null=0)
    raw = [float(v) for q, v in found.naive.to_series().items() if q.startswith("variance_")]
    np.testing.assert_allclose(raw, np.full(7, 1 / 7), atol=0.02)
    assert np.isnan(of(found, "nonlinear_index"))
    assert "trial noise exceeds" in found.attrs["reasons"]["nonlinear_index"]
    mean = found.variance.isel(term=slice(7))
    error = mean.std("neuron") / 20
    assert (np.abs(mean.mean("neuron")) < 4 * error).all()


def test_of_neurons_of_noise_omega_squared_is_0_and_eta_squared_is_not():
    found = selectivity(recording(np.zeros((4, 2000)), 10, names="ab"), ["a", "b"], n_null=0)
    at = found.sel(term="a:b")
    assert abs(float(at.omega2.mean())) < 4 * float(at.omega2.std()) / np.sqrt(2000) < 0.004
    np.testing.assert_allclose(at.eta2.mean(), 1 / 39, atol=0.004)


@pytest.mark.parametrize("counts", [10, (5, 20, 10, 8)])
def test_one_in_twenty_neurons_of_noise_has_a_p_below_its_level(counts):
    found = selectivity(recording(np.zeros((4, 400)), counts, names="ab"), ["a", "b"], n_null=199)
    rate = (found.p_neuron <= 0.05).mean("neuron").values
    assert (np.abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)).all()
    assert of(found, "share_none") > 0.98
    chance = float(found.chance_naive.sel(quantity="share_nonlinear_mixed"))
    np.testing.assert_allclose(chance, 0.05)
    assert abs(of(found, "share_nonlinear_mixed", "naive") - chance) < 0.044


def test_spikes_with_a_large_main_effect_have_no_false_interactions_for_unequal_counts():
    rng, counts = np.random.default_rng(0), (5, 20, 10, 8)
    condition = np.repeat(np.arange(4), counts)
    rate = np.array([1.0, 1.0, 8.0, 8.0])[condition]
    x = ng.from_arrays(
        rng.poisson(rate[:, None], (condition.size, 400)).astype(float),
        dict(zip("ab", crossed(2, 2)[condition].T, strict=True)),
    )
    for model in ("gaussian", "poisson"):
        p = selectivity(x, ["a", "b"], n_null=199, model=model).p_neuron
        false = (p.sel(term=["b", "a:b"]) <= 0.05).mean("neuron").values
        assert (np.abs(false - 0.05) < 0.044).all()  # 4 standard errors
        assert float((p.sel(term="a") <= 0.05).mean()) > 0.95


def test_rates_that_multiply_interact_for_one_model_and_not_for_the_other():
    rng = np.random.default_rng(0)
    condition = np.repeat(np.arange(4), 30)
    rate = np.array([2.0, 6.0, 6.0, 18.0])[condition]
    x = ng.from_arrays(
        rng.poisson(rate[:, None], (120, 60)).astype(float),
        dict(zip("ab", crossed(2, 2)[condition].T, strict=True)),
    )
    share = {m: of(selectivity(x, ["a", "b"], model=m, n_null=199), "share_nonlinear_mixed")
             for m in ("gaussian", "poisson")}  # fmt: skip
    assert share["gaussian"] > 0.9
    assert share["poisson"] < 0.1


def test_overdispersed_counts_come_with_a_warning_of_the_poisson_test():
    x = each_class()
    spikes = (2.0 * np.maximum(np.round(x + 5.0), 0.0)).assign_attrs(x.attrs)
    found = selectivity(spikes, ["a", "b"], model="poisson", n_null=9)
    assert not any("Poisson tests reject" in n for n in found.attrs["notes"])
    wild = (3.0 * spikes).assign_attrs(x.attrs)
    found = selectivity(wild, ["a", "b"], model="poisson", n_null=9)
    assert any("Poisson tests reject" in n for n in found.attrs["notes"])


def kinds_of(axes, seed, *, kind=False):
    """Neurons of a Gaussian cloud of selectivity with these sd, or on the axes alone."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((80, len(axes))) * axes
    if kind:
        vectors = 0.2 * vectors + 4 * np.eye(len(axes))[rng.integers(len(axes), size=80)]
    basis = np.linalg.qr(np.column_stack([np.ones(8), rng.standard_normal((8, 7))]))[0][:, 1:]
    return recording(basis[:, : len(axes)] @ vectors.T, 10, seed=seed)


@pytest.mark.slow
def test_kinds_of_neurons_are_found_where_there_are_and_not_in_clouds():
    options = {"n_null": 99, "scale": "none"}
    found = selectivity(kinds_of(np.ones(4), 0, kind=True), ["a", "b", "c"], **options)
    for quantity in ("PAIRS", "ePAIRS", "clustering"):
        assert of(found, quantity, "p_value") == 0.02
    for axes in (np.full(4, 3.0), np.array([5.0, 2.0, 1.5, 1.0])):
        p = [
            of(selectivity(kinds_of(axes, seed), ["a", "b", "c"], **options), "ePAIRS", "p_value")
            for seed in range(10)
        ]
        assert np.mean(np.array(p) > 0.05) >= 0.7  # P(fewer of 10 at level .05) is .001


def test_neurons_of_an_area_are_a_row_and_have_the_numbers_that_they_have_alone():
    x = each_class(n=6)
    x = x.assign_coords(area=("neuron", np.array(["PFC", "HPC"] * 12)))
    split = selectivity(x, ["a", "b"], split_by="area", n_null=99)
    assert split.area.values.tolist() == ["HPC", "PFC"]
    alone = selectivity(x.isel(neuron=x.area.values == "PFC"), ["a", "b"], n_null=99)
    for quantity in ("nonlinear_index", "variance_a", "PAIRS", "clustering"):
        np.testing.assert_allclose(
            split.estimate.sel(quantity=quantity, area="PFC"), of(alone, quantity)
        )
    shares = split.estimate.sel(area="HPC").values[:4]
    own = split.neuron_class.values[split.neuron_area.values == "HPC"]
    np.testing.assert_allclose(shares, [np.mean(own == c) for c in CLASSES])
    with pytest.raises(KeyError, match="have no coordinate 'layer'"):
        selectivity(x, ["a", "b"], split_by="layer")


def test_no_number_depends_on_the_order_of_trials_and_neurons_or_on_workers():
    x, rng = each_class(n=3, n_trials=6), np.random.default_rng(0)
    moved = x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(12))
    own = selectivity(x, ["a", "b"], n_null=49)
    for other in (selectivity(moved, ["a", "b"], n_null=49),
                  selectivity(x, ["a", "b"], n_null=49, n_jobs=2)):  # fmt: skip
        xr.testing.assert_identical(own.drop_attrs(), other.drop_attrs())
    again = selectivity(x, ["a", "b"], n_null=49, seed=1)
    assert not np.array_equal(own.p_neuron, again.p_neuron)


def test_one_variable_has_no_interactions_and_says_so():
    found = selectivity(each_class(), ["a"], n_null=19)
    assert "one variable alone" in found.attrs["reasons"]["nonlinear_index"]
    assert "angles need two" in found.attrs["reasons"]["ePAIRS"]
    assert of(found, "share_nonlinear_mixed") == 0


def test_neurons_that_never_change_are_not_selective_and_have_no_p():
    x = each_class(n=3)
    x = x.copy(data=np.where(np.arange(12) == 0, 7.0, x.values))
    found = selectivity(x, ["a", "b"], n_null=19)
    constant = found.isel(neuron=0)
    assert np.isnan(constant.p_neuron).all()
    assert constant.neuron_class == "none"
    assert any("do not vary" in n for n in found.attrs["notes"])


def test_a_population_that_never_changes_is_refused_in_a_sentence():
    x = each_class(n=2)
    with pytest.raises(ValueError, match="same activity on every trial"):
        selectivity(x.copy(data=np.ones(x.shape)), ["a", "b"], n_null=19)


def test_two_trials_a_condition_are_enough_for_tests():
    found = selectivity(each_class(n=3, n_trials=2), ["a", "b"], n_null=19, min_trials=2)
    assert np.isfinite(found.p_neuron).all()
    assert np.isfinite(found.omega2).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "ols"}, "model='ols' is unknown"),
        ({"model": "poisson"}, "spike counts"),
        ({"null": "flip"}, "null='flip' is unknown"),
        ({"alpha": 1.5}, "no level of a test"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        selectivity(each_class(n=2), ["a", "b"], **options)


@pytest.mark.parametrize("asked", [selectivity, additive])
def test_collinear_variables_are_named_as_such(asked):
    x = each_class(n=2)
    x = x.assign_coords(same=("trial", x.a.values))
    with pytest.raises(ValueError, match="no trial"):
        asked(x, ["a", "same"])
    with pytest.raises(ValueError, match="every combination"):
        selectivity(x, ["a", "same"], empty="drop")


def test_windows_of_time_are_tested_each():
    x = each_class(n=2)
    timed = xr.concat([x, -x], dim="time").transpose("trial", "neuron", "time")
    timed = timed.assign_coords(time=[0.0, 0.1]).assign_attrs(x.attrs)
    found = selectivity(timed, ["a", "b"], n_null=19)
    np.testing.assert_allclose(found.omega2.isel(time=0), found.omega2.isel(time=1))
    assert additive(timed, ["a", "b"], seed=0).shape == timed.shape


def condition_means(x):
    """(condition, neuron)"""
    at = 2 * x.a.values + x.b.values
    return np.array([x.values[at == c].mean(axis=0) for c in range(4)])


def test_an_additive_population_keeps_residuals_and_main_effects_and_nothing_else():
    x = each_class(n=3)
    made, at = additive(x, ["a", "b"]), 2 * x.a.values + x.b.values
    mean, new = condition_means(x), condition_means(made)
    np.testing.assert_allclose(made.values - new[at], x.values - mean[at], atol=1e-12)
    np.testing.assert_allclose(SIDE.T @ new, SIDE.T @ mean, atol=1e-12)
    np.testing.assert_allclose(SIDE.prod(axis=1) @ new, 0, atol=1e-12)
    assert np.abs(SIDE.prod(axis=1) @ mean).max() > 4
    assert made.attrs["additive"] == ["a", "b"]


def test_noise_in_the_place_of_interactions_has_the_size_of_that_of_means():
    x = recording(np.zeros((4, 400)), 10, names="ab")
    made = condition_means(additive(x, ["a", "b"], seed=0))
    spread = (SIDE.prod(axis=1) @ made / 2).var()  # an orthonormal contrast
    assert abs(spread - 0.1) < 4 * 0.1 * np.sqrt(2 / 400)
    np.testing.assert_allclose(SIDE.T @ made, SIDE.T @ condition_means(x), atol=1e-12)


def test_an_additive_list_is_a_list_and_missing_trials_stay_missing():
    x = each_class(n=2)
    values = x.values.copy()
    values[0, 0] = np.nan
    x = x.copy(data=values)
    made = additive([x], ["a", "b"])
    assert isinstance(made, list)
    np.testing.assert_array_equal(np.isnan(made[0].values), np.isnan(values))


def test_interactions_buy_shattering_and_cost_generalisation():
    options = {"n_additive": 39, "n_resamples": 2, "readout": "nearest_mean"}
    x = ng.simulate("simplex", 2.5, n_variables=2, n_neurons=30, n_trials=10, n_truth=0, seed=0)
    found = interaction_effect(x, ["a", "b"], **options)
    assert of(found, "SD_change") > 0.05
    assert of(found, "CCGP_change") < -0.1
    assert max(of(found, f"{m}_change", "p_value") for m in ("SD", "CCGP")) <= 0.1
    difference = of(found, "SD") - of(found, "SD_additive")
    np.testing.assert_allclose(of(found, "SD_change"), difference)
    x = ng.simulate("cube", 2.5, n_variables=2, n_neurons=30, n_trials=10, n_truth=0, seed=0)
    found = interaction_effect(x, ["a", "b"], **options)
    assert abs(of(found, "SD_change")) < 0.05
    assert abs(of(found, "CCGP_change")) < 0.05


def test_without_a_second_variable_or_an_additive_population_there_is_no_change_to_ask_for():
    x = each_class(n=2)
    with pytest.raises(NothingToAsk, match="no interactions"):
        interaction_effect(x, ["a"])
    with pytest.raises(ValueError, match="n_additive=0"):
        interaction_effect(x, ["a", "b"], n_additive=0)
