"""What is saved comes back the same, or is refused; a failure leaves the old file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import neurogeom as ng

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("")
)
_ATTR_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    ),
    max_leaves=6,
)
_ATTR_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
    st.sampled_from(["units", "dtype", "coordinates", "_FillValue", "CLASS", "calendar", "a b"]),
)
_COLUMNS = st.one_of(
    arrays(bool, 3),
    arrays(np.int64, 3),
    arrays(np.uint8, 3),
    arrays(np.float64, 3),
    arrays(np.float32, 3),
    st.lists(_TEXT, min_size=3, max_size=3).map(np.array),
)
_FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def x():
    return ng.from_arrays(
        np.random.default_rng(0).normal(size=(4, 3)),
        {
            "rule": ["A", "", "é", "B"],
            "a b": [1, 2, 3, np.nan],
            "correct": [True, False, True, True],
        },
        {"area": ["M1", "M1", "S1"]},
        session="monday",
        animal="N",
        attrs={"window": [0.1, 0.2], "align": None, "note": "days since lesion"},
    )


@pytest.fixture
def tree(x):
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"command": None}),
            "/population": x.to_dataset(),
            "/decoding": xr.Dataset(
                {"estimate": ("variable", [0.5, np.nan])},
                {"variable": ["rule", "cue"]},
                {"reasons": {"cue": "too few trials"}, "notes": ["one"], "none": []},
            ),
            "/decoding/pairs": xr.Dataset({"pair_estimate": ("pair", [1.0])}),
        },
        name="score",
    )


def _same(a, b):
    """Equal in kind and value, NaN included; a float that is an integer stays a float."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b or (a != a and b != b)


def _round_trip(x, path):
    back = ng.load(ng.save(x, path, overwrite=True))
    with xr.open_datatree(path) as opened:  # no engine named, nothing of ours
        opened.load()
    assert type(back) is type(x)
    return back


@_FEW
@given(columns=st.dictionaries(st.sampled_from(["rule", "a b", "règle", "n"]), _COLUMNS))
def test_coordinates_of_every_kind_come_back(x, columns, tmp_path):
    y = x.isel(trial=slice(3)).assign_coords({k: ("trial", v) for k, v in columns.items()})
    back = _round_trip(y, tmp_path / "x.nc")
    xr.testing.assert_identical(back, y)
    for name, column in columns.items():
        found = back.coords[name].dtype
        assert found == column.dtype or found.kind == column.dtype.kind == "U"


@_FEW
@given(attrs=st.dictionaries(_ATTR_NAMES, _ATTR_VALUES, max_size=4))
def test_attributes_of_every_kind_come_back(attrs, tmp_path):
    y = xr.Dataset(
        {"v": ("trial", [1.0, 2.0], attrs)}, {"rule": ("trial", ["A", "B"], attrs)}, attrs
    )
    back = _round_trip(y, tmp_path / "x.nc")
    for found in (back.attrs, back.v.attrs, back["rule"].attrs):
        assert _same(found, attrs)
    np.testing.assert_array_equal(back.v, y.v)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("units", "days since 2000-01-01"),
        ("units", "seconds"),
        ("dtype", "bool"),
        ("coordinates", "rule"),
        ("scale_factor", 2.0),
        ("missing_value", 1.0),
        ("_FillValue", 1.0),
        ("CLASS", "DIMENSION_SCALE"),
        ("calendar", "julian"),
        ("neurogeom_json", "{}"),
        ("a/b", "text"),
        ("n", 2**70),
        ("n", -0.0),
        ("text", "\ud800"),
        ("text", "a\0b"),
        ("tags", {"__tuple__": [1], "__dict__": {"__array__": None}}),
        ("keys", {1: {None: (2, [True])}}),
        ("long", "x" * 100_000),
    ],
)
def test_attributes_that_netcdf_would_read_otherwise_come_back(name, value, tmp_path):
    attrs = {name: value}
    y = xr.Dataset({"v": ("trial", [1.0, 2.0], attrs)}, {"rule": ("trial", ["A", "B"])}, attrs)
    back = _round_trip(y, tmp_path / "x.nc")
    assert _same(back.attrs, attrs)
    assert _same(back.v.attrs, attrs)
    xr.testing.assert_identical(back.drop_attrs(), y.drop_attrs())


def test_the_encoding_of_an_earlier_file_does_not_round_what_is_saved(x, tmp_path):
    x.encoding = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1}
    xr.testing.assert_identical(_round_trip(x, tmp_path / "x.nc"), x)


