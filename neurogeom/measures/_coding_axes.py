"""The cosine of two coding axes as a quantity: corrected, with its ceiling, null and interval."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from .. import activity as container
from ..engine.choice import MIN_SESSIONS
from ..engine.quantities import Quantity, missing
from ..engine.ratio_intervals import ratio
from ..formulas import axes as formulas
from ..levels import MAX_LEVELS

UNUSABLE, DOUBTFUL = 0.15, 0.3  # reliability, as for parallelism
WIDE = 1.0  # half of all that a cosine can be
WINDOW = "window"
DIRECTION = "1 is the same direction, 0 orthogonal, -1 opposite"


def axis_quantity(s, data, axis, label, null, target) -> Quantity:
    """The cosine of an axis' two contrasts: from all trials, or halves where trials have blocks."""
    known, standard = {"chance": 0.0, "least": -1.0, "most": 1.0}, data.standard
    blocks = s.population.has_blocks
    if reason := axis.reason or (data.no_halves if blocks else ""):
        return missing(axis.name, DIRECTION, reason, **known)
    if blocks:
        parts = formulas.products_of_halves(data.halves, axis.first, axis.second)
    else:
        parts = formulas.products(standard.means, standard.error, axis.first, axis.second)
    sums = [float(q.sum()) for q in parts]
    if not min(sums[3:]) > 0:
        reason = f"an axis of {label} has no length: no neuron tells its two sides apart"
        return missing(axis.name, DIRECTION, reason, **known)
    known["naive"] = float(formulas.naive_cosine(standard.means, axis.first, axis.second))
    raw = np.sqrt(sums[3] * sums[4])
    known["statistic"] = sums[0] / raw
    known["null"], known["null_method"] = _flips(s, parts.cross / raw, null)
    least = min(sums[1] / sums[3], sums[2] / sums[4])
    if least < UNUSABLE:
        reason = (
            f"trial noise exceeds the signal of {label}: reliability {least:.2f} is below "
            f"{UNUSABLE}"
        )
        return missing(axis.name, DIRECTION, reason, **known)
    interval = _interval(s, standard, parts, axis, target)
    return Quantity(
        axis.name,
        sums[0] / np.sqrt(sums[1] * sums[2]),
        DIRECTION,
        ceiling=float(parts.reliability),
        interval=interval,
        note=_note(axis, label, least, interval),
        **known,
    )


def windows_as_contexts(x, variables):
    """Sessions (trial, neuron, time) with every window of a trial as a trial of its own.

    Their times are the variable ``window``. The windows of a trial, or of its block, form a block,
    so that two halves never share its noise.
    """
    stacked = []
    for session in container.sessions(x):
        if "time" not in session.dims:
            raise ValueError("between='time' compares windows; read activity with a bin_width")
        if session.sizes["time"] > MAX_LEVELS:
            raise ValueError(
                f"between='time' compares at most {MAX_LEVELS} windows with one another, not "
                f"{session.sizes['time']}; select or average some"
            )
        block = session["block" if "block" in session.coords else "trial_id"].values
        windows = []
        for i, t in enumerate(session["time"].values):
            number = [f"{k}@{i:02d}" for k in session["trial_id"].values]
            own = {WINDOW: np.full(len(block), t), "trial_id": number, "block": block}
            window = session.isel(time=i, drop=True)
            windows.append(window.assign_coords({k: ("trial", v) for k, v in own.items()}))
        stacked.append(xr.concat(windows, dim="trial", combine_attrs="override"))
    if isinstance(variables, Mapping):
        return stacked, {**variables, WINDOW: None}
    return stacked, [*variables, WINDOW]


def _interval(s, standard, parts, axis, target):
    """As for a ratio of sums over neurons that has the cosine's value and influences.

    With both squared lengths divided by their sums, their arithmetic mean in a replicate stands for
    their geometric one; the two differ to second order, and the former cannot be undefined.
    """
    length = parts.first.sum(), parts.second.sum()
    root = np.sqrt(length[0] * length[1])
    x, y = axis.first, axis.second
    forms = (
        (np.outer(x, y) + np.outer(y, x)) / (2.0 * root),
        0.5 * (np.outer(x, x) / length[0] + np.outer(y, y) / length[1]),
    )
    return ratio(
        parts.cross / root,
        0.5 * (parts.first / length[0] + parts.second / length[1]),
        s.population,
        target=target,
        seed=s.seed,
        forms=forms,
        inverse=standard.inverse,
    )


def _note(axis, label, reliability, interval):
    name = label if axis.name == "cosine" else f"the {axis.name} in {label}"
    if reliability < DOUBTFUL:
        return (
            f"too few trials for {name}: reliability {reliability:.2f}, its interval excludes "
            "little"
        )
    width = float(interval.high.item() - interval.low.item())
    if width > WIDE:
        return f"the interval of {name} is {width:.1f} wide: it cannot show orthogonality"
    return ""


def _flips(s, cross, null):
    """The sum of every unit's part with its sign at random, and the null in words."""
    p = s.population
    if not s.n_null:
        return None, ""
    if null == "flip" or p.n_units == p.n_neurons > 1:
        unit = np.arange(p.n_neurons)
        what = "neuron" if p.n_units == p.n_neurons else "neuron, as if they were independent"
    elif p.n_units >= MIN_SESSIONS:
        unit, what = p.unit, "session"
    else:
        return None, (
            f"none: {p.n_units} unit(s) recorded together of the {MIN_SESSIONS} that sign flips "
            "need; null='flip' takes neurons as independent"
        )
    rng = np.random.default_rng(np.random.SeedSequence(s.seed, spawn_key=(22, 0)))
    signs = rng.integers(0, 2, (s.n_null, int(unit.max()) + 1)) * 2.0 - 1.0
    return signs @ np.bincount(unit, cross), (
        f"one axis flipped by {what}; keeps the lengths of both axes in every unit and the noise"
    )
