"""What cannot be read is refused in one sentence that says what, where, and what to do."""

import h5py
import numpy as np
import pytest
from nwb_files import add_trials, add_units, empty_file, recording, save

import neurogeom as ng
from neurogeom.recordings.hdf5 import UnsupportedNWBError


@pytest.fixture
def path(tmp_path):
    columns = {"rule": list("abab"), "gone_time": [np.nan] * 4}
    return recording(tmp_path / "monday.nwb", columns=columns)


def one_sentence(caught):
    text = caught.value.args[0] if isinstance(caught.value, KeyError) else str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"table": "epochs"}, KeyError, "has no table 'epochs'; choose table= from trials"),
        ({"align": "go"}, KeyError, "has no column 'go' to align to; choose from start_time"),
        ({"align": "rule"}, TypeError, "column 'rule' of table 'trials' .* holds no times"),
        ({"align": "gone_time"}, ValueError, "column 'gone_time' .* is NaN on every trial"),
        ({"variables": ["colour"]}, KeyError, "has no column 'colour'; choose from start_time"),
        ({"window": None}, ValueError, "no window is given; pass window="),
        ({"window": (0.5, 0.2)}, ValueError, r"window \(0.5, 0.2\) does not run forward"),
        ({"window": (0.5, 0.5)}, ValueError, "does not run forward"),
        ({"window": (0, np.inf)}, ValueError, "does not run forward"),
        ({"window": (0, 1, 2)}, ValueError, "is not .start, stop. in seconds"),
        ({"window": (200, 400)}, ValueError, "lies outside every trial of table 'trials'"),
        ({"window": (-90, -80)}, ValueError, "lies outside every trial"),
        ({"bin_width": 0.3}, ValueError, "is not a whole number of bins of 0.3 s"),
        ({"bin_width": 0.0}, ValueError, "is not a whole number of bins"),
        ({"where": "rule =="}, ValueError, "cannot read the expression 'rule =='"),
        ({"where": "rule == 'c'"}, ValueError, "no trial of table 'trials' .* is left: 4 dropped"),
        ({"where": "mood == 1"}, KeyError, "no column 'mood'"),
        ({"units": "unit_id > 9"}, ValueError, "none of the units of .* satisfies 'unit_id > 9'"),
        ({"units": "depth > 9"}, KeyError, "no column 'depth'"),
        ({"area": "shank"}, KeyError, "area 'shank' names nothing for /units"),
        ({"signal": "lfp"}, ValueError, "signal 'lfp' is unknown; choose from units, roi"),
        ({"signal": "roi"}, ValueError, "has no imaging series with regions; it holds units"),
        ({"series": "dff"}, ValueError, "series='dff' names imaging data; pass signal='roi'"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(path, asked, kind, words):
    with pytest.raises(kind, match=words) as caught:
        ng.read_nwb(path, **({"window": (0, 1)} | asked))
    one_sentence(caught)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').remove('x')", "rule.upper() == 'A'", "open('x')", "[c for c in rule]"],
)
def test_where_is_never_run_as_code(path, text):
    with pytest.raises(ValueError, match="is not allowed") as caught:
        ng.read_nwb(path, window=(0, 1), where=text)
    one_sentence(caught)


def test_a_baseline_before_and_a_response_after_the_trial_are_fine(path):
    assert ng.read_nwb(path, window=(-1, 0)).sizes["trial"] == 4
    assert ng.read_nwb(path, window=(1.5, 2)).sizes["trial"] == 4


def test_columns_of_several_values_a_trial_are_no_variables(tmp_path):
    nwb = empty_file()
    nwb.add_trial_column("frames", "2-D")
    nwb.add_trial_column("licks", "ragged", index=True)
    for k in range(2):
        nwb.add_trial(start_time=10.0 + k, stop_time=10.9 + k, frames=[1, 2], licks=[0.1] * k)
    add_units(nwb, [[10.1]])
    path = save(nwb, tmp_path / "a.nwb")
    for name, kind in (("frames", "2-D"), ("licks", "ragged")):
        with pytest.raises(ValueError, match=f"column '{name}' .* is {kind}, but a variable has"):
            ng.read_nwb(path, window=(0, 0.5), variables=[name])


def test_repeated_unit_ids_are_refused(tmp_path):
    path = recording(tmp_path / "a.nwb", [[10.1], [10.2], [10.3]])
    with h5py.File(path, "r+") as h5:
        h5["units/id"][...] = [4, 4, 5]
    with pytest.raises(ValueError, match=r"the units of .* have repeated ids \(4\)"):
        ng.read_nwb(path, window=(0, 1))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*nowhere.nwb") as caught:
        ng.read_nwb(tmp_path / "nowhere.nwb", window=(0, 1))
    one_sentence(caught)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89HDF"])
def test_a_file_that_is_no_hdf5_is_refused(tmp_path, content):
    path = tmp_path / "table.nwb"
    path.write_bytes(content)
    with pytest.raises(OSError, match="table.nwb is not an HDF5 file") as caught:
        ng.read_nwb(path, window=(0, 1))
    one_sentence(caught)


