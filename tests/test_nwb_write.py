"""What is written is valid NWB, and reads back as the activity that it was."""

import h5py
import numpy as np
import pytest
import xarray as xr

import neurogeom as ng

RNG = np.random.default_rng(7)
TRIAL = {
    "rule": ["stay", "shift"] * 6,
    "correct": [True, False, True] * 4,
    "coherence": [0.1, np.nan, 0.3] * 4,
    "n_cues": np.arange(12) % 3,
    "choice": ["left", "", "right"] * 4,
}
NEURON = {"area": ["V1", "V2", "", "V1"], "depth": [1.0, 2.0, np.nan, 4.0], "good": [True] * 4}


def counts(*shape, mean=4.0):
    found = RNG.poisson(mean, shape).astype(float)
    found[3, 2] = np.nan
    found[5, :2] = 0
    found[:, 3] = np.where(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 2)) < 4, np.nan, 1)
    return found


def there_and_back(x, tmp_path, **options):
    return ng.read_nwb(ng.write_nwb(x, tmp_path / "written.nwb"), **options)


def assert_same(back, x, values=None):
    assert back.dims == x.dims
    expected = x.values if values is None else values
    np.testing.assert_array_equal(back.values, expected)
    for name, coord in x.coords.items():
        if name == "time":
            np.testing.assert_allclose(back[name], coord, atol=1e-12)
        elif name != "session":  # a session is named after its file
            assert back[name].dtype.kind == coord.dtype.kind, name
            np.testing.assert_array_equal(back[name], coord, err_msg=name)


@pytest.mark.parametrize("shape", [(12, 4), (12, 4, 3)])
@pytest.mark.parametrize("units", ["spikes", "a.u."])
def test_what_is_written_is_valid_nwb(tmp_path, shape, units):
    import pynwb

    time = np.arange(3) * 0.1 if len(shape) == 3 else None
    x = ng.from_arrays(counts(*shape), TRIAL, NEURON, time, units=units, animal="m1")
    path = ng.write_nwb(x, tmp_path / "a.nwb")
    with h5py.File(path) as h5:
        assert ("units" in h5) == (units == "spikes")
    assert pynwb.validate(path=str(path)) == []


def test_counts_come_back_as_rates_over_the_window(tmp_path):
    attrs = {"align": "cue", "window": [-0.1, 0.4]}
    x = ng.from_arrays(counts(12, 4), TRIAL, NEURON, units="spikes", animal="m1", attrs=attrs)
    back = there_and_back(x, tmp_path, align="cue", window=(-0.1, 0.4))
    assert_same(back, x, x.values / 0.5)
    assert back.attrs["units"] == "spikes/s"


@pytest.mark.parametrize("window", [(0.0, 1.0), (0.2, 0.45), (-0.5, -0.25), (-1.0, 2.0)])
def test_rates_come_back_bit_for_bit(tmp_path, window):
    rates = counts(12, 4) / (window[1] - window[0])
    x = ng.from_arrays(rates, TRIAL, NEURON, units="spikes/s", attrs={"window": list(window)})
    back = there_and_back(x, tmp_path)  # the file knows its event and its window
    np.testing.assert_allclose(back.values, x.values, rtol=1e-15)
    assert_same(back, x, back.values)
    assert "event_time" in back.coords


