"""A first command for a recording: an event, a window after it, variables that are crossed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import numpy as np

from neurogeom.columns import is_missing
from neurogeom.recordings.hdf5 import OpenFile
from neurogeom.recordings.nwb import written_by_us
from neurogeom.recordings.tables import INVALID_TIMES, interval_tables, n_rows, read_columns

if TYPE_CHECKING:
    import h5py

MAX_LEVELS = 4
MAX_VARIABLES = 3
MIN_TRIALS = 5  # a condition, as `score` asks for
_LENGTHS = (0.5, 0.2, 0.1, 0.05)
_EVENT = re.compile(r"(time|times|timestamp|onset|cue|stim(ulus)?)s?(_?on)?$|(^|_)t_?on$", re.I)


def suggestion(file: OpenFile, signal: str) -> str:
    """A `neurogeom score` command for the table with most variables; "" without signal or table."""
    tables = {name: g for name, g in interval_tables(file).items() if name != INVALID_TIMES}
    if not tables or not signal:
        return ""
    asked = {name: _question(file, group) for name, group in tables.items()}
    # the first table with most variables, `trials` before others
    table = max(asked, key=lambda name: (len(asked[name][0]), name == "trials"))
    variables, contrasts, align, window = asked[table]
    read = written_by_us(file).get("read")
    if read:
        align, window = read["align"], "{:.12g}:{:.12g}".format(*read["window"])
    words = ["neurogeom", "score", shlex.quote(str(file.path)), "--align", align]
    words += ["--window", window, "--variables", ",".join(variables) or "COLUMN"]
    words += ["--contrasts", ",".join(contrasts)] if contrasts else []
    words += ["--table", table] if table != "trials" else []
    words += ["--signal", signal] if signal != "units" else []
    return " ".join(words[:3] + [shlex.quote(word) for word in words[3:]])


def _question(file: OpenFile, table: h5py.Group) -> tuple[list[str], list[str], str, str]:
    """Variables, contrasts, event and window for one table."""
    columns, _ = read_columns(file, table)
    if not n_rows(table) or "stop_time" not in columns:
        return [], [], "start_time", "0:0.5"
    start, stop = columns["start_time"].astype(float), columns["stop_time"].astype(float)
    align = next((n for n, v in columns.items() if _is_event(n, v, start, stop)), "start_time")
    return *crossed(columns), align, _window(columns[align].astype(float), stop)


def _is_event(name: str, values: np.ndarray, start: np.ndarray, stop: np.ndarray) -> bool:
    """Called like an event, and on nearly all trials within the trial."""
    if name in ("start_time", "stop_time") or values.dtype.kind != "f" or not _EVENT.search(name):
        return False
    return bool(np.mean((values >= start) & (values <= stop)) > 0.9)


def _window(event: np.ndarray, stop: np.ndarray) -> str:
    """From the event, as long as most trials last after it and not above half a second."""
    left = stop - event
    room = np.nanquantile(left, 0.1) if np.isfinite(left).any() else 0.5
    return f"0:{next((length for length in _LENGTHS if length <= room), 0.5):g}"


def crossed(columns: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Columns of which every combination of levels occurs, and those that follow from them.

    In the order of the table: a column joins the variables if every cell then holds 5 trials, and
    the contrasts if it is constant within each cell. A trial without a label counts in no cell.
    """
    levels = {n: _level_numbers(v) for n, v in columns.items() if _has_few_levels(v)}
    variables: list[str] = []
    for name in levels:
        chosen = [*variables, name]
        if len(chosen) <= MAX_VARIABLES and _cells([levels[n] for n in chosen]).min() >= MIN_TRIALS:
            variables = chosen
    cell = _cell_of_trial([levels[n] for n in variables]) if variables else np.empty(0, int)
    others = [name for name in levels if name not in variables]
    follows = [name for name in others if _follows(levels[name], cell)] if variables else []
    return variables, follows


def _has_few_levels(values: np.ndarray) -> bool:
    return 2 <= np.unique(values[~is_missing(values)]).size <= MAX_LEVELS


def _level_numbers(values: np.ndarray) -> np.ndarray:
    """0, 1, ... by level, -1 where there is no label."""
    missing = is_missing(values)
    _, numbers = np.unique(values[~missing], return_inverse=True)
    levels = np.full(values.shape, -1)
    levels[~missing] = numbers
    return levels


def _cell_of_trial(levels: list[np.ndarray]) -> np.ndarray:
    """Number of the combination of levels of each trial, -1 where a label is missing."""
    cell = np.ravel_multi_index([np.maximum(v, 0) for v in levels], [v.max() + 1 for v in levels])
    return np.where(np.min(levels, axis=0) < 0, -1, cell)


def _cells(levels: list[np.ndarray]) -> np.ndarray:
    """Trials in each combination of levels."""
    cell = _cell_of_trial(levels)
    return np.bincount(cell[cell >= 0], minlength=int(np.prod([v.max() + 1 for v in levels])))


def _follows(levels: np.ndarray, cell: np.ndarray) -> bool:
    """Has every cell one level only?"""
    known = (levels >= 0) & (cell >= 0)
    pairs = np.unique(np.stack([cell[known], levels[known]]), axis=1)
    return np.unique(pairs[0]).size == pairs.shape[1]
