"""Save and load activity and results as NetCDF-4, so that nothing is lost without a word.

The file opens with plain ``xarray.open_datatree``, ``ncdump`` and ``h5ls``. What NetCDF has no
place for (None, booleans, lists and dictionaries among the attributes, the order of groups, names
with spaces) stands as JSON in one attribute, `neurogeom_json`.
"""

from __future__ import annotations

import json
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurogeom.columns import plain_values

FORMAT = 1
_JSON = "neurogeom_json"
_TAGS = ("__tuple__", "__array__", "__dict__")
# xarray and HDF5 read a meaning into these attributes, so that they would not come back
_RESERVED = {
    *("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"),
    *("scale_factor", "add_offset", "missing_value", "coordinates", "grid_mapping", "calendar"),
    *("bounds", "dtype", "ancillary_variables", "formula_terms", "cell_measures", _JSON),
}
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COMPRESSED_FROM = 65536  # bytes; below it compression costs more than it saves
_CHECKED_FROM = 1024  # bytes; a checksum needs a chunk, which costs more than small arrays hold
_Saved = xr.DataArray | xr.Dataset | xr.DataTree | Sequence[xr.DataArray]


def save(x: _Saved, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write activity or results to one NetCDF-4 file.

    The file appears under its name only when it is complete: what stood there before stays as it
    was if the writing fails or is interrupted. Object arrays become text, numbers or booleans, with
    ``""`` or NaN where something is missing. Folders on the way are made.

    Parameters
    ----------
    x : DataArray, list of DataArray, Dataset or DataTree
        A list becomes one group a session, under its name, and keeps its order.
    path : str or path
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    pathlib.Path of the file.

    Raises
    ------
    FileExistsError
        There is a file and `overwrite` is False.
    TypeError, ValueError
        Something has no form in the file: a MultiIndex, mixed kinds in a column, an attribute that
        is neither text, number, boolean, None, array, nor a list or dictionary of these.
    OSError
        The disk is full or refuses.

    Examples
    --------
    >>> import tempfile, neurogeom as ng
    >>> x = ng.from_arrays([[1.0, 2.0]], trial={"rule": ["A"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ng.load(ng.save(x, f"{folder}/x.nc")).identical(x)
    True
    """
    path = Path(os.path.realpath(path))
    tree = xr.DataTree.from_dict(as_groups(x))
    with appearing_whole(path, overwrite) as partial:
        write(tree, partial, path)
    return path


@contextmanager
def appearing_whole(path: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary name beside `path`: the file becomes `path` if all goes well, or goes."""
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        _refuse_existing(path, overwrite)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def load(
    path: str | os.PathLike, *, lazy: bool = False
) -> xr.DataArray | xr.Dataset | xr.DataTree | list[xr.DataArray]:
    """Read what `save` wrote: the same kind, identical; any other NetCDF-4 file as a DataTree.

    Parameters
    ----------
    path : str or path
    lazy : bool
        Leave the values in the file until they are asked for: what is larger than memory can be
        opened, and read slice by slice (``x[:100].values``).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError
        It is not a NetCDF-4 file, or damaged.
    ValueError
        A later neurogeom wrote it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; look at its name and folder")
    try:
        tree = xr.open_datatree(path, engine="h5netcdf")
        if not lazy:
            with tree:
                tree.load()
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise OSError(
            f"{path} cannot be read as NetCDF-4 ({_first_line(error)}); give a file that "
            "neurogeom saved"
        ) from error
    notes = json.loads(tree.attrs.get(_JSON, "{}"))
    if notes.get("format", FORMAT) > FORMAT:
        raise ValueError(f"{path} was written by a later neurogeom; update to read it")
    groups = {node.path: _restored(node.to_dataset(inherit=False)) for node in tree.subtree}
    return _KINDS[notes.get("kind", "DataTree")](groups, notes)


def as_groups(x: _Saved) -> dict[str, xr.Dataset]:
    """Storable Datasets by group, the root with the notes that say what they were."""
    if isinstance(x, xr.DataArray):
        root, notes = _array_as_dataset(x)
        return {"/": _storable(root, "/", {"kind": "DataArray", **notes})}
    if isinstance(x, xr.Dataset):
        return {"/": _storable(x, "/", {"kind": "Dataset"})}
    if isinstance(x, xr.DataTree):
        return _tree_groups(x)
    if isinstance(x, list | tuple) and all(isinstance(item, xr.DataArray) for item in x):
        return _list_groups(x)
    raise TypeError(
        f"a {type(x).__name__} cannot be saved; give a DataArray, a list of DataArrays, a Dataset "
        "or a DataTree"
    )


def _tree_groups(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Every node by its path below this one; coordinates inherited from above go along."""
    tree = tree.copy(deep=False)  # a node without its parents, so that paths start here
    nodes = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    notes = {"kind": "DataTree", "name": tree.name}
    return {p: _storable(ds, p, notes if p == "/" else {}) for p, ds in nodes.items()}


def _list_groups(arrays: Sequence[xr.DataArray]) -> dict[str, xr.Dataset]:
    """One group a session, under its name where the file can hold that name."""
    groups: dict[str, xr.Dataset] = {}
    names: dict[str, dict[str, Any]] = {}
    for i, array in enumerate(arrays):
        name = str(array.coords["session"].values) if "session" in array.coords else ""
        usable = name.isprintable() and "/" not in name and name.strip(". ")
        path = f"/{name}" if usable and f"/{name}" not in groups else f"/session_{i:04d}"
        while path in groups:
            path += "_"
        dataset, names[path] = _array_as_dataset(array)
        groups[path] = _storable(dataset, path, {})
    notes = {"kind": "list", "order": list(groups), "arrays": names}
    root = _storable(xr.Dataset(), "/", notes)
    return {"/": root} | groups


def _array_as_dataset(x: xr.DataArray) -> tuple[xr.Dataset, dict[str, Any]]:
    """The array as the one data variable, and how it and its variable are called."""
    if not isinstance(x.name, str | None):
        raise TypeError(f"the name {x.name!r} of the array is no text; rename it before saving")
    variable = x.name if x.name and "/" not in x.name else "values"
    while variable in x.coords or variable in x.dims:
        variable += "_"
    return x.to_dataset(name=variable), {"name": x.name, "variable": variable}


def _storable(ds: xr.Dataset, where: str, notes: Mapping[str, Any]) -> xr.Dataset:
    """The Dataset in what NetCDF knows, the rest as JSON."""
    _refuse_names(ds, where)
    data = {name: _storable_variable(str(name), v, where) for name, v in ds.variables.items()}
    spaced = [name for name in ds.coords if " " in str(name)]
    notes = {**notes, **({"coords": spaced} if spaced else {})}
    if "kind" in notes:
        notes = {"format": FORMAT, **notes}
    return xr.Dataset(
        {name: data[name] for name in ds.data_vars},
        {name: data[name] for name in ds.coords},
        _packed(ds.attrs, where, notes),
    )


def _storable_variable(name: str, variable: xr.Variable, where: str) -> xr.Variable:
    """Plain values, packed attributes and none of the encoding of an earlier file."""
    values = variable.values
    if not isinstance(variable.dtype, np.dtype) or values.dtype.kind in "OT":
        values = plain_values(name, values)
    if values.dtype.kind == "U":
        _refuse_letters(name, values)
    if values.dtype.kind not in "biufcUSMm":
        raise TypeError(f"{name!r} of {where} holds {values.dtype}, which NetCDF cannot store")
    attrs = _packed(variable.attrs, f"{name!r} of {where}", {})
    return xr.Variable(variable.dims, values, attrs)


def _refuse_names(ds: xr.Dataset, where: str) -> None:
    for name in {*ds.variables, *ds.sizes}:
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"the name {name!r} in {where} cannot be stored; rename it")
    for name, index in ds.xindexes.items():
        if len(index.to_pandas_index().names) > 1:
            raise TypeError(
                f"coordinate {name!r} of {where} is a MultiIndex; call reset_index before saving"
            )


def _refuse_letters(name: str, text: np.ndarray) -> None:
    """NUL ends a text in HDF5, and half a surrogate pair is no letter."""
    letters = "".join(text.ravel().tolist())
    if "\0" in letters or (not letters.isascii() and re.search("[\ud800-\udfff]", letters)):
        raise ValueError(f"{name!r} holds text with a NUL or a broken letter; clean it")


def _packed(attrs: Mapping[Any, Any], where: str, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that NetCDF gives back as they were, and one JSON text for the others."""
    plain, rest = {}, {}
    for name, value in attrs.items():
        if not isinstance(name, str):
            raise TypeError(f"attribute {name!r} of {where} has a name that is no text; rename it")
        value = value.item() if isinstance(value, np.generic) else value
        if _is_plain(name, value):
            plain[name] = value
        else:
            rest[name] = _encoded(value, f"attribute {name!r} of {where}")
    notes = {**notes, **({"attrs": rest} if rest else {})}
    return plain | ({_JSON: json.dumps(notes)} if notes else {})


def _is_plain(name: str, value: Any) -> bool:
    if name in _RESERVED or not _PLAIN_NAME.fullmatch(name):
        return False
    if type(value) is str:
        broken = "\0" in value or re.search("[\ud800-\udfff]", value)
        return not broken and not (name == "units" and " since " in value)
    return type(value) is float or (type(value) is int and -(2**63) <= value < 2**63)


def _encoded(value: Any, where: str) -> Any:
    """A value in JSON, with tags for what JSON has not."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_encoded(entry, where) for entry in value]
    if isinstance(value, tuple):
        return {"__tuple__": [_encoded(entry, where) for entry in value]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key not in _TAGS for key in value):
            return {key: _encoded(entry, where) for key, entry in value.items()}
        pairs = [[_encoded(key, where), _encoded(entry, where)] for key, entry in value.items()]
        return {"__dict__": pairs}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return {"__array__": [value.dtype.str, list(value.shape), value.ravel().tolist()]}
    raise TypeError(
        f"{where} holds a {type(value).__name__}, which cannot be saved; give text, numbers, "
        "booleans, None, or lists and dictionaries of them"
    )


def _decoded(found: dict[str, Any]) -> Any:
    """One JSON object as what `_encoded` had before it."""
    if "__tuple__" in found:
        return tuple(found["__tuple__"])
    if "__dict__" in found:
        return dict(found["__dict__"])
    if "__array__" in found:
        dtype, shape, entries = found["__array__"]
        return np.array(entries, dtype).reshape(shape)
    return found


def _restored(ds: xr.Dataset) -> xr.Dataset:
    """A group as it was before `_storable`."""
    ds = ds.copy()
    notes = json.loads(ds.attrs.get(_JSON, "{}"))
    ds.attrs = _unpacked(ds.attrs)
    ds.encoding = {}
    for variable in ds.variables.values():
        variable.attrs = _unpacked(variable.attrs)
        variable.encoding = {}
    return ds.set_coords(notes.get("coords", []))


def _unpacked(attrs: Mapping[str, Any]) -> dict[str, Any]:
    attrs = {k: v.item() if isinstance(v, np.generic) else v for k, v in attrs.items()}
    notes = json.loads(attrs.pop(_JSON, "{}"), object_hook=_decoded)
    return attrs | notes.get("attrs", {})


def _as_array(groups: Mapping[str, xr.Dataset], notes: Mapping[str, Any], at: str = "/"):
    return groups[at][notes["variable"]].rename(notes["name"])


def _as_list(groups: Mapping[str, xr.Dataset], notes: Mapping[str, Any]) -> list[xr.DataArray]:
    return [_as_array(groups, notes["arrays"][path], path) for path in notes["order"]]


def _as_tree(groups: Mapping[str, xr.Dataset], notes: Mapping[str, Any]) -> xr.DataTree:
    return xr.DataTree.from_dict(groups, name=notes.get("name"))


_KINDS = {
    "DataArray": _as_array,
    "Dataset": lambda groups, notes: groups["/"],
    "DataTree": _as_tree,
    "list": _as_list,
}


def write(tree: xr.DataTree, partial: Path, path: Path) -> None:
    """Everything under the temporary name; a failure tells of the name that was asked for."""
    encoding = {node.path: _encoding(node.to_dataset(inherit=False)) for node in tree.subtree}
    try:
        with warnings.catch_warnings():
            # names with spaces cannot be marked as coordinates in NetCDF; the JSON marks them
            warnings.filterwarnings("ignore", category=xr.SerializationWarning)
            tree.to_netcdf(partial, engine="h5netcdf", encoding=encoding)
    except OSError as error:
        raise OSError(f"{path} could not be written ({_first_line(error)})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} cannot hold this data ({_first_line(error)})") from error


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Checksums of numbers, and light compression of many (a factor 5 on spike counts)."""
    sizes = {k: v.nbytes for k, v in ds.variables.items() if v.dtype.kind in "biuf" and v.shape}
    packed = {"zlib": True, "complevel": 1, "shuffle": True}
    return {
        k: {"fletcher32": True, **(packed if n >= _COMPRESSED_FROM else {})}
        for k, n in sizes.items()
        if n >= _CHECKED_FROM
    }


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True or give another name")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
