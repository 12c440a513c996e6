"""Sorted units: what is counted, what is missing, what is dropped, what is left alone."""

import h5py
import numpy as np
import pytest
from nwb_files import add_electrodes, add_trials, add_units, empty_file, recording, save

import neurogeom as ng


def test_a_spike_at_the_start_counts_and_one_at_the_end_does_not(tmp_path):
    path = recording(tmp_path / "a.nwb", [[10.0, 10.5, 11.0, 12.25, 12.5]])
    x = ng.read_nwb(path, window=(0, 0.5))
    assert x.values[:, 0].tolist() == [2.0, 2.0, 0.0, 0.0]
    assert x.attrs["units"] == "spikes/s"


def test_rates_are_those_of_a_loop_over_spikes(tmp_path):
    rng = np.random.default_rng(0)
    spikes = [np.sort(rng.uniform(9, 19, n)) for n in (200, 0, 37)]
    x = ng.read_nwb(
        recording(tmp_path / "a.nwb", spikes), align="cue_time", window=(-0.25, 0.5), bin_width=0.25
    )
    cues = 10.2 + 2 * np.arange(4)
    for trial, cue in enumerate(cues):
        for unit, times in enumerate(spikes):
            for k in range(3):
                low = cue - 0.25 + 0.25 * k
                found = sum(low <= t < low + 0.25 for t in times)
                assert x.values[trial, unit, k] == pytest.approx(found / 0.25)
    np.testing.assert_allclose(x.time, [-0.125, 0.125, 0.375])


def test_bins_add_up_to_the_window(tmp_path):
    path = recording(tmp_path / "a.nwb", [np.random.default_rng(1).uniform(9, 19, 500)])
    whole = ng.read_nwb(path, window=(-0.3, 0.6))
    binned = ng.read_nwb(path, window=(-0.3, 0.6), bin_width=0.1)
    np.testing.assert_allclose(binned.mean("time"), whole, rtol=1e-12)


def test_order_of_spikes_in_the_file_does_not_matter(tmp_path):
    times = np.random.default_rng(2).uniform(9, 19, 100)
    unsorted = ng.read_nwb(recording(tmp_path / "a.nwb", [times]), window=(0, 1))
    ordered = ng.read_nwb(recording(tmp_path / "b.nwb", [np.sort(times)]), window=(0, 1))
    np.testing.assert_array_equal(unsorted, ordered)


def test_no_spikes_is_zero_but_not_observed_is_nan(tmp_path):
    observed = [[[9, 13]], [[13, 17]]]
    path = recording(tmp_path / "a.nwb", [[10.1], []], obs_intervals=observed)
    x = ng.read_nwb(path, window=(0, 0.5))
    expected = [[2.0, np.nan], [0.0, np.nan], [np.nan, 0.0], [np.nan, 0.0]]
    np.testing.assert_array_equal(x, expected)


def test_an_observation_must_cover_the_whole_window(tmp_path):
    path = recording(tmp_path / "a.nwb", [[10.1]], obs_intervals=[[[10.0, 10.4], [12.0, 12.5]]])
    x = ng.read_nwb(path, window=(0, 0.5), where="start_time < 14")
    assert x.sizes["trial"] == 1  # the first trial was not observed to its end: nobody saw it
    assert x.attrs["dropped"]["trials"] == {
        "not (start_time < 14)": 2,
        "not observed by any neuron": 1,
    }


def test_observations_that_touch_or_overlap_count_as_one(tmp_path):
    touching = [[10.0, 10.2], [10.2, 10.5]]
    overlapping = [[12.3, 12.6], [12.0, 12.4], [12.1, 12.2]]
    nested = [[14.0, 14.5], [14.1, 14.2]]
    pieces = [touching + overlapping + nested]
    x = ng.read_nwb(recording(tmp_path / "a.nwb", [[10.1]], obs_intervals=pieces), window=(0, 0.5))
    assert x.values[:, 0].tolist() == [2.0, 0.0, 0.0]


