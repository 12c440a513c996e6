"""The container: what comes in is checked, sorted and never lost without a count."""

import copy

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import neurogeom as ng
from neurogeom.activity import content_hash, sessions, validate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def arrays(rng):
    """6 trials, 4 neurons, ids out of order."""
    return {
        "values": rng.normal(size=(6, 4)),
        "trial": {"trial_id": [5, 3, 4, 0, 1, 2], "rule": ["A", "B", "A", "B", "A", "B"]},
        "neuron": {"unit_id": ["u3", "u1", "u0", "u2"], "area": ["M1", "S1", "M1", "S1"]},
    }


def test_trials_and_neurons_come_out_in_order_of_their_ids(arrays):
    x = ng.from_arrays(**arrays, session="s")
    assert x.name == "activity"
    assert x.trial_id.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert x.unit_id.values.tolist() == ["u0", "u1", "u2", "u3"]
    for i, trial in enumerate(arrays["trial"]["trial_id"]):
        for j, unit in enumerate(arrays["neuron"]["unit_id"]):
            cell = x.values[trial, int(unit[1])]
            assert cell == arrays["values"][i, j]
            assert x.rule.values[trial] == arrays["trial"]["rule"][i]
            assert x.area.values[int(unit[1])] == arrays["neuron"]["area"][j]


@given(st.permutations(range(6)), st.permutations(range(4)))
def test_the_order_of_what_is_given_changes_nothing(trials, neurons):
    values = np.random.default_rng(1).normal(size=(6, 4))
    x = ng.from_arrays(
        values, {"trial_id": range(6), "rule": list("ABABAB")}, {"unit_id": range(4)}
    )
    y = ng.from_arrays(
        values[np.ix_(trials, neurons)],
        {"trial_id": trials, "rule": np.array(list("ABABAB"))[trials]},
        {"unit_id": neurons},
    )
    xr.testing.assert_identical(x, y)
    assert x.session.item() == y.session.item()


@pytest.mark.parametrize("change", ["value", "label", "unit", "sign of a bin"])
def test_any_change_of_content_changes_the_hash(change):
    def made(values, rule, unit, time):
        return ng.from_arrays(values, {"rule": rule}, {"unit_id": unit}, time, session="s")

    values, rule, unit, time = np.ones((2, 1, 2)), ["A", "B"], ["u"], [0.0, 0.1]
    x = made(values, rule, unit, time)
    if change == "value":
        values = values + np.array([0, 1e-12])
    elif change == "label":
        rule = ["A", "b"]
    elif change == "unit":
        unit = ["v"]
    else:
        time = [-0.1, 0.1]
    assert content_hash(made(values, rule, unit, time)) != content_hash(x)


def test_the_hash_ignores_precision_that_holds_the_same_numbers():
    values = np.array([[1.5, np.nan], [0.0, 2.0]])
    x = ng.from_arrays(values, session="s")
    y = ng.from_arrays(values.astype("f4"), session="s")
    z = ng.from_arrays(np.where(values == 0, -0.0, values), session="s")
    assert content_hash(x) == content_hash(y) == content_hash(z)
    assert x.attrs["content_hash"] == content_hash(x)
    none = [ng.from_arrays(values, {"cue": cue}, session="s") for cue in ([0, 0], [0.0, 0.0])]
    assert content_hash(none[0]) != content_hash(none[1])  # numbers of another kind


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("i4", "f8"),
        ("u1", "f8"),
        ("?", "f8"),
        ("f2", "f8"),
        ("f4", "f4"),
        ("f8", "f8"),
        (">f4", "f4"),
    ],
)
def test_integers_become_float64_and_float32_stays(dtype, expected):
    x = ng.from_arrays(np.ones((2, 2), dtype))
    assert x.dtype == np.dtype(expected)


def test_validate_changes_nothing_the_second_time_and_never_its_input(arrays):
    x = ng.from_arrays(**arrays, animal="N", attrs={"window": [0.1, 0.2], "deep": {"a": [1]}})
    before = x.copy(deep=True)
    y = validate(x)
    y.attrs["deep"]["a"].append(2)
    xr.testing.assert_identical(x, before)
    xr.testing.assert_identical(validate(x), x)
    assert x.attrs["deep"] == {"a": [1]}


