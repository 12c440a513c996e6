"""What a person is told about a file is what is in it, and the suggested command can be run."""

import shlex

import numpy as np
import pytest
from nwb_files import add_plane, add_series, add_trials, add_units, empty_file, recording, save

import neurogeom as ng
from neurogeom.recordings.suggest import crossed


@pytest.fixture
def path(tmp_path):
    k = np.arange(48)
    columns = {
        "side": np.array(["left", "right"])[k % 2].tolist(),
        "reward": (k // 2 % 2).tolist(),
        "response": (k % 2 ^ k // 2 % 2).tolist(),
        "missed": np.where(k == 0, np.nan, 1.5).tolist(),
        "weight": np.linspace(0, 1, 48).tolist(),
    }
    columns = {name: values + values[:2] for name, values in columns.items()}
    nwb = empty_file()
    add_trials(nwb, {"cue_time": 10.2 + 2 * np.arange(50)} | columns, n_trials=50)
    add_trials(nwb, name="rest", n_trials=2)
    units = {"location": ["V1", "V1", "V4"], "quality": ["good", "mua", "good"]}
    add_units(nwb, [[10.1], [], [10.2, 10.3]], columns=units, obs_intervals=[[[0, 99]]] * 3)
    return save(nwb, tmp_path / "monday.nwb")


def test_tables_columns_levels_and_units_are_counted(path):
    found = ng.inspect_nwb(path)
    trials = found.tables["trials"]
    assert (found.session, found.nwb_version[:2], found.animal) == ("monday", "2.", "")
    assert (trials.n_rows, found.tables["rest"].n_rows) == (50, 2)
    assert trials.columns["side"].levels == {"left": 25, "right": 25}
    assert trials.columns["missed"].n_missing == 2
    assert trials.columns["weight"].levels == {}
    assert trials.columns["weight"].span == (0.0, 1.0)
    assert (found.units.n, found.units.n_spikes) == (3, 3)
    assert found.units.areas == {"V1": 2, "V4": 1}
    assert not found.units.observed_always
    assert found.units.columns["quality"].levels == {"good": 2, "mua": 1}
    assert found.units.columns["spike_times"].why_not == "ragged"
    assert not found.units.columns["spike_times"].usable


def test_the_page_shows_what_the_command_needs(path):
    page = str(ng.inspect_nwb(path))
    for words in (
        "table trials: 50 rows",
        "text: left (25), right (25)",
        "numbers: 0 to 1",
        "2 missing",
        "units: 3 (2 in V1, 1 in V4), 3 spikes, observed during obs_intervals only",
        "not usable: ragged",
        "neurogeom score",
    ):
        assert words in page


def test_the_suggested_command_names_event_window_variables_and_contrasts(path):
    words = shlex.split(ng.inspect_nwb(path).suggested_command)
    assert words[:3] == ["neurogeom", "score", str(path)]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--align": "cue_time",
        "--window": "0:0.5",
        "--variables": "side,reward",
        "--contrasts": "response",
    }
    window = tuple(map(float, options["--window"].split(":")))
    ng.read_nwb(path, options["--align"], window, options["--variables"].split(","))


def test_a_table_of_another_name_is_suggested_by_name(tmp_path):
    nwb = empty_file()
    add_trials(nwb, {"rule": ["a", "b"] * 10}, n_trials=20, length=0.35, name="encoding")
    add_units(nwb, [[10.1]])
    command = ng.inspect_nwb(save(nwb, tmp_path / "a file.nwb")).suggested_command
    assert "--table encoding" in command
    assert "--window 0:0.1" in command  # 0.15 s are left of the trial after the cue
    assert "'" in command  # a path with a blank can be pasted


def test_imaging_files_suggest_their_signal(tmp_path):
    nwb = empty_file()
    add_trials(nwb, {"rule": list("abab") * 5}, n_trials=20)
    data = np.zeros((500, 3))
    add_series(nwb, add_plane(nwb), data, rate=10.0, starting_time=0.0)
    found = ng.inspect_nwb(save(nwb, tmp_path / "a.nwb"))
    assert found.units is None
    assert found.series["processing/ophys/Fluorescence/activity"].areas == {"V1": 3}
    assert found.suggested_command.endswith("--signal roi")


@pytest.mark.parametrize("units", ["spikes", "a.u."])
def test_a_file_written_by_us_is_read_as_suggested(tmp_path, units):
    attrs = {"align": "event", "window": [0.0, 2.0]}
    values = np.arange(40).reshape(20, 2)
    x = ng.from_arrays(values, {"rule": ["a", "b"] * 10}, units=units, attrs=attrs)
    command = ng.inspect_nwb(ng.write_nwb(x, tmp_path / "a.nwb")).suggested_command
    assert "--align event --window 0:2 --variables rule" in command
    assert ("--signal roi" in command) == (units == "a.u.")


def test_a_file_with_nothing_to_score_says_so(tmp_path):
    found = ng.inspect_nwb(save(empty_file(), tmp_path / "a.nwb"))
    assert found.suggested_command == ""
    page = str(found)
    assert "no table of intervals, so no trials" in page
    assert "no units and no imaging series" in page
    assert page.endswith("nothing to score")


def test_without_crossed_columns_the_person_chooses(tmp_path):
    command = ng.inspect_nwb(recording(tmp_path / "a.nwb")).suggested_command
    assert "--variables COLUMN" in command


def test_variables_are_crossed_and_contrasts_follow_from_them():
    k = np.arange(60)
    columns = {
        "a": k % 2,
        "b": k // 2 % 3,
        "same": np.where(k % 2, "x", "y"),
        "rare": (k < 3).astype(int),
        "many": k,
        "constant": np.ones(60),
    }
    assert crossed(columns) == (["a", "b"], ["same"])
    assert crossed({"constant": np.ones(60)}) == ([], [])
    unlabelled = np.array(["x"] * 4 + ["y"] * 50 + [""] * 6)  # four trials of x are too few
    assert crossed({"a": unlabelled}) == ([], [])


def test_inspecting_reads_no_spikes(path, monkeypatch):
    import h5py

    names, original = [], h5py.Dataset.__getitem__

    def spied(dataset, *args, **kwargs):
        names.append(dataset.name)
        return original(dataset, *args, **kwargs)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spied)
    ng.inspect_nwb(path)
    assert names
    assert not [name for name in names if name.endswith(("spike_times", "obs_intervals"))]
