"""Equal numbers of neurons and trials: who stays, who goes, and that nobody is drawn twice."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from made_population import gathered, recording, unstructured

import neurogeom as ng
from neurogeom.activity import from_arrays, sessions
from neurogeom.design import conditions
from neurogeom.engine.matching import available, leaves_choice, match_to, subsample

NAMES = ["a", "b"]
COUNTS = [9, 6, 12, 7]


def one(n_neurons=10, counts=COUNTS, session="s1", seed=0):
    return recording(unstructured(4, n_neurons, seed), counts, seed=seed, session=session)


def several(*sizes, counts=COUNTS):
    return [one(n, counts, f"s{i}", i) for i, n in enumerate(sizes)]


def half_lost():
    """Ten neurons, the last four of which are lost after half of the trials."""
    x = one(10, [20] * 4)
    values = x.values.copy()
    values[40:, 6:] = np.nan
    return x.copy(data=values)


def design_of(x, names=NAMES):
    found = sessions(x)
    return found, conditions(found, names)


# --- numbers ------------------------------------------------------------------------------------


@given(st.integers(1, 22), st.integers(2, 6), st.integers(0, 50))
def test_a_population_of_the_matched_activity_has_the_numbers_asked_for(n_neurons, n_trials, seed):
    x = several(4, 8, 10)
    kept = match_to(x, NAMES, n_neurons=n_neurons, n_trials=n_trials, seed=seed)
    _, people = gathered(kept, NAMES)
    assert people.n_neurons == n_neurons
    assert (people.counts == n_trials).all()
    assert kept[0].attrs["matched"]["n_neurons"] == n_neurons


def test_what_is_kept_was_recorded_there_and_is_kept_once():
    x = several(4, 8)
    for part in match_to(x, NAMES, n_neurons=7, n_trials=5):
        whole = {str(s.session.values): s for s in x}[str(part.session.values)]
        same = whole.sel(
            trial=np.isin(whole.trial_id, part.trial_id),
            neuron=np.isin(whole.unit_id, part.unit_id),
        )
        np.testing.assert_array_equal(part.values, same.values)
        assert len(np.unique(part.unit_id)) == part.sizes["neuron"]
        assert len(np.unique(part.trial_id)) == part.sizes["trial"] == 20
        assert set(part.coords) >= {"a", "b", "session"}


@pytest.mark.parametrize("dim", ["neuron", "trial"])
def test_everyone_is_kept_equally_often(dim):
    """3 of 10 neurons and 3 of 6 trials a condition in 400 draws, within five standard errors."""
    found, design = design_of(one(10, 6))
    name, share = {"neuron": ("unit_id", 0.3), "trial": ("trial_id", 0.5)}[dim]
    hits = np.zeros(found[0].sizes[dim])
    for draw in range(400):
        (part,) = subsample(found, design, n_neurons=3, n_trials=3, draw=draw)
        hits += np.isin(found[0][name].values, part[name].values)
    assert np.abs(hits / 400 - share).max() < 5 * np.sqrt(share * (1 - share) / 400)


def test_neurons_are_drawn_from_all_sessions_and_not_a_fixed_number_from_each():
    found, design = design_of(several(20, 20))
    kept = [
        [s.sizes["neuron"] for s in subsample(found, design, n_neurons=20, draw=d)]
        for d in range(60)
    ]
    first = np.array(kept)[:, 0]
    sd = np.sqrt(20 * 0.5 * 0.5 * 20 / 39)  # hypergeometric
    assert abs(first.mean() - 10) < 4 * sd / np.sqrt(60)
    assert 0.6 * sd < first.std() < 1.4 * sd


def test_two_activities_matched_to_one_another_are_equally_large():
    a, b = several(4, 8), one(9, [5, 20, 8, 8], seed=9)
    mine, other = match_to(a, NAMES, like=b), match_to(b, NAMES, like=a)
    assert isinstance(other, xr.DataArray)
    for kept in (mine, other):
        _, people = gathered(kept, NAMES)
        assert people.n_neurons == 9
        assert (people.counts == 5).all()


def test_raising_min_trials_loses_the_neurons_that_set_the_number():
    x = half_lost()
    counts = (x.a * 2 + x.b).values
    fewest = np.bincount(counts[:40]).min()
    loose = match_to(x, NAMES, like=one(10, 30), min_trials=2)
    strict = match_to(x, NAMES, like=one(10, 30), min_trials=20)
    assert loose.attrs["matched"] == {
        "n_neurons": 10,
        "n_trials": fewest,
        "sessions_left_out": [],
    }
    assert strict.attrs["matched"]["n_neurons"] == 6
    assert strict.attrs["matched"]["n_trials"] == 20


# --- neurons that were not observed on all trials -----------------------------------------------


def test_every_neuron_keeps_its_own_trials_where_they_were_recorded_apart():
    x = ng.simulate("cube", n_neurons=6, n_trials=7, n_variables=2, n_truth=0, apart=True)
    kept = match_to(x, NAMES, n_trials=5)
    _, people = gathered(kept, NAMES)
    assert people.n_groups == 6
    assert (people.counts_by_neuron == 5).all()


def test_neurons_recorded_together_keep_the_same_trials():
    kept = match_to(half_lost(), NAMES, n_trials=4)
    seen = np.isfinite(kept.values)
    assert (seen[:, :6] == seen[:, :1]).all()
    assert (seen[:, 6:] == seen[:, 6:7]).all()
    assert (seen.sum(axis=0) == 16).all()


def test_a_neuron_that_misses_a_time_bin_was_not_observed_on_that_trial():
    x = one(3, 6)
    timed = xr.concat([x, x + 1.0], "time").assign_coords(time=[0.1, 0.2])
    timed = timed.transpose("trial", "neuron", "time")
    values = timed.values.copy()
    values[0, 1, 1] = np.nan
    kept = match_to(timed.copy(data=values), NAMES, n_trials=6)
    assert kept.unit_id.values.tolist() == [0, 2]
    assert kept.dims == ("trial", "neuron", "time")


# --- what was dropped ---------------------------------------------------------------------------


def test_what_goes_is_counted_by_reason():
    x = half_lost()
    x = x.assign_coords(a=("trial", np.where(np.arange(80) < 3, np.nan, x.a.values)))
    kept = match_to(x, NAMES, n_neurons=4, n_trials=16)
    dropped = kept.attrs["dropped"]
    assert dropped["neurons"] == {
        "fewer than 16 trials in a condition": 4,
        "matched to 4 neurons": 2,
    }
    assert dropped["trials"]["no condition of a, b"] == 3
    assert dropped["trials"]["matched to 16 trials a condition"] == 80 - 3 - 64
    assert x.attrs["dropped"] == {"trials": {}, "neurons": {}}


def test_a_session_without_a_neuron_is_left_out_and_named():
    kept = match_to(several(3, 3, 3, 3), NAMES, n_neurons=1)
    assert len(kept) == 1
    left = kept[0].attrs["matched"]["sessions_left_out"]
    assert sorted([*left, str(kept[0].session.values)]) == ["s0", "s1", "s2", "s3"]


def test_without_a_number_of_trials_they_stay_as_they_were():
    x = one()
    kept = match_to(x, NAMES, n_neurons=4)
    np.testing.assert_array_equal(kept.trial_id, x.trial_id)
    assert np.isfinite(kept.values).all()


# --- order and seeds ----------------------------------------------------------------------------


@given(st.randoms(use_true_random=False))
def test_order_of_sessions_trials_and_neurons_changes_nothing(random):
    x = several(4, 8, 5)
    shuffled = [
        s.isel(
            trial=random.sample(range(s.sizes["trial"]), s.sizes["trial"]),
            neuron=random.sample(range(s.sizes["neuron"]), s.sizes["neuron"]),
        )
        for s in random.sample(x, 3)
    ]
    options = {"n_neurons": 9, "n_trials": 4}
    before, after = (match_to(d, NAMES, **options) for d in (x, shuffled))
    assert len(before) == len(after)
    for one_, other in zip(before, after, strict=True):
        xr.testing.assert_equal(one_, other)


def test_another_seed_keeps_others():
    """The negative twin."""
    first, second = (match_to(one(), NAMES, n_neurons=5, n_trials=4, seed=s) for s in (0, 1))
    assert set(first.unit_id.values) != set(second.unit_id.values)
    assert set(first.trial_id.values) != set(second.trial_id.values)


def test_a_smaller_subsample_is_part_of_a_larger_one():
    small, large = (match_to(one(), NAMES, n_neurons=n, n_trials=n) for n in (3, 6))
    assert set(small.unit_id.values) < set(large.unit_id.values)
    assert set(small.trial_id.values) < set(large.trial_id.values)


def test_there_is_no_choice_only_where_everyone_is_kept():
    found, design = design_of(one(5, 6))
    size = available(found, design, 5)
    assert size == (5, 6)
    assert not leaves_choice(found, design, **size._asdict())
    assert leaves_choice(found, design, n_neurons=4)
    assert leaves_choice(found, design, n_trials=5)
    found, design = design_of(one(5, COUNTS))
    assert leaves_choice(found, design, n_trials=6)  # the scarcest condition has 6, others more


# --- what cannot be done ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "nothing to match to; give n_neurons, n_trials or like"),
        ({"n_neurons": 3, "like": one()}, ValueError, "give like, or n_neurons and n_trials"),
        ({"n_neurons": 11}, ValueError, "10 neurons have 5 trials in every condition, and 11 are"),
        ({"n_trials": 7}, ValueError, "0 neurons have 7 trials in every condition"),
        ({"n_trials": 0}, ValueError, "n_trials=0 leaves nothing; give 1 or more"),
        ({"n_neurons": 2.0}, TypeError, "n_neurons=2.0 is no whole number"),
        ({"like": one(counts=2)}, ValueError, "no neuron with 5 trials in every condition"),
        ({"like": recording(unstructured(6, 3, 0), 6, sizes=(3, 2))}, ValueError, "differ in"),
        ({"like": from_arrays(np.eye(4), trial={"a": [0, 0, 1, 1]})}, KeyError, "'b'"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_and_what_to_do(options, error, message):
    with pytest.raises(error, match=message):
        match_to(one(), NAMES, **options)
