"""When to look: the window around an event, its bins, and the trials for which it can be placed."""

from __future__ import annotations

import numpy as np

from neurogeom.columns import listed

# shorter than a sample of any amplifier; sums of seconds in float64 differ by less
TOLERANCE = 1e-6


def bin_edges(window: tuple[float, float] | None, bin_width: float | None = None) -> np.ndarray:
    """Edges of the bins in seconds from the event, shape (edge,): two without `bin_width`."""
    if window is None:
        raise ValueError("no window is given; pass window=(start, stop) in seconds from the event")
    try:
        start, stop = (float(edge) for edge in window)
    except (TypeError, ValueError):
        raise ValueError(
            f"window {window!r} is not (start, stop) in seconds; give two numbers"
        ) from None
    if not (np.isfinite([start, stop]).all() and start < stop):
        raise ValueError(
            f"window ({start:g}, {stop:g}) does not run forward in time; give (start, stop) with "
            "start < stop"
        )
    if bin_width is None:
        return np.array([start, stop])
    n_bins = (stop - start) / bin_width if bin_width > 0 else 0.0
    if round(n_bins) < 1 or abs(n_bins - round(n_bins)) > 1e-6:
        raise ValueError(
            f"window ({start:g}, {stop:g}) is not a whole number of bins of {bin_width:g} s; "
            "change bin_width or the window"
        )
    # the last edge is the window's own, so that the bins add up to the window exactly
    return np.append(start + bin_width * np.arange(round(n_bins)), stop)


def event_times(
    table: dict[str, np.ndarray], align: str, time_scale: float, where: str
) -> np.ndarray:
    """The column `align` in seconds, shape (trial,), NaN where the event did not happen."""
    if align not in table:
        raise KeyError(f"{where} has no column {align!r} to align to; choose from {listed(table)}")
    if table[align].dtype.kind not in "iuf":
        raise TypeError(f"column {align!r} of {where} holds no times; align to a column of numbers")
    times = table[align].astype(float) * time_scale
    times[~np.isfinite(times)] = np.nan
    if np.isnan(times).all():
        raise ValueError(
            f"column {align!r} of {where} is NaN on every trial; align to another column"
        )
    return times


def refuse_far_windows(
    windows: np.ndarray, start: np.ndarray, stop: np.ndarray, where: str
) -> None:
    """An error if no window comes near its own trial: within one trial's length of it.

    Baselines before a trial and responses after it are fine, and nothing is guessed about single
    trials: this catches windows in milliseconds and times on another clock.
    """
    start, stop = start.astype(float), stop.astype(float)
    known = np.isfinite(start) & np.isfinite(stop)
    if not known.any():
        return
    spacing = np.median(np.diff(np.sort(start[known]))) if known.sum() > 1 else 0.0
    reach = max(spacing, (stop - start)[known].max())
    near = (windows[:, -1] > start - reach) & (windows[:, 0] < stop + reach)
    if not near[known].any():
        first = np.flatnonzero(known)[0]
        raise ValueError(
            f"the window lies outside every trial of {where} (the first trial runs from "
            f"{start[first]:g} to {stop[first]:g} s, its window from {windows[first, 0]:g} to "
            f"{windows[first, -1]:g} s); give the window in seconds from the event, or time_scale= "
            "if the table is not in seconds"
        )


def overlaps(windows: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Which windows touch any of the intervals, shape (trial,)."""
    hit = (windows[:, :1] < stop - TOLERANCE) & (windows[:, -1:] > start + TOLERANCE)
    return hit.any(axis=1)


def covered(windows: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Which windows lie wholly inside the union of the intervals (interval, 2), shape (trial,).

    Intervals that touch or overlap count as one.
    """
    intervals = intervals[~np.isnan(intervals).any(axis=1)]
    if not len(intervals):
        return np.zeros(len(windows), bool)
    start, stop = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    reached = np.maximum.accumulate(stop)
    first = np.append(True, start[1:] > reached[:-1] + TOLERANCE)
    start, stop = start[first], reached[np.append(first[1:], True)]
    latest = np.searchsorted(start, windows[:, 0] + TOLERANCE, side="right") - 1
    return (latest >= 0) & (stop[latest] >= windows[:, -1] - TOLERANCE)