def test_an_array_built_by_hand_is_taken_as_it_is_meant(rng):
    values = rng.normal(size=(4, 3, 2))  # (neuron, trial, time)
    x = validate(
        xr.DataArray(
            values,
            dims=("neuron", "trial", "time"),
            coords={
                "time": [0.1, 0.2],
                "session": ("neuron", ["s1"] * 4),
                "animal": ("trial", ["N"] * 3),
                "rule": ("trial", np.array(["A", None, "B"], object)),
                "trial": [7, 6, 5],
            },
        )
    )
    assert x.dims == ("trial", "neuron", "time")
    assert x.session.item() == "s1"
    assert x.animal.item() == "N"
    assert x.trial_id.values.tolist() == [5, 6, 7]
    assert x.unit_id.values.tolist() == [0, 1, 2, 3]
    assert x.rule.values.tolist() == ["B", "", "A"]
    np.testing.assert_array_equal(x.values, values.transpose(1, 0, 2)[::-1])
    assert x.attrs["dropped"] == {"trials": {}, "neurons": {}}


def test_a_multiindex_of_trials_becomes_columns():
    x = xr.DataArray(np.eye(2), dims=("trial", "neuron"), coords={"rule": ("trial", ["A", "B"])})
    x = x.assign_coords(cue=("trial", [1, 2])).set_index(trial=["rule", "cue"])
    assert set(validate(x).coords) == {"trial_id", "unit_id", "session", "rule", "cue"}


def test_one_time_bin_taken_out_is_still_an_activity(rng):
    x = ng.from_arrays(rng.normal(size=(3, 2, 2)), time=[0.0, 0.5], session="s")
    assert validate(x.isel(time=1)).coords["time"].item() == 0.5


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"values": np.ones(3)}, r"shape \(3,\)"),
        ({"values": np.ones((0, 3))}, "at least one trial"),
        ({"values": np.full((2, 2), "a")}, "activity holds text"),
        ({"values": [[1.0, np.inf], [1, 2]]}, "neuron 1 on trial 0 of session .* is infinite"),
        ({"values": [[1.0, 0.0], [-np.inf, 2]]}, "neuron 0 on trial 1 of session .* is infinite"),
        ({"trial": {"rule": [1]}}, "'rule' has 1 entries but there are 2 trials"),
        ({"neuron": {"area": ["a"] * 3}}, "'area' has 3 entries but there are 2 neurons"),
        ({"trial": {"trial_id": [4, 4]}}, "trial_id 4 stands for more than one trial"),
        ({"neuron": {"unit_id": ["u", "u"]}}, "unit_id u stands for more than one neuron"),
        ({"neuron": {"unit_id": ["u", None]}}, "unit_id is missing for some neurons"),
        ({"trial": {"x": [1, 2]}, "neuron": {"x": [1, 2]}}, "'x' is given twice"),
        ({"trial": {"unit_id": [1, 2]}}, "'unit_id' is given twice"),
        ({"trial": {"time": [1, 2]}}, "'time' of trial bears a name that is taken"),
        ({"trial": {"session": ["a", "a"]}, "session": "b"}, r"within one session \(a, b\)"),
        ({"trial": {"session": ["a", None]}}, "'session' of trial has missing entries"),
        ({"trial": {"session": ["a", "b"]}}, "give the neurons a 'session' as well"),
        ({"neuron": {"session": ["a", "b"]}}, "give the trials a 'session' as well"),
        ({"trial": {"animal": ["a", "b"]}}, "'animal' takes several values"),
        ({"session": ""}, "the session has no name"),
        ({"time": [0.0]}, "no third axis"),
        ({"values": np.ones((2, 2, 2))}, "2 time bins and no time"),
        ({"values": np.ones((2, 2, 2)), "time": [0.0]}, "'time' has 1 entries"),
        ({"values": np.ones((2, 2, 2)), "time": [1.0, 0.0]}, "time does not increase"),
        ({"values": np.ones((2, 2, 2)), "time": [0.0, np.nan]}, "time does not increase"),
        ({"values": np.ones((2, 2, 2)), "time": ["a", "b"]}, "time does not hold numbers"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(kwargs, words):
    with pytest.raises((ValueError, TypeError), match=words):
        ng.from_arrays(**{"values": np.ones((2, 2)), **kwargs})


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((2, 2)), "not ndarray"),
        (xr.DataArray(np.ones((2, 2)), dims=("trial", "unit")), "name them"),
        (xr.DataArray(np.ones(2), dims="trial"), "name them"),
        (
            xr.DataArray(
                np.ones((2, 2)),
                dims=("trial", "neuron"),
                coords={"depth": (("trial", "neuron"), np.ones((2, 2)))},
            ),
            "'depth' has dims",
        ),
        (
            xr.DataArray(
                np.ones((2, 2)), dims=("trial", "neuron"), coords={"session": ("trial", ["a", "b"])}
            ),
            r"within one session \(a, b\)",
        ),
        (
            xr.DataArray(
                np.ones((2, 2)),
                dims=("trial", "neuron"),
                coords={"trial": [1, 2], "trial_id": ("trial", [3, 4])},
            ),
            "drop 'trial'",
        ),
        (xr.DataArray(np.ones((2, 2), complex), dims=("trial", "neuron")), "complex"),
    ],
)
def test_an_array_that_is_no_activity_is_refused(x, words):
    with pytest.raises((ValueError, TypeError), match=words):
        validate(x)


