"""Tables of an NWB file (trials, units, planes): which columns can be used, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import listed
from neurogeom.recordings.hdf5 import OpenFile, entry, is_text, text

if TYPE_CHECKING:
    import h5py

INVALID_TIMES = "invalid_times"


def interval_tables(file: OpenFile) -> dict[str, h5py.Group]:
    """Every table of intervals by name, whatever the experimenter called it."""
    import h5py

    intervals = file.h5.get("intervals", {})
    return {
        name: node
        for name, node in intervals.items()
        if isinstance(node, h5py.Group) and "start_time" in node
    }


def interval_table(file: OpenFile, name: str) -> h5py.Group:
    """One of them, or a KeyError that lists them."""
    tables = interval_tables(file)
    if name not in tables:
        choices = (
            f"choose table= from {listed(tables)}" if tables else "it has no table of intervals"
        )
        raise KeyError(f"{file.path} has no table {name!r}; {choices}")
    if n_rows(tables[name]) == 0:
        raise ValueError(f"table {name!r} of {file.path} has no rows; choose another table")
    return tables[name]


def n_rows(table: h5py.Group) -> int:
    """Number of rows, from the ids or, where a writer left them out, from the start times."""
    counted = table.get("id", table.get("start_time"))
    return 0 if counted is None else int(counted.shape[0])


def columns(table: h5py.Group) -> dict[str, str]:
    """Column name -> why it cannot be used, "" if it can: one number, boolean or text a row."""
    import h5py

    rows = n_rows(table)
    return {
        name: _why_not(table, name, rows)
        for name in _in_order(table)
        if isinstance(table.get(name), h5py.Dataset)
    }


def read_columns(file: OpenFile, table: h5py.Group) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The values of the usable columns, each of shape (row,), and the others with the reason."""
    reasons = columns(table)
    usable = {name: read_column(file, table, name) for name, why in reasons.items() if not why}
    return usable, {name: why for name, why in reasons.items() if why}


def read_column(file: OpenFile, table: h5py.Group, name: str) -> np.ndarray:
    """One column, shape (row,); numbered levels with names (EnumData) become their names."""
    values = file.read(table[name])
    names = table[name].attrs.get("elements")
    return values if names is None else file.read(file.h5[names])[values.astype(int)]


def ids(file: OpenFile, table: h5py.Group, name: str) -> np.ndarray:
    """The column `name` where there is one without repeats, else the table's ids, shape (row,)."""
    if not columns(table).get(name, "absent"):
        values = read_column(file, table, name)
        if np.unique(values).size == values.size:
            return values
    return file.read(table["id"]) if "id" in table else np.arange(n_rows(table))


def row_ends(file: OpenFile, table: h5py.Group, name: str) -> np.ndarray:
    """Where each row of a ragged column ends, shape (row,); without an index one entry a row."""
    if not _is_ragged(table, name):
        return np.arange(1, n_rows(table) + 1)
    return file.read(table[f"{name}_index"])


def row_slice(ends: np.ndarray, row: int) -> slice:
    """The entries of one row of a ragged column."""
    return slice(int(ends[row - 1]) if row else 0, int(ends[row]))


def is_reference(dataset: h5py.Dataset) -> bool:
    """A column of pointers to other objects of the file?"""
    import h5py

    return h5py.check_ref_dtype(dataset.dtype) is not None


def _in_order(table: h5py.Group) -> list[str]:
    """Column names as the table lists them, then those it forgot; no ids and no indices."""
    stated = [text(name) for name in np.ravel(table.attrs.get("colnames", []))]
    found = [name for name in table if name != "id" and not _is_index(table, name)]
    return [name for name in stated if name in found] + [
        name for name in found if name not in stated
    ]


def _is_ragged(table: h5py.Group, name: str) -> bool:
    return f"{name}_index" in table and _is_index(table, f"{name}_index")


def _is_index(table: h5py.Group, name: str) -> bool:
    stem = name.removesuffix("_index")
    return stem != name and stem in table and entry(table[name], "neurodata_type") == "VectorIndex"


def _why_not(table: h5py.Group, name: str, rows: int) -> str:
    column = table[name]
    if _is_ragged(table, name):
        return "ragged"
    if column.ndim != 1:
        return f"{column.ndim}-D"
    if is_reference(column) or column.dtype.names or "table" in column.attrs:
        return "pointers to other objects"
    if not is_text(column) and column.dtype.kind not in "biuf":
        return f"of type {column.dtype}"
    if column.shape[0] != rows:
        return f"{column.shape[0]} values for {rows} rows"
    return ""