def test_time_bins_come_back(tmp_path):
    time = -0.2 + 0.05 * (np.arange(8) + 0.5)
    x = ng.from_arrays(counts(12, 4, 8, mean=1) / 0.05, TRIAL, NEURON, time, units="spikes/s")
    back = there_and_back(x, tmp_path)
    np.testing.assert_allclose(back.values, x.values, rtol=1e-14)
    assert_same(back, x, back.values)
    assert back.attrs["window"] == pytest.approx([-0.2, 0.2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", ["a.u.", "dF/F", "spikes/s", "spikes"])
def test_activity_that_is_no_count_is_kept_exactly(tmp_path, units, dtype):
    values = RNG.normal(size=(12, 4)).astype(dtype)
    values[2, 1] = np.nan
    x = ng.from_arrays(values, TRIAL, NEURON, units=units)
    back = there_and_back(x, tmp_path, signal="roi")
    assert_same(back, x)
    assert back.attrs["units"] == units


def test_bins_observed_in_part_are_kept_exactly(tmp_path):
    values = counts(12, 4, 5)
    values[7, 0, 2] = np.nan
    x = ng.from_arrays(values, TRIAL, NEURON, np.arange(5) * 0.1, units="spikes")
    assert_same(there_and_back(x, tmp_path, signal="roi"), x)


def test_ids_may_be_text_or_out_of_order(tmp_path):
    ids = {"unit_id": ["c", "a", "b", "d"]}
    x = ng.from_arrays(
        counts(12, 4), TRIAL | {"trial_id": np.arange(12)[::-1]}, ids, units="spikes"
    )
    assert_same(there_and_back(x, tmp_path), x, x.values)


def test_a_neuron_never_observed_stays_unobserved(tmp_path):
    values = counts(12, 4)
    values[:, 1] = np.nan
    x = ng.from_arrays(values, units="spikes")
    assert_same(there_and_back(x, tmp_path), x)


def test_attributes_survive_and_those_of_reading_are_new(tmp_path):
    truth = {"ccgp": {"rule": 0.9, "missing": None}, "shape": (2, 3), "array": np.arange(2)}
    attrs = {"truth_population": truth, "seed": np.int64(3), "source": "simulated"}
    x = ng.from_arrays(counts(12, 4), units="spikes", attrs=attrs)
    back = there_and_back(x, tmp_path)
    assert back.attrs["truth_population"] == {
        "ccgp": {"rule": 0.9, "missing": None},
        "shape": [2, 3],
        "array": [0, 1],
    }
    assert back.attrs["seed"] == 3
    assert back.attrs["source"].endswith("written.nwb")


def test_a_recording_keeps_its_own_times(tmp_path):
    event = np.array([3.0, 1.0, 9.5])
    times = {"start_time": event - 0.5, "stop_time": event + 1, "cue_time": event}
    attrs = {"align": "cue_time", "window": [0.0, 0.5]}
    x = ng.from_arrays([[1.0], [2.0], [0.0]], times, units="spikes", attrs=attrs)
    assert_same(there_and_back(x, tmp_path), x, x.values / 0.5)


@pytest.mark.parametrize("align", ["start_time", "stop_time"])
def test_the_event_may_be_the_start_or_the_stop_of_the_trial(tmp_path, align):
    attrs = {"align": align, "window": [-0.5, 0.5]}
    x = ng.from_arrays([[1.0], [2.0], [0.0]], units="spikes", attrs=attrs)
    assert_same(there_and_back(x, tmp_path), x)


def test_windows_that_overlap_get_new_times(tmp_path):
    event = np.array([3.0, 3.2, 9.5])
    times = {"start_time": event - 0.1, "stop_time": event + 1, "cue_time": event}
    attrs = {"align": "cue_time", "window": [0.0, 0.5]}
    x = ng.from_arrays([[1.0], [2.0], [0.0]], times, units="spikes", attrs=attrs)
    back = there_and_back(x, tmp_path)
    np.testing.assert_array_equal(back.values, x.values / 0.5)
    assert (np.diff(back.cue_time) > 0.5).all()


def test_a_second_trip_changes_nothing(tmp_path):
    x = ng.from_arrays(counts(12, 4, 6), TRIAL, NEURON, np.arange(6) * 0.1, units="spikes")
    once = there_and_back(x, tmp_path)
    twice = ng.read_nwb(ng.write_nwb(once, tmp_path / "written.nwb", overwrite=True))
    xr.testing.assert_equal(once, twice)


def test_equal_activities_give_equal_bytes_and_others_do_not(tmp_path):
    x = ng.from_arrays(counts(12, 4), TRIAL, NEURON, units="spikes", session="s")
    paths = [tmp_path / f"{k}.nwb" for k in range(3)]
    for path, activity in zip(paths, (x, x.copy(), x.where(x.trial_id != 1, x + 1)), strict=True):
        ng.write_nwb(activity, path)
    first, same, other = (path.read_bytes() for path in paths)
    assert first == same != other


def test_spikes_stand_inside_the_windows(tmp_path):
    x = ng.from_arrays(counts(12, 4), units="spikes", attrs={"window": [0.5, 1.0]})
    path = ng.write_nwb(x, tmp_path / "a.nwb")
    with h5py.File(path) as h5:
        event = h5["intervals/trials/event_time"][()]
        spikes = h5["units/spike_times"][()]
    phase = spikes[:, None] - event
    assert ((phase > 0.5) & (phase < 1.0)).any(axis=1).all()
    assert spikes.size == np.nansum(x)


def test_a_file_is_not_replaced_unless_asked(tmp_path):
    x = ng.from_arrays([[1.0], [2.0]], units="spikes")
    path = ng.write_nwb(x, str(tmp_path / "a.nwb"))
    with pytest.raises(FileExistsError, match="a.nwb exists; pass overwrite=True"):
        ng.write_nwb(x, path)
    ng.write_nwb(x + 1, path, overwrite=True)
    assert ng.read_nwb(path).values.tolist() == [[2.0], [3.0]]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    import pynwb

    path = ng.write_nwb(ng.from_arrays([[1.0], [2.0]], units="spikes"), tmp_path / "a.nwb")
    before = path.read_bytes()

    def full(self, nwb):
        raise OSError("no space left")

    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", full)
    with pytest.raises(OSError, match="no space left"):
        ng.write_nwb(ng.from_arrays([[5.0]], units="spikes"), path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.nwb"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda x: [x], TypeError, "one NWB file holds one session"),
        (lambda x: x.values, TypeError, "must be an xarray.DataArray"),
        (lambda x: x + np.inf, ValueError, "is infinite"),
        (lambda x: x.assign_attrs(window=[1, 0]), ValueError, "make it .start, stop. in s"),
        (lambda x: x.assign_attrs(model=object()), TypeError, "attrs hold a object"),
        (lambda x: x.assign_coords({"a/b": ("trial", [1, 2])}), ValueError, "'a/b' cannot be"),
        (lambda x: x.assign_coords(tags=("trial", [1, 2])), ValueError, "'tags' cannot be a col"),
        (
            lambda x: xr.concat([x] * 3, "time").assign_coords(time=[0.0, 0.1, 0.5]),
            ValueError,
            "bins of time are not equally long",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, make, kind, words):
    x = ng.from_arrays([[1.0], [2.0]], units="spikes")
    with pytest.raises(kind, match=words):
        ng.write_nwb(make(x), tmp_path / "a.nwb")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    x = ng.from_arrays([[1.0], [2.0]], units="spikes")
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        ng.write_nwb(x, tmp_path / "nowhere" / "a.nwb")


def test_pynwb_reads_what_was_written(tmp_path):
    import pynwb

    x = ng.from_arrays(counts(12, 4), TRIAL, NEURON, units="spikes", animal="m1")
    with pynwb.NWBHDF5IO(ng.write_nwb(x, tmp_path / "a.nwb"), "r") as io:
        nwb = io.read()
        assert nwb.subject.subject_id == "m1"
        assert nwb.trials.to_dataframe().rule.tolist() == TRIAL["rule"]
        sizes = [len(nwb.units["spike_times"][k]) for k in range(4)]
        assert sizes == np.nansum(x.values, axis=0).astype(int).tolist()
        assert len(nwb.units["obs_intervals"][3]) == 8
