"""Imaging: the mean of a region's frames in each trial's window, NaN where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import listed
from neurogeom.recordings.hdf5 import OpenFile, entry
from neurogeom.recordings.neurons import (
    Signal,
    choose_neurons,
    contents,
    describe_neurons,
    refuse_duplicates,
    roi_groups,
)
from neurogeom.recordings.windows import TOLERANCE

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class _Plane:
    """One series: its data, the rows of the table of regions, and frame times in seconds."""

    name: str
    data: h5py.Dataset
    time_first: bool
    table: h5py.Group
    rows: np.ndarray
    times: np.ndarray

    def frames(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        """Frames in the units of measure that the file states, shape (frame, roi)."""
        if self.data.ndim == 1:
            raw = file.read(self.data, slice(start, stop))[:, None]
        elif self.time_first:
            raw = file.read(self.data, np.s_[start:stop])
        else:
            raw = file.read(self.data, np.s_[:, start:stop]).T
        scale, offset = (
            self.data.attrs.get(k, v) for k, v in (("conversion", 1.0), ("offset", 0.0))
        )
        return raw.astype(float) * float(scale) + float(offset)


def roi_activity(
    file: OpenFile,
    events: np.ndarray,
    edges: np.ndarray,
    *,
    units: str | None,
    area: str | None,
    series: str | None,
) -> Signal:
    """Mean of the frames in half-open bins between `edges` (edge,) around `events` (trial,), in s.

    Only the frames in the windows are read. A frame that is NaN makes its bin NaN, and a bin
    without frame is NaN.
    """
    groups = _chosen(file, series)
    planes = [_plane(file, group) for group in groups]
    described = _described(file, planes, area)
    refuse_duplicates(described["unit_id"], f"the regions of {file.path}")
    keep, dropped = choose_neurons(described, units, f"the regions of {file.path}")
    windows = events[:, None] + edges
    values = np.concatenate([_means(file, plane, windows) for plane in planes], axis=1)[:, keep]
    columns = {name: column[keep] for name, column in described.items()}
    return Signal(values, columns, entry(planes[0].data, "unit") or "a.u.", dropped)


def _chosen(file: OpenFile, series: str | None) -> list[h5py.Group]:
    """The series of that name, container or path, else the only one; several if one a plane."""
    found = roi_groups(file)
    if not found:
        raise ValueError(
            f"{file.path} has no imaging series with regions; it holds {contents(file)}"
        )
    names = [group.name.strip("/") for group in found]
    if series is not None:
        found = [
            g for g in found if series.strip("/") in (_name(g), _name(g.parent), g.name.strip("/"))
        ]
        if not found:
            raise KeyError(
                f"{file.path} has no imaging series {series!r}; choose from {listed(names)}"
            )
    containers, planes = {g.parent.name for g in found}, {_table(file, g).name for g in found}
    if len(found) > 1 and (len(containers) > 1 or len(planes) < len(found)):
        raise ValueError(
            f"{file.path} has several imaging series of the same regions; pass series= as one of "
            f"{listed(names)}"
        )
    return found


def _plane(file: OpenFile, group: h5py.Group) -> _Plane:
    data, rows = group["data"], file.read(group["rois"]).astype(int)
    n_frames_first = data.ndim == 1 or data.shape[1] == rows.size
    if not n_frames_first and data.shape[0] != rows.size:
        raise ValueError(
            f"{group.name} of {file.path} has data of shape {data.shape} for {rows.size} regions; "
            "one dimension must be the regions"
        )
    n_frames = data.shape[0] if n_frames_first else data.shape[1]
    times = _frame_times(file, group, n_frames)
    return _Plane(_name(group), data, n_frames_first, _table(file, group), rows, times)


def _frame_times(file: OpenFile, group: h5py.Group, n_frames: int) -> np.ndarray:
    """Seconds, shape (frame,): stated one by one or by a start and a rate."""
    if "timestamps" in group:
        times = file.read(group["timestamps"]).astype(float)
    elif "starting_time" in group:
        start = group["starting_time"]
        times = float(file.read(start)) + np.arange(n_frames) / float(start.attrs["rate"])
    else:
        raise ValueError(
            f"{group.name} of {file.path} has neither timestamps nor a rate; check the file"
        )
    if times.size != n_frames or not (np.diff(times) > 0).all():
        raise ValueError(
            f"{group.name} of {file.path} has {times.size} timestamps for {n_frames} frames, which "
            "must be as many and rise; check the file"
        )
    return times


def _means(file: OpenFile, plane: _Plane, windows: np.ndarray) -> np.ndarray:
    """Mean of the frames in each bin, shape (trial, roi, bin)."""
    period = np.median(np.diff(plane.times)) if plane.times.size > 1 else 0.0
    first, last = plane.times[0] - TOLERANCE, plane.times[-1] + period + TOLERANCE
    inside = (windows[:, 0] >= first) & (windows[:, -1] <= last)
    bins = np.searchsorted(plane.times, windows, side="left")
    means = np.full((len(windows), plane.rows.size, windows.shape[1] - 1), np.nan)
    for trial in np.flatnonzero(inside & (bins[:, -1] > bins[:, 0])):
        edges = bins[trial] - bins[trial, 0]
        frames = plane.frames(file, bins[trial, 0], bins[trial, -1])
        for k in np.flatnonzero(np.diff(edges)):
            means[trial, :, k] = frames[edges[k] : edges[k + 1]].mean(axis=0)
    return means


def _described(file: OpenFile, planes: list[_Plane], area: str | None) -> dict[str, np.ndarray]:
    """Columns that all planes have, shape (roi,); ids that recur carry their plane's name."""
    each = []
    for plane in planes:
        columns = describe_neurons(file, plane.table, area)
        each.append({name: values[plane.rows] for name, values in columns.items()})
    shared = [name for name in each[0] if all(name in columns for columns in each)]
    joined = {name: np.concatenate([columns[name] for columns in each]) for name in shared}
    if len(planes) == 1:
        return joined
    joined["plane"] = np.repeat([p.name for p in planes], [p.rows.size for p in planes])
    if np.unique(joined["unit_id"]).size < joined["unit_id"].size:
        pairs = zip(joined["plane"], joined["unit_id"], strict=True)
        joined["unit_id"] = np.array([f"{plane}/{number}" for plane, number in pairs])
    return joined


def _table(file: OpenFile, group: h5py.Group) -> h5py.Group:
    return file.h5[group["rois"].attrs["table"]]


def _name(group: h5py.Group) -> str:
    return group.name.rsplit("/", 1)[-1]