def test_a_file_cut_short_is_refused(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(OSError, match="monday.nwb is cut short .truncated.") as caught:
        ng.read_nwb(path, window=(0, 1))
    one_sentence(caught)


def test_a_file_damaged_inside_is_refused(tmp_path):
    path = recording(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as h5:
        spikes = np.random.default_rng(0).uniform(9, 19, 200)
        del h5["units/spike_times"]
        stored = h5.create_dataset("units/spike_times", data=spikes, chunks=True, compression=4)
        h5["units/spike_times_index"][...] = [100, 200]
        offset = stored.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(OSError, match="a.nwb is damaged .*; copy or download it again") as caught:
        ng.read_nwb(path, window=(0, 1))
    one_sentence(caught)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UnsupportedNWBError, match="is a folder"):
        ng.read_nwb(tmp_path, window=(0, 1))


def test_a_file_without_permission_is_refused(path, monkeypatch):
    def refuse(*arguments, **options):  # not chmod: root reads anything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(PermissionError, match="may not be read"):
        ng.read_nwb(path, window=(0, 1))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "states no nwb_version"),
        ("NWB-1.0.6", "is NWB 1.0.6, but only NWB 2 is read"),
        (np.array([b"1.0.3"]), "is NWB 1.0.3, but only NWB 2 is read"),
        (np.array([b"2.0b"]), "was written by an early MatNWB"),
        ("3.0.0", "is NWB 3.0.0"),
    ],
)
def test_other_versions_are_refused(tmp_path, version, words):
    with h5py.File(tmp_path / "old.nwb", "w") as h5:
        if version is not None:
            h5.attrs["nwb_version"] = version
    with pytest.raises(UnsupportedNWBError, match=words) as caught:
        ng.read_nwb(tmp_path / "old.nwb", window=(0, 1))
    one_sentence(caught)


def test_nwb_1_states_its_version_in_a_dataset(tmp_path):
    with h5py.File(tmp_path / "old.nwb", "w") as h5:
        h5["nwb_version"] = np.bytes_("NWB-1.0.5")
    with pytest.raises(UnsupportedNWBError, match="is NWB 1.0.5"):
        ng.inspect_nwb(tmp_path / "old.nwb")


@pytest.mark.parametrize("version", ["2.5.0", b"2.0b", np.array(["2.2.4"], dtype="S5")])
def test_version_2_is_read_however_it_is_stored(path, version):
    with h5py.File(path, "r+") as h5:
        h5.attrs["nwb_version"] = version
    assert ng.read_nwb(path, window=(0, 1)).shape == (4, 2)


def test_a_file_without_units_says_what_it_holds(tmp_path):
    import pynwb

    nwb = empty_file()
    add_trials(nwb)
    speed = pynwb.TimeSeries(name="speed", data=[1.0, 2.0], unit="m/s", rate=1.0)
    nwb.add_acquisition(speed)
    path = save(nwb, tmp_path / "a.nwb")
    with pytest.raises(ValueError, match="has no units; it holds acquisition/speed") as caught:
        ng.read_nwb(path, window=(0, 1))
    one_sentence(caught)


def test_units_without_spikes_are_refused(tmp_path):
    nwb = empty_file()
    add_trials(nwb)
    nwb.add_unit(waveform_mean=np.zeros(5))
    path = save(nwb, tmp_path / "a.nwb")
    with pytest.raises(ValueError, match="have no spike_times, only waveform_mean"):
        ng.read_nwb(path, window=(0, 1))


def test_a_file_without_tables_says_so(tmp_path):
    nwb = empty_file()
    add_units(nwb, [[10.1]])
    with pytest.raises(KeyError, match="has no table 'trials'; it has no table of intervals"):
        ng.read_nwb(save(nwb, tmp_path / "a.nwb"), window=(0, 1))


def test_links_and_data_outside_the_file_are_refused(tmp_path, path):
    linked, stored = tmp_path / "linked.nwb", tmp_path / "stored.nwb"
    for target in (linked, stored):
        target.write_bytes(path.read_bytes())
    with h5py.File(linked, "r+") as h5:
        h5["acquisition/raw"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(UnsupportedNWBError, match="links to another file .acquisition/raw -> /etc"):
        ng.read_nwb(linked, window=(0, 1))
    (tmp_path / "secret").write_bytes(bytes(80))
    with h5py.File(stored, "r+") as h5:
        del h5["units/spike_times"]
        where = [(str(tmp_path / "secret"), 0, 80)]
        h5.create_dataset("units/spike_times", (10,), "f8", external=where)
    with pytest.raises(UnsupportedNWBError, match="/units/spike_times of .* lies in another file"):
        ng.read_nwb(stored, window=(0, 1))


def test_one_session_cannot_be_given_twice(path):
    with pytest.raises(ValueError, match="is given twice; give each session once"):
        ng.read_nwb([path, path], window=(0, 1))


def test_nothing_stays_open_after_an_error(path):
    for asked in ({"table": "x"}, {"where": "("}, {"units": "unit_id > 9"}):
        with pytest.raises((ValueError, KeyError)):
            ng.read_nwb(path, window=(0, 1), **asked)
    with h5py.File(path, "r+") as h5:  # refused while anybody reads it
        h5.attrs["touched"] = True
    path.rename(path.with_name("moved.nwb"))


def test_an_unreadable_session_names_its_file_among_many(tmp_path, path):
    other = recording(tmp_path / "tuesday.nwb")
    with pytest.raises(KeyError, match=r"tuesday.nwb has no column 'rule'"):
        ng.read_nwb([path, other], window=(0, 1), variables=["rule"])