def test_a_unit_never_observed_stays_as_nan(tmp_path):
    path = recording(tmp_path / "a.nwb", [[10.1], [10.1]], obs_intervals=[[[9, 20]], []])
    x = ng.read_nwb(path, window=(0, 0.5))
    assert np.isfinite(x.values[:, 0]).all()
    assert np.isnan(x.values[:, 1]).all()


def test_trials_without_event_or_in_invalid_times_are_dropped_and_counted(tmp_path):
    nwb = empty_file()
    add_trials(nwb, {"go_time": [10.1, np.nan, 14.1, 16.1]})
    add_units(nwb, [[14.2]])
    nwb.add_invalid_time_interval(start_time=16.2, stop_time=16.3)
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), "go_time", (0, 0.5))
    assert x.trial_id.values.tolist() == [0, 2]
    assert x.attrs["dropped"]["trials"] == {"no go_time": 1, "in invalid_times": 1}


def test_times_in_milliseconds_are_read_with_time_scale(tmp_path):
    seconds = 10.1 + 2 * np.arange(4)
    path = recording(tmp_path / "a.nwb", [[10.2, 14.3]], {"go_ms": seconds * 1000, "go": seconds})
    scaled = ng.read_nwb(path, "go_ms", (0, 0.5), time_scale=0.001)
    np.testing.assert_array_equal(scaled, ng.read_nwb(path, "go", (0, 0.5)))


def test_where_and_units_choose_and_count(tmp_path):
    nwb = empty_file()
    add_trials(nwb, {"hit": [True, False, True, True]})
    add_units(nwb, [[10.1], [12.1]], columns={"quality": ["good", "mua"]})
    path = save(nwb, tmp_path / "a.nwb")
    x = ng.read_nwb(path, window=(0, 0.5), where="hit", units="quality == 'good'")
    assert x.shape == (3, 1)
    assert x.attrs["dropped"] == {
        "trials": {"not (hit)": 1},
        "neurons": {"not (quality == 'good')": 1},
    }


def test_columns_keep_their_kind_and_missing_stays_missing(tmp_path):
    columns = {
        "outcome": ["hit", "", "miss", "hit"],
        "correct": [True, False, True, True],
        "coherence": [0.1, np.nan, 0.3, 0.4],
        "block_number": [1, 1, 2, 2],
    }
    x = ng.read_nwb(recording(tmp_path / "a.nwb", columns=columns), window=(0, 1))
    assert x.outcome.values.tolist() == ["hit", "", "miss", "hit"]
    assert x.correct.dtype == bool
    np.testing.assert_array_equal(x.coherence, [0.1, np.nan, 0.3, 0.4])
    assert x.block_number.dtype.kind in "iu"


def test_bytes_become_text(tmp_path):
    path = recording(tmp_path / "a.nwb", columns={"side": ["left", "right", "left", "right"]})
    with h5py.File(path, "r+") as h5:
        table = h5["intervals/trials"]
        del table["side"]
        table["side"] = np.array([b"left", b"right", b"left", b"right"])
    assert ng.read_nwb(path, window=(0, 1)).side.values.tolist() == ["left", "right"] * 2


def test_columns_that_are_no_variables_are_listed_with_the_reason(tmp_path):
    nwb = empty_file()
    nwb.add_trial_column("frames", "2-D")
    nwb.add_trial_column("licks", "ragged", index=True)
    nwb.add_trial_column("rule", "text")
    for k in range(2):
        more = {"frames": [1, 2], "licks": [0.1] * k, "rule": "ab"[k]}
        nwb.add_trial(start_time=10.0 + k, stop_time=10.9 + k, **more)
    add_units(nwb, [[10.1]])
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1))
    assert x.attrs["skipped_columns"] == {"frames": "2-D", "licks": "ragged"}
    assert "rule" in x.coords


