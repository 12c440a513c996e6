"""The brain area of each unit or region of interest: it stands in one of several places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import listed
from neurogeom.recordings.hdf5 import OpenFile, entry
from neurogeom.recordings.tables import (
    columns,
    is_reference,
    n_rows,
    read_column,
    row_ends,
    row_slice,
)

if TYPE_CHECKING:
    import h5py

# in order of preference: the first that names any area is taken
SOURCES = (
    "area",
    "location",
    "electrodes.location",
    "electrode_group.location",
    "peak_channel_id.location",
    "imaging_plane.location",
)
_ELECTRODES = "general/extracellular_ephys/electrodes"


def areas(file: OpenFile, table: h5py.Group, area: str | None = None) -> np.ndarray | None:
    """The area of each row of a table, shape (row,), "" where unknown; None if no row has one.

    `area` is a column ("brain_region") or a path ("electrodes.group_name": for each unit the
    commonest value over its electrodes); None takes the first of `SOURCES` that names any.
    """
    for source in [area] if area else SOURCES:
        labels = _follow(file, table, source)
        if labels is not None and (labels != "").any():
            return labels
    if area:
        raise KeyError(
            f"area {area!r} names nothing for {table.name} of {file.path}; choose a path such as "
            f"{SOURCES[2]}, or from {listed(n for n, why in columns(table).items() if not why)}"
        )
    return None


def _follow(file: OpenFile, table: h5py.Group, source: str) -> np.ndarray | None:
    """The labels at the end of a path, shape (row,), or None if the path does not exist."""
    import h5py

    head, _, tail = source.partition(".")
    node = table.get(head)
    if node is None:
        return None
    if isinstance(node, h5py.Group):
        return np.full(n_rows(table), entry(node, tail))
    if not tail:
        return None if columns(table)[head] else read_column(file, table, head).astype(str)
    if head == "peak_channel_id":
        return _by_id(file, read_column(file, table, head), tail)
    if is_reference(node):
        return np.array([entry(file.h5[pointer], tail) if pointer else "" for pointer in node[()]])
    return _commonest(file, table, head, tail)


def _by_id(file: OpenFile, channels: np.ndarray, name: str) -> np.ndarray | None:
    """The electrode with this id."""
    electrodes = file.h5.get(_ELECTRODES)
    if electrodes is None or name not in electrodes or "id" not in electrodes:
        return None
    values = read_column(file, electrodes, name).astype(str)
    found = dict(zip(file.read(electrodes["id"]).tolist(), values.tolist(), strict=True))
    return np.array([found.get(channel, "") for channel in channels.tolist()])


def _commonest(file: OpenFile, table: h5py.Group, head: str, name: str) -> np.ndarray | None:
    """The majority over the rows of another table that each row points to; by name in a tie."""
    pointer = table[head].attrs.get("table")
    target = file.h5[pointer] if pointer else file.h5.get(_ELECTRODES)
    if target is None or columns(target).get(name, "absent"):
        return None
    values = read_column(file, target, name).astype(str)
    rows, ends = file.read(table[head]), row_ends(file, table, head)
    return np.array([_majority(values[rows[row_slice(ends, row)]]) for row in range(n_rows(table))])


def _majority(labels: np.ndarray) -> str:
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    return str(names[counts.argmax()]) if names.size else ""
