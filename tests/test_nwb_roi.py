"""Imaging: frames averaged by their own times, in whatever shape and place they lie."""

import h5py
import numpy as np
import pytest
from nwb_files import add_plane, add_series, add_trials, empty_file, save

import neurogeom as ng

RATE = 10.0
DATA = np.random.default_rng(0).normal(size=(200, 3))  # 20 s at 10 Hz


def imaged(path, data=DATA, **options):
    nwb = empty_file()
    add_trials(nwb, n_trials=4)
    times = options.pop("times", {"rate": RATE, "starting_time": 0.0})
    plane = {k: options.pop(k) for k in ("columns", "ids", "n_rois") if k in options}
    add_series(nwb, add_plane(nwb, **plane), data, **options, **times)
    return save(nwb, path)


def test_the_value_is_the_mean_of_the_frames_in_the_window(tmp_path):
    x = ng.read_nwb(imaged(tmp_path / "a.nwb"), window=(0.05, 0.55), signal="roi")
    frames = np.arange(200) / RATE
    for trial, start in enumerate(10 + 2 * np.arange(4)):
        inside = [f for f, t in enumerate(frames) if start + 0.05 <= t < start + 0.55]
        assert len(inside) == 5
        np.testing.assert_allclose(x.values[trial], DATA[inside].mean(axis=0), rtol=1e-12)
    assert x.attrs["units"] == "dF/F"
    assert x.area.values.tolist() == ["V1"] * 3


def test_both_orientations_and_both_kinds_of_time_agree(tmp_path):
    x = ng.read_nwb(imaged(tmp_path / "a.nwb"), window=(0, 0.5), signal="roi")
    stamps = {"timestamps": np.arange(200) / RATE}
    turned = imaged(tmp_path / "b.nwb", times=stamps, container="DfOverF")
    with h5py.File(turned, "r+") as h5:  # as other writers leave it; pynwb refuses to
        series = h5["processing/ophys/DfOverF/activity"]
        kept = dict(series["data"].attrs)
        del series["data"]
        series["data"] = DATA.T
        series["data"].attrs.update(kept)
    np.testing.assert_array_equal(x, ng.read_nwb(turned, window=(0, 0.5), signal="roi"))


def test_bins_hold_their_own_frames(tmp_path):
    path = imaged(tmp_path / "a.nwb")
    x = ng.read_nwb(path, window=(-0.05, 0.35), bin_width=0.2, signal="roi")
    np.testing.assert_allclose(x.values[0, :, 1], DATA[102:104].mean(axis=0), rtol=1e-12)


def test_frames_are_found_by_their_times_not_by_a_rate(tmp_path):
    stamps = np.arange(200) / RATE
    stamps[125:] += 3.0  # a pause in the recording
    x = ng.read_nwb(
        imaged(tmp_path / "a.nwb", times={"timestamps": stamps}), window=(0, 0.3), signal="roi"
    )
    np.testing.assert_allclose(x.values[1], DATA[120:123].mean(axis=0), rtol=1e-12)
    assert np.isnan(x.values).all(axis=1).sum() == 0
    assert x.trial_id.values.tolist() == [0, 1, 3]  # trial 2, at 14 s, fell into the pause
    assert x.attrs["dropped"]["trials"] == {"not observed by any neuron": 1}


def test_windows_beyond_the_recording_are_dropped(tmp_path):
    x = ng.read_nwb(imaged(tmp_path / "a.nwb", DATA[:145]), window=(0, 0.5), signal="roi")
    assert x.trial_id.values.tolist() == [0, 1, 2]
    short = ng.read_nwb(imaged(tmp_path / "b.nwb", DATA[:144]), window=(0, 0.5), signal="roi")
    assert short.trial_id.values.tolist() == [0, 1]


def test_a_frame_that_is_nan_makes_its_value_nan_and_no_other(tmp_path):
    data = DATA.copy()
    data[121, 1] = np.nan
    x = ng.read_nwb(imaged(tmp_path / "a.nwb", data), window=(0, 0.5), signal="roi")
    assert np.argwhere(np.isnan(x.values)).tolist() == [[1, 1]]


def test_conversion_and_offset_are_applied(tmp_path):
    raw = np.arange(600, dtype=np.int16).reshape(200, 3)
    path = imaged(tmp_path / "a.nwb", raw, conversion=0.5, offset=-2.0)
    x = ng.read_nwb(path, window=(0, 0.1), signal="roi")
    np.testing.assert_allclose(x.values[0], raw[100] * 0.5 - 2.0)


