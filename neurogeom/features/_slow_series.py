"""Time series of a recording as pairs of moments that never cross trials, some held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..columns import is_missing, plain_values
from ..levels import trial_column
from ..options import shown
from ._gaps import no_complete_neuron
from ._given import as_given, beside
from ._slow_inputs import per, scales

KEY = 75  # of random streams
FEW_TRIALS = 10  # of fewer trials stretches of time are held out, not trials
STRETCHES = 10  # of each trial
SHARE = 5  # one of so many trials, blocks or stretches is held out
SHORTEST = 10  # lags in a stretch
GAP = 0.01  # by how much, of a lag, times may be apart from it


@dataclass(frozen=True)
class Series:
    """values (trial, time, neuron), counts where they are; group (trial, time) of what stays
    together, by whole trials, blocks, or stretches of time; held_out (trial, time); source, the
    activity as it was given; given (trial,), where each stood in it, of `n_given` trials."""

    activity: xr.DataArray
    values: np.ndarray
    counts: bool
    group: np.ndarray
    held_out: np.ndarray
    kept_apart: str
    source: xr.DataArray
    given: np.ndarray
    n_given: int
    dropped: dict

    def pairs(self, values, lag, *, held_out):
        """Two moments (pair, feature) `lag` bins apart, of one group, that are held out or not."""
        both = (self.group[:, lag:] == self.group[:, :-lag]) & (
            self.held_out[:, lag:] == held_out)  # fmt: skip
        both = both & ~self.across(lag)
        return values[:, :-lag][both], values[:, lag:][both]

    def across(self, lag):
        """Which moments (time - lag,) have a gap of the time axis before the moment lag later."""
        time = self.activity["time"].values
        apart = time[lag:] - time[:-lag]
        return np.abs(apart - lag * np.median(np.diff(time))) > GAP * apart


def series(x, lag, seed):
    """What can be learnt from, of one session; refuses what has no pairs."""
    if isinstance(x, list | tuple):
        if len(x) != 1:
            raise ValueError(f"{len(x)} sessions share no moments; give one, whose neurons were "
                             "recorded together")  # fmt: skip
        x = x[0]
    source = x
    x, place = as_given(x)
    if "time" not in x.dims or x.sizes["time"] <= lag:
        n = x.sizes.get("time", 1)
        raise ValueError(f"activity has {n} time bins and pairs need moments {lag} apart; read it "
                         "with a bin_width and a longer window, or give a smaller lag")  # fmt: skip
    values = x.values.transpose(0, 2, 1).astype(float)
    seen = np.isfinite(values)
    trials = seen.any(axis=(1, 2))
    neurons = seen[trials].all(axis=(0, 1)) if trials.any() else np.zeros(x.sizes["neuron"], bool)
    if not neurons.any():
        whole, unit_id = seen[trials].all(axis=1), x.coords["unit_id"].values
        raise ValueError(no_complete_neuron(whole, unit_id, "trials, in all bins"))
    varies = neurons.copy()
    rows = values[trials][:, :, neurons].reshape(-1, neurons.sum())
    varies[neurons] = scales(rows)[1][0] > 0
    if not varies.any():
        raise ValueError(f"none of the {neurons.sum()} neurons that were observed in all bins of "
                         "all trials varies; check the window and the signal")  # fmt: skip
    dropped = {
        "n_trials_dropped": int((~trials).sum()),
        "n_neurons_dropped": int((~neurons).sum()),
        "n_neurons_constant": int((neurons & ~varies).sum()),
    }
    n_given, given = x.sizes["trial"], place[trials]
    x = x.isel(trial=trials, neuron=varies)
    values = values[np.ix_(trials, np.ones(values.shape[1], bool), varies)]
    values, counts = _counted(values, x)
    group, kept_apart = _groups(x, lag)
    own = Series(x, values, counts, group, _held_out(group, seed), kept_apart, source, given,
                 n_given, dropped)  # fmt: skip
    dropped["n_pairs_across_gaps"] = int(own.across(lag).sum()) * x.sizes["trial"]
    return own


def _counted(values, x):
    """Spike counts where activity is such, or rates of whole counts; and whether it is."""
    width = 1.0
    if x.attrs["units"] == "spikes/s":
        width = float(np.median(np.diff(x["time"].values)))
    elif x.attrs["units"] != "spikes":
        return values, False
    counts = np.round(values * width)
    near = np.abs(values * width - counts) <= 1e-6 * np.maximum(counts, 1)
    whole = bool((near & (counts >= 0)).all())
    return (counts, True) if whole else (values, False)


def _groups(x, lag):
    """Which moments stay together, int (trial, time), and in words."""
    n_trials, n_bins = x.sizes["trial"], x.sizes["time"]
    if "block" in x.coords and (lost := int(is_missing(x["block"].values).sum())) > 0:
        raise ValueError(f"{lost} trials have no block; leave those trials out")
    if "block" in x.coords and len(np.unique(x["block"].values)) >= SHARE:
        own, kept = np.unique(x["block"].values, return_inverse=True)[1], "blocks"
    elif n_trials >= FEW_TRIALS:
        own, kept = np.arange(n_trials), "trials"
    else:
        length = -(-n_bins // STRETCHES)
        if length < SHORTEST * lag:
            raise ValueError(f"{n_trials} trials of {n_bins} bins leave none to hold out; give "
                             f"{FEW_TRIALS} trials or more, or {STRETCHES * SHORTEST * lag} bins "
                             f"for a lag of {lag}")  # fmt: skip
        stretch = np.arange(n_bins) // length
        return np.arange(n_trials)[:, None] * STRETCHES + stretch, "stretches of time"
    return np.broadcast_to(own[:, None], (n_trials, n_bins)), kept


def _held_out(group, seed):
    """One group of SHARE, at random."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0)))
    names = rng.permutation(np.unique(group))
    return np.isin(group, names[: max(1, round(len(names) / SHARE))])


