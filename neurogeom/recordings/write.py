"""From an activity to an NWB file that any NWB reader opens and `read_nwb` turns back."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurogeom._version import __version__
from neurogeom.activity import content_hash, validate
from neurogeom.recordings.clock import Clock, clock
from neurogeom.recordings.nwb import MARKER
from neurogeom.recordings.written import add_series, add_trials, add_units

if TYPE_CHECKING:
    import pynwb

# every file of the same activity has the same bytes, so nothing in it says when it was written
_WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)
_SIZE_OF_COUNT = {"spikes": lambda width: 1.0, "spikes/s": lambda width: width}


def write_nwb(x: xr.DataArray, path: str | Path, *, overwrite: bool = False) -> Path:
    """How do I hand an activity, recorded or simulated, to others as a file?

    Activity in "spikes" or "spikes/s" that is whole counts becomes sorted units: as many spikes as
    were counted, spread evenly over the window (or bin) of each trial, with ``obs_intervals``
    around the trials on which a unit was observed. Everything else becomes an imaging series with
    one frame a trial (or bin), its values kept exactly.

    Trials keep their times where each event lies in its trial and no two windows overlap;
    otherwise they get new ones. The event stands in the column ``x.attrs["align"]`` (default
    "event_time"), the window is ``x.attrs["window"]`` (default one second). All of ``x.attrs`` is
    kept as JSON in the notes of the file.

    Parameters
    ----------
    x : DataArray
        One session, dims (trial, neuron) or (trial, neuron, time).
    path : path
        The file; its name becomes the session's when it is read.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    pathlib.Path
        Where it was written. ``read_nwb(path)`` gives units back, always in spikes/s, and
        ``read_nwb(path, signal="roi")`` the rest.

    Raises
    ------
    FileExistsError
        The file exists and `overwrite` is not set.
    TypeError, ValueError
        `x` is no activity (for a list: one file holds one session), time bins are of unequal
        length, the name of a coordinate cannot be that of a column.

    Examples
    --------
    >>> import neurogeom as ng, tempfile
    >>> x = ng.from_arrays([[0.5], [-1.0]], trial={"rule": ["A", "B"]}, units="dF/F")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ng.read_nwb(ng.write_nwb(x, f"{folder}/plane.nwb"), signal="roi").values.tolist()
    [[0.5], [-1.0]]
    """
    if isinstance(x, list | tuple):
        raise TypeError("one NWB file holds one session; write each activity of the list by itself")
    x, path = validate(x), Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True or choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}; make it first")
    times = clock(x)
    counts = _whole_counts(x, times)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb remarks on regions made before their file
        nwb = _empty_file(x, times, "roi" if counts is None else "units")
        add_trials(nwb, x, times)
        if counts is None:
            add_series(nwb, x, times)
        else:
            add_units(nwb, x, times, counts)
        _write(nwb, path)
    return path


def _whole_counts(x: xr.DataArray, times: Clock) -> np.ndarray | None:
    """Spike counts (trial, neuron, bin), NaN where unobserved; None if it is something else."""
    size = _SIZE_OF_COUNT.get(x.attrs["units"])
    if size is None:
        return None
    scaled = x.values.reshape(*x.shape[:2], -1).astype(float) * size(times.width)
    counts = np.round(scaled)
    missing = np.isnan(counts)
    # an interval of observation holds whole windows: a trial observed in part is none
    in_part = missing.any(axis=2) & ~missing.all(axis=2)
    whole = np.abs(scaled - counts) <= 1e-6 * np.maximum(counts, 1)  # float32 rates are that exact
    fits = (missing | (whole & (counts >= 0))).all() and not missing.all()
    return None if in_part.any() or not fits else counts


def _empty_file(x: xr.DataArray, times: Clock, signal: str) -> pynwb.NWBFile:
    import pynwb

    read = {
        "align": times.align,
        "window": [float(times.edges[0]), float(times.edges[-1])],
        "bin_width": times.width if times.binned else None,
        "signal": signal,
    }
    nwb = pynwb.NWBFile(
        session_description="Activity of a neural population around an event, one window a trial.",
        identifier=content_hash(x),
        session_start_time=_WRITTEN,
        file_create_date=_WRITTEN,
        session_id=str(x.session.item()),
        notes=json.dumps({MARKER: x.attrs, "read": read}, default=_plain),
        source_script=f"neurogeom.write_nwb {__version__}",
        source_script_file_name="neurogeom",
    )
    animal = str(x.animal.item()) if "animal" in x.coords else None
    nwb.subject = pynwb.file.Subject(
        subject_id=animal,
        sex="U",
        age="P0D/",  # of any age, as the format writes what is not known
        description="the animal or model that was recorded",
    )
    return nwb


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as JSON knows them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(
        f"attrs hold a {type(value).__name__}, which cannot be written; keep text, numbers, lists "
        "and dicts"
    )


def _write(nwb: pynwb.NWBFile, path: Path) -> None:
    """All of it or nothing: a file beside the target takes its place when it is complete."""
    import pynwb

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        with pynwb.NWBHDF5IO(name, "w") as io:
            io.write(nwb)
        _name_objects(name, nwb.identifier)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _name_objects(name: str, identifier: str) -> None:
    """Random object ids become ids of content and place: equal activities give equal files."""
    import h5py

    def rename(place: str, node: h5py.HLObject) -> None:
        if "object_id" in node.attrs:
            node.attrs.modify("object_id", str(uuid.uuid5(uuid.NAMESPACE_OID, identifier + place)))

    with h5py.File(name, "r+") as h5:
        rename("", h5)
        h5.visititems(rename)