def _two_sessions(rng):
    values = np.full((5, 4), np.nan)
    values[np.ix_([0, 2], [1, 3])] = rng.normal(size=(2, 2))
    values[np.ix_([1, 3, 4], [0, 2])] = rng.normal(size=(3, 2))
    trial = {"session": ["b", "a", "b", "a", "a"], "animal": ["N", "M", "N", "M", "M"]}
    return values, trial, {"session": ["a", "b", "a", "b"]}


def test_a_session_column_splits_the_array(rng):
    values, trial, neuron = _two_sessions(rng)
    a, b = ng.from_arrays(values, trial, neuron)
    assert (a.session.item(), b.session.item()) == ("a", "b")
    assert (a.animal.item(), b.animal.item()) == ("M", "N")
    np.testing.assert_array_equal(a.values, values[np.ix_([1, 3, 4], [0, 2])])
    np.testing.assert_array_equal(b.values, values[np.ix_([0, 2], [1, 3])])


def test_sessions_that_share_activity_are_not_split(rng):
    values, trial, neuron = _two_sessions(rng)
    values[1, 1] = 0.0
    with pytest.raises(ValueError, match="other sessions have activity on trials of session 'a'"):
        ng.from_arrays(values, trial, neuron)
    trial["session"][0] = "c"
    with pytest.raises(ValueError, match="session 'c' has trials or neurons but not both"):
        ng.from_arrays(values, trial, neuron)


def test_sessions_are_sorted_and_named_once(rng):
    x, y = (ng.from_arrays(rng.normal(size=(2, 2)), session=s) for s in "ba")
    assert [s.session.item() for s in sessions([x, y])] == ["a", "b"]
    assert [s.session.item() for s in sessions(x)] == ["b"]
    with pytest.raises(ValueError, match="two sessions are named b"):
        sessions([x, x])
    with pytest.raises(ValueError, match="the list of sessions is empty"):
        sessions([])
    with pytest.raises(TypeError, match="not Dataset"):
        sessions(x.to_dataset())


def test_select_keeps_counts_and_leaves_its_input(arrays):
    x = ng.from_arrays(**arrays, session="s", animal="N")
    before = copy.deepcopy(x.attrs)
    y = ng.select(x, trials="rule == 'A'", neurons="area == 'M1' and session == 's'")
    y = ng.select(y, trials="trial_id > 1 and animal == 'N'")
    assert y.trial_id.values.tolist() == [4, 5]
    assert y.unit_id.values.tolist() == ["u0", "u3"]
    assert y.attrs["dropped"] == {
        "trials": {"not (rule == 'A')": 3, "not (trial_id > 1 and animal == 'N')": 1},
        "neurons": {"not (area == 'M1' and session == 's')": 2},
    }
    assert x.attrs == before
    assert y.attrs["content_hash"] == x.attrs["content_hash"]


def test_select_says_where_nothing_is_left(arrays):
    x = ng.from_arrays(**arrays, session="s")
    with pytest.raises(ValueError, match="no neuron of session 's' satisfies"):
        ng.select(x, neurons="area == 'V1'")
    with pytest.raises(KeyError, match="no column 'cue'.*rule"):
        ng.select(x, trials="cue == 1")


