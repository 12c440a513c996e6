"""Long tables and spike trains of other tools as activity."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import neurogeom as ng


def test_a_long_table_gives_back_the_array_it_came_from():
    x = ng.from_arrays(
        np.random.default_rng(0).normal(size=(4, 3, 2)),
        {"rule": ["A", "B", "", "A"], "size": [1.0, np.nan, 2.0, 3.0]},
        {"area": ["M1", "S1", "M1"]},
        [0.0, 0.5],
        session="s",
    )
    long = x.drop_vars("session").to_dataframe().reset_index(drop=False)
    shuffled = long.sample(frac=1, random_state=0)
    y = ng.from_dataframe(
        shuffled, ["rule", "size"], time="time", neuron_columns=["area"], attrs=x.attrs
    )
    xr.testing.assert_equal(x.drop_vars("session"), y.drop_vars("session"))


def test_a_long_table_of_several_sessions_gives_a_list():
    frame = pd.DataFrame(
        {
            "session": [2, 2, 10, 10],
            "trial_id": [0, 1, 0, 1],
            "unit_id": ["u", "u", "v", "u"],
            "activity": [1.0, 2.0, 3.0, 4.0],
            "rule": pd.Categorical(["A", "B", "A", "B"]),
            "animal": "N",
        }
    )
    ten, two = ng.from_dataframe(frame, ["rule"])
    assert (ten.session.item(), two.session.item(), two.animal.item()) == ("10", "2", "N")
    np.testing.assert_array_equal(ten.values, [[np.nan, 3.0], [4.0, np.nan]])
    np.testing.assert_array_equal(two.values, [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"trial_id": [0, 0, 0]},
            ValueError,
            "several rows of the table give trial_id 0, unit_id u",
        ),
        ({"trial_id": [0, 0, 1], "unit_id": ["u", "v", "u"]}, ValueError, "'rule' takes several"),
        ({"activity": ["a", "b", "c"]}, TypeError, "activity holds text"),
    ],
)
def test_a_long_table_that_contradicts_itself_is_refused(change, error, words):
    frame = {
        "trial_id": [0, 1, 2],
        "unit_id": ["u"] * 3,
        "activity": [1.0] * 3,
        "rule": list("ABA"),
    }
    with pytest.raises(error, match=words):
        ng.from_dataframe(frame | change, ["rule"])


def test_a_missing_column_of_a_long_table_is_named():
    with pytest.raises(KeyError, match="no column 'cue' in the table; choose from trial_id"):
        ng.from_dataframe({"trial_id": [1], "unit_id": [1], "activity": [1.0]}, ["cue"])
    with pytest.raises(TypeError, match="one string"):
        ng.from_dataframe({"trial_id": [1], "unit_id": [1], "activity": [1.0]}, "cue")


class _Group(dict):
    """What a pynapple TsGroup offers."""

    time_support = SimpleNamespace(start=np.array([0.0, 10.0]), end=np.array([5.0, 20.0]))
    metadata = pd.DataFrame({"area": ["M1", "S1"]}, index=[3, 8])


def test_spike_trains_become_rates_and_what_was_not_recorded_nan():
    units = _Group({3: SimpleNamespace(t=[1.0, 1.1, 1.5, 10.5]), 8: SimpleNamespace(t=[1.2])})
    trials = pd.DataFrame({"cue": [1.0, np.nan, 4.8, 10.4], "rule": ["A", "B", "A", "B"]})
    x = ng.from_pynapple(units, trials, align="cue", window=(0.0, 0.5), session="s")
    # the window is closed on the left and open on the right: 1.0 counts, 1.5 does not
    np.testing.assert_allclose(x.values, [[4.0, 2.0], [np.nan, np.nan], [2.0, 0.0]])
    assert x.rule.values.tolist() == ["A", "A", "B"]
    assert x.trial_id.values.tolist() == [0, 2, 3]
    assert x.area.values.tolist() == ["M1", "S1"]
    assert x.attrs["units"] == "spikes/s"
    assert x.attrs["dropped"]["trials"] == {"no cue": 1}
    binned = ng.from_pynapple(units, trials, align="cue", window=(0, 0.5), bin_width=0.25)
    np.testing.assert_allclose(binned.time, [0.125, 0.375])
    np.testing.assert_allclose(binned.values[0, 0], [8.0, 0.0])
    np.testing.assert_allclose(binned.values[1, 0], [np.nan, np.nan])
    np.testing.assert_allclose(binned.mean("time").values, x.values)


def test_a_window_that_fills_an_epoch_was_observed():
    x = ng.from_pynapple(_Group({3: [0.0], 8: []}), {"cue": [0.0, 5.0]}, align="cue", window=(0, 5))
    np.testing.assert_allclose(x.values, [[0.2, 0.0], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"align": "go"}, KeyError, "no column 'go' in the trials"),
        ({"align": "rule"}, TypeError, "'rule' does not hold numbers"),
        ({"window": (0.5, 0.5)}, ValueError, "has no length"),
        ({"bin_width": 0.3}, ValueError, "does not divide"),
        ({"bin_width": 0.0}, ValueError, "does not divide"),
    ],
)
def test_a_window_that_cannot_be_read_is_refused(kwargs, error, words):
    trials = {"cue": [1.0], "rule": ["A"]}
    with pytest.raises(error, match=words):
        ng.from_pynapple({0: [1.0]}, trials, **{"align": "cue", "window": (0.0, 0.5), **kwargs})
