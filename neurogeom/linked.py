"""Single neurons and the geometry of their population: what interactions do for it."""

import numpy as np
import xarray as xr

from . import activity as container
from .design import conditions
from .engine.intervals import refused
from .engine.population import population
from .engine.quantities import Quantity, missing, packed
from .engine.rearranged import without_interactions
from .engine.setting import NothingToAsk, setting
from .formulas.anova import additive_fit
from .measures.ccgp import ccgp
from .measures.shattering import shattering

KEPT = (
    "interactions replaced by noise of the size that condition means have; keeps main effects, "
    "residuals, their correlations and counts; breaks interactions"
)
MEASURES = {"SD": shattering, "CCGP": ccgp}
CHANCE = 0.5


def additive(x, variables, *, seed=None):
    """The same activity without the interactions of its variables (nonlinear mixed selectivity).

    Each trial is moved by the difference between an additive fit of the neuron's condition means
    (least squares, all conditions weighing the same) and the mean of its condition; its residual
    stays. Interactions that are only noise go as well: a corrected nonlinear index is then slightly
    below 0, and a readout of an interaction, learnt on some trials and tested on others, falls
    below chance. With a ``seed`` noise of the size of that of the means takes their place, so that
    any measure can be compared with that of ``x``.

    Parameters
    ----------
    x : DataArray or list of DataArray
    variables : list of str, or mapping of str to levels
        Trials outside the levels stay as they are.
    seed : int, optional

    Returns
    -------
    The same kind as ``x``; NaN stays NaN; ``attrs["additive"]`` names the variables.

    Raises
    ------
    KeyError, ValueError
        A variable is not there, or a condition is empty; with a ``seed``, no neuron has two trials
        in every condition.

    Examples
    --------
    >>> import neurogeom as ng
    >>> trial = {"rule": [0, 0, 1, 1], "cue": [0, 1, 0, 1]}
    >>> ng.additive(ng.from_arrays([[4.0], [0.0], [0.0], [0.0]], trial), ["rule", "cue"]).values.T
    array([[ 3.,  1.,  1., -1.]])
    """
    found = container.sessions(x)
    design = conditions(found, variables)
    if len(design.table) < np.prod([len(design.levels[n]) for n in design.names]):
        raise ValueError(
            "interactions need every combination of the levels, and some have no trial; "
            "merge levels or name fewer variables"
        )
    moved = [_moved(*both, design.table) for both in zip(found, design.of_trial, strict=True)]
    if seed is not None:
        moved = _noisy(found, moved, design, seed)
    moved = [m.assign_attrs(additive=list(design.names)) for m in moved]
    return moved[0] if isinstance(x, xr.DataArray) else moved


def _moved(session, condition, table):
    values = session.values.astype(float)
    means = np.full((len(table), *values.shape[1:]), np.nan)
    for c in range(len(table)):
        here = values[condition == c]
        count = np.isfinite(here).sum(axis=0)
        means[c] = np.nansum(here, axis=0) / np.where(count > 0, count, np.nan)
    shift = additive_fit(means, table) - means
    used = condition >= 0
    values[used] += np.nan_to_num(shift)[condition[used]]
    return session.copy(data=values)


def _noisy(sessions, moved, design, seed):
    """Sessions without interactions, moved on by the noise that stands for them."""
    values = [m.values.copy() for m in moved]
    n_bins = sessions[0].sizes.get("time", 1)
    for time in range(n_bins):
        at = [m.isel(time=time, drop=True) if "time" in m.dims else m for m in moved]
        p = population(at, design, min_trials=2)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(21, 9, time)))
        now = p.moments(p.everything())[0]
        shift = without_interactions(p, design.table, rng).moments(p.everything())[0] - now
        place = {unit: i for i, unit in enumerate(map(tuple, p.recorded.tolist()))}
        for own, session, condition in zip(values, at, design.of_trial, strict=True):
            units = container.coordinates(session, "neuron")["unit_id"].astype(str)
            name, used = str(session.session.values), condition >= 0
            for j, unit in enumerate(units):
                if (name, unit) in place:
                    column = own[:, j, time] if own.ndim == 3 else own[:, j]
                    column[used] += shift[condition[used], place[name, unit]]
    return [m.copy(data=v) for m, v in zip(moved, values, strict=True)]


