"""From NWB files to activity: one trial table, one signal, one window around one event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from neurogeom._version import __version__
from neurogeom.activity import from_arrays
from neurogeom.columns import listed
from neurogeom.recordings.hdf5 import OpenFile, entry, open_nwb
from neurogeom.recordings.neurons import Signal
from neurogeom.recordings.roi import roi_activity
from neurogeom.recordings.trials import Trials, read_trials
from neurogeom.recordings.units import spike_rates
from neurogeom.recordings.windows import bin_edges

MARKER = "neurogeom_attrs"  # what write_nwb leaves in the notes of a file
_SIGNALS = {"units": spike_rates, "roi": roi_activity}
_RESERVED = {"trial", "neuron", "time", "activity", "session", "animal", "trial_id", "unit_id"}


def read_nwb(
    path: str | Path | Iterable[str | Path],
    align: str | None = None,
    window: tuple[float, float] | None = None,
    variables: Iterable[str] | Mapping[str, Any] | None = None,
    *,
    bin_width: float | None = None,
    table: str = "trials",
    signal: Literal["units", "roi"] = "units",
    units: str | None = None,
    where: str | None = None,
    area: str | None = None,
    series: str | None = None,
    time_scale: float = 1.0,
) -> xr.DataArray | list[xr.DataArray]:
    """What did each neuron do around an event, on each trial?

    Units: the number of spikes in ``[event + start, event + stop)`` divided by the length of the
    window. Imaging: the mean of the frames in it. A neuron that was not observed during the whole
    window (its ``obs_intervals`` do not cover it, no frame falls into it) is NaN on this trial; no
    spikes is 0.

    Dropped and counted in ``attrs["dropped"]``: trials that `where` excludes, without event,
    overlapping the file's ``invalid_times``, or during which nothing was observed; neurons that
    `units` excludes.

    Parameters
    ----------
    path : path or list of paths
        NWB 2 files, one a session, which is named after the file (and, where two files share a
        name, their folders).
    align : str, optional
        Column of event times; default ``start_time``.
    window : (float, float)
        Start and stop in seconds from the event.
    variables : list of str or mapping, optional
        Columns that must exist and be usable; every usable column becomes a coordinate anyway.
    bin_width : float, optional
        Seconds; the activity gets a dimension ``time`` of bin centres. The window must be a whole
        number of bins.
    table : str
        Table of intervals that holds the trials.
    signal : {"units", "roi"}
        Sorted units, or regions of interest of an imaging series.
    units, where : str, optional
        Which neurons, which trials: expressions over columns, ``"quality == 'good'"``.
    area : str, optional
        Column or path of the brain area ("electrodes.group_name"); default the first place that
        names any.
    series : str, optional
        Imaging series (or its container, one series a plane) where a file has several.
    time_scale : float
        Seconds per unit of the column `align`, 0.001 if it is in milliseconds.

    Returns
    -------
    DataArray, dims ("trial", "neuron") or ("trial", "neuron", "time"); a list for a list of paths
        Units "spikes/s", or the unit that the imaging series states. A column whose name is taken
        is prefixed with ``trial_`` or ``unit_``; ``attrs["skipped_columns"]`` says which columns
        could not be used, and why.

    Raises
    ------
    FileNotFoundError, OSError, UnsupportedNWBError
        No file, not HDF5, damaged; not NWB 2.
    KeyError
        No such table, column or series; the message lists those that exist.
    ValueError, TypeError
        No units, no event on any trial, a window that is reversed or far from every trial,
        repeated unit ids.

    Examples
    --------
    >>> import neurogeom as ng, numpy as np, tempfile
    >>> counts = [[3, 0], [5, np.nan]]
    >>> x = ng.from_arrays(counts, trial={"rule": ["stay", "shift"]}, units="spikes")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = ng.write_nwb(x, f"{folder}/session.nwb")
    ...     y = ng.read_nwb(path, align="event_time", window=(0, 0.5), variables=["rule"])
    >>> y.dims, y.rule.values.tolist(), y.attrs["units"]
    (('trial', 'neuron'), ['stay', 'shift'], 'spikes/s')
    """
    if signal not in _SIGNALS:
        raise ValueError(f"signal {signal!r} is unknown; choose from {listed(_SIGNALS)}")
    read = partial(
        _session,
        align=align,
        window=window,
        bin_width=bin_width,
        trials=partial(
            read_trials,
            table=table,
            where=where,
            variables=[variables] if isinstance(variables, str) else list(variables or ()),
            time_scale=time_scale,
        ),
        signal=partial(_SIGNALS[signal], units=units, area=area, series=series),
    )
    if isinstance(path, str | Path):
        return read(Path(path), Path(path).stem)
    paths = [Path(each) for each in path]
    return [read(*named) for named in zip(paths, session_names(paths), strict=True)]


def session_names(paths: list[Path]) -> list[str]:
    """File names without ending; with as much of the folders as tells them apart."""
    resolved = [path.resolve() for path in paths]
    twice = [str(path) for path, n in Counter(resolved).items() if n > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice; give each session once")
    names = [path.stem for path in paths]
    depth = 1
    while len(set(names)) < len(names):
        depth += 1
        shared = {name for name, n in Counter(names).items() if n > 1}
        names = [
            "/".join([*path.parts[-depth:-1], path.stem]) if name in shared else name
            for name, path in zip(names, resolved, strict=True)
        ]
    return names


def written_by_us(file: OpenFile) -> dict[str, Any]:
    """What `write_nwb` noted: attrs, and the keywords that read the activity back; {} otherwise."""
    try:
        notes = json.loads(entry(file.h5.get("general"), "notes"))
    except ValueError:
        return {}
    return notes if isinstance(notes, dict) and MARKER in notes else {}


def _session(
    path: Path,
    session: str,
    *,
    align: str | None,
    window: tuple[float, float] | None,
    bin_width: float | None,
    trials: Callable[..., Trials],
    signal: Callable[..., Signal],
) -> xr.DataArray:
    """One file, one activity."""
    with open_nwb(path) as file:
        ours = written_by_us(file)
        kept = ours.get("read", {})  # our own files know how they are read
        align = align or kept.get("align") or "start_time"
        if window is None and kept:
            window, bin_width = kept["window"], bin_width or kept["bin_width"]
        edges = bin_edges(window, bin_width)
        chosen = trials(file, align=align, edges=edges)
        found = signal(file, chosen.events, edges)
        animal = entry(file.h5.get("general/subject"), "subject_id")
    observed = ~np.isnan(found.values).all(axis=(1, 2))
    chosen = chosen.keep(observed, "not observed by any neuron")
    attrs = {
        **ours.get(MARKER, {}),
        "source": str(path),
        "content_hash": file.digest.hexdigest(),
        "align": align,
        "window": [float(edges[0]), float(edges[-1])],
        "version": __version__,
        "dropped": {"trials": chosen.dropped, "neurons": found.dropped},
        "skipped_columns": chosen.skipped,
    }
    binned = bin_width is not None
    of_trial = _renamed(chosen.columns, "trial", set())
    return from_arrays(
        found.values[observed] if binned else found.values[observed, :, 0],
        of_trial,
        _renamed(found.columns, "unit", set(of_trial)),
        (edges[:-1] + edges[1:]) / 2 if binned else None,
        session=session,
        animal=animal or None,
        units=found.units,
        attrs=attrs,
    )


def _renamed(columns: dict[str, np.ndarray], prefix: str, taken: set[str]) -> dict[str, np.ndarray]:
    """One name, one coordinate: a column whose name is taken gets a prefix."""
    clash = (_RESERVED | taken) - {f"{prefix}_id"}

    def free(name: str) -> str:
        found = name
        while found in clash or (found != name and found in columns):
            found = f"{prefix}_{found}"
        return found

    return {free(name): values for name, values in columns.items()}