def test_arrays_and_numpy_scalars_among_attributes_come_back(tmp_path):
    attrs = {
        "levels": np.array([[1.0, np.nan]]),
        "names": np.array(["é", ""]),
        "none": np.zeros((0, 2), np.int8),
        "nested": {"mask": np.array([True])},
    }
    back = _round_trip(
        xr.Dataset(attrs=attrs | {"n": np.int64(3), "ok": np.True_}), tmp_path / "x.nc"
    )
    assert (back.attrs.pop("n"), back.attrs.pop("ok")) == (3, True)
    for name in ("levels", "names", "none"):
        assert back.attrs[name].dtype == attrs[name].dtype
        np.testing.assert_array_equal(back.attrs[name], attrs[name])
    assert back.attrs["nested"]["mask"].tolist() == [True]


@pytest.mark.parametrize("name", ["activity", None, "", "rule", "trial", "a/b", "values"])
def test_an_array_comes_back_under_its_name(x, name, tmp_path):
    back = _round_trip(x.rename(name), tmp_path / "x.nc")
    xr.testing.assert_identical(back, x.rename(name))
    assert back.name == name


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["monday"],
        ["b", "a", "c"],
        ["a", "a"],
        ["x/y", "..", ".", "é ü", " "],
        ["session_0001", "session_0001", "session_0001_"],
    ],
)
def test_a_list_of_sessions_keeps_names_and_order(x, names, tmp_path):
    given_ = [x.assign_coords(session=name).assign_attrs(place=i) for i, name in enumerate(names)]
    back = _round_trip(given_, tmp_path / "x.nc")
    assert [b.attrs["place"] for b in back] == list(range(len(names)))
    for a, b in zip(given_, back, strict=True):
        xr.testing.assert_identical(a, b)


def test_one_session_is_a_group_that_opens_alone(x, tmp_path):
    path = ng.save([x, x.assign_coords(session="tuesday")], tmp_path / "x.nc")
    with xr.open_dataset(path, group="tuesday") as opened:
        np.testing.assert_array_equal(opened.activity, x)


def test_a_result_comes_back_with_its_groups_in_order(tree, tmp_path):
    back = _round_trip(tree, tmp_path / "x.nc")
    xr.testing.assert_identical(back, tree)
    assert back.name == "score"
    assert [n.path for n in back.subtree] == [n.path for n in tree.subtree]
    assert _same(back["decoding"].attrs, tree["decoding"].attrs)


def test_a_branch_of_a_tree_is_saved_as_a_tree_of_its_own(tree, tmp_path):
    back = _round_trip(tree["decoding"], tmp_path / "x.nc")
    assert back.identical(tree["decoding"].copy())
    assert [n.path for n in back.subtree] == ["/", "/pairs"]


def test_what_was_loaded_is_saved_again_the_same(tree, tmp_path):
    once = _round_trip(tree, tmp_path / "x.nc")
    xr.testing.assert_identical(_round_trip(once, tmp_path / "y.nc"), tree)


def test_a_large_array_is_compressed_and_exact(tmp_path):
    counts = np.random.default_rng(0).poisson(0.2, (200, 50, 20)).astype("f4")
    x = ng.from_arrays(counts, time=np.arange(20) / 10)
    path = ng.save(x, tmp_path / "x.nc")
    assert path.stat().st_size < counts.nbytes / 3
    xr.testing.assert_identical(ng.load(path), x)


def test_objects_become_plain_and_missing_text_empty(tmp_path):
    y = xr.Dataset(
        {
            "target": ("variable", np.array(["sessions", None], object)),
            "count": ("variable", np.array([1, None], object)),
        }
    )
    back = ng.load(ng.save(y, tmp_path / "x.nc"))
    assert back.target.values.tolist() == ["sessions", ""]
    np.testing.assert_array_equal(back["count"], [1.0, np.nan])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x: {"a": x}, TypeError, "a dict cannot be saved"),
        (lambda x: [x, x.to_dataset()], TypeError, "a list cannot be saved"),
        (lambda x: x.assign_attrs(source=Path("f")), TypeError, "'source' of .* holds a PosixPath"),
        (lambda x: x.assign_attrs(deep=[{"f": len}]), TypeError, "'deep' of .* holds a builtin"),
        (lambda x: x.assign_attrs({3: 1}), TypeError, "attribute 3 of .* has a name"),
        (lambda x: x.assign_attrs({"": 1, "z": 1j}), TypeError, "'z' of .* holds a complex"),
        (lambda x: x.stack(tn=["trial", "neuron"]), TypeError, "'tn' of / is a MultiIndex"),
        (lambda x: x.rename(3), TypeError, "the name 3"),
        (lambda x: x.to_dataset(name="a/b"), ValueError, "the name 'a/b' in /"),
        (lambda x: x.assign_coords(w=("trial", ["a\0b"] * 4)), ValueError, "'w' holds text with"),
        (lambda x: x.assign_coords(w=("trial", ["\ud800"] * 4)), ValueError, "'w' holds text with"),
        (
            lambda x: x.assign_coords(w=("trial", np.array([1, "a", 2, 3], object))),
            TypeError,
            "'w' holds numbers and text",
        ),
        (
            lambda x: x.assign_coords(w=("trial", np.array(["", None, "a", "b"], object))),
            ValueError,
            "'w' holds both",
        ),
        (
            lambda x: x.assign_coords(w=("trial", np.zeros(4, [("a", int)]))),
            TypeError,
            "'w' of / holds",
        ),
    ],
)
def test_what_has_no_form_in_the_file_is_refused_and_nothing_written(
    x, change, error, words, tmp_path
):
    with pytest.raises(error, match=words):
        ng.save(change(x), tmp_path / "x.nc")
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_replaced_only_on_request(x, tmp_path):
    path = ng.save(x, tmp_path / "new" / "folder" / "x.nc")
    with pytest.raises(FileExistsError, match="exists; pass overwrite=True"):
        ng.save(x * 2, path)
    xr.testing.assert_identical(ng.load(path), x)
    ng.save(x * 2, path, overwrite=True)
    np.testing.assert_array_equal(ng.load(path), x * 2)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ng.save(x, tmp_path)


