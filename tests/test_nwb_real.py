"""Recordings of laboratories (`--recordings DIR`): what can be read is read, the rest says why."""

import time

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.recordings.hdf5 import UnsupportedNWBError


@pytest.fixture
def monkey(recordings):
    return sorted((recordings / "fascianelli2024_M1").glob("*.nwb"))


@pytest.fixture
def human(recordings):
    return next((recordings / "human_boundaries").glob("*.nwb"))


def test_all_sessions_of_the_monkey_are_read_within_seconds(monkey):
    began = time.process_time()
    variables = ["rule", "previous_response", "cue_shape", "response"]
    sessions = ng.read_nwb(monkey, "cue_time", (0.2, 0.4), variables)
    assert time.process_time() - began < 10
    assert len(sessions) == 52
    assert sum(x.sizes["neuron"] for x in sessions) == 205
    assert sum(int(np.isfinite(x).sum()) for x in sessions) == 20_098
    assert {x.animal.item() for x in sessions} == {"M1"}
    assert {area for x in sessions for area in x.area.values} == {"dorsolateral prefrontal cortex"}


def test_rates_of_the_monkey_are_those_that_pynwb_gives(monkey):
    import pynwb

    x = ng.read_nwb(monkey[0], "cue_time", (0.2, 0.4))
    with pynwb.NWBHDF5IO(monkey[0], "r") as io:
        nwb = io.read()
        cues = nwb.trials["cue_time"][:]
        for column, unit in enumerate(x.unit_id.values):
            spikes = nwb.units["spike_times"][int(unit)]
            intervals = nwb.units["obs_intervals"][int(unit)]
            for trial in range(0, len(cues), 7):
                low, high = cues[trial] + 0.2, cues[trial] + 0.4
                seen = any(a <= low and high <= b for a, b in intervals)
                expected = np.sum((spikes >= low) & (spikes < high)) / 0.2 if seen else np.nan
                np.testing.assert_allclose(x.values[trial, column], expected)


def test_a_session_of_the_monkey_survives_writing(monkey, tmp_path):
    x = ng.read_nwb(monkey[1], "cue_time", (0.0, 0.4), bin_width=0.1)
    back = ng.read_nwb(ng.write_nwb(x, tmp_path / monkey[1].name))
    np.testing.assert_allclose(back.values, x.values, rtol=1e-12)
    for name in x.coords:
        np.testing.assert_array_equal(back[name], x[name])


@pytest.mark.parametrize(
    ("table", "n_trials"),
    [("encoding_table", 90), ("recognition_table", 180), ("timediscrimination_table", 180)],
)
def test_each_table_of_the_human_is_read(human, table, n_trials):
    x = ng.read_nwb(human, window=(0, 1), table=table)
    assert x.shape == (n_trials, 35)
    assert set(x.area.values) == {"hippocampus_right", "amygdala_right"}
    assert np.isfinite(x).all()
    assert x.stimCategory.dtype.kind in "iu" if table == "encoding_table" else True


def test_a_file_without_trials_lists_its_tables(human, recordings):
    with pytest.raises(KeyError, match="choose table= from encoding_table, recognition_table"):
        ng.read_nwb(human, window=(0, 1))
    with pytest.raises(KeyError, match="choose table= from epochs"):
        ng.read_nwb(recordings / "nwb_layouts/pynapple_phy_A8604-211122.nwb", window=(0, 1))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("matnwb_S1", "was written by an early MatNWB"),
        ("nwb1_allen_496908818s", "is NWB 1.0.5, but only NWB 2 is read"),
        ("pynwb_empty", "states no nwb_version"),
    ],
)
def test_layouts_that_cannot_be_read_say_so(recordings, name, words):
    for reader in (ng.inspect_nwb, lambda path: ng.read_nwb(path, window=(0, 1))):
        with pytest.raises(UnsupportedNWBError, match=words):
            reader(recordings / f"nwb_layouts/{name}.nwb")


@pytest.mark.parametrize("name", ["pynwb_bc_1.0.2_nwbfile", "pynwb_bc_1.1.2_nwbfile"])
def test_early_files_of_pynwb_open_but_hold_no_trials(recordings, name):
    path = recordings / f"nwb_layouts/{name}.nwb"
    assert "no table of intervals" in str(ng.inspect_nwb(path))
    with pytest.raises(KeyError, match="it has no table of intervals"):
        ng.read_nwb(path, window=(0, 1))


def test_units_of_another_laboratory_are_read_by_epoch(recordings):
    path = recordings / "nwb_layouts/pynapple_phy_A8604-211122.nwb"
    x = ng.read_nwb(path, window=(0, 100), table="epochs")
    assert x.shape == (1, 3)
    assert x.attrs["skipped_columns"] == {"tags": "ragged"}


def test_the_suggestion_for_the_monkey_is_its_task(monkey):
    command = ng.inspect_nwb(monkey[0]).suggested_command
    assert "--align cue_time --window 0:0.5" in command
    assert "--variables rule,previous_response,cue_shape --contrasts response" in command
