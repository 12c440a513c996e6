"""What units and regions of interest have in common: their columns, and which are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import listed
from neurogeom.expressions import evaluate
from neurogeom.recordings.areas import areas
from neurogeom.recordings.hdf5 import OpenFile
from neurogeom.recordings.tables import ids, read_columns

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Signal:
    """Activity (trial, neuron, bin), its columns (neuron,), its unit, and neurons dropped."""

    values: np.ndarray
    columns: dict[str, np.ndarray]
    units: str
    dropped: dict[str, int] = field(default_factory=dict)


def describe_neurons(file: OpenFile, table: h5py.Group, area: str | None) -> dict[str, np.ndarray]:
    """Each usable column of a table, with unit_id and, where it is known, area; all (row,)."""
    described, _ = read_columns(file, table)
    labels = areas(file, table, area)
    if labels is not None:
        described["area"] = labels
    return described | {"unit_id": ids(file, table, "unit_id")}


def choose_neurons(
    described: dict[str, np.ndarray], units: str | None, where: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Rows that satisfy the expression `units`, and how many do not, by reason."""
    n_neurons = described["unit_id"].size
    chosen = evaluate(units, described) if units else np.ones(n_neurons, bool)
    if not chosen.any():
        raise ValueError(f"none of {where} satisfies {units!r}; loosen units=")
    n_dropped = int((~chosen).sum())
    return np.flatnonzero(chosen), {f"not ({units})": n_dropped} if n_dropped else {}


def refuse_duplicates(unit_ids: np.ndarray, where: str) -> None:
    """An error that names the ids that occur more than once."""
    names, counts = np.unique(unit_ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{where} have repeated ids ({listed(names[counts > 1])}); give each an id of its own"
        )


def roi_groups(file: OpenFile) -> list[h5py.Group]:
    """Every series of regions of interest, wherever it lies: a group with `data` and `rois`."""
    import h5py

    found: list[h5py.Group] = []

    def visit(_: str, node: h5py.HLObject) -> None:
        holds_regions = isinstance(node, h5py.Group) and "data" in node and "rois" in node
        if holds_regions and "table" in node["rois"].attrs:
            found.append(node)

    file.h5.visititems(visit)
    return sorted(found, key=lambda node: node.name)


def contents(file: OpenFile) -> str:
    """What a file holds, for a message: its series and tables by place."""
    places = ("acquisition", "processing", "intervals", "stimulus/presentation", "analysis")
    found = [f"{place}/{name}" for place in places for name in file.h5.get(place, {})]
    found = (["units"] if "units" in file.h5 else []) + found
    return listed(found) or "no recorded data"
