"""What is in a recording, as much as a person needs to ask for its geometry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import is_missing, kind_name, listed
from neurogeom.recordings.areas import areas
from neurogeom.recordings.hdf5 import OpenFile, entry, nwb_version, open_nwb
from neurogeom.recordings.neurons import roi_groups
from neurogeom.recordings.suggest import suggestion
from neurogeom.recordings.tables import columns, interval_tables, n_rows, read_column

if TYPE_CHECKING:
    import h5py

MAX_LEVELS = 12


@dataclass(frozen=True)
class Column:
    """One column: what it holds, its levels with the number of rows of each, or its range.

    `kind` is "numbers", "booleans", "text" or "" (unusable, `why_not` says why); `levels` is {}
    above 12 levels, and `span` (lowest, highest) is for numbers only.
    """

    kind: str
    levels: dict[str | float | bool, int]
    n_levels: int
    span: tuple[float, float] | None
    n_missing: int
    why_not: str

    @property
    def usable(self) -> bool:
        """Can it be a variable or an event?"""
        return not self.why_not

    def __str__(self) -> str:
        missing = f", {self.n_missing} missing" if self.n_missing else ""
        if self.why_not:
            return f"not usable: {self.why_not}"
        if self.levels:
            counts = ", ".join(f"{level} ({count})" for level, count in self.levels.items())
            return f"{self.kind}: {counts}{missing}"
        span = f"{self.span[0]:g} to {self.span[1]:g}" if self.span else f"{self.n_levels} levels"
        return f"{self.kind}: {span}{missing}"


@dataclass(frozen=True)
class Table:
    """A table of intervals: number of rows, and its columns by name."""

    n_rows: int
    columns: dict[str, Column]


@dataclass(frozen=True)
class Neurons:
    """Units, or the regions of an imaging series: how many, in which areas, with which columns.

    `n_spikes` is 0 and `observed_always` true for imaging; a unit that states the stretches during
    which it was observed has `observed_always` false.
    """

    n: int
    areas: dict[str, int]
    columns: dict[str, Column]
    n_spikes: int = 0
    observed_always: bool = True


@dataclass(frozen=True)
class Contents:
    """What `inspect_nwb` found; printed, it is a page to write the score command from."""

    path: Path
    nwb_version: str
    session: str
    animal: str
    tables: dict[str, Table]
    units: Neurons | None
    series: dict[str, Neurons]
    suggested_command: str

    def __str__(self) -> str:
        who = f", animal {self.animal}" if self.animal else ""
        lines = [f"{self.path}: NWB {self.nwb_version}, session {self.session}{who}"]
        for name, table in self.tables.items():
            lines += ["", f"table {name}: {table.n_rows} rows", *_listing(table.columns)]
        if not self.tables:
            lines += ["", "no table of intervals, so no trials"]
        if self.units:
            when = "always" if self.units.observed_always else "during obs_intervals only"
            spikes = f", {self.units.n_spikes} spikes, observed {when}"
            lines += ["", f"units: {_counted(self.units)}{spikes}", *_listing(self.units.columns)]
        for name, rois in self.series.items():
            lines += ["", f"imaging series {name}: {_counted(rois)}", *_listing(rois.columns)]
        if not self.units and not self.series:
            lines += ["", "no units and no imaging series, so no activity"]
        return "\n".join([*lines, "", self.suggested_command or "nothing to score"])


def inspect_nwb(path: str | Path) -> Contents:
    """Which tables, columns, levels and neurons does a file hold, and what can be asked of it?

    Reads tables and counts; no spikes and no frames.

    Parameters
    ----------
    path : path
        An NWB 2 file.

    Returns
    -------
    Contents
        Frozen, with the fields path, nwb_version, session, animal, tables, units, series and
        suggested_command. ``print`` it. The suggestion aligns to the first column that looks like
        an event within the trial and crosses the columns of 2 to 4 levels that fill every cell.

    Raises
    ------
    FileNotFoundError, OSError, UnsupportedNWBError
        As in `read_nwb`.

    Examples
    --------
    >>> import neurogeom as ng, tempfile
    >>> x = ng.from_arrays([[1], [0]], trial={"rule": ["A", "B"]}, units="spikes")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = ng.inspect_nwb(ng.write_nwb(x, f"{folder}/session.nwb"))
    >>> found.units.n, found.tables["trials"].columns["rule"].levels
    (1, {'A': 1, 'B': 1})
    """
    with open_nwb(path) as file:
        groups = interval_tables(file)
        table = file.h5.get("units")
        has_units = table is not None and n_rows(table) > 0
        series = {group.name.strip("/"): _rois(file, group) for group in roi_groups(file)}
        return Contents(
            path=file.path,
            nwb_version=nwb_version(file.h5),
            session=file.path.stem,
            animal=entry(file.h5.get("general/subject"), "subject_id"),
            tables={name: Table(n_rows(g), _described(file, g)) for name, g in groups.items()},
            units=_units(file, table) if has_units else None,
            series=series,
            suggested_command=suggestion(file, "units" if has_units else "roi" if series else ""),
        )


def _units(file: OpenFile, table: h5py.Group) -> Neurons:
    times, intervals = table.get("spike_times"), table.get("obs_intervals")
    return Neurons(
        n=n_rows(table),
        areas=_by_area(file, table),
        columns=_described(file, table),
        n_spikes=0 if times is None else int(times.shape[0]),
        observed_always=intervals is None or intervals.shape[0] == 0,
    )


def _rois(file: OpenFile, group: h5py.Group) -> Neurons:
    table = file.h5[group["rois"].attrs["table"]]
    return Neurons(int(group["rois"].shape[0]), _by_area(file, table), _described(file, table))


def _by_area(file: OpenFile, table: h5py.Group) -> dict[str, int]:
    labels = areas(file, table)
    return {} if labels is None else _levels(labels)


def _described(file: OpenFile, table: h5py.Group) -> dict[str, Column]:
    return {
        name: Column("", {}, 0, None, 0, why) if why else _column(read_column(file, table, name))
        for name, why in columns(table).items()
    }


def _column(values: np.ndarray) -> Column:
    missing = is_missing(values)
    levels = _levels(values[~missing])
    finite = values[np.isfinite(values)] if values.dtype.kind in "iuf" else np.empty(0)
    return Column(
        kind=kind_name(values),
        levels=levels if len(levels) <= MAX_LEVELS else {},
        n_levels=len(levels),
        span=(float(finite.min()), float(finite.max())) if finite.size else None,
        n_missing=int(missing.sum()),
        why_not="",
    )


def _levels(values: np.ndarray) -> dict:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _counted(neurons: Neurons) -> str:
    places = [f"{n} in {area or 'no area'}" for area, n in neurons.areas.items()]
    return f"{neurons.n} ({listed(places)})" if places else f"{neurons.n}, areas not stated"


def _listing(described: dict[str, Column]) -> list[str]:
    width = max(map(len, described), default=0)
    return [f"  {name:<{width}}  {column}" for name, column in described.items()]
