"""What CCGP answers: its null, invariances, pseudo-populations, and its errors."""

import numpy as np
import pytest
import xarray as xr
from made_population import crossed, embedded, recording, unstructured
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
PLAIN = {"n_null": 0, "target": "none"}
NEAREST = {**PLAIN, "readout": "nearest_mean", "scale": "none"}
TESTED = {"target": "none", "readout": "nearest_mean"}
UNEQUAL = [5, 6, 7, 8, 5, 6, 9, 8]


# --- the null -----------------------------------------------------------------------------------


def test_a_cube_is_abstract_and_unstructured_centroids_are_not():
    options = {**TESTED, "null": "flip", "n_null": 99}
    cube = ng.ccgp(recording(embedded(SIGN * 1.5, 40), 8), NAMES, **options)
    assert (cube.p_value == 2 / 100).all()
    assert (cube.p_corrected <= 4 / 100).all()
    p = [
        ng.ccgp(recording(unstructured(8, 40, s, 0.5), 8, seed=s), NAMES, **options).p_value.values
        for s in range(12)
    ]
    # 36 p-values, of which 5 % are below 0.05: 6 or more have a probability of 0.009.
    assert (np.array(p) <= 0.05).sum() < 6


def test_below_chance_is_a_finding_of_its_own_direction():
    """An exclusive-or code: significantly low, two-sided and lower-tailed, never upper-tailed."""
    two = 2 * crossed(2, 2) - 1
    x = recording(embedded(np.column_stack([two[:, 0] * two[:, 1] * 2]), 30), 8)
    options = {**TESTED, "null": "flip", "n_null": 99}
    p = {
        tail: ng.ccgp(x, ["a", "b"], alternative=tail, **options).p_value[0].item()
        for tail in ("two-sided", "less", "greater")
    }
    assert p["less"] == 1 / 100
    assert p["two-sided"] == 2 / 100
    assert p["greater"] > 0.9
    found = ng.ccgp(x, ["a", "b"], **options)
    assert any("CCGP of a is below its chance level" in n for n in found.attrs["notes"])


def test_chance_with_any_pair_is_that_of_the_surrogates_and_not_one_half():
    """Strong contexts: about 0.25 for unaligned coding vectors."""
    context = np.tile(unstructured(2, 40, 0, 1.5), (2, 1))
    x = recording(context + unstructured(4, 40, 1, 0.3), 10, seed=0)
    found = ng.ccgp(
        x, ["a", "b"], held_out="any", readout="nearest_mean", null="flip", n_null=99, target="none"
    )
    assert 0.15 < found.null.mean("surrogate")[0] < 0.4
    assert found.p_value[0] > 0.05


def test_label_shuffles_are_named_for_what_they_test():
    x = recording(unstructured(4, 10, 0), 6)
    found = ng.ccgp(x, ["a", "b"], null="labels", readout="nearest_mean", n_null=19, target="none")
    assert "label shuffles test decoding, not abstraction" in found.attrs["notes"]


@pytest.mark.parametrize("null", ["flip", "rotate", "swap", "geometric", "labels"])
def test_every_null_has_as_many_surrogates_as_asked_for(null):
    x = recording(unstructured(8, 10, 0), 5)
    found = ng.ccgp(x, NAMES, null=null, readout="nearest_mean", n_null=19, target="none")
    assert found.null.shape == (19, 3)
    assert np.isfinite(found.null).all()
    assert ((found.p_value >= 1 / 20) & (found.p_value <= 1)).all()


# --- invariances --------------------------------------------------------------------------------


@pytest.mark.parametrize("held_out", ["matched", "any"])
def test_rotating_neurons_changes_nothing_without_z_scores_and_something_with_them(held_out):
    x = recording(unstructured(8, 12, 0, 0.7) * np.linspace(0.2, 3, 12), UNEQUAL, seed=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    for readout in ("nearest_mean", "svm"):
        options = {**PLAIN, "readout": readout, "held_out": held_out}
        before, after = (ng.ccgp(d, NAMES, scale="none", **options).estimate for d in (x, turned))
        np.testing.assert_allclose(before, after, atol=1e-8)
        before, after = (ng.ccgp(d, NAMES, **options).estimate for d in (x, turned))
        assert np.abs(before - after).max() > 0.005


def test_levels_may_be_renamed_and_neurons_and_trials_come_in_any_order():
    x = recording(unstructured(8, 12, 0, 0.7), UNEQUAL, seed=0)
    before = ng.ccgp(x, NAMES, **PLAIN).estimate
    flipped = x.assign_coords(a=("trial", 1 - x.a.values))
    rng = np.random.default_rng(0)
    mixed = x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(12))
    for same in (flipped, mixed):
        xr.testing.assert_allclose(ng.ccgp(same, NAMES, **PLAIN).estimate, before, atol=1e-12)


