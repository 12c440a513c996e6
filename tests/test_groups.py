"""Groups of animals: exact tests over animals, matched numbers, curves; what pooling would do."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from made_population import crossed, embedded, recording
from scipy import stats

import neurogeom as ng
from neurogeom.engine import exchange
from neurogeom.engine.multiplicity import rank_p
from neurogeom.groups import compare_groups, curve

NAMES = ["a", "b"]
SIGN = 2.0 * crossed(2, 2) - 1
FAST = {"readout": "nearest_mean", "n_resamples": 2, "n_draws": 2}


def session(number, animal, group, separation=2.0, n_neurons=12, n_trials=8):
    centroids = embedded(SIGN * separation / 2, n_neurons, seed=number)
    x = recording(centroids, n_trials, seed=number, session=f"s{number}")
    return x.assign_coords(animal=animal, genotype=group)


def cohort(n_animals=4, n_sessions=1, separations=(1.0, 5.0), **options):
    """n_animals a group, the second group with another separation."""
    return [
        session(20 * a + i, f"m{a}", group, separations[int(group == "wt")], **options)
        for a in range(2 * n_animals)
        for group in ["ko" if a < n_animals else "wt"]
        for i in range(n_sessions)
    ]


def first_value(x, variables):
    """A measure that reads off what it was given."""
    return xr.Dataset({"estimate": float(np.nanmean(x[0].values))})


# --- the test, by values ------------------------------------------------------------------------


def test_the_difference_is_that_of_means_over_animals_whatever_their_neurons():
    values = np.array([1.0, 3.0, 10.0, 20.0])
    second = np.array([False, False, True, True])
    assert exchange.difference(values, second[None])[0] == 13.0


def test_all_arrangements_are_listed_once_without_the_observed_one():
    second = np.repeat([False, True], [3, 3])
    found = exchange.arrangements(second)
    dealt = {tuple(np.flatnonzero(row)) for row in found.second}
    assert dealt == set(combinations(range(6), 3)) - {(3, 4, 5)}
    assert found.exact
    assert found.n_possible == 20
    assert found.smallest_p == pytest.approx(0.1)


def test_sessions_change_places_within_their_animal_alone():
    second = np.array([False, True, True, False, True])
    stratum = np.array([0, 0, 1, 1, 1])
    found = exchange.arrangements(second, stratum)
    assert found.n_possible == 2 * 3
    for s, n in ((0, 1), (1, 2)):
        assert (found.second[:, stratum == s].sum(axis=1) == n).all()


def test_many_arrangements_are_drawn_as_often_as_one_another():
    second = np.repeat([False, True], 12)
    found = exchange.arrangements(second, n_null=4000, seed=1)
    assert not found.exact
    often = found.second.mean(axis=0)
    assert np.abs(often - 0.5).max() < 4.5 * np.sqrt(0.25 / 4000)


@given(st.integers(0, 1000))
def test_the_exact_p_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    values, second = rng.standard_normal(8), np.repeat([False, True], 4)
    observed = exchange.difference(values, second[None])[0]
    null = exchange.difference(values, exchange.arrangements(second).second)
    p = rank_p(observed, null)
    other = stats.permutation_test(
        (values[4:], values[:4]), lambda x, y: x.mean() - y.mean(), n_resamples=np.inf
    )
    assert p == pytest.approx(other.pvalue)


@given(st.integers(0, 1000))
def test_welch_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal(4), 2 * rng.standard_normal(6)
    other = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(exchange.welch(first, second), other)


def test_the_paired_interval_is_that_of_the_differences():
    values = np.array([1.0, 2.0, 3.0, 5.0, 2.0, 2.5, 0.0, 4.0])
    second, stratum = np.tile([False, True], 4), np.repeat(np.arange(4), 2)
    other = stats.ttest_1samp(values[1::2] - values[::2], 0).confidence_interval(0.95)
    np.testing.assert_allclose(exchange.paired(values, second, stratum), other)


def test_pooled_neurons_and_a_bootstrap_of_five_animals_find_what_is_not_there():
    """300 data sets without a difference; half of the variance is between animals."""
    second = np.repeat([False, True], 5)
    dealt = exchange.arrangements(second).second
    found = np.zeros((300, 3), bool)
    rng = np.random.default_rng(0)
    for row in found:
        values = rng.standard_normal((10, 1)) + rng.standard_normal((10, 60))
        means = values.mean(axis=1)
        row[0] = stats.ttest_ind(values[:5].ravel(), values[5:].ravel()).pvalue <= 0.05
        drawn = rng.integers(5, size=(400, 2, 5))
        differences = means[:5][drawn[:, 0]].mean(axis=1) - means[5:][drawn[:, 1]].mean(axis=1)
        row[1] = np.prod(np.quantile(differences, [0.025, 0.975])) > 0
        observed = exchange.difference(means, second[None])[0]
        row[2] = rank_p(observed, exchange.difference(means, dealt)) <= 0.05
    pooled, bootstrap, exact = found.mean(axis=0)
    error = np.sqrt(0.05 * 0.95 / 300)
    assert pooled > 0.6
    assert bootstrap > 0.05 + 3 * error
    assert abs(exact - 0.05) < 4 * error


def test_the_bootstrap_interval_needs_ten_animals_and_is_as_wide_as_their_spread():
    rng = np.random.default_rng(0)
    few = [rng.standard_normal(3) for _ in range(9)]
    assert np.isnan(exchange.hierarchical_bootstrap(few, few)).all()
    sides = [[np.array([v]) for v in rng.standard_normal(40)] for _ in range(2)]
    low, high = exchange.hierarchical_bootstrap(*sides, n_bootstrap=4000)
    sd = np.sqrt(sum(np.var(s) / 40 for s in sides))
    assert (high - low) / (2 * 1.96 * sd) == pytest.approx(1, abs=0.06)


# --- the comparison -----------------------------------------------------------------------------


def test_a_difference_between_genotypes_is_found_and_its_p_is_the_smallest_there_is():
    found = compare_groups(cohort(), NAMES, by="genotype", measure="decoding", **FAST)
    assert found.attrs["groups"] == ["ko", "wt"]
    assert (found.estimate > 0.1).all()
    np.testing.assert_allclose(found.p_value, found.attrs["smallest_p"])
    assert found.attrs["smallest_p"] == pytest.approx(2 / 70)
    assert any("case series: 4 animals in a group" in n for n in found.attrs["notes"])
    assert (found.interval.sel(bound="low") > 0).all()


def test_the_estimate_is_the_difference_of_the_means_of_animals_over_their_sessions():
    x = cohort(3, n_sessions=2)
    found = compare_groups(x, NAMES, by="genotype", measure="decoding", match=False, **FAST)
    values = [
        ng.decoding(
            s, NAMES, readout="nearest_mean", n_resamples=2, n_null=0, target="none"
        ).estimate.values
        for s in x
    ]
    of_animal = np.array(values).reshape(6, 2, 2).mean(axis=1)
    np.testing.assert_allclose(found.unit_estimate, of_animal)
    np.testing.assert_allclose(found.estimate, of_animal[3:].mean(0) - of_animal[:3].mean(0))
    assert any("not matched" in n for n in found.attrs["notes"])


def test_more_neurons_in_one_group_are_a_difference_until_they_are_matched():
    def animal(a):
        n_neurons = 12 if a < 5 else 120
        means = 0.25 * SIGN @ np.random.default_rng(a).standard_normal((2, n_neurons))
        x = recording(means, 8, seed=a, session=f"s{a}")
        return x.assign_coords(animal=f"m{a}", genotype="ko" if a < 5 else "wt")

    x = [animal(a) for a in range(10)]
    options = {"by": "genotype", "measure": "decoding", **FAST, "n_draws": 6}
    unmatched = compare_groups(x, NAMES, match=False, **options)
    matched = compare_groups(x, NAMES, **options)
    assert matched.attrs["matched"]["n_neurons"] == 12
    assert matched.attrs["matched"]["n_trials"] == 8
    assert (unmatched.p_value < 0.05).all()
    assert (unmatched.estimate > 0.15).all()
    assert (np.abs(matched.estimate) < unmatched.estimate - 0.05).all()
    assert (matched.p_value > 0.05).all()


def test_animals_are_their_own_controls_where_they_have_sessions_of_both_kinds():
    x = []
    for a in range(5):
        for i, drug in enumerate(["drug", "saline"]):
            s = session(10 * a + i, f"m{a}", "-", {"drug": 1.0, "saline": 5.0}[drug])
            x.append(s.assign_coords(drug=drug))
    found = compare_groups(x, NAMES, by="drug", measure="decoding", unit="session", **FAST)
    assert found.attrs["paired"]
    assert found.attrs["n_null"] == 2**5 - 1
    assert (found.estimate > 0.1).all()
    np.testing.assert_allclose(found.p_value, 2 / 32)


def test_a_function_is_a_measure_and_a_mapping_a_grouping():
    x = cohort(3)
    found = compare_groups(
        x, NAMES, by={f"m{a}": "one" if a in (0, 3, 4) else "two" for a in range(6)},
        measure=first_value, match=False,
    )  # fmt: skip
    means = np.array([float(s.mean()) for s in x])
    assert found.estimate.item() == pytest.approx(means[[1, 2, 5]].mean() - means[[0, 3, 4]].mean())


def test_order_of_sessions_changes_no_bit_and_swapping_groups_turns_the_sign():
    x = cohort(3)
    options = {"by": "genotype", "measure": "ccgp", **FAST}
    one, other = compare_groups(x, NAMES, **options), compare_groups(x[::-1], NAMES, **options)
    np.testing.assert_array_equal(one.estimate, other.estimate)
    np.testing.assert_array_equal(one.p_value, other.p_value)
    turned = [s.assign_coords(genotype={"ko": "z", "wt": "k"}[str(s.genotype.values)]) for s in x]
    np.testing.assert_allclose(compare_groups(turned, NAMES, **options).estimate, -one.estimate)


def test_windows_are_corrected_together():
    rng = np.random.default_rng(0)
    x = []
    for s in cohort(4, separations=(4.0, 4.0)):
        noise = rng.standard_normal((*s.shape, 2))
        late = s.values if str(s.genotype.values) == "wt" else rng.standard_normal(s.shape)
        values = np.stack([noise[..., 0], late], axis=-1)
        x.append(
            ng.from_arrays(
                values, trial={"a": s.a.values, "b": s.b.values}, time=[0.0, 0.1],
                session=str(s.session.values), animal=str(s.animal.values),
            ).assign_coords(genotype=s.genotype.values)
        )  # fmt: skip
    found = compare_groups(x, NAMES, by="genotype", measure="decoding", **FAST)
    assert found.estimate.dims == ("time", "variable")
    assert (found.estimate.isel(time=1) > 0.2).all()
    assert (found.p_corrected >= found.p_value).all()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda x: x, {"by": "strain"}, "no scalar coordinate 'strain'"),
        (lambda x: x[:3], {"by": "genotype"}, "there are 1 groups"),
        (lambda x: x, {"by": {"m0": "a"}}, "is in no group"),
        (lambda x: [s.drop_vars("animal") for s in x], {"by": "genotype"}, "has no animal"),
        (lambda x: x, {"by": "genotype", "unit": "neuron"}, "unit='neuron' is unknown"),
        (lambda x: x, {"by": "genotype", "measure": "power"}, "measure 'power' is unknown"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(change, options, message):
    with pytest.raises((KeyError, ValueError), match=message):
        compare_groups(change(cohort(3)), NAMES, **{**FAST, **options})


def test_sessions_of_one_animal_are_no_units():
    with pytest.raises(ValueError, match="no independent draws"):
        compare_groups(cohort(3, 2), NAMES, by="genotype", unit="session", **FAST)


def test_an_animal_without_enough_trials_is_left_out_with_a_reason():
    x = cohort(4)
    x[0] = x[0].isel(trial=slice(0, 6))
    found = compare_groups(x, NAMES, by="genotype", measure="decoding", **FAST)
    assert np.isnan(found.unit_estimate[0]).all()
    assert found.n_units.sel(group="ko").values.tolist() == [3, 3]
    assert "no neuron has 5 trials" in "".join(found.attrs["reasons"].values())


# --- curves -------------------------------------------------------------------------------------


def test_a_curve_ends_at_the_measure_itself_and_rises_with_neurons():
    x = session(1, "m", "ko", 2.0, n_neurons=40, n_trials=20)
    options = {"readout": "nearest_mean", "n_resamples": 4}
    found = curve(x, NAMES, measure="decoding", n_draws=8, **options)
    whole = ng.decoding(x, NAMES, n_null=0, target="none", **options)
    np.testing.assert_allclose(found.estimate[-1], whole.estimate)
    assert (found.estimate[-1] > found.estimate[0] + 0.05).all()
    assert np.isnan(found.spread[-1]).all()
    assert (found.spread[0] > 0).all()


def test_a_curve_over_trials_keeps_the_neurons():
    x = session(1, "m", "ko", 2.0, n_neurons=60, n_trials=24)
    found = curve(x, NAMES, measure="decoding", over="trials", n_draws=6, sizes=[5, 12, 24],
                  readout="nearest_mean", n_resamples=4)  # fmt: skip
    assert found["size"].values.tolist() == [5, 12, 24]
    assert (found.estimate[-1] > found.estimate[0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "animals"}, "over='animals' is unknown"),
        ({"sizes": [50]}, "size 50 is out of range; give 1 to 12 neurons"),
        ({"over": "trials", "sizes": [3]}, "size 3 is out of range; give 5 to 8 trials"),
    ],
)
def test_sizes_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        curve(session(1, "m", "ko"), NAMES, measure="decoding", **options)


@pytest.mark.peers
def test_a_mixed_model_of_sessions_within_animals_agrees_with_the_means_of_animals():
    """Balanced sessions: the fixed effect of group is the difference of the means over animals."""
    import pandas as pd
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(0)
    animal = np.repeat(np.arange(12), 4)
    value = rng.standard_normal(12)[animal] + 0.5 * rng.standard_normal(48) + (animal >= 6)
    frame = pd.DataFrame({"value": value, "animal": animal, "group": (animal >= 6).astype(float)})
    fitted = smf.mixedlm("value ~ group", frame, groups=frame["animal"]).fit(reml=True)
    means = value.reshape(12, 4).mean(axis=1)
    ours = exchange.difference(means, (np.arange(12) >= 6)[None])[0]
    assert fitted.fe_params["group"] == pytest.approx(ours, abs=1e-6)
    low, high = exchange.welch(means[:6], means[6:])
    assert fitted.bse["group"] * 2 * stats.t.ppf(0.975, 10) == pytest.approx(high - low, rel=0.05)
