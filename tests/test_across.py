"""Readouts carried from one time bin, or session of the same units, to another."""

import numpy as np
import pytest
from made_population import crossed, embedded
from scipy.special import ndtr

import neurogeom as ng
from neurogeom.activity import from_arrays
from neurogeom.formulas import geometries

FAST = {"readout": "nearest_mean", "scale": "none"}


def timed(axes, n_trials=40, n_neurons=12, seed=0, session="s1", **trial):
    """Two variables on axes (time, 2, neuron); noise of sd 1, new in every bin."""
    rng = np.random.default_rng(seed)
    levels = np.tile(crossed(2, 2), (n_trials, 1))
    signal = np.einsum("tv,kvn->tnk", levels - 0.5, axes)
    values = signal + rng.standard_normal(signal.shape)
    columns = {"a": levels[:, 0], "b": levels[:, 1], **trial}
    return from_arrays(values, trial=columns, time=np.arange(len(axes)) / 10, session=session)


def orthonormal(n, n_neurons=12, seed=3):
    return embedded(np.eye(n), n_neurons, seed)


def test_a_code_that_stays_is_read_at_all_times_and_one_that_turns_round_below_chance():
    a, b = 4.0 * orthonormal(2)
    x = timed(np.array([[a, b], [a, b], [-a, b]]))
    found = ng.across_time(x, ["a", "b"], **FAST).estimate
    truth = np.where(np.array([1, 1, 0])[:, None] == [1, 1, 0], ndtr(2.0), 1 - ndtr(2.0))
    np.testing.assert_allclose(found.sel(variable="a"), truth, atol=4 * 0.011 + 0.005)
    np.testing.assert_allclose(found.sel(variable="b"), ndtr(2.0), atol=4 * 0.011 + 0.005)


def test_a_code_on_a_new_axis_is_read_at_its_own_time_alone():
    a, b, other = 4.0 * orthonormal(3)
    found = ng.across_time(timed(np.array([[a, b], [other, b]])), ["a", "b"], **FAST).estimate
    matrix = found.sel(variable="a").values
    assert (np.diag(matrix) > 0.93).all()
    assert (np.abs(matrix[[0, 1], [1, 0]] - 0.5) < 4 * 0.04 + 0.02).all()


@pytest.mark.parametrize("measure", ["decoding", "ccgp"])
@pytest.mark.parametrize("readout", ["nearest_mean", "svm"])
def test_the_diagonal_is_what_the_measure_gives_in_that_bin(measure, readout):
    a, b = 2.0 * orthonormal(2)
    x = timed(np.array([[a, b], [b, a]]), n_trials=8)
    options = {"readout": readout, "n_resamples": 4}
    found = ng.across_time(x, ["a", "b"], measure=measure, **options).estimate
    alone = getattr(ng, measure)(x, ["a", "b"], n_null=0, target="none", **options).estimate
    diagonal = np.diagonal(found.values, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, alone.transpose("variable", "time"), atol=1e-12)


@pytest.mark.parametrize("measure", ["decoding", "ccgp"])
def test_surrogates_of_the_diagonal_are_those_of_the_measure(measure):
    a, b = 1.0 * orthonormal(2)
    rng = np.random.default_rng(1)
    sessions = [
        timed(np.array([[a, b], [b, a]]) * rng.random((2, 2, 12)), 6, seed=k, session=f"s{k}")
        for k in range(2)
    ]
    options = {**FAST, "scale": "resample", "n_resamples": 4, "n_null": 9}
    found = ng.across_time(sessions, ["a", "b"], measure=measure, **options)
    alone = getattr(ng, measure)(sessions, ["a", "b"], target="none", **options)
    diagonal = np.diagonal(found.null.values, axis1=2, axis2=3)
    expected = alone.null.transpose("surrogate", "variable", "time")
    np.testing.assert_allclose(diagonal, expected, atol=1e-12)


def test_no_trial_is_trained_on_in_one_bin_and_tested_in_another():
    # The same noise in both bins: a leak would read pure noise above chance.
    rng = np.random.default_rng(0)
    levels = np.tile(crossed(2, 2), (10, 1))
    noise = rng.standard_normal((40, 30))
    x = from_arrays(
        np.stack([noise, noise], axis=2),
        trial={"a": levels[:, 0], "b": levels[:, 1]},
        time=[0.0, 0.1],
    )
    found = ng.across_time(x, ["a", "b"], **FAST).estimate.values
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1, :1], found.shape), atol=1e-12)
    assert (found < 0.75).all()


def test_the_matrix_of_unstructured_data_is_corrected_as_a_whole():
    x = timed(np.zeros((3, 2, 12)), n_trials=10, seed=5)
    found = ng.across_time(x, ["a", "b"], n_null=39, n_resamples=4, **FAST)
    assert (found.p_corrected >= found.p_value - 1e-12).all()
    assert found.p_corrected.min() > found.p_value.min()


