"""Firing rates: spikes counted in each trial's window, NaN where a unit was not observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import listed
from neurogeom.recordings.hdf5 import OpenFile
from neurogeom.recordings.neurons import (
    Signal,
    choose_neurons,
    contents,
    describe_neurons,
    refuse_duplicates,
    roi_groups,
)
from neurogeom.recordings.tables import columns, n_rows, row_ends, row_slice
from neurogeom.recordings.windows import covered

if TYPE_CHECKING:
    import h5py


def spike_rates(
    file: OpenFile,
    events: np.ndarray,
    edges: np.ndarray,
    *,
    units: str | None,
    area: str | None,
    series: str | None,
) -> Signal:
    """Spikes/s in half-open bins between `edges` (edge,) around `events` (trial,), in seconds.

    Only the spikes of the units that are kept are read, never their waveforms.
    """
    if series is not None:
        raise ValueError(f"series={series!r} names imaging data; pass signal='roi' with it")
    table = _units_table(file)
    described = describe_neurons(file, table, area)
    refuse_duplicates(described["unit_id"], f"the units of {file.path}")
    keep, dropped = choose_neurons(described, units, f"the units of {file.path}")
    windows = events[:, None] + edges
    rates = _counts(file, table, keep, windows) * ((edges.size - 1) / (edges[-1] - edges[0]))
    rates[~_observed(file, table, keep, windows)] = np.nan
    return Signal(rates, {name: v[keep] for name, v in described.items()}, "spikes/s", dropped)


def _units_table(file: OpenFile) -> h5py.Group:
    table = file.h5.get("units")
    if table is None or n_rows(table) == 0:
        advice = "pass signal='roi' for its imaging data" if roi_groups(file) else "check the file"
        raise ValueError(f"{file.path} has no units; it holds {contents(file)}: {advice}")
    if "spike_times" not in table:
        raise ValueError(
            f"the units of {file.path} have no spike_times, only {listed(columns(table))}; "
            "check the file"
        )
    return table


def _counts(file: OpenFile, table: h5py.Group, keep: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Spikes of each unit in each bin, shape (trial, unit, bin)."""
    ends = row_ends(file, table, "spike_times")
    counts = np.empty((len(windows), keep.size, windows.shape[1] - 1))
    for column, row in enumerate(keep):
        spikes = file.read(table["spike_times"], row_slice(ends, row)).astype(float)
        if (np.diff(spikes) < 0).any():
            spikes = np.sort(spikes)
        counts[:, column] = np.diff(np.searchsorted(spikes, windows, side="left"), axis=1)
    return counts


def _observed(
    file: OpenFile, table: h5py.Group, keep: np.ndarray, windows: np.ndarray
) -> np.ndarray:
    """Whether a unit was recorded during the whole window, shape (trial, unit).

    A file that states no observation intervals states nothing: its units count as always observed.
    """
    if "obs_intervals" not in table or not table["obs_intervals"].shape[0]:
        return np.ones((len(windows), keep.size), bool)
    ends = row_ends(file, table, "obs_intervals")
    intervals = [file.read(table["obs_intervals"], row_slice(ends, row)) for row in keep]
    return np.stack([covered(windows, each.reshape(-1, 2)) for each in intervals], axis=1)
