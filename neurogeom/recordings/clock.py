"""When the trials of an activity happen in a file that is written: their own times, or new ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Clock:
    """Start, event, stop of each trial (trial,) and bin edges around the event (edge,), in s."""

    align: str
    start: np.ndarray
    event: np.ndarray
    stop: np.ndarray
    edges: np.ndarray
    binned: bool

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns of times that every table of trials has."""
        return {"start_time": self.start, "stop_time": self.stop, self.align: self.event}

    @property
    def windows(self) -> np.ndarray:
        """Bin edges of each trial in seconds, shape (trial, edge)."""
        return self.event[:, None] + self.edges

    @property
    def width(self) -> float:
        """Length of a bin in seconds."""
        return float((self.edges[-1] - self.edges[0]) / (self.edges.size - 1))


def clock(x: xr.DataArray) -> Clock:
    """Its own times if each event lies in its trial and windows are apart, else new ones."""
    edges = _edges(x)
    align = x.attrs.get("align")
    align = align if isinstance(align, str) and align else "event_time"
    own = {name: _times(x, name) for name in ("start_time", "stop_time", align)}
    event = own[align]
    if event is None:
        event = _new_events(x.sizes["trial"], edges)
        own = dict.fromkeys(own)
    before, after = min(edges[0], 0.0), max(edges[-1], 0.0)
    start, stop = own["start_time"], own["stop_time"]
    start = event + before if start is None else start
    stop = event + after if stop is None else stop
    kept = Clock(align, start, event, stop, edges, "time" in x.dims)
    if (start <= event).all() and (event <= stop).all() and _apart(kept.windows):
        return kept
    return clock(x.drop_vars([name for name in own if name in x.coords]))


def _times(x: xr.DataArray, name: str) -> np.ndarray | None:
    """A coordinate of trials that holds a time for each of them, in seconds."""
    if name not in x.coords or x[name].dims != ("trial",) or x[name].dtype.kind not in "iuf":
        return None
    times = x[name].values.astype(float)
    return times if np.isfinite(times).all() else None


def _new_events(n_trials: int, edges: np.ndarray) -> np.ndarray:
    """A second between the window of one trial and that of the next."""
    before, after = max(-edges[0], 0.0), max(edges[-1], 0.0)
    return 1.0 + before + np.arange(n_trials) * (before + after + 1.0)


def _apart(windows: np.ndarray) -> bool:
    """Do no two trials share a stretch of time?"""
    windows = windows[np.argsort(windows[:, 0], kind="stable")]
    return bool((windows[1:, 0] >= windows[:-1, -1]).all())


def _edges(x: xr.DataArray) -> np.ndarray:
    """Bin edges in seconds from the event: of `time`, else the window in attrs, else one second."""
    window = np.ravel(np.asarray(x.attrs.get("window", (0.0, 1.0)), float))
    if window.size != 2 or not np.isfinite(window).all() or not window[0] < window[1]:
        raise ValueError(
            f"attrs['window'] is {x.attrs['window']!r}; make it (start, stop) in s, or drop it"
        )
    if "time" not in x.dims:
        return window
    centres = x.time.values.astype(float)
    width = np.diff(centres).mean() if centres.size > 1 else window[1] - window[0]
    ends = centres[0] - width / 2, centres[-1] + width / 2
    start, stop = window if np.allclose(window, ends, rtol=0, atol=1e-6 * width) else ends
    edges = np.linspace(start, stop, centres.size + 1)
    if not np.allclose((edges[:-1] + edges[1:]) / 2, centres, rtol=0, atol=1e-6 * width):
        raise ValueError(
            "the bins of time are not equally long, as they must be in a file; bin it anew"
        )
    return edges
