"""What must not matter to any measure of the portrait, and its opposite that must."""

import warnings

import numpy as np
import pytest
from made_population import crossed, embedded, recording
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays

NAMES = ["a", "b", "c"]
SIGN = 2.0 * crossed(2, 2, 2) - 1
NULL = {"n_null": 9}
MEASURES = {
    "decoding": {"readout": "nearest_mean", "n_resamples": 2, **NULL},
    "ccgp": {"readout": "nearest_mean", "n_resamples": 2, **NULL},
    "shattering": {"readout": "nearest_mean", "n_resamples": 2, "n_references": 2, **NULL},
    "parallelism": NULL,
    "selectivity": {**NULL, "n_null": 19},
    "subspaces": NULL,
    "interference": {"readout": "nearest_mean", "n_resamples": 2, "null": "flip", **NULL},
    "dimensionality": {"n_splits": 2, **NULL},
    "implementable": {"readout": "nearest_mean", "n_resamples": 2, "threshold": 0.7},
    "target_alignment": {"n_splits": 2, **NULL},
    "dpca": {"regularisation": 0.01, **NULL},
    "interaction_effect": {"readout": "nearest_mean", "n_resamples": 2, "n_additive": 2},
}
WITH_SCALE = set(MEASURES) - {"selectivity"}  # tests of single neurons know no scale


def one(session="s1", seed=0, n_neurons=8):
    means = embedded(SIGN * [3.0, 2.0, 1.0], n_neurons, seed=seed)
    return recording(means, [5, 6, 7, 8, 5, 6, 9, 8], seed=seed, session=session)


def measured(name, x, **options):
    return getattr(ng, name)(x, NAMES, **(MEASURES[name] | options))


def numbers(found):
    """Every number of a result that is not in the order of neurons or trials."""
    return {
        k: v.values for k, v in found.data_vars.items()
        if v.dtype.kind == "f" and "neuron" not in v.dims and "component" not in v.dims
    }  # fmt: skip


def same(first, second, **tolerance):
    first, second = numbers(first), numbers(second)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], err_msg=name, **tolerance)


@pytest.mark.parametrize("name", MEASURES)
def test_the_order_of_sessions_trials_and_neurons_changes_no_bit_and_the_seed_does(name):
    x = [one("s1"), one("s2", 1)]
    rng = np.random.default_rng(0)
    mixed = [
        s.isel(trial=rng.permutation(s.sizes["trial"]), neuron=rng.permutation(s.sizes["neuron"]))
        for s in x[::-1]
    ]
    first = measured(name, x)
    same(first, measured(name, mixed), rtol=0, atol=0)
    other = numbers(measured(name, x, seed=1))
    assert any(not np.array_equal(v, other[k], equal_nan=True) for k, v in numbers(first).items())


@pytest.mark.parametrize("name", MEASURES)
def test_names_of_levels_do_not_matter_and_which_trials_bear_them_do(name):
    x = one()
    words = x.assign_coords(b=("trial", np.array(["early", "late"])[x.b.values]))
    first = measured(name, x)
    same(first, measured(name, words), rtol=1e-12, atol=1e-12)
    moved = x.assign_coords(b=("trial", np.random.default_rng(0).permutation(x.b.values)))
    other = measured(name, moved, min_trials=2)
    assert first.estimate.shape == other.estimate.shape
    assert not np.allclose(first.estimate, other.estimate, equal_nan=True)


@pytest.mark.parametrize("name", MEASURES)
def test_units_of_activity_do_not_matter_and_without_z_scores_one_neuron_in_other_units_does(name):
    x = one()
    first = measured(name, x)
    same(first, measured(name, 3.0 * x + 7.0), rtol=1e-6, atol=1e-6)
    if name in WITH_SCALE:
        loud = x.copy(data=x.values * np.r_[20.0, np.ones(7)])
        plain, other = (measured(name, d, scale="none") for d in (x, loud))
        assert not np.allclose(plain.estimate, other.estimate, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "name", ["shattering", "ccgp", "parallelism", "target_alignment", "subspaces"]
)
def test_turning_the_population_changes_nothing_without_z_scores_and_something_with_them(name):
    """Row 42 of the table of ground truth: to 1e-8, in the same divisions of trials."""
    x = one()
    turned = x.copy(data=x.values @ ortho_group.rvs(8, random_state=3))
    own = {"neurons": "all"} if name == "target_alignment" else {}  # of these, not of a sample
    plain, other = (measured(name, d, scale="none", **own).estimate for d in (x, turned))
    np.testing.assert_allclose(plain, other, atol=1e-8)
    scaled = (measured(name, d, **own).estimate for d in (x, turned))
    assert not np.allclose(*scaled, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("name", MEASURES)
def test_a_neuron_that_never_changes_is_no_obstacle_and_no_warning(name):
    x = one()
    values = np.column_stack([x.values, np.full(x.sizes["trial"], 4.0)])
    silent = from_arrays(values, trial={n: x[n].values for n in NAMES}, session="s1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(name, silent)
    assert np.isfinite(found.estimate).any()


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"decoding"}))
def test_one_variable_of_two_levels_has_a_number_a_reason_or_one_sentence(name):
    x = recording(embedded(SIGN[:2] * 3.0, 8), 8)
    options = MEASURES[name]
    found, sentence = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = getattr(ng, name)(x, ["a"], **options)
        except ValueError as error:
            sentence = str(error)
    if found is None:
        assert len(sentence) > 20
        assert "\n" not in sentence
        return
    values, reasons = found.estimate.values, found.attrs.get("reasons", {})
    assert np.isfinite(values).all() or reasons


@pytest.mark.parametrize("name", MEASURES)
def test_collinear_variables_are_refused_in_one_sentence(name):
    x = one()
    x = x.assign_coords(b=("trial", x.a.values))
    with pytest.raises(ValueError, match="no trial has") as raised:
        measured(name, x)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", MEASURES)
def test_two_trials_a_condition_and_more_conditions_than_trials_give_numbers_or_reasons(name):
    x = recording(embedded(SIGN * 3.0, 8), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(name, x, min_trials=2)
    undefined = ~np.isfinite(found.estimate.values)
    assert not undefined.any() or found.attrs["reasons"]
