"""What every measure does first and last: conditions and population in, a named Dataset out."""

from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from typing import Any

import numpy as np
import xarray as xr

from .. import activity as container
from .._version import __version__
from ..design import Design, conditions
from . import readouts
from .block_shuffle import label_shuffle
from .experiment import Draws
from .multiplicity import max_statistic, of_each
from .population import Population, population
from .resampling import n_pseudo_trials, resamples

SCALES = ("resample", "split", "none")


class NothingToAsk(ValueError):
    """These variables leave a measure without a question: no second context or dichotomy."""


@dataclass(frozen=True)
class Setting:
    """Design and population of one call of a measure, with the options that its result records."""

    design: Design
    population: Population
    readout: Any
    scale: str
    n_resamples: int
    n_pseudo: int | None
    n_null: int
    seed: int

    def draws(self, *, split) -> Draws:
        """Resamples of the population, trials split or not."""
        return Draws(self.population, self._resamples(self.population, split), self.scale)

    def _resamples(self, population, split):
        return resamples(
            population,
            n_resamples=self.n_resamples,
            n_pseudo=n_pseudo_trials(self.population, self.n_pseudo),
            seed=self.seed,
            split=split,
        )

    def label_shuffle(self, *, split, classes=None, rank=None):
        """The surrogate in which labels change places: among all conditions, or within classes."""
        n = self.design.n_conditions
        classes = np.zeros(n, int) if classes is None else classes
        rank = np.arange(n) if rank is None else rank
        redraw = partial(self._resamples, split=split)
        return label_shuffle(self.population, classes, rank, self.seed, redraw)

    def targets(self):
        """The named variables and contrasts."""
        return self.design.targets()

    def attrs(self, measure, *, failed=0, notes=(), **own):
        """Attributes of every result, and a measure's own; failed : solutions that did not end."""
        p = self.population
        if failed:
            notes = (
                *notes,
                f"{failed} solutions of the readout did not converge; {measure} may be off",
            )
        shared = {
            "measure": measure,
            "chance": 0.5,
            "range": [0.0, 1.0],
            "readout": repr(self.readout),
            "scale": self.scale,
            "seed": self.seed,
            "n_resamples": self.n_resamples,
            "n_null": self.n_null,
            "n_pseudo": n_pseudo_trials(p, self.n_pseudo),
            "real_trials": p.real_trials,
            "n_neurons": p.n_neurons,
            "n_neurons_dropped": sum(p.dropped.values()),
            "n_neuron_trials": p.n_observed,
            "n_trials_dropped": sum(int((c < 0).sum()) for c in self.design.of_trial),
            "n_nonconverged": failed,
            "notes": list(dict.fromkeys(notes)),
            "version": __version__,
        }
        return shared | own


def setting(
    x,
    variables,
    *,
    readout="svm",
    contrasts=(),
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    n_null=999,
    scale="resample",
    empty="error",
    seed=0,
) -> Setting:
    """Validate sessions and options, and gather the population (arguments as in the measures)."""
    if scale not in SCALES:
        raise ValueError(f"scale={scale!r} is unknown; choose from {list(SCALES)}")
    for name, value in {"n_null": n_null, "seed": seed}.items():
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name}={value!r} is no whole number; give an int")
        if value < 0:
            raise ValueError(f"{name}={value} is negative; give 0 or more")
    sessions = container.sessions(x)
    design = conditions(sessions, variables, contrasts, empty=empty)
    return Setting(
        design,
        population(sessions, design, min_trials=min_trials),
        readouts.readout(readout),
        scale,
        n_resamples,
        n_pseudo,
        n_null,
        seed,
    )


def exchangeable(design, target):
    """Arguments of ``label_shuffle``: a target's labels are exchanged within its contexts alone.

    Nothing where the target has no matched contexts: labels are then exchanged among all.
    """
    if target.grid is None:
        return {}
    n = design.n_conditions
    classes, rank = len(target.grid) + np.arange(n), np.zeros(n, int)
    for context, row in enumerate(target.grid):  # an unmatched condition keeps its trials
        classes[row], rank[row] = context, np.arange(len(row))
    return {"classes": np.unique(classes, return_inverse=True)[1], "rank": rank}


def over_time(measure):
    """Let a measure of (trial, neuron) take (trial, neuron, time): every window, one correction.

    The surrogates of all windows are drawn alike, so the largest deviation over time and questions
    corrects for both. BLAS is pinned to one thread around the whole: two threads of it are slower
    on matrices of this size, fight with the workers, and may change the last bits.
    """

    @wraps(measure)
    def wrapped(x, variables, **options):
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            return windowed(x, variables, **options)

    def windowed(x, variables, **options):
        sessions = x if isinstance(x, list | tuple) else [x]
        timed = ["time" in getattr(s, "dims", ()) for s in sessions]
        if not any(timed):
            return measure(x, variables, **options)
        times = [
            np.asarray(s.time.values) if t else None for s, t in zip(sessions, timed, strict=True)
        ]
        if not all(timed) or any(not np.array_equal(t, times[0]) for t in times):
            raise ValueError(
                "sessions have different time bins; read them all with the same window "
                "and bin_width"
            )
        windows = [
            measure([s.isel(time=i, drop=True) for s in sessions], variables, **options)
            for i in range(len(times[0]))
        ]
        return _joined(windows, times[0])

    wrapped.__signature__ = signature(measure)
    return wrapped


def _joined(windows, time):
    result = xr.concat(
        windows,
        dim="time",
        data_vars="all",
        coords="minimal",
        compat="override",
        join="outer",
        combine_attrs="override",
    )
    result = result.assign_coords(time=("time", time, {"units": "s"}))
    result.attrs["notes"] = list(
        dict.fromkeys(n for w in windows for n in w.attrs.get("notes", []))
    )
    result.attrs["reasons"] = {k: v for w in windows for k, v in w.attrs.get("reasons", {}).items()}
    result.attrs["n_nonconverged"] = sum(w.attrs.get("n_nonconverged", 0) for w in windows)
    if "null" in result and "p_corrected" in result:
        observed = result["statistic"] if "statistic" in result else result["estimate"]
        dims = observed.dims
        null, p = (
            result["null"].transpose("surrogate", *dims).values,
            result["p_value"].transpose(*dims).values,
        )
        if "quantity" in dims:  # several numbers of one measure are not held against one another
            corrected = of_each(observed.values, null, dims.index("quantity"), at_least=p)
        else:
            axes = tuple(range(len(dims)))
            corrected = max_statistic(observed.values, null, axis=axes, at_least=p)
        result["p_corrected"] = (dims, corrected)
    return result