def test_number_of_workers_changes_no_bit():
    x = timed(np.array([orthonormal(2), orthonormal(2, seed=4)]), n_trials=6)
    one, two = (
        ng.across_time(x, ["a", "b"], n_null=5, n_resamples=2, n_jobs=n, measure="ccgp")
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one.null, two.null)
    np.testing.assert_array_equal(one.p_corrected, two.p_corrected)


def test_a_trial_seen_in_some_bins_alone_is_left_out_and_counted():
    x = timed(np.array([2 * orthonormal(2)] * 2), n_trials=10)
    x.values[:3, 0, 1] = np.nan
    found = ng.across_time(x, ["a", "b"], n_resamples=2, **FAST)
    assert sum(found.attrs["dropped_neuron_trials"].values()) == 3
    assert any("3 neuron-trials" in note for note in found.attrs["notes"])


def test_without_bins_there_is_one_sentence():
    x = timed(np.zeros((2, 2, 12)))
    with pytest.raises(ValueError, match="no time bins"):
        ng.across_time(x.isel(time=0, drop=True), ["a", "b"])


def test_one_variable_has_no_ccgp_over_time():
    with pytest.raises(ValueError, match="one context"):
        ng.across_time(timed(np.zeros((2, 2, 12))), ["a"], measure="ccgp")


# --- sessions of the same units ------------------------------------------------------------------


def days(centroids, order=None, n_trials=30):
    """One session for each matrix of centroids (condition, neuron), units in another order."""
    found = []
    for k, c in enumerate(centroids):
        rng = np.random.default_rng(k)
        levels = np.tile(crossed(2, 2), (n_trials, 1))
        values = np.tile(c, (n_trials, 1)) + rng.standard_normal((len(levels), c.shape[1]))
        trial = {"a": levels[:, 0], "b": levels[:, 1]}
        unit = [f"u{i}" for i in range(c.shape[1])]
        found.append(from_arrays(values, trial, {"unit_id": unit}, session=f"day{k}"))
    return found


def square(separation=4.0, seed=3):
    return embedded(geometries.cube(geometries.crossed_levels(2), separation), 12, seed)


def test_the_same_units_are_read_on_another_day_whatever_their_order():
    first, second = days([square(), square()])
    again = second.isel(neuron=np.random.default_rng(0).permutation(12))
    one = ng.across_sessions([first, second], ["a", "b"], **FAST).estimate
    two = ng.across_sessions([first, again], ["a", "b"], **FAST).estimate
    np.testing.assert_array_equal(one, two)
    assert (one > 0.93).all()


def test_units_that_stand_elsewhere_because_a_trial_of_theirs_is_missing_are_matched():
    first, second = days([square(), square()])
    second = second.copy()
    second.values[0, 5] = np.nan  # a group of its own, behind all other units
    found = ng.across_sessions([first, second], ["a", "b"], **FAST).estimate
    assert (found > 0.93).all()


def test_units_that_changed_their_code_are_not():
    found = ng.across_sessions(days([square(), square(seed=8)]), ["a", "b"], **FAST).estimate
    assert (np.diagonal(found.values, axis1=1, axis2=2) > 0.93).all()
    assert found.values[:, [0, 1], [1, 0]].mean() < 0.85


def test_units_of_one_session_alone_are_left_out_and_counted():
    first, second = days([square(), square()])
    found = ng.across_sessions([first, second.isel(neuron=slice(2, None))], ["a", "b"], **FAST)
    assert found.attrs["n_units_not_common"] == 2
    assert found.attrs["n_neurons"] == 10


def test_sessions_without_a_common_unit_or_condition_are_refused():
    first, second = days([square(), square()])
    foreign = second.assign_coords(unit_id=("neuron", [f"v{i}" for i in range(12)]))
    with pytest.raises(ValueError, match="matched by unit_id"):
        ng.across_sessions([first, foreign], ["a", "b"])
    other = second.assign_coords(a=("trial", second.a.values + 1))
    with pytest.raises(ValueError, match="conditions of 'day1'"):
        ng.across_sessions([first, other], ["a", "b"])
    with pytest.raises(ValueError, match="at least two"):
        ng.across_sessions(first, ["a", "b"])


def test_coding_vectors_move_alike_in_all_sessions():
    found = ng.across_sessions(
        days([square(), square()]), ["a", "b"], measure="ccgp", n_null=19, **FAST
    )
    null = found.null.values
    np.testing.assert_allclose(null[:, :, 0, 1], null[:, :, 0, 0], atol=0.12)
    assert null.std() > 0.05