def interaction_effect(
    x,
    variables,
    *,
    n_additive=39,
    readout="svm",
    held_out="matched",
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    scale="resample",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    """What do interactions (nonlinear mixed selectivity) do for the geometry of a population?

    Shattering dimensionality and CCGP (the mean over variables) of a population, of the additive
    one (:func:`additive` with a seed), and the change that interactions make: nonlinear mixed
    selectivity buys separability and may cost generalisation (Fusi, Miller & Rigotti 2016, Curr
    Opin Neurobiol 37:66; Bernardi et al. 2020, Cell 183:954).

    Parameters
    ----------
    x, variables, readout, held_out, min_trials, n_resamples, n_pseudo, scale, seed, n_jobs
        As in :func:`neurogeom.ccgp`; every combination of the levels must occur.
    n_additive : int
        Additive populations, each with noise of its own: their mean is ``SD_additive``, and the
        population is ranked among them. The least p (two-sided) is 2 / (n_additive + 1).
    progress : callable, optional
        Called with the number of additive populations done.

    Returns
    -------
    Dataset
        ``estimate``, ``p_value``, ``null`` (quantity): ``SD``, ``SD_additive``, ``SD_change``,
        ``CCGP``, ``CCGP_additive``, ``CCGP_change``; SD and CCGP are accuracies (chance 0.5, 0 to
        1), changes are 0 without interactions (-1 to 1).

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.ccgp`; fewer than two variables; fewer than one additive population.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("simplex", separation=4.0, n_neurons=40, n_trials=10, n_truth=0, seed=0)
    >>> found = ng.interaction_effect(x, ["a", "b", "c"], n_additive=3, n_resamples=2).estimate
    >>> bool(found.sel(quantity="SD_change") > 0.05)
    True
    """
    if n_additive < 1:
        raise ValueError(f"n_additive={n_additive} leaves nothing to compare with; give 1 or more")
    s = setting(
        x, variables, readout=readout, min_trials=min_trials, n_resamples=n_resamples,
        n_pseudo=n_pseudo, n_null=n_additive, scale=scale, seed=seed,
    )  # fmt: skip
    if len(s.design.names) < 2:
        raise NothingToAsk("one variable alone has no interactions; name another variable")
    options = {
        "readout": readout, "min_trials": min_trials, "n_resamples": n_resamples,
        "n_pseudo": n_pseudo, "n_null": 0, "target": "none", "scale": scale, "n_jobs": n_jobs,
    }  # fmt: skip
    own = _geometry(x, variables, held_out, seed, options)
    drawn = []
    for i in range(n_additive):
        noise = int(np.random.SeedSequence(seed, spawn_key=(21, 8, i)).generate_state(1)[0])
        made = additive(x, variables, seed=noise)
        drawn.append(_geometry(made, variables, held_out, seed, options))
        if progress is not None:
            progress(i + 1)
    found = []
    for name in MEASURES:
        found += _quantities(name, own[name], np.array([d[name] for d in drawn]))
    result = packed(found, n_null=n_additive)
    result.attrs = s.attrs(
        "interaction_effect",
        estimand=f"accuracies of {s.population.n_neurons} neurons with and without interactions",
        convention=f"held_out={held_out}; CCGP is the mean over variables",
        range=[-1.0, 1.0],
        direction="above 0: interactions raise it",
        n_additive=n_additive,
        **result.attrs,
    )
    return result


def _geometry(x, variables, held_out, seed, options):
    """Mean SD and CCGP, NaN where a measure has nothing to ask."""
    own = {"SD": {"n_references": 0}, "CCGP": {"held_out": held_out}}
    found = {}
    for name, measure in MEASURES.items():
        answer = measure(x, variables, seed=seed, **own[name], **options)
        found[name] = float(answer.estimate.mean())
    return found


def _quantities(name, value, drawn):
    """A measure of the population, of the additive ones, and their difference."""
    accuracy = {"chance": CHANCE, "least": 0.0, "most": 1.0}
    no = {"interval": refused("additive populations are made from the same trials")}
    change = {"chance": 0.0, "least": -1.0, "most": 1.0, **no}
    direction = f"above 0: interactions raise {name}; below: they lower it"
    parts = [
        Quantity(name, value, f"{name} of the population", **accuracy, **no),
        Quantity(
            f"{name}_additive", drawn.mean(), f"{name} without interactions", **accuracy, **no
        ),
    ]
    if not np.isfinite(value) or not np.isfinite(drawn).all():
        return [*parts, missing(f"{name}_change", direction, f"{name} is not estimable", **change)]
    null = drawn - drawn.mean()
    return [
        *parts,
        Quantity(f"{name}_change", value - drawn.mean(), direction, null=null, null_method=KEPT,
                 **change),
    ]  # fmt: skip