def test_a_file_can_be_replaced_by_what_is_read_from_it(x, tmp_path):
    path = ng.save(x.to_dataset(), tmp_path / "x.nc")
    with xr.open_dataset(path, engine="h5netcdf") as lazy:
        ng.save(lazy[["activity"]] * 2, path, overwrite=True)
    np.testing.assert_array_equal(ng.load(path).activity, x * 2)


def test_a_link_stays_a_link_to_the_file(x, tmp_path):
    path = ng.save(x, tmp_path / "x.nc")
    link = tmp_path / "latest.nc"
    link.symlink_to(path)
    ng.save(x * 2, link, overwrite=True)
    assert link.is_symlink()
    np.testing.assert_array_equal(ng.load(path), x * 2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left"), ValueError("odd")])
@pytest.mark.parametrize("moment", ["before", "half way", "after"])
def test_a_failure_leaves_the_old_file_and_nothing_else(x, tmp_path, monkeypatch, error, moment):
    path = ng.save(x, tmp_path / "x.nc")
    write = xr.DataTree.to_netcdf

    def failing(tree, target, **options):
        if moment != "before":
            write(tree, target, **options)
        if moment == "half way":
            os.truncate(target, 100)
        raise error

    monkeypatch.setattr(xr.DataTree, "to_netcdf", failing)
    kind = error if isinstance(error, type) else type(error)
    with pytest.raises(kind, match=None if kind is KeyboardInterrupt else "x.nc c"):
        ng.save(x * 2, path, overwrite=True)
    assert os.listdir(tmp_path) == ["x.nc"]
    xr.testing.assert_identical(ng.load(path), x)


def test_files_that_are_no_netcdf_are_refused_in_one_sentence(x, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        ng.load(tmp_path / "x.nc")
    path = ng.save(x, tmp_path / "x.nc")
    whole = path.read_bytes()
    for content in (b"", b"trial,neuron\n", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(OSError, match=r"x\.nc cannot be read as NetCDF-4 \(.*\); give a file"):
            ng.load(path)


def test_a_file_of_a_later_version_is_refused(x, tmp_path, monkeypatch):
    monkeypatch.setattr("neurogeom.storage.FORMAT", 2)
    path = ng.save(x, tmp_path / "x.nc")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="written by a later neurogeom"):
        ng.load(path)


def test_a_file_of_another_program_is_read_as_a_tree(x, tmp_path):
    y = xr.Dataset({"v": ("a", [1, 2])}, attrs={"title": "other"})
    y.to_netcdf(tmp_path / "y.nc", engine="h5netcdf")
    back = ng.load(tmp_path / "y.nc")
    assert isinstance(back, xr.DataTree)
    xr.testing.assert_identical(back.to_dataset(), y)


def test_another_process_reads_the_same(x, tmp_path):
    path = ng.save(x, tmp_path / "x.nc")
    code = "import sys, neurogeom as ng; print(ng.load(sys.argv[1]).attrs['content_hash'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == x.attrs["content_hash"]


def test_a_flipped_byte_among_the_values_is_noticed(tmp_path):
    x = ng.from_arrays(np.random.default_rng(0).standard_normal((40, 10)))
    path = ng.save(x, tmp_path / "x.nc")
    whole = path.read_bytes()
    at = whole.index(x.values[20:22].tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(OSError, match="x.nc cannot be read as NetCDF-4"):
        ng.load(path)
