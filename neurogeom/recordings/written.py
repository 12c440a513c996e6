"""The parts of an NWB file that is written: its trials, and its units or its imaging series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurogeom.recordings.clock import Clock

if TYPE_CHECKING:
    import pynwb

_PIXEL = [("x", "uint32"), ("y", "uint32"), ("weight", "float32")]
# names to which the format gives a meaning of their own
_TAKEN = {"id", "tags", "timeseries", "spike_times", "obs_intervals", "electrodes"} | {
    "electrode_group",
    "waveform_mean",
    "waveform_sd",
    "waveforms",
    "pixel_mask",
    "image_mask",
    "voxel_mask",
}
_DESCRIPTIONS = {
    "start_time": "start of the trial in seconds",
    "stop_time": "end of the trial in seconds",
    "area": "brain area",
}


def add_trials(nwb: pynwb.NWBFile, x: xr.DataArray, times: Clock) -> None:
    """Trials with their times and every coordinate of trials."""
    from pynwb.epoch import TimeIntervals

    own = {n: v for n, v in _coordinates(x, "trial").items() if n not in times.columns}
    numbers, columns = _ids(times.columns | own, "trial_id")
    nwb.trials = TimeIntervals(
        name="trials",
        description="one trial a row",
        id=numbers,
        columns=_vectors(columns),
        colnames=list(columns),
    )


def add_units(nwb: pynwb.NWBFile, x: xr.DataArray, times: Clock, counts: np.ndarray) -> None:
    """Units with `counts` (trial, neuron, bin) spikes spread evenly over each bin."""
    from pynwb.misc import Units

    observed = ~np.isnan(counts).all(axis=2)
    spikes = [_spread(times, np.nan_to_num(counts[:, j]).astype(int)) for j in range(x.shape[1])]
    ragged = {"spike_times": spikes}
    if not observed.all():
        windows, order = _sorted(times.windows[:, [0, -1]])
        ragged["obs_intervals"] = [windows[observed[order, j]] for j in range(x.shape[1])]
    numbers, columns = _ids(_coordinates(x, "neuron"), "unit_id")
    vectors = [vector for name, rows in ragged.items() for vector in _ragged(name, rows)]
    nwb.units = Units(
        name="units",
        description="one unit a row; spikes stand evenly in the window in which they were counted",
        id=numbers,
        columns=vectors + _vectors(columns),
        colnames=[*ragged, *columns],
        resolution=1e-6,
    )


def _spread(times: Clock, counts: np.ndarray) -> np.ndarray:
    """Rising spike times of one unit, from its counts (trial, bin)."""
    number = counts.ravel()
    first = np.repeat(np.cumsum(number) - number, number)
    rank = np.arange(number.sum()) - first
    starts = np.repeat(times.windows[:, :-1].ravel(), number)
    return np.sort(starts + times.width * (rank + 0.5) / np.repeat(number, number))


def add_series(nwb: pynwb.NWBFile, x: xr.DataArray, times: Clock) -> None:
    """One frame in the middle of each bin; one of NaN where the recording begins and ends."""
    from pynwb.ophys import (
        Fluorescence,
        ImageSegmentation,
        PlaneSegmentation,
        RoiResponseSeries,
    )

    numbers, columns = _ids(_coordinates(x, "neuron"), "unit_id")
    pixels = [np.array([(j, 0, 1.0)], _PIXEL) for j in range(x.sizes["neuron"])]
    plane = PlaneSegmentation(
        name="plane",
        description="one neuron a row; no shapes are known, so each is one pixel",
        imaging_plane=_imaging_plane(nwb),
        id=numbers,
        columns=_ragged("pixel_mask", pixels) + _vectors(columns),
        colnames=["pixel_mask", *columns],
    )
    windows, order = _sorted(times.windows)
    middles = (windows[:, :-1] + windows[:, 1:]) / 2
    frames = np.moveaxis(x.values.reshape(*x.shape[:2], -1)[order], 1, 2)  # (trial, bin, neuron)
    edge = np.full((1, x.sizes["neuron"]), np.nan, x.dtype)
    series = RoiResponseSeries(
        name="activity",
        description="one frame a trial and bin, and a frame without data at either end",
        data=np.concatenate([edge, frames.reshape(-1, x.sizes["neuron"]), edge]),
        rois=plane.create_roi_table_region(
            description="all neurons", region=list(range(x.sizes["neuron"]))
        ),
        unit=x.attrs["units"],
        timestamps=np.concatenate([[windows[0, 0] - 1], middles.ravel(), [windows[-1, -1] + 1]]),
    )
    module = nwb.create_processing_module("ophys", "activity of the population")
    module.add(ImageSegmentation(plane_segmentations=[plane]))
    module.add(Fluorescence(roi_response_series=series))


def _imaging_plane(nwb: pynwb.NWBFile) -> Any:
    """What the format asks of every imaging plane; nothing of it is known."""
    from pynwb.ophys import OpticalChannel

    channel = OpticalChannel(name="channel", description="not known", emission_lambda=np.nan)
    return nwb.create_imaging_plane(
        name="plane",
        description="the plane that holds all neurons",
        optical_channel=channel,
        device=nwb.create_device(name="device", description="not known"),
        excitation_lambda=np.nan,
        indicator="not known",
        location="",
    )


def _coordinates(x: xr.DataArray, dim: str) -> dict[str, np.ndarray]:
    """The coordinates on one dim by name."""
    columns = {str(name): c.values for name, c in x.coords.items() if c.dims == (dim,)}
    for name in columns:
        if "/" in name or name in _TAKEN:
            raise ValueError(f"coordinate {name!r} cannot be a column of an NWB table; rename it")
    return columns


def _ids(columns: dict[str, np.ndarray], name: str) -> tuple[list[int], dict[str, np.ndarray]]:
    """Whole numbers for the ids of a table; other ids become a column of that name."""
    columns = dict(columns)
    if columns[name].dtype.kind in "iu":
        return columns.pop(name).tolist(), columns
    return list(range(columns[name].size)), columns


def _vectors(columns: Mapping[str, np.ndarray]) -> list:
    from pynwb.core import VectorData

    return [
        VectorData(
            name=name,
            description=_DESCRIPTIONS.get(name, f"{name}, as the experiment names it"),
            data=values.tolist() if values.dtype.kind == "U" else values,
        )
        for name, values in columns.items()
    ]


def _ragged(name: str, rows: list[np.ndarray]) -> list:
    """Data of all rows end to end, and where each ends."""
    from pynwb.core import VectorData, VectorIndex

    data = VectorData(name=name, description=f"{name} of each row", data=np.concatenate(rows))
    ends = np.cumsum([len(row) for row in rows])
    return [VectorIndex(name=f"{name}_index", target=data, data=ends), data]


def _sorted(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows (trial, edge) in order of time, and that order (trial,)."""
    order = np.argsort(windows[:, 0], kind="stable")
    return windows[order], order