def test_a_column_called_like_an_index_is_a_column(tmp_path):
    columns = {"rule": ["a", "b", "a", "b"], "rule_index": [4, 3, 2, 1]}
    x = ng.read_nwb(recording(tmp_path / "a.nwb", columns=columns), window=(0, 1))
    assert x.rule_index.values.tolist() == [4, 3, 2, 1]


def test_columns_whose_names_are_taken_get_a_prefix(tmp_path):
    nwb = empty_file()
    add_trials(nwb, {"trial": [5, 6, 7, 8], "session": ["x"] * 4, "depth": [1, 2, 3, 4]})
    add_units(nwb, [[10.1]], columns={"depth": [700.0]})
    x = ng.read_nwb(save(nwb, tmp_path / "monday.nwb"), window=(0, 1))
    assert x.trial_trial.values.tolist() == [5, 6, 7, 8]
    assert x.trial_session.values.tolist() == ["x"] * 4
    assert x.session.item() == "monday"
    assert (x.depth.dims, x.unit_depth.dims) == (("trial",), ("neuron",))


def test_unit_ids_are_those_of_the_file_in_order(tmp_path):
    x = ng.read_nwb(recording(tmp_path / "a.nwb", [[10.1], []], ids=[70, 3]), window=(0, 0.5))
    assert x.unit_id.values.tolist() == [3, 70]
    assert x.values[0].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("table", ["encoding", "trials_of_monday"])
def test_trials_may_be_any_table_of_intervals(tmp_path, table):
    nwb = empty_file()
    add_trials(nwb, {"rule": list("abab")}, name=table)
    add_units(nwb, [[10.1]])
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1), table=table)
    assert x.rule.values.tolist() == list("abab")


def test_a_column_called_area_is_the_area(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    columns = {"location": ["left", "left"], "area": ["CA1", "CA3"]}
    add_units(nwb, [[10.1], [10.2]], columns=columns)
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1))
    assert (x.area.values.tolist(), x.location.values.tolist()) == (["CA1", "CA3"], ["left"] * 2)


def test_rows_of_another_table_are_no_numbers(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    add_electrodes(nwb, ["V1", "V2"])
    nwb.add_unit_column("site", "-", table=nwb.electrodes)
    for site in (0, 1):
        nwb.add_unit(spike_times=[10.1], site=site)
    path = save(nwb, tmp_path / "a.nwb")
    assert "site" not in ng.read_nwb(path, window=(0, 1)).coords
    by_site = ng.read_nwb(path, window=(0, 1), area="site.location")
    assert by_site.area.values.tolist() == ["V1", "V2"]


def test_area_is_the_units_own_location_first(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    groups = add_electrodes(nwb, ["V1", "V2"])
    nwb.add_unit_column("location", "-")
    for k, place in enumerate(["CA1", "CA3"]):
        nwb.add_unit(
            spike_times=[10.1], location=place, electrodes=[k], electrode_group=groups["V1"]
        )
    assert ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1)).area.values.tolist() == [
        "CA1",
        "CA3",
    ]


def test_area_is_that_of_most_electrodes_else_of_the_group(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    groups = add_electrodes(nwb, ["V1", "V2", "V2", "V4"])
    for electrodes in ([0, 1, 2], [3]):
        nwb.add_unit(spike_times=[10.1], electrodes=electrodes, electrode_group=groups["V4"])
    path = save(nwb, tmp_path / "a.nwb")
    assert ng.read_nwb(path, window=(0, 1)).area.values.tolist() == ["V2", "V4"]
    by_group = ng.read_nwb(path, window=(0, 1), area="electrode_group.location")
    assert by_group.area.values.tolist() == ["V4", "V4"]
    named = ng.read_nwb(path, window=(0, 1), area="electrodes.group_name", units="area != 'x'")
    assert named.area.values.tolist() == ["shank V2", "shank V4"]


def test_area_may_stand_at_the_channel_with_the_peak(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    add_electrodes(nwb, ["V1", "LP"])
    add_units(nwb, [[10.1], [10.2]], columns={"peak_channel_id": [1, 0]})
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1))
    assert x.area.values.tolist() == ["LP", "V1"]