def test_select_takes_a_list(arrays):
    x = ng.from_arrays(**arrays, session="s")
    y, z = ng.select([x, x.assign_coords(session="r")], trials="rule == 'B'")
    assert (y.session.item(), z.session.item()) == ("r", "s")
    assert set(y.rule.values) == {"B"}


def _mean_by_loops(xs, variables, labels):
    """Means and counts, cell by cell, from the definition."""
    means, counts = [], []
    for label in labels:
        row, n = [], []
        for x in xs:
            for j in range(x.sizes["neuron"]):
                seen = [
                    x.values[t, j]
                    for t in range(x.sizes["trial"])
                    if all(x[v].values[t] == w for v, w in zip(variables, label, strict=True))
                    and np.isfinite(x.values[t, j])
                ]
                row.append(np.mean(seen) if seen else np.nan)
                n.append(len(seen))
        means.append(row)
        counts.append(n)
    return means, counts


def test_condition_means_are_means_over_observed_trials(rng):
    xs = []
    for session, n_neurons in (("b", 3), ("a", 2)):
        values = rng.normal(size=(24, n_neurons))
        values[rng.random(values.shape) < 0.3] = np.nan
        trial = {"rule": np.tile(["A", "B"], 12), "cue": np.repeat([1, 2, 3], 8)}
        if session == "a":
            values[(trial["rule"] == "A") & (trial["cue"] == 3), 1] = np.nan
        xs.append(ng.from_arrays(values, trial, session=session))
    m = ng.condition_means(xs, ["rule", "cue"])
    labels = list(zip(m.rule.values, m.cue.values, strict=True))
    assert m.dims == ("condition", "neuron")
    assert m.name == "condition_means"
    assert len(set(labels)) == 6
    assert m.session.values.tolist() == ["a", "a", "b", "b", "b"]
    assert m.unit_id.values.tolist() == [0, 1, 0, 1, 2]
    means, counts = _mean_by_loops(xs[::-1], ["rule", "cue"], labels)
    np.testing.assert_allclose(m.values, means, atol=1e-14)
    np.testing.assert_array_equal(m.n_trials, counts)
    assert np.isnan(m.values).sum() >= 1
    assert m.n_trials.dtype.kind == "i"


def test_a_bin_that_was_not_observed_leaves_the_others_of_the_trial(rng):
    values = rng.normal(size=(4, 2, 3))
    values[0, 1, 2] = np.nan
    x = ng.from_arrays(values, {"rule": list("AABB")}, time=[0.0, 0.1, 0.2])
    m = ng.condition_means(x, ["rule"])
    assert m.dims == ("condition", "neuron", "time")
    np.testing.assert_allclose(m.values[0, 1], [*values[:2, 1, :2].mean(0), values[1, 1, 2]])
    assert m.n_trials.values[0, 1].tolist() == [2, 2, 1]
    y = x.assign_coords(session="y", time=[0.0, 0.1, 0.3])
    with pytest.raises(ValueError, match="differ in their time bins"):
        ng.condition_means([x, y], ["rule"])


def test_contrasts_and_dropped_trials_stand_beside_the_means():
    x = ng.from_arrays(
        np.arange(5.0)[:, None],
        {"rule": ["A", "A", "B", "B", ""], "action": ["go", "go", "stop", "stop", "go"]},
        session="s",
        units="spikes/s",
    )
    y = x.assign_coords(session="r", unit_id=("neuron", ["u"]))
    m = ng.condition_means([x, y], ["rule"], contrasts=["action"])
    assert m.action.values.tolist() == ["go", "stop"]
    assert m.unit_id.values.tolist() == ["u", "0"]
    assert m.values.tolist() == [[0.5, 0.5], [2.5, 2.5]]
    assert m.attrs["units"] == "spikes/s"
    assert m.attrs["dropped"] == {"trials": {"rule is missing": 2}, "neurons": {}}
    kept = ng.select([x, y], trials="rule != ''")
    dropped = ng.condition_means(kept, ["rule"]).attrs["dropped"]
    assert dropped == {"trials": {"not (rule != '')": 2}, "neurons": {}}
