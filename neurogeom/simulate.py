"""Recordings whose geometry is known: the ground truth of every measure."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Literal

import numpy as np
import xarray as xr

from .activity import from_arrays
from .design import balanced_dichotomies, conditions
from .formulas import expected, geometries, parallelism, participation_ratio
from .worlds import GEOMETRIES, World, baseline_counts, place

__all__ = ["simulate"]

MAX_VARIABLES = 6
MOST_CONDITIONS = 16  # for what is expected of few trials: pairs to hold out grow with their square


def simulate(
    geometry: Literal["cube", "cuboid", "simplex", "random", "xor", "cube_nonlinear", "planes"],
    separation: float | Sequence[float] = 2.0,
    *,
    n_neurons: int = 100,
    n_trials: int = 20,
    n_sessions: int = 1,
    variables: Sequence[str] | None = None,
    n_variables: int | None = None,
    noise: Literal["gaussian", "poisson"] = "gaussian",
    noise_correlation: float = 0.0,
    rates: tuple[float, float] = (5.0, 0.7),
    window: tuple[float, float] = (0.0, 1.0),
    apart: bool = False,
    n_truth: int | None = None,
    seed: int = 0,
) -> xr.DataArray | list[xr.DataArray]:
    r"""What would a population look like, and score, if its geometry were known?

    All combinations of the levels 0 and 1 of the variables are conditions. Their centroids are
    arranged on a few axes, which a random rotation spreads over all neurons, and every trial adds
    noise of unit variance. ``separation`` is the distance, in noise sd, between the centroids of
    the two sides of each variable, so that a nearest-mean readout with many trials scores
    :math:`\Phi(separation / 2)`:

    - ``cube``: every variable on an axis of its own; CCGP is as good as decoding, parallelism 1;
    - ``cuboid``: the same with one separation a variable;
    - ``simplex``: all C conditions at the same distance ``separation * sqrt(C / 2)`` (4 noise sd
      for 8 conditions and a separation of 2); all dichotomies alike, CCGP 0.5, parallelism 0;
    - ``random``: centroids drawn from an isotropic Gaussian, at that distance on average;
    - ``xor``: the first two variables only as their product, which has the separation; further
      ones as in a cube;
    - ``cube_nonlinear``: a cube, and every interaction on its own axis with half the separation;
    - ``planes``: the later variables are coded in one plane for each level of the first, with axes
      of their own: the first variable is abstract in part, the others within a plane.

    Parameters
    ----------
    geometry : str
    separation : float, or one float a variable for "cuboid"
    n_neurons : int
        In all; sessions share them out as evenly as possible.
    n_trials : int
        Trials a condition (and session; and neuron, if ``apart``).
    n_sessions : int
        Each with neurons and trials of its own.
    variables : sequence of str, optional
        Their names; "a", "b", "c", ... without.
    n_variables : int, optional
        2 to 6; by default as many as names, else 3 (2 for "xor").
    noise : {"gaussian", "poisson"}
        Gaussian: activity in noise sd ("a.u."). Poisson: spike counts in the window ("spikes"), the
        centroids scaled by the sd of each neuron's baseline; negative mean counts become 0.
    noise_correlation : float
        In [0, 1): correlation of the noise of any two neurons of a session, from one shared factor.
        Counts are coupled through Gaussian ranks, and correlate a little less.
    rates : (float, float)
        Poisson: median of the log-normal baselines in spikes/s, and sd of their logarithm.
    window : (float, float)
        Seconds from the event, as recorded in ``attrs``; its length turns rates into counts.
    apart : bool
        Every neuron was recorded on trials of its own; NaN on those of the others.
    n_truth : int, optional
        Fresh recordings of the same centroids for ``truth_at_n``. By default 20 if there are at
        most 400 trials and 400 neurons and at least 5 trials a condition, else none. 0 switches it
        and ``truth_expected`` off.
    seed : int

    Returns
    -------
    DataArray (trial, neuron), or a list of them if ``n_sessions`` is above 1. In ``attrs``:

    - ``simulation``: the settings;
    - ``truth_population``: what infinitely many trials and the neurons at hand would score with a
      linear discriminant, in closed form: ``decoding``, ``ccgp_matched``, ``ccgp_any`` and
      ``parallelism`` for each variable, ``shattering``, ``participation_ratio``. For Poisson noise
      an approximation: its variance follows the mean, the formula takes the average condition;
    - ``truth_expected``: what the measures with their defaults are expected to score with this many
      trials (three quarters of them train a decoder; CCGP trains on all), also in closed form.
      None where sessions or neurons were recorded apart, whose trials are drawn with replacement,
      and for more than 16 conditions;
    - ``truth_at_n``: the same but the last, as the measures with their defaults (and 4 resamples)
      score ``n_truth`` fresh recordings of this size: the mean over those in which the estimate is
      defined (``n_defined``), and its ``standard_error``. None if switched off.

    Raises
    ------
    ValueError
        A setting is out of range or does not go with the geometry.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=2.0, n_neurons=50, n_trials=10, n_truth=0)
    >>> dict(x.sizes), round(x.attrs["truth_population"]["decoding"]["a"], 4)
    ({'trial': 80, 'neuron': 50}, 0.8413)

    Source: Bernardi et al. 2020, Cell 183:954, for the measures; the closed forms are in
    :mod:`neurogeom.formulas.expected`.
    """
    names = _names(geometry, variables, n_variables)
    _check(geometry, separation, names, n_neurons, n_trials, n_sessions)
    _check_noise(noise, noise_correlation, rates, window, apart)
    settings = {
        "geometry": geometry,
        "separation": np.asarray(separation, dtype=float).tolist(),
        "variables": list(names),
        "n_neurons": int(n_neurons),
        "n_trials": int(n_trials),
        "n_sessions": int(n_sessions),
        "noise": noise,
        "noise_correlation": float(noise_correlation),
        "rates": [float(r) for r in rates],
        "window": [float(t) for t in window],
        "apart": bool(apart),
        "seed": int(seed),
    }
    placed, recorded, fresh = np.random.SeedSequence(seed).spawn(3)
    rng = np.random.default_rng(placed)
    centroids = place(geometry, separation, len(names), n_neurons, rng)
    baseline = baseline_counts(noise, rates, window, n_neurons, rng)
    own = tuple(np.array_split(np.arange(n_neurons), n_sessions))
    world = World(
        centroids, baseline, own, noise_correlation, names, n_trials, apart, tuple(window)
    )
    x = _record(world, recorded)
    wanted = n_truth != 0
    if n_truth is None:
        small = x[0].sizes["trial"] <= 400 and n_neurons <= 400 and n_trials >= 5
        n_truth = 20 if small else 0
    truths = {
        "simulation": settings,
        "truth_population": _truth_population(world, x),
        "truth_expected": _truth_expected(world, x) if wanted else None,
        "truth_at_n": _truth_at_n(world, fresh, n_truth),
    }
    for session in x:
        session.attrs.update(truths)
    return x if n_sessions > 1 else x[0]


def _names(geometry, variables, n_variables):
    """Names of the variables; their number goes with the geometry if nothing is said."""
    if geometry not in GEOMETRIES:
        raise ValueError(f"geometry {geometry!r} is unknown; choose from {sorted(GEOMETRIES)}")
    if isinstance(variables, str):
        raise ValueError(f"variables={variables!r} is one string; pass a list of names")
    if variables is not None:
        if n_variables not in (None, len(variables)):
            raise ValueError(f"{len(variables)} variables are named and n_variables={n_variables}")
        if len(set(variables)) < len(variables):
            raise ValueError(f"variables {list(variables)} repeat a name; name each once")
        n_variables = len(variables)
    if n_variables is None:
        n_variables = 2 if geometry == "xor" else 3
    if not 2 <= n_variables <= MAX_VARIABLES:
        raise ValueError(f"{n_variables} variables are not possible; ask for 2 to {MAX_VARIABLES}")
    return tuple(variables or ascii_lowercase[:n_variables])


def _check(geometry, separation, names, n_neurons, n_trials, n_sessions):
    """Refuse sizes that leave nothing to record, and separations that do not fit the geometry."""
    if not (np.isfinite(separation).all() and np.min(separation) >= 0):
        raise ValueError(f"separation={separation} is not a distance; pass 0 or more noise sd")
    if geometry == "cuboid" and np.shape(separation) != (len(names),):
        raise ValueError(
            f"a cuboid takes one separation a variable; pass {len(names)} numbers, not {separation}"
        )
    if geometry != "cuboid" and np.ndim(separation):
        raise ValueError(f"{geometry!r} takes one separation, not {separation}; choose 'cuboid'")
    if n_trials < 1 or n_sessions < 1 or n_neurons < n_sessions:
        raise ValueError(
            f"{n_neurons} neurons in {n_sessions} sessions of {n_trials} trials a condition is "
            "nothing to record; ask for 1 or more of each, and a neuron a session"
        )


def _check_noise(noise, noise_correlation, rates, window, apart):
    """Refuse noise that does not exist."""
    if noise not in ("gaussian", "poisson"):
        raise ValueError(f"noise={noise!r} is unknown; choose from ['gaussian', 'poisson']")
    if not 0 <= noise_correlation < 1:
        raise ValueError(f"noise_correlation={noise_correlation} is outside [0, 1); lower it")
    if apart and noise_correlation:
        raise ValueError("neurons recorded apart share no noise; pass noise_correlation=0")
    if len(window) != 2 or not window[0] < window[1]:
        raise ValueError(f"window={window} is no interval; pass (start, stop) in seconds")
    if len(rates) != 2 or not (rates[0] > 0 and rates[1] >= 0):
        raise ValueError(f"rates={rates} are no log-normal; pass (median in spikes/s, log sd)")


def _record(world, seed):
    """One recording: a list of sessions, each with its own stream of random numbers."""
    streams = [np.random.default_rng(s) for s in seed.spawn(len(world.own))]
    return [_session(world, i, rng) for i, rng in enumerate(streams)]


def _session(world, i, rng):
    """The activity of one session, its trials in random order."""
    own = world.own[i]
    blocks = own.size if world.apart else 1
    condition = np.tile(np.repeat(np.arange(len(world.centroids)), world.n_trials), blocks)
    values = world.activity(own, condition, rng)
    if world.apart:
        recorded_for = np.repeat(np.arange(blocks), condition.size // blocks)
        values[recorded_for[:, None] != np.arange(blocks)] = np.nan
    order = rng.permutation(condition.size)
    levels = (geometries.crossed_levels(len(world.variables))[condition[order]] + 1) // 2
    return from_arrays(
        values[order],
        trial=dict(zip(world.variables, levels.T, strict=True)),
        session=f"simulated-{i + 1:02d}",
        units="a.u." if world.baseline is None else "spikes",
        attrs={"source": "simulated", "align": "event", "window": list(map(float, world.window))},
    )


def _truth_population(world, x):
    """Closed forms for infinitely many trials of these neurons."""
    means, noise_sd = world.decorrelated()
    options = {"noise_sd": noise_sd, "readout": "lda"}
    truth = _closed_forms(world, x, means, options, options)
    truth["participation_ratio"] = float(participation_ratio.naive(means))
    return {**truth, "readout": "lda", "n_neurons": int(means.shape[1])}


def _truth_expected(world, x):
    """Closed forms for as many trials as there are, of the readout that is the default."""
    together = len(world.own) == 1 and not world.apart
    if not together or world.n_trials < 2 or len(world.centroids) > MOST_CONDITIONS:
        return None
    common = {"noise_covariance": world.covariance(), "readout": "svm", "scale": True}
    split = common | {"n_trials": world.n_trials - world.n_trials // 4}
    whole = common | {"n_trials": world.n_trials}
    truth = _closed_forms(world, x, world.standardised, split, whole)
    return {**truth, "readout": "svm", "n_trials": int(world.n_trials)}


def _closed_forms(world, x, means, split, whole):
    """{measure: {variable: value}}; options of decoding, and of CCGP."""
    design = conditions(x[:1], list(world.variables))
    _, sides, _ = balanced_dichotomies(design, max_dichotomies=1000, seed=0)
    truth = {"decoding": {}, "ccgp_matched": {}, "ccgp_any": {}, "parallelism": {}}
    for target in design.targets():
        side = target.sides[0].side
        every = [(a, b) for a in np.flatnonzero(side > 0) for b in np.flatnonzero(side < 0)]
        found = {
            "decoding": expected.accuracy(means, side, **split),
            "ccgp_matched": expected.ccgp(means, side, target.grid, **whole),
            "ccgp_any": expected.ccgp(means, side, every, **whole),
            "parallelism": parallelism.naive(means, target.grid),
        }
        for measure, value in found.items():
            truth[measure][target.name] = float(value)
    truth["shattering"] = float(expected.shattering(means, sides, **split))
    return truth


def _truth_at_n(world, seed, n_truth):
    """What the measures make of fresh recordings of the same world: mean and standard error."""
    if n_truth == 0:
        return None
    if n_truth < 2:
        raise ValueError(f"n_truth={n_truth} has no standard error; pass 0 or at least 2")
    scores = [_measured(world, child, i) for i, child in enumerate(seed.spawn(n_truth))]
    mean, error, defined = {}, {}, {}
    for measure in scores[0]:
        values = np.array([s[measure] for s in scores])  # (recording, variable) or (recording,)
        finite = np.isfinite(values)
        count = finite.sum(axis=0)
        average = _over(np.where(finite, values, 0).sum(axis=0), count)
        squares = np.where(finite, (values - average) ** 2, 0).sum(axis=0)
        mean[measure] = _named(average, world.variables)
        error[measure] = _named(np.sqrt(_over(squares, (count - 1) * count)), world.variables)
        defined[measure] = _named(count, world.variables)
    sizes = {"n_trials": int(world.n_trials), "n_neurons": int(world.centroids.shape[1])}
    about = {**sizes, "readout": "svm", "n_recordings": int(n_truth)}
    return {**mean, **about, "standard_error": error, "n_defined": defined}


def _over(total, count):
    """The ratio, NaN where nothing was counted."""
    return np.divide(total, count, where=count > 0, out=np.full(np.shape(total), np.nan))


def _named(values, variables):
    """A python number, or {variable: number}."""
    values = np.asarray(values).tolist()
    return dict(zip(variables, values, strict=True)) if isinstance(values, list) else values


def _measured(world, seed, number):
    """Estimates of one fresh recording: {measure: (variable,) or ()}."""
    from .measures.ccgp import ccgp
    from .measures.decoding import decoding
    from .measures.parallelism import parallelism as parallel
    from .measures.shattering import shattering

    x, names = _record(world, seed), list(world.variables)
    common = {"n_null": 0, "target": "none", "seed": number}
    common["min_trials"] = min(5, world.n_trials)
    options = {**common, "n_resamples": 4}
    results = {
        "decoding": decoding(x, names, **options),
        "ccgp_matched": ccgp(x, names, held_out="matched", **options),
        "ccgp_any": ccgp(x, names, held_out="any", **options),
        "parallelism": parallel(x, names, **common),
        "shattering": shattering(x, names, **options),
    }
    return {measure: result["estimate"].values for measure, result in results.items()}
