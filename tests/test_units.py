"""Task variance and sparsity: closed forms, noise that is not variance, and what is missing."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurogeom as ng
from neurogeom.networks.units import sparsity, task_variance

ANGLES = np.linspace(0, 2 * np.pi, 8, endpoint=False)


def tuned(amplitude, n_repeats=1, sd=0.0, seed=0):
    """(trial, unit): a cosine of each amplitude over eight directions, with noise."""
    angle = np.repeat(ANGLES, n_repeats)
    rates = 1 + np.cos(angle)[:, None] * np.asarray(amplitude, dtype=float)
    return rates + sd * np.random.default_rng(seed).standard_normal(rates.shape), angle


def two_tasks(n_repeats=4, sd=0.0, seed=0):
    go, angle = tuned([2.0, 0.0, 1.0], n_repeats, sd, seed)
    anti, _ = tuned([0.0, 0.0, 3.0], n_repeats, sd, seed + 1)
    trial = {"task": np.repeat(["go", "anti"], len(go)), "angle": np.r_[angle, angle]}
    return ng.from_arrays(np.r_[go, anti], trial=trial, neuron={"unit_id": ["a", "b", "c"]})


# --- task variance --------------------------------------------------------------------------------


def test_a_cosine_has_half_its_squared_amplitude():
    found = task_variance(two_tasks())
    assert found.task.values.tolist() == ["anti", "go"]
    assert found.unit_id.values.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found.task_variance, [[0, 0, 4.5], [2, 0, 0.5]], atol=1e-12)
    np.testing.assert_allclose(found.normalised, [[0, np.nan, 1], [1, np.nan, 1 / 9]], atol=1e-12)
    assert found.attrs["n_silent"] == 1


def test_variance_is_averaged_over_time_and_a_mean_that_moves_in_time_is_none():
    rates, _ = tuned([1.0, 0.0])
    moving = np.stack([k * rates + 100 * k for k in range(4)], axis=-1)
    found = task_variance({"go": moving}).task_variance.values[0]
    np.testing.assert_allclose(found, [0.5 * np.mean(np.arange(4.0) ** 2), 0], atol=1e-9)


def test_noise_of_the_means_is_subtracted_where_conditions_are_named():
    """Without them noise of variance 4 adds 4; its mean over seeds is known to four of its sd."""
    runs = [two_tasks(n_repeats=3, sd=2.0, seed=2 * seed) for seed in range(200)]
    truth = np.array([[0, 0, 4.5], [2, 0, 0.5]])
    corrected = np.array([task_variance(x, conditions=["angle"]).task_variance for x in runs])
    error = corrected.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert (np.abs(corrected.mean(axis=0) - truth) < 4 * error).all()
    naive = np.mean([task_variance(x).task_variance for x in runs], axis=0)
    np.testing.assert_allclose(naive - truth, 4 * (1 - 1 / 24), rtol=0.1)
    assert (corrected[:, 0, 1] < 0).mean() > 0.3


def test_repeats_without_noise_change_nothing():
    x = two_tasks(n_repeats=4)
    named, alone = task_variance(x, conditions=["angle"]), task_variance(x)
    np.testing.assert_allclose(named.task_variance, alone.task_variance, atol=1e-12)


def test_conditions_of_several_coordinates_are_their_combinations():
    rates = np.array([[0.0], [0], [1], [1], [1], [1], [0], [0]])
    trial = {"task": ["xor"] * 8, "a": [0, 0, 0, 0, 1, 1, 1, 1], "b": [0, 0, 1, 1, 0, 0, 1, 1]}
    x = ng.from_arrays(rates, trial=trial)
    assert task_variance(x, conditions=["a", "b"]).task_variance.values == pytest.approx(0.25)
    # Of one coordinate alone the other is noise: no variance, and its estimate is negative.
    assert task_variance(x, conditions=["a"]).task_variance.values < 0


def test_a_mapping_of_tasks_is_the_same_as_one_activity_and_may_differ_in_length():
    x = two_tasks()
    parts = {name: x.isel(trial=np.flatnonzero(x.task == name)) for name in ("anti", "go")}
    np.testing.assert_allclose(task_variance(parts).task_variance, task_variance(x).task_variance)
    short = {"a": np.ones((2, 3, 5)), "b": np.arange(12.0).reshape(4, 3)}
    assert task_variance(short).sizes == {"task": 2, "neuron": 3}


def test_bins_without_observation_are_left_out():
    rates, _ = tuned([1.0, 1.0])
    values = np.stack([rates, 2 * rates], axis=-1)
    values[:, 0, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = task_variance({"go": values}).task_variance.values[0]
        np.testing.assert_allclose(found, [0.5, (0.5 + 2) / 2])
        values[:, 1] = np.nan
        lost = task_variance({"go": values})
    assert np.isnan(lost.task_variance.values[0, 1])
    assert np.isnan(lost.normalised.values[0, 1])


def test_a_trial_without_observation_is_left_out_of_that_unit_alone():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((8, 3, 4))
    lost = values.copy()
    lost[2, 0] = np.nan
    found = task_variance({"a": lost}).task_variance.values[0]
    assert found[0] == pytest.approx(np.delete(values[:, 0], 2, axis=0).var(axis=0).mean())
    np.testing.assert_allclose(found[1:], values[:, 1:].var(axis=0).mean(axis=-1))
    lost[3, 1, 2] = np.nan  # one bin of a trial that is there: the bin is left out
    found = task_variance({"a": lost}).task_variance.values[0]
    assert found[1] == pytest.approx(values[:, 1, [0, 1, 3]].var(axis=0).mean())
    lost[1:, 2] = np.nan
    assert np.isnan(task_variance({"a": lost}).task_variance.values[0, 2])


def test_a_task_in_which_a_unit_was_not_observed_hides_no_other_task():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 6, 3))
    second = 2 * second
    third = np.c_[np.full(6, np.nan), first[:, 1:]]
    whole = task_variance({"a": first, "b": second})
    found = task_variance({"a": first, "b": second, "c": third})
    np.testing.assert_allclose(found.normalised[:2], whole.normalised)
    assert np.isnan(found.normalised.values[2, 0])
    assert found.attrs["n_silent"] == 0


def test_trials_without_a_label_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    rates, cue = rng.standard_normal((8, 3)), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    words = ["l", "l", "r", "r", "m", "m", "", ""]
    trial = {"task": ["go"] * 8, "cue": [*cue, np.nan, np.nan], "word": words}
    x = ng.from_arrays(rates, trial=trial)
    whole = task_variance(x.isel(trial=slice(6)), conditions=["cue"])
    assert whole.attrs["unlabelled"] == 0
    for name in ("cue", "word"):
        found = task_variance(x, conditions=[name])
        np.testing.assert_allclose(found.task_variance, whole.task_variance)
        assert found.attrs["unlabelled"] == 2
    found = task_variance(x, by="word")
    assert found.task.values.tolist() == ["l", "m", "r"]
    assert found.attrs["unlabelled"] == 2


@settings(max_examples=25)
@given(st.integers(0, 300))
def test_offsets_and_the_order_of_trials_change_nothing_and_gain_changes_the_square(seed):
    rng = np.random.default_rng(seed)
    x = {"a": rng.standard_normal((6, 4)), "b": rng.standard_normal((5, 4))}
    first = task_variance(x)
    moved = task_variance({k: 3 * v[rng.permutation(len(v))] + 7 for k, v in x.items()})
    np.testing.assert_allclose(moved.task_variance, 9 * first.task_variance)
    np.testing.assert_allclose(moved.normalised, first.normalised)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: task_variance(x, by="rule"), KeyError, "no coordinate 'rule' among"),
        (lambda x: task_variance(x, conditions=["left"]), KeyError, r"no coordinates \['left'\]"),
        (lambda x: task_variance({"a": np.ones((1, 2))}), ValueError, "fewer than two conditions"),
        (lambda x: task_variance({"a": np.ones(3)}), ValueError, r"task 'a' has shape \(3,\)"),
        (lambda x: task_variance({}), ValueError, r"tasks have \[\] units"),
        (
            lambda x: task_variance({"a": [[1.0, 2.0], [np.inf, 3.0]]}),
            ValueError,
            "task 'a' holds infinite activity; put NaN",
        ),
        (
            lambda x: task_variance({"a": np.ones((3, 2)), "b": np.ones((3, 4))}),
            ValueError,
            r"tasks have \[2, 4\] units",
        ),
        (
            lambda x: task_variance({"a": x, "b": x.isel(neuron=[1, 0, 2])}),
            ValueError,
            "another order of them",
        ),
        (
            lambda x: task_variance(x.isel(trial=slice(3, None)), conditions=["angle"]),
            ValueError,
            "has one trial, which leaves its noise unknown",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call(two_tasks())


# --- sparsity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(1, 10), (3, 10), (10, 10)])
def test_k_equal_units_of_n_have_a_sparsity_in_closed_form(k, n):
    rates = np.r_[np.full(k, 5.0), np.zeros(n - k)]
    assert sparsity(rates) == pytest.approx((1 - k / n) / (1 - 1 / n), abs=1e-12)


def test_axes_are_of_units_and_of_conditions():
    rates = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 4.0]])  # (condition, unit)
    np.testing.assert_allclose(sparsity(rates, axis=0), [0, 1])
    np.testing.assert_allclose(sparsity(rates), [1, 1, 1 - 2 * (2.5**2 / 8.5 - 0.5)])


@settings(max_examples=25)
@given(st.integers(0, 300))
def test_sparsity_lies_in_0_1_and_knows_no_gain_but_a_baseline(seed):
    rates = np.random.default_rng(seed).exponential(size=(3, 6))
    found = sparsity(rates)
    assert ((found > 0) & (found < 1)).all()
    np.testing.assert_allclose(sparsity(5 * rates), found)
    assert (sparsity(rates + 1) < found).all()


def test_what_is_silent_or_alone_has_no_sparsity_and_negative_rates_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(sparsity(np.zeros((2, 4)))).all()
        assert np.isnan(sparsity(np.ones((2, 1)))).all()
    with pytest.raises(ValueError, match="a rate is negative"):
        sparsity([-1.0, 1.0])
