"""Brain and network side by side: the same measures, at equal units, trials and noise."""

import time

import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .comparable import (
    HALVES,
    NETWORK,
    RECORDING,
    SHUFFLED,
    interval,
    kernels_of,
    same_conditions,
    subset,
    systems_of,
    values_of,
    windowed,
)
from .design import conditions, variable_names
from .ideal import Ideal, expected_of, size_of_recording, why_not, workings
from .measures.similarity import similarity
from .noise_match import TOLERANCE, Bench, goal_of, size_of
from .score import MEASURES, score

MATCHED = ("neurons", "trials", "noise")
KEY = 48  # of random streams
SCORES = ("cka", "procrustes", "rsa")
THRESHOLD_NULLS = {"implementable": 99}  # surrogates that an estimate itself stands on
MOST_FIXED = 32  # conditions up to which they are all there are, not a sample


def compare(
    recording,
    network,
    variables,
    *,
    measures=None,
    match=MATCHED,
    window=None,
    contrasts=(),
    min_trials=5,
    empty="error",
    n_null=999,
    n_draws=3,
    controls=(SHUFFLED,),
    theory=None,
    scores=SCORES,
    seed=0,
    n_jobs=1,
    progress=None,
    **options,
) -> xr.DataTree:
    r"""Does a network that learnt the task have the geometry of the brain that does it?

    Every net (a seed of a system) is brought to as many units and as many trials a condition as the
    recording has, and private Gaussian noise is added to its units,

    .. math:: x'_{ti} = x_{ti} + \sigma \bar s\, \epsilon_{ti}, \qquad \epsilon_{ti} \sim N(0, 1),

    with :math:`\bar s` the root mean square over units of their sd over trials, and :math:`\sigma`
    found by bisection such that its mean decoding over variables is that of the recording within
    0.01. Else decoding, CCGP and shattering of a noiseless network are all 1 and say nothing. Then
    the same measures are taken of all.

    Parameters
    ----------
    recording : DataArray (trial, neuron[, time]) or list of them
        Sessions of one population.
    network : DataArray, list of them, or mapping name -> DataArray or list
        The activity of networks (:func:`neurogeom.record`, ``trained.record``): every DataArray is
        one net, and all nets of a name (of a scalar coordinate ``system`` in a list; "network"
        where there is none) are one system: the trained network, the untrained, its inputs, ...
    variables : list of str, or mapping name -> {level: values}
        Columns that both have, with the same conditions; levels are the same that read the same
        (0, 0.0 and "0").
    measures : sequence of str, or "all"; optional
        As in :func:`neurogeom.score`.
    match : subset of ("neurons", "trials", "noise")
        Units, as the recording has; trials of every condition, as its median neuron has; noise.
    window : (start, stop), optional
        Seconds from the event, over which activity with time is averaged; by default that of the
        recording. Both are aligned to their own event; a network whose time is counted in steps is
        refused.
    empty : {"error", "drop"}
        As in :func:`neurogeom.decoding`; what is left must be the same conditions on both sides.
    n_null : int
        Surrogates of the recording's measures and of similarity. Nets have none: their spread over
        seeds stands beside them.
    n_draws : int
        Subsamples of units and draws of noise that a net's value is averaged over.
    controls : subset of ("shuffled labels",)
        The first system with conditions dealt out at random: everything must be at chance.
    theory : optional
        A geometry that was predicted: the tree of :func:`neurogeom.predict`, a problem or solution
        of :mod:`neurogeom.theory`, or condition means (condition, unit), without noise and in the
        order of ``condition_means(recording, variables)``. What the measures are expected to give
        on a population that has it exactly, with the recording's neurons, trials and decoding, in
        closed form (:mod:`neurogeom.ideal`), stands beside as the system "theory"; a second minimum
        as "theory, another minimum".
    scores : sequence of str
        Of :func:`neurogeom.similarity`, between the recording and every net; () for none.
    contrasts, min_trials, seed, n_jobs, **options
        As in :func:`neurogeom.score`.

    Returns
    -------
    DataTree
        A group a measure, each number with a ``system`` dim, the recording first: ``estimate``
        (the median over nets), ``interval`` (of the recording: the measure's own; of a system: its
        smallest and largest net), ``p_value`` (the recording's), and ``each`` (system, net, ...).
        ``similarity`` (system, quantity) likewise, with the ``ceiling`` and, as system
        "recording, halves", what one half of the recording's neurons gives with the other: the
        upper line. ``matching`` (system, net) says what was done: units, trials, noise sd and the
        decoding that it gave, ``theory`` (system) likewise; ``population`` who was recorded.
        ``attrs["match"]`` and ``attrs["notes"]`` say what was matched, and what could not be.

    Raises
    ------
    KeyError, TypeError, ValueError
        A column or condition is on one side only (which, and where); a net has fewer trials
        than the recording; noise cannot be matched because the recording's decoding is within 2
        standard errors of chance; activity has a time dim and no window; as in the measures.

    Examples
    --------
    >>> import neurogeom as ng
    >>> options = {"n_neurons": 30, "n_trials": 10, "n_truth": 0}
    >>> brain = ng.simulate("cube", separation=1.5, seed=0, **options)
    >>> nets = [ng.simulate("cube", separation=6.0, seed=s, **options) for s in (1, 2)]
    >>> nets = [x.assign_coords(session=f"net-{i}") for i, x in enumerate(nets)]
    >>> tree = ng.compare(brain, nets, ["a", "b", "c"], readout="nearest_mean", n_null=19)
    >>> gap = tree["decoding"].estimate.mean("variable").sel(system=["recording", "network"])
    >>> bool(abs(gap.diff("system").item()) < 0.02)
    True

    Notes
    -----
    A difference that remains is one of geometry at the decoding and noise matched to; noise that is
    shared between neurons is not matched. An agreement of one measure is weak evidence: look at all
    of them, at the untrained network, and at the input.
    """
    started = time.monotonic()
    match = subset("match", match, MATCHED)
    controls = subset("controls", controls, (SHUFFLED,))
    scores = (scores,) if isinstance(scores, str) else tuple(scores)
    if measures is not None and not len(measures):
        raise ValueError("measures=() is empty; name one, or leave it out")
    if not isinstance(n_draws, int | np.integer) or n_draws < 1:
        raise ValueError(f"n_draws={n_draws!r} leaves nothing to average; give 1 or more")
    brain = container.sessions(recording)
    window = interval(window, brain[0].attrs.get("window"))
    brain = windowed(brain, RECORDING, window)
    systems = systems_of(network, window)
    design = conditions(brain, variables, contrasts, empty=empty)
    for name, nets in systems.items():
        for x in nets:
            same_conditions(design, x, name, variables, contrasts, empty)
    ask = {"contrasts": contrasts, "min_trials": min_trials, "empty": empty, "seed": seed}
    ask |= {"n_jobs": n_jobs, **options}
    told = {} if progress is None else {"progress": progress}
    whole = score(brain, variables, measures=measures, n_null=n_null, **ask, **told)
    names = [n for n in whole.children if n in MEASURES]
    size = size_of(whole, design, match)
    goals = goal_of(whole, brain, variables, n_null, ask) if "noise" in match else None
    goal = None if goals is None else float(np.mean(list(goals.values())))
    quick = {**ask, "n_null": 0, "target": "none"}
    alone = str(brain[0].session.item()) if len(brain) == 1 else NETWORK
    bench = Bench(variables, contrasts, alone, size, goal, quick, n_draws, seed)
    nets = {name: [bench.net(x, name, i) for i, x in enumerate(each)]
            for name, each in systems.items()}  # fmt: skip
    if SHUFFLED in controls:
        first = next(iter(nets.values()))
        nets[SHUFFLED] = [n.shuffled(variables, contrasts, seed) for n in first]
    found = {name: [_scored(n, variables, names, quick) for n in each]
             for name, each in nets.items()}  # fmt: skip
    ideals = [] if theory is None else _ideals(theory, design, whole, goals, ask)
    groups = {"population": whole["population"].to_dataset()}
    for measure in names:
        own = whole[measure].to_dataset()
        each = {k: [t[measure] for t in v] for k, v in found.items()}
        groups[measure] = beside(own, each, {i.name: expected_of(i, measure, own) for i in ideals})
    if len(scores):
        draws = {name: [n.draws[0] for n in each] for name, each in nets.items()}
        columns = values_of(brain, design)
        draws |= {i.name: [i.activity(columns, seed=seed)] for i in ideals if not i.silent}
        groups["similarity"] = similar(brain, draws, variables, design, scores, n_null, ask)
    groups["matching"] = _matching(nets, size, goal)
    if ideals:
        groups["theory"] = workings(ideals)
    tree = xr.DataTree.from_dict(groups)
    notes = [note for each in nets.values() for n in each for note in n.notes]
    notes += [note for i in ideals for note in i.notes]
    notes += [f"theory: {why}" for m in names if ideals and (why := why_not(m, options))]
    tree.attrs = {
        "version": __version__,
        "variables": variable_names(variables),
        "systems": [RECORDING, *nets, *(i.name for i in ideals)],
        "match": {"what": list(match), "n_neurons": size.n_neurons, "n_trials": size.trials(),
                  **({} if window is None else {"window": list(window)}),
                  **({} if goal is None else {"decoding": goal, "tolerance": TOLERANCE})},
        "notes": list(dict.fromkeys(notes)),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    return tree


# --- what comes out -------------------------------------------------------------------------------


def _scored(net, variables, names, quick):
    """{measure: Dataset, the mean over draws} of one net."""
    found = {}
    for name in names:
        options = {**quick, "n_null": THRESHOLD_NULLS.get(name, 0)}
        each = [score(x, variables, measures=[name], **options)[name] for x in net.draws]
        estimates = [ds.to_dataset()[["estimate"]] for ds in each]
        found[name] = xr.concat(estimates, "draw", join="outer").mean("draw")
    return found


def _ideals(theory, design, whole, goals, ask):
    """What the theory says, at the size and the decoding of the recording."""
    size = size_of_recording(whole["population"], ask.get("n_pseudo"))
    each = np.arange(design.n_conditions)
    found = [Ideal.of_kernel(name, kernel, each, design, size, ask)
             for name, kernel in kernels_of(theory, design).items()]  # fmt: skip
    if goals is None:
        return [i.unmatched() for i in found]
    return [i.matched(goals) for i in found]


def beside(own, systems, expected=None):
    """One measure of all: (system, ...).

    own : Dataset of the recording; systems : {name: Datasets of nets}; expected : {name: Dataset}
    of populations whose geometry is known, with ``population`` and ``naive`` where they have them
    """
    expected = {} if expected is None else expected
    systems = {**systems, **{name: [ds] for name, ds in expected.items()}}
    most = max(map(len, systems.values()))
    each = xr.concat(
        [
            own["estimate"].expand_dims(net=[0]).reindex(net=range(most)),
            *(
                xr.concat([d["estimate"] for d in nets], "net", join="outer")
                .assign_coords(net=range(len(nets)))
                .reindex(net=range(most))
                for nets in systems.values()
            ),
        ],
        "system",
        join="left",
        coords="minimal",
        compat="override",
    ).assign_coords(system=[RECORDING, *systems])
    result = xr.Dataset({"estimate": each.median("net"), "each": each})
    bounds = xr.concat([each.min("net"), each.max("net")], "bound")
    bounds = bounds.assign_coords(bound=["low", "high"]).transpose(..., "bound").copy()
    if "interval" in own:
        bounds.loc[{"system": RECORDING}] = own["interval"].transpose(*bounds.dims[1:])
    bounds.loc[{"system": list(expected)}] = np.nan  # in closed form
    result["interval"] = bounds
    for name in ("p_value", "p_corrected"):
        if name in own:
            result[name] = own[name].expand_dims(system=[RECORDING]).reindex(
                system=result["system"].values)  # fmt: skip
    n_nets = (len(v) * (name not in expected) for name, v in systems.items())
    result["n_nets"] = "system", [0, *n_nets]
    for name in ("population", "naive") if expected else ():
        known = {k: ds[name] for k, ds in {RECORDING: own, **expected}.items() if name in ds}
        if known.keys() & expected.keys():
            each = xr.concat(list(known.values()), "system", join="left", coords="minimal",
                             compat="override").assign_coords(system=list(known))  # fmt: skip
            result[name] = each.reindex(system=result["system"].values)
    extra = {"chance": own["chance"]} if "chance" in own else {}
    result = result.assign(extra)
    result.attrs = own.attrs | {
        "interval_of_systems": "smallest and largest net; of the recording, as in its attrs"
    }
    return result


def similar(brain, nets, variables, design, scores, n_null, ask):
    """Similarity of every net with the recording, and of the recording's halves.

    nets : {system: list of DataArray}
    """
    options = {
        "scores": list(scores),
        "stimuli": "fixed" if design.n_conditions <= MOST_FIXED else "sampled",
        "min_trials": ask["min_trials"],
        "n_null": min(n_null, 199),
        "seed": ask["seed"],
    }
    one, two = _halves(brain, ask["seed"])
    found = {HALVES: [similarity(one, two, variables, neurons="sampled", **options)]}
    for name, each in nets.items():
        found[name] = [
            similarity(brain, x, variables, neurons=("sampled", "all"), **options) for x in each
        ]
    most = max(map(len, found.values()))
    stacked = {k: xr.concat([d[["estimate", "ceiling", "chance"]] for d in v], "net", join="outer")
               .assign_coords(net=range(len(v))).reindex(net=range(most))
               for k, v in found.items()}  # fmt: skip
    each = xr.concat(list(stacked.values()), "system", join="outer")
    each = each.assign_coords(system=list(found))
    result = each.median("net")
    result["each"] = each["estimate"]
    p = [xr.concat([d["p_value"] for d in v], "net").median("net") for v in found.values()
         if n_null]  # fmt: skip
    if p:
        result["p_value"] = xr.concat(p, "system").assign_coords(system=list(found))
    low, high = each["estimate"].min("net"), each["estimate"].max("net")
    result["interval"] = xr.concat([low, high], "bound").assign_coords(
        bound=["low", "high"]).transpose(..., "bound")  # fmt: skip
    first = next(iter(found.values()))[0]
    result.attrs = first.attrs | {
        "null_method": "conditions permuted",
        "interval_of_systems": "smallest and largest net; p_value is the median over nets",
        "halves": "one half of the recording's neurons with the other: the upper line",
    }
    return result


def _halves(sessions, seed):
    """Two halves of the neurons of all sessions, at random."""
    n = sum(x.sizes["neuron"] for x in sessions)
    if n < 2:
        raise ValueError("one neuron has no halves; pass scores=()")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 2)))
    first = rng.permutation(n) < n // 2
    ends = np.cumsum([x.sizes["neuron"] for x in sessions])[:-1]
    parts = np.split(first, ends)
    return tuple(
        [x.isel(neuron=own == half) for x, own in zip(sessions, parts, strict=True)
         if (own == half).any()]
        for half in (True, False)
    )  # fmt: skip


def _matching(nets, size, goal):
    most = max(map(len, nets.values()))

    def table(of):
        return [[of(n) for n in each] + [np.nan] * (most - len(each)) for each in nets.values()]

    dims = ("system", "net")
    result = xr.Dataset(
        {
            "noise_sd": (dims, table(lambda n: n.noise_sd)),
            "decoding": (dims, table(lambda n: n.decoding)),
            "n_units": (dims, table(lambda n: n.draws[0].sizes["neuron"])),
            "n_units_of_network": (dims, table(lambda n: n.n_units)),
            "n_trials": (dims, table(lambda n: n.draws[0].sizes["trial"])),
        },
        {"system": list(nets), "net": range(most)},
    )
    result["noise_sd"].attrs["units"] = "root mean square of the units' sd over trials"
    result.attrs = {"n_neurons": size.n_neurons or 0, "n_trials": size.trials(),
                    "decoding_of_recording": np.nan if goal is None else goal}  # fmt: skip
    return result