def test_a_series_may_record_some_regions_of_the_table(tmp_path):
    path = imaged(
        tmp_path / "a.nwb",
        DATA[:, :2],
        ids=[40, 50, 60],
        region=[2, 0],
        columns={"cell": [True, False, False]},
    )
    x = ng.read_nwb(path, window=(0, 0.1), signal="roi")
    assert x.unit_id.values.tolist() == [40, 60]
    assert x.cell.values.tolist() == [True, False]
    np.testing.assert_allclose(x.values[0], DATA[100, [1, 0]])
    cells = ng.read_nwb(path, window=(0, 0.1), signal="roi", units="cell")
    np.testing.assert_array_equal(cells.values, x.values[:, :1])


def test_planes_of_one_container_stand_side_by_side(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    for k in range(2):
        plane = add_plane(nwb, f"plane{k}", location=f"V{k + 1}")
        times = {"timestamps": np.arange(200) / RATE + 0.01 * k}
        add_series(nwb, plane, DATA + 10 * k, name=f"series{k}", **times)
    x = ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(-0.05, 0.05), signal="roi")
    assert x.unit_id.values.tolist() == [f"series{k}/{n}" for k in range(2) for n in range(3)]
    assert x.area.values.tolist() == ["V1"] * 3 + ["V2"] * 3
    np.testing.assert_allclose(x.values[0], np.r_[DATA[100], DATA[100] + 10])


def test_several_series_of_the_same_regions_need_a_name(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    plane = add_plane(nwb)
    first = add_series(nwb, plane, DATA, timestamps=np.arange(200) / RATE)
    add_series(nwb, plane, DATA * 2, name="dff", container="DfOverF", timestamps=first)
    path = save(nwb, tmp_path / "a.nwb")
    with pytest.raises(
        ValueError, match="several imaging series of the same regions; pass series="
    ):
        ng.read_nwb(path, window=(0, 0.1), signal="roi")
    for name in ("dff", "DfOverF", "processing/ophys/DfOverF/dff"):
        x = ng.read_nwb(path, window=(0, 0.1), signal="roi", series=name)
        np.testing.assert_allclose(x.values[0], 2 * DATA[100])
    with pytest.raises(KeyError, match="has no imaging series 'spikes'; choose from processing/"):
        ng.read_nwb(path, window=(0, 0.1), signal="roi", series="spikes")


def test_only_the_frames_in_the_windows_are_read(tmp_path, monkeypatch):
    path, seen = imaged(tmp_path / "a.nwb"), []
    original = h5py.Dataset.__getitem__

    def spied(dataset, *args, **kwargs):
        values = original(dataset, *args, **kwargs)
        if dataset.name.endswith("data"):
            seen.append(np.asarray(values).shape[0])
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spied)
    ng.read_nwb(path, window=(0, 0.5), signal="roi")
    assert seen == [5, 5, 5, 5]


def test_imaging_files_say_how_they_are_read(tmp_path):
    with pytest.raises(ValueError, match="has no units; .*: pass signal='roi'"):
        ng.read_nwb(imaged(tmp_path / "a.nwb"), window=(0, 0.5))


def test_data_that_fit_no_region_and_bad_times_are_refused(tmp_path):
    path = imaged(tmp_path / "a.nwb", times={"timestamps": np.arange(200) / RATE})
    with h5py.File(path, "r+") as h5:
        series = h5["processing/ophys/Fluorescence/activity"]
        series["timestamps"][5] = 0.0
    with pytest.raises(ValueError, match="200 timestamps for 200 frames, which must be as many"):
        ng.read_nwb(path, window=(0, 0.5), signal="roi")
    with h5py.File(path, "r+") as h5:
        series = h5["processing/ophys/Fluorescence/activity"]
        del series["data"]
        series["data"] = np.zeros((200, 7))
    with pytest.raises(ValueError, match=r"data of shape \(200, 7\) for 3 regions"):
        ng.read_nwb(path, window=(0, 0.5), signal="roi")


def test_infinite_activity_is_refused(tmp_path):
    data = DATA.copy()
    data[101, 2] = np.inf
    with pytest.raises(ValueError, match="activity of neuron 2 on trial 0 .* is infinite"):
        ng.read_nwb(imaged(tmp_path / "a.nwb", data), window=(0, 0.5), signal="roi")
