"""Counts of neurons that follow a few latents, which rest and jump: truth for slow factors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..activity import from_arrays
from ..options import number, one_of, whole

__all__ = ["SlowPopulation", "slow_population"]

KEY = 74  # of random streams
TRANSITIONS = ("jumps", "gaussian")
LEAST_RATE, MOST_RATE = -6.0, 4.0  # logs of counts a bin


class SlowPopulation(NamedTuple):
    """activity (trial, neuron, time) in spikes; latents (trial, time, latent) of variance 1."""

    activity: xr.DataArray
    latents: np.ndarray


def slow_population(
    n_latents: int = 3,
    n_neurons: int = 40,
    *,
    transition: str = "jumps",
    rest: float = 0.9,
    n_trials: int = 60,
    n_bins: int = 60,
    bin_width: float = 0.1,
    mean_count: float = 2.0,
    gain: float = 0.6,
    seed: int = 0,
) -> SlowPopulation:
    r"""Poisson counts whose logs are linear in latents that change sparsely, or smoothly.

    .. math:: x_{ti} \sim \mathrm{Poisson}\big(e^{b_i + w_i \cdot z_t}\big)

    Parameters
    ----------
    n_latents, n_neurons : int
    transition : {"jumps", "gaussian"}
        From bin to bin each latent rests with a probability of `rest` and is drawn anew from
        N(0, 1) otherwise; or it follows a Gaussian process of the same autocorrelation, rest^lag,
        whose axes nothing tells.
    rest : float, at least 0, below 1
    n_trials, n_bins, bin_width : int, int, float
        Each trial starts anew; seconds a bin.
    mean_count : float above 0
        Spikes a neuron and bin where latents are 0, of the median neuron.
    gain : float
        sd of the log of a neuron's rate, owed to the latents.

    Returns
    -------
    SlowPopulation
        Logs of rates lie between -6 and 4.

    Raises
    ------
    ValueError
        An option is not possible.

    Examples
    --------
    >>> own = slow_population(2, 10, n_trials=5, n_bins=20)
    >>> own.activity.sizes, own.latents.shape, own.activity.attrs["units"]
    (Frozen({'trial': 5, 'neuron': 10, 'time': 20}), (5, 20, 2), 'spikes')
    """
    whole(1, n_latents=n_latents, n_neurons=n_neurons, n_trials=n_trials)
    whole(2, n_bins=n_bins)
    whole(0, seed=seed)
    one_of(TRANSITIONS, transition=transition)
    number(0, below=1, rest=rest)
    number(above=0, bin_width=bin_width, mean_count=mean_count)
    number(0, gain=gain)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    fresh = rng.standard_normal((n_trials, n_bins, n_latents))
    rests = rng.random(fresh.shape) < rest
    z = fresh.copy()
    for t in range(1, n_bins):
        if transition == "jumps":
            z[:, t] = np.where(rests[:, t], z[:, t - 1], fresh[:, t])
        else:
            z[:, t] = rest * z[:, t - 1] + np.sqrt(1 - rest**2) * fresh[:, t]
    weights = rng.standard_normal((n_latents, n_neurons)) * gain / np.sqrt(n_latents)
    base = np.log(mean_count) + 0.3 * rng.standard_normal(n_neurons)
    counts = rng.poisson(np.exp(np.clip(z @ weights + base, LEAST_RATE, MOST_RATE)))
    activity = from_arrays(
        counts.transpose(0, 2, 1), time=(np.arange(n_bins) + 0.5) * bin_width,
        session=f"slow_population_{seed}", units="spikes",
        attrs={"window": [0.0, n_bins * bin_width]},
    )  # fmt: skip
    return SlowPopulation(activity, z)