def test_a_file_without_areas_has_no_area(tmp_path):
    assert "area" not in ng.read_nwb(recording(tmp_path / "a.nwb"), window=(0, 1)).coords


def test_several_paths_give_sessions_named_after_their_files(tmp_path):
    paths = []
    for folder, name in (("m1", "a"), ("m2", "a"), ("m2", "b")):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(recording(tmp_path / folder / f"{name}.nwb"))
    sessions = ng.read_nwb([str(path) for path in paths], window=(0, 1))
    assert [x.session.item() for x in sessions] == ["m1/a", "m2/a", "b"]
    assert ng.read_nwb(paths[0], window=(0, 1)).session.item() == "a"


def test_the_animal_is_the_subject(tmp_path):
    import pynwb

    nwb = empty_file()
    nwb.subject = pynwb.file.Subject(subject_id="m7", description="-")
    add_trials(nwb)
    add_units(nwb, [[10.1]])
    assert ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1)).animal.item() == "m7"


def test_content_hash_is_of_what_was_read_and_of_nothing_else(tmp_path):
    a = ng.read_nwb(recording(tmp_path / "a.nwb"), window=(0, 1))
    same = ng.read_nwb(recording(tmp_path / "b.nwb"), window=(0, 1))
    other = ng.read_nwb(recording(tmp_path / "c.nwb", [[10.31], [14.3]]), window=(0, 1))
    assert a.attrs["content_hash"] == same.attrs["content_hash"] != other.attrs["content_hash"]


def test_raw_traces_and_waveforms_are_never_read(tmp_path, monkeypatch):
    import pynwb

    nwb = empty_file()
    add_trials(nwb)
    add_electrodes(nwb, ["V1"])
    region = nwb.create_electrode_table_region([0], "-")
    raw = np.zeros((50_000, 1), np.int16)
    nwb.add_acquisition(
        pynwb.ecephys.ElectricalSeries(name="raw", data=raw, electrodes=region, rate=30_000.0)
    )
    for _ in range(3):
        nwb.add_unit(spike_times=[10.1], waveform_mean=np.zeros((100, 4)), electrodes=[0])
    path, read = save(nwb, tmp_path / "a.nwb"), {}
    original = h5py.Dataset.__getitem__

    def spied(dataset, *args, **kwargs):
        values = original(dataset, *args, **kwargs)
        read[dataset.name] = read.get(dataset.name, 0) + np.asarray(values).nbytes
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spied)
    ng.read_nwb(path, window=(0, 1), units="unit_id == 1")
    assert read["/units/spike_times"] == 8  # one spike of one unit
    assert not any("waveform" in name or "raw" in name for name in read)


def test_a_file_of_an_extension_that_is_not_installed_is_read(tmp_path):
    path = recording(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as h5:
        h5["units"].attrs["namespace"] = "ndx-nobody-has"
        h5["units"].attrs["neurodata_type"] = "SpecialUnits"
    assert ng.read_nwb(path, window=(0, 1)).shape == (4, 2)


def test_levels_with_names_are_read_by_name(tmp_path):
    path = recording(tmp_path / "a.nwb", columns={"rule": [0, 1, 1, 0]})
    with h5py.File(path, "r+") as h5:
        table = h5["intervals/trials"]
        table["rule_elements"] = np.array(["stay", "shift"], h5py.string_dtype())
        table["rule"].attrs["elements"] = table["rule_elements"].ref
    x = ng.read_nwb(path, window=(0, 1))
    assert x.rule.values.tolist() == ["stay", "shift", "shift", "stay"]