def test_a_neuron_that_says_nothing_changes_nothing():
    x = recording(unstructured(8, 12, 0, 0.7), UNEQUAL, seed=0)
    trial = {n: x[n].values for n in NAMES}
    more = from_arrays(np.column_stack([x.values, np.full(len(x), 3.0)]), trial=trial, session="s1")
    before, after = (ng.ccgp(d, NAMES, **PLAIN) for d in (x, more))
    np.testing.assert_allclose(after.estimate, before.estimate, atol=1e-12)
    assert after.attrs["n_neurons"] == 13


def test_moving_the_held_out_means_along_the_code_changes_its_own_splits_alone():
    """The negative twin: a shift of one condition does change what it takes part in."""
    x = recording(unstructured(8, 12, 0, 0.7), 6, seed=0)
    moved = x.copy(data=x.values + 2.0 * (x.a * x.b * x.c).values[:, None])
    before, after = (ng.ccgp(d, NAMES, **NEAREST).estimate for d in (x, moved))
    assert (before != after).any()


# --- pseudo-populations -------------------------------------------------------------------------


def test_sessions_are_pooled_and_more_neurons_generalise_better():
    centroids = embedded(SIGN * 1.0, 60)
    parts = [
        recording(centroids[:, 20 * i : 20 * i + 20], 8, seed=i, session=f"s{i}") for i in range(3)
    ]
    pooled = ng.ccgp(parts, NAMES, readout="nearest_mean", **PLAIN)
    alone = [
        ng.ccgp(p, NAMES, readout="nearest_mean", **PLAIN).estimate.mean().item() for p in parts
    ]
    assert pooled.attrs["n_neurons"] == 60
    assert not pooled.attrs["real_trials"]
    assert pooled.estimate.mean() > max(alone)


def test_blocks_that_span_conditions_are_split_though_conditions_are_held_out():
    """A drift shared by the trials of a block must not be in training and in test."""

    def block(condition, trial):
        return trial * 6 // len(trial)

    x = recording(unstructured(4, 12, 0), 9, seed=0, block=block)
    found = ng.ccgp(x, ["a", "b"], readout="nearest_mean", n_resamples=4, n_null=19, target="none")
    plain = ng.ccgp(x.drop_vars("block"), ["a", "b"], readout="nearest_mean", **PLAIN)
    assert (found.estimate != plain.estimate).any()
    assert np.isfinite(found.p_value).all()


# --- what has no answer -------------------------------------------------------------------------


def test_what_cannot_be_matched_is_nan_with_a_reason_beside_what_can():
    levels = np.repeat(crossed(2, 2, 2), 6, axis=0)
    x = recording(unstructured(8, 12, 0), 6, seed=0)
    x = x.assign_coords(most=("trial", (x.a + x.b + x.c).values >= 2))
    found = ng.ccgp(x, NAMES, contrasts=["most"], readout="nearest_mean", n_null=19, target="none")
    assert np.isnan(found.estimate[3])
    assert np.isnan(found.p_value[3])
    assert "no matched conditions, so use held_out='any'" in found.attrs["reasons"]["most"]
    assert np.isfinite(found.p_corrected[:3]).all()
    every = ng.ccgp(x, NAMES, contrasts=["most"], held_out="any", **NEAREST)
    assert np.isfinite(every.estimate).all()
    assert len(levels) == 48


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (
            ["a"],
            {},
            "CCGP has nothing to generalise across: 'a' has one context alone; name another",
        ),
        (NAMES, {"held_out": "some"}, r"held_out='some' is unknown; choose from \['across', 'any'"),
        (
            NAMES,
            {"held_out": "across"},
            "held_out='across' holds out levels of a variable; across=None",
        ),
        (
            NAMES,
            {"held_out": "across", "across": "z"},
            r"across='z' is not one of \['a', 'b', 'c'\]",
        ),
        (NAMES, {"null": "magic"}, "null='magic' is unknown; choose from"),
        (NAMES, {"alternative": "up"}, "alternative='up' is unknown; choose from"),
        (
            ["a", "b"],
            {"held_out": "any", "null": "geometric"},
            "null='geometric' is for held_out='mat",
        ),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(variables, options, message):
    x = recording(unstructured(8, 5, 0), 6)
    with pytest.raises(ValueError, match=message):
        ng.ccgp(
            x, variables, **{"n_null": 9, "readout": "nearest_mean", "target": "none", **options}
        )


def test_random_geometry_is_refused_where_every_training_set_has_its_own_scale():
    x = recording(unstructured(8, 20, 0), 8)
    with pytest.raises(ValueError, match="null='geometric' permutes axes.*scale='resample'"):
        ng.ccgp(x, NAMES, **TESTED, null="geometric", scale="split", n_null=3)