def factor_arrays(factors, own):
    """{name: (trial, time)} of trial columns, "time", or arrays of trials, of bins, or of both,
    which have the trials of the activity as it was given, in its order."""
    x, shape = own.activity, (own.n_given, own.group.shape[1])
    if isinstance(factors, str) or not isinstance(factors, Iterable):
        raise TypeError(f"factors={shown(factors)} must be a list of names, as ['choice']")
    if not isinstance(factors, Mapping):
        factors = {name: None for name in factors}
    found = {}
    for name, given in factors.items():
        if given is None:
            of_time = name == "time"
            values = x["time"].values if of_time else trial_column(x, name)[:, None]
            found[name] = np.broadcast_to(values, own.group.shape)
            continue
        dims = given.dims if isinstance(given, xr.DataArray) else ()
        values = plain_values(str(name), beside(given, own.source))
        if dims in (("trial",), ("time",)):
            values = values[:, None] if dims == ("trial",) else values[None]
            if values.size != shape[dims == ("time",)]:
                raise ValueError(f"factor {name!r} has {values.size} values of {dims[0]}, and the "
                                 f"activity as it was given {shape[dims == ('time',)]}; give one "
                                 "each")  # fmt: skip
        elif values.shape == (shape[0],) == (shape[1],):
            raise ValueError(f"factor {name!r} has one value a trial or one a bin, of which there "
                             f"are {shape[0]} each; give (trial, time)")  # fmt: skip
        elif values.shape == (shape[0],):
            values = values[:, None]
        elif values.shape not in ((shape[1],), shape):
            raise ValueError(f"factor {name!r} has shape {values.shape}; give one value a trial, "
                             f"({shape[0]},), or one a bin, {shape}, of the activity as it was "
                             "given")  # fmt: skip
        found[name] = np.broadcast_to(values, shape)[own.given]
    return found


def increments(own, n, lag):
    """Increments (pair, component) of the first principal components of what is learnt from,
    neurons scaled to sd 1, and how much of their variance is noise of single bins, 0 to 1.

    Of counts the Poisson law says how much (2 mean counts a neuron); of others what the variogram
    has left at lag 0 when its first two lags are drawn on in a straight line, NaN where there are
    too few bins.
    """
    train = own.values[~own.held_out]
    centre, spread = scales(train)
    scaled = per(spread)
    centred = (train - centre) * scaled
    axes = np.linalg.svd(centred, full_matrices=False)[2][:n]

    def moves(gap):
        first, second = own.pairs(own.values * scaled, gap, held_out=False)
        return (second - first) @ axes.T

    found = moves(lag)
    moved = np.square(found).mean(axis=0)
    if own.counts:
        noise = (2 * centre * scaled**2)[0] @ (axes**2).T
    elif own.group.shape[1] > 2:
        one, two = (np.square(moves(gap)).mean(axis=0) for gap in (1, 2))
        noise = np.maximum(2 * one - two, 0)
    else:
        return found, float("nan")
    return found, float(np.minimum(noise, moved).sum() / moved.sum())
