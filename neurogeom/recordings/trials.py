"""Which trials are read: the rows of a table that have their event and a usable window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from neurogeom.columns import listed
from neurogeom.expressions import evaluate
from neurogeom.recordings.hdf5 import OpenFile
from neurogeom.recordings.tables import (
    INVALID_TIMES,
    ids,
    interval_table,
    interval_tables,
    read_column,
    read_columns,
)
from neurogeom.recordings.windows import event_times, overlaps, refuse_far_windows


@dataclass(frozen=True)
class Trials:
    """Event times in seconds (trial,), columns (trial,), unusable columns, trials dropped."""

    name: str
    events: np.ndarray
    columns: dict[str, np.ndarray]
    skipped: dict[str, str]
    dropped: dict[str, int]

    def keep(self, mask: np.ndarray, reason: str) -> Trials:
        """The trials where `mask` is true; the others are counted under `reason`."""
        if mask.all():
            return self
        if not mask.any():
            before = "".join(f", {n} dropped before ({why})" for why, n in self.dropped.items())
            raise ValueError(
                f"no trial of {self.name} is left: {mask.size} dropped ({reason}){before}; "
                "change align, window or where"
            )
        return replace(
            self,
            events=self.events[mask],
            columns={name: values[mask] for name, values in self.columns.items()},
            dropped={**self.dropped, reason: int((~mask).sum())},
        )


def read_trials(
    file: OpenFile,
    table: str,
    align: str,
    edges: np.ndarray,
    *,
    where: str | None,
    variables: Iterable[str],
    time_scale: float,
) -> Trials:
    """The trials whose window, `edges` (edge,) around the event, can be looked at."""
    group = interval_table(file, table)
    name = f"table {table!r} of {file.path}"
    columns, skipped = read_columns(file, group)
    columns["trial_id"] = ids(file, group, "trial_id")
    _refuse_unusable(variables, columns, skipped, name)
    events = event_times(columns, align, time_scale, name)
    trials = Trials(name, events, columns, skipped, {})
    if where:
        trials = trials.keep(evaluate(where, columns), f"not ({where})")
    trials = trials.keep(~np.isnan(trials.events), f"no {align}")
    windows = trials.events[:, None] + edges
    if {"start_time", "stop_time"} <= set(columns):
        scale = time_scale if align in ("start_time", "stop_time") else 1.0
        start, stop = (trials.columns[edge] * scale for edge in ("start_time", "stop_time"))
        refuse_far_windows(windows, start, stop, name)
    return trials.keep(~overlaps(windows, *_invalid_times(file, table)), f"in {INVALID_TIMES}")


def _refuse_unusable(
    variables: Iterable[str], columns: dict[str, np.ndarray], skipped: dict[str, str], name: str
) -> None:
    for variable in variables:
        if variable in skipped:
            raise ValueError(
                f"column {variable!r} of {name} is {skipped[variable]}, but a variable has one "
                f"value a trial; choose from {listed(columns)}"
            )
        if variable not in columns:
            raise KeyError(f"{name} has no column {variable!r}; choose from {listed(columns)}")


def _invalid_times(file: OpenFile, table: str) -> tuple[np.ndarray, np.ndarray]:
    """Start and stop of the stretches that the experimenter excluded, each (interval,)."""
    invalid = interval_tables(file).get(INVALID_TIMES)
    if invalid is None or table == INVALID_TIMES or "stop_time" not in invalid:
        return np.empty(0), np.empty(0)
    start, stop = (read_column(file, invalid, edge) for edge in ("start_time", "stop_time"))
    return start.astype(float), stop.astype(float)
